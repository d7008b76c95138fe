from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from zoo.data.datasets import CATALOGUE, Archive, ArchiveFolder, Dataset
from zoo.data.install import (
    MANIFEST,
    find_dataset,
    get_dataset,
    installed_images,
    is_installed,
    verify_images,
)
from zoo.data.sources import list_images, open_source
from zoo.errors import DataError, IntegrityError, UnknownNameError


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
        parts=(ArchiveFolder(f"{name}_HR", f"{name}/HR", claims or num_images),),
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
                archive.parts,
            )
            for archive in dataset.archives
        )
    )
    get_dataset(elsewhere, data_root=tmp_path, mirror=f"{server.url}/copy/", keep_archives=True)
    kept = sorted(path.name for path in (tmp_path / ".downloads").iterdir())
    assert kept == ["Toy_train_HR.zip", "Toy_valid_HR.zip"]


def test_only_what_is_missing_is_fetched(server: Any, dataset: Dataset, tmp_path: Path) -> None:
    get_dataset(dataset, data_root=tmp_path)
    shutil.rmtree(tmp_path / "Toy_valid/HR")
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
    assert "0001.png differs from the installed file" in problems[0]
    assert "0002.png" in problems[1]


def test_verify_decodes_where_there_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "good.png").write_bytes(png(1))
    (tmp_path / "torn.png").write_bytes(png(1)[:-20])
    problems = verify_images(list_images(tmp_path))
    assert len(problems) == 1
    assert "torn.png" in problems[0]


@pytest.mark.parametrize("text", ["{", "[]", "null", "[[1, 2]]", '{"a.png": null}', 9999 * "["])
def test_a_damaged_manifest_is_said(dataset: Dataset, tmp_path: Path, text: str) -> None:
    folder = get_dataset(dataset, data_root=tmp_path)[0]
    (folder / MANIFEST).write_text(text)
    with pytest.raises(IntegrityError, match="get the dataset again"):
        verify_images(list_images(folder))


def test_a_pipe_in_the_place_of_a_manifest_is_said(dataset: Dataset, tmp_path: Path) -> None:
    folder = get_dataset(dataset, data_root=tmp_path)[0]
    (folder / MANIFEST).unlink()
    os.mkfifo(folder / MANIFEST)
    with pytest.raises(DataError, match="it is a pipe, not a file"):
        verify_images(list_images(folder))


def test_unknown_datasets() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'div2k'\? \(see: zoo data list\)"):
        find_dataset("div2")


@pytest.mark.parametrize("dataset", CATALOGUE.values(), ids=CATALOGUE)
def test_the_catalogue_is_complete(dataset: Dataset) -> None:
    assert CATALOGUE[dataset.name] is dataset
    assert dataset.licence
    assert dataset.num_bytes is None or dataset.num_bytes > 0
    for archive in dataset.archives:
        assert archive.url.startswith("https://")
        if archive.known_hash is not None:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", archive.known_hash)
        assert archive.parts
        assert all(part.target.endswith("/HR") for part in archive.parts)


