from __future__ import annotations

import hashlib
import io
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from zoo.data.catalogue import CATALOGUE, Archive, Dataset
from zoo.data.install import MANIFEST, find_dataset, get_dataset, is_installed, verify_images
from zoo.data.sources import list_images, open_source
from zoo.errors import IntegrityError, UnknownNameError


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.full((8, 8, 3), number, np.uint8)
    PillowImage.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def serve(server: Any, name: str, *, num_images: int = 3, claims: int | None = None) -> Archive:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(num_images):
            archive.writestr(f"{name}_HR/{number:04d}.png", png(number))
    content = buffer.getvalue()
    server.files[f"{name}_HR.zip"] = content
    return Archive(
        url=f"{server.url}/{name}_HR.zip",
        known_hash=f"sha256:{hashlib.sha256(content).hexdigest()}",
        num_bytes=len(content),
        folder=f"{name}_HR",
        target=f"{name}/HR",
        num_images=claims or num_images,
    )


def as_dataset(*archives: Archive) -> Dataset:
    return Dataset("toy", "a toy", "none", "http://localhost", archives)


@pytest.fixture
def dataset(server: Any) -> Dataset:
    return as_dataset(serve(server, "Toy_train"), serve(server, "Toy_valid", num_images=2))


def test_a_dataset_is_fetched_unpacked_and_placed(
    server: Any, dataset: Dataset, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    folders = get_dataset(dataset, data_root=root)
    assert folders == (root / "Toy_train/HR", root / "Toy_valid/HR")
    assert [len(list_images(folder)) for folder in folders] == [3, 2]
    assert all(is_installed(archive, root) for archive in dataset.archives)
    assert list((root / ".downloads").iterdir()) == []
    assert len(open_source("Toy_train", data_root=root).training_paths) == 2
    get_dataset(dataset, data_root=root)
    assert len(server.requests) == 2


def test_archives_can_be_kept_and_come_from_a_mirror(
    server: Any, dataset: Dataset, tmp_path: Path
) -> None:
    elsewhere = as_dataset(
        *(
            Archive(
                f"http://192.0.2.1/{archive.file_name}",
                archive.known_hash,
                archive.num_bytes,
                archive.folder,
                archive.target,
                archive.num_images,
            )
            for archive in dataset.archives
        )
    )
    get_dataset(elsewhere, data_root=tmp_path, mirror=f"{server.url}/copy/", keep_archives=True)
    kept = sorted(path.name for path in (tmp_path / ".downloads").iterdir())
    assert kept == ["Toy_train_HR.zip", "Toy_valid_HR.zip"]


def test_only_what_is_missing_is_fetched(server: Any, dataset: Dataset, tmp_path: Path) -> None:
    get_dataset(dataset, data_root=tmp_path)
    (tmp_path / "Toy_valid/HR" / MANIFEST).unlink()
    get_dataset(dataset, data_root=tmp_path)
    assert len(server.requests) == 3
    assert is_installed(dataset.archives[1], tmp_path)


def test_processes_that_meet_fetch_once(server: Any, dataset: Dataset, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: get_dataset(dataset, data_root=tmp_path), range(3)))
    assert len(server.requests) == 2


def test_an_archive_with_other_contents_places_nothing(server: Any, tmp_path: Path) -> None:
    dataset = as_dataset(serve(server, "Toy", claims=4))
    with pytest.raises(IntegrityError, match="3 images in Toy_HR, not 4"):
        get_dataset(dataset, data_root=tmp_path)
    assert not (tmp_path / "Toy").exists()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".unpacked"] == []


def test_verify_finds_changed_and_missing_files(dataset: Dataset, tmp_path: Path) -> None:
    folder = get_dataset(dataset, data_root=tmp_path)[0]
    images = list_images(folder)
    calls: list[tuple[int, int]] = []
    assert verify_images(images, lambda *amounts: calls.append(amounts)) == []
    assert calls == [(1, 3), (2, 3), (3, 3)]
    images[1].write_bytes(png(77))
    images[2].unlink()
    problems = verify_images(images)
    assert len(problems) == 2
    assert "0001.png is not the file that was installed" in problems[0]
    assert "0002.png" in problems[1]


def test_verify_decodes_where_there_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(png(1))
    (tmp_path / "torn.png").write_bytes(png(1)[:-20])
    problems = verify_images(list_images(tmp_path))
    assert len(problems) == 1
    assert "torn.png" in problems[0]


def test_a_damaged_manifest_is_said(dataset: Dataset, tmp_path: Path) -> None:
    folder = get_dataset(dataset, data_root=tmp_path)[0]
    (folder / MANIFEST).write_text("{")
    with pytest.raises(IntegrityError, match="get the dataset again"):
        verify_images(list_images(folder))


def test_unknown_datasets() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'div2k'\? \(see: zoo data list\)"):
        find_dataset("div2")


@pytest.mark.parametrize("dataset", CATALOGUE.values(), ids=CATALOGUE)
def test_the_catalogue_is_complete(dataset: Dataset) -> None:
    assert CATALOGUE[dataset.name] is dataset
    assert dataset.licence
    assert dataset.num_bytes > 0
    for archive in dataset.archives:
        assert archive.url.startswith("https://")
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", archive.known_hash)
        assert archive.target.endswith("/HR")