def test_an_archive_without_a_published_hash_is_taken_with_a_warning(
    server: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    served = serve(server, "Flickr2K")
    digest = str(served.known_hash).removeprefix("sha256:")
    dataset = as_dataset(replace(served, known_hash=None, num_bytes=None))
    (folder,) = get_dataset(dataset, data_root=tmp_path)
    assert len(list_images(folder)) == 3
    (record,) = caplog.records
    assert "its publisher states no hash" in record.getMessage()
    assert digest in record.getMessage()


def benchmark_tar(**counts: int) -> bytes:
    """Make a small archive laid out as the EDSR one, LR folders and all."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, count in counts.items():
            for number in range(count):
                for file in (f"HR/{number}.png", f"LR_bicubic/X4/{number}x4.png"):
                    content = png(number)
                    info = tarfile.TarInfo(f"benchmark/{name}/{file}")
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def serve_benchmark(server: Any, **counts: int) -> Dataset:
    """Serve such an archive; the entry is the catalogue's with its hash and address changed."""
    content = benchmark_tar(**(counts or {"Set5": 5, "Set14": 14, "B100": 100, "Urban100": 100}))
    server.files["benchmark.tar"] = content
    archive = replace(
        CATALOGUE["benchmark"].archives[0],
        url=f"{server.url}/benchmark.tar",
        known_hash=f"md5:{hashlib.md5(content, usedforsecurity=False).hexdigest()}",
    )
    return replace(CATALOGUE["benchmark"], archives=(archive,))


def test_the_benchmark_archive_becomes_four_datasets(server: Any, tmp_path: Path) -> None:
    dataset = serve_benchmark(server)
    folders = get_dataset(dataset, data_root=tmp_path)
    names = ["Set5", "Set14", "BSD100", "Urban100"]
    assert folders == tuple(tmp_path / name / "HR" for name in names)
    assert [len(list_images(folder)) for folder in folders] == [5, 14, 100, 100]
    assert not (tmp_path / "Set5/LR_bicubic").exists()
    images = installed_images(dataset, data_root=tmp_path)
    assert len(images) == 219
    assert verify_images(images) == []
    get_dataset(dataset, data_root=tmp_path)
    assert len(server.requests) == 1


def test_the_benchmark_archive_is_checked_and_goes_on(server: Any, tmp_path: Path) -> None:
    dataset = serve_benchmark(server)
    server.breaks, server.break_after = 1, 1 << 18
    get_dataset(dataset, data_root=tmp_path / "a", pause_seconds=0.0)
    assert server.requests == [None, "bytes=262144-"]
    server.files["benchmark.tar"] = server.files["benchmark.tar"][:-1] + b"x"
    with pytest.raises(IntegrityError, match=r"not the expected file \(md5:"):
        get_dataset(dataset, data_root=tmp_path / "b")
    assert not (tmp_path / "b/Set5").exists()
    assert list((tmp_path / "b/.downloads").iterdir()) == []


def test_a_benchmark_archive_that_lacks_images_places_nothing(server: Any, tmp_path: Path) -> None:
    dataset = serve_benchmark(server, Set5=5, Set14=14, B100=99, Urban100=100)
    with pytest.raises(IntegrityError, match="has 99 images in benchmark/B100/HR, not 100"):
        get_dataset(dataset, data_root=tmp_path)
    assert not (tmp_path / "Set5").exists()


def test_images_that_zoo_did_not_place_are_never_replaced(server: Any, tmp_path: Path) -> None:
    dataset = serve_benchmark(server)
    own = tmp_path / "Set5/HR"
    own.mkdir(parents=True)
    for number in range(5):
        (own / f"mine-{number}.png").write_bytes(png(number))
    get_dataset(dataset, data_root=tmp_path)
    assert [path.name for path in list_images(own)] == [f"mine-{n}.png" for n in range(5)]
    assert is_installed(dataset.archives[0], tmp_path)

    shutil.rmtree(tmp_path / "Set14")
    (own / "mine-5.png").write_bytes(png(5))
    with pytest.raises(DataError, match="contains 6 images that zoo did not put there"):
        get_dataset(dataset, data_root=tmp_path)
    assert len(list_images(own)) == 6


@pytest.mark.parametrize("name", ["notes.txt", "raw/photograph.cr2", ".hidden"])
def test_files_that_are_no_images_are_never_removed(
    server: Any, dataset: Dataset, tmp_path: Path, name: str
) -> None:
    own = tmp_path / "Toy_train/HR" / name
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    with pytest.raises(DataError, match="contains files that zoo did not put there"):
        get_dataset(dataset, data_root=tmp_path)
    assert own.read_text() == "mine"
    assert server.requests == []


def test_a_file_in_the_place_of_a_folder(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "Toy_train").mkdir()
    (tmp_path / "Toy_train/HR").write_text("mine")
    with pytest.raises(DataError, match="contains files"):
        get_dataset(dataset, data_root=tmp_path)


def test_empty_folders_and_incomplete_ones_of_ours_are_replaced(
    dataset: Dataset, tmp_path: Path
) -> None:
    empty, ours = tmp_path / "Toy_train/HR", tmp_path / "Toy_valid/HR"
    empty.mkdir(parents=True)
    ours.mkdir(parents=True)
    (ours / MANIFEST).write_text('{"0000.png": "of an older catalogue"}')
    assert get_dataset(dataset, data_root=tmp_path) == (empty, ours)
    assert [len(list_images(folder)) for folder in (empty, ours)] == [3, 2]


def test_images_of_a_dataset_that_is_not_complete(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Set14/HR.*zoo data get benchmark"):
        installed_images(CATALOGUE["benchmark"], data_root=tmp_path)
