from __future__ import annotations

import json
import logging
import pickle
import re
import resource
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from zoo.data import packing, patches
from zoo.data.images import read_image, to_rgb, write_png
from zoo.data.patches import PatchStore
from zoo.data.resize import crop_to_multiple, downscale
from zoo.errors import DataError, IntegrityError, MachineError

SIZES = [(21, 34, 3), (16, 19), (40, 40, 3)]
MakeImages = Callable[..., list[Path]]


@pytest.fixture
def paths(make_images: MakeImages) -> list[Path]:
    return make_images(*SIZES)


@pytest.fixture
def store(paths: list[Path], tmp_path: Path) -> PatchStore:
    return PatchStore.open_or_build(paths, 4, tmp_path / "cache")


def test_pixels_are_the_images_cut_and_shrunk(paths: list[Path], store: PatchStore) -> None:
    assert len(store) == store.num_images == 3
    assert store.names == ("000.png", "001.png", "002.png")
    assert store.lr_sizes.tolist() == [[5, 8], [4, 4], [10, 10]]
    for number, path in enumerate(paths):
        high = crop_to_multiple(to_rgb(read_image(path)), 4)
        assert np.array_equal(store.hr(number), high)
        assert np.array_equal(store.lr(number), downscale(high, 4))


def test_views_are_read_only_and_not_copies(store: PatchStore) -> None:
    assert not store.hr(0).flags.writeable
    assert not store.hr(0).flags.owndata
    assert np.shares_memory(store.lr(1), store.lr(1))


def test_texture_is_the_mean_luma_step(make_images: MakeImages, tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 80, 2, dtype=np.uint8), (40, 1))  # 2 a column, 0 a row
    write_png(tmp_path / "ramp.png", ramp)
    write_png(tmp_path / "flat.png", np.full((8, 8), 9, np.uint8))
    store = PatchStore.open_or_build(
        [tmp_path / "ramp.png", tmp_path / "flat.png"], 2, tmp_path / "cache"
    )
    assert store.textures[0] == pytest.approx(1.0, abs=1e-4)
    assert store.textures[1] == 0


def test_a_second_opening_compares_and_builds_nothing(
    paths: list[Path], store: PatchStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        calls.append((done, total))

    monkeypatch.setattr(patches, "build", None)
    again = PatchStore.open_or_build(paths, 4, tmp_path / "cache", progress)
    assert calls == []
    assert again.data_hash == store.data_hash


def test_the_identity_is_of_pixels_order_and_scale(
    paths: list[Path], store: PatchStore, tmp_path: Path
) -> None:
    def data_hash(files: list[Path], scale: int = 4) -> str:
        return PatchStore.open_or_build(files, scale, tmp_path / "cache").data_hash

    copy = tmp_path / "re-saved.bmp"
    from PIL import Image as PillowImage

    PillowImage.fromarray(read_image(paths[0])).save(copy)
    assert data_hash([copy, *paths[1:]]) == store.data_hash
    assert data_hash(paths[::-1]) != store.data_hash
    assert data_hash(paths, 2) != store.data_hash


def test_another_process_gets_the_path_not_the_pixels(store: PatchStore) -> None:
    sent = pickle.dumps(store)
    assert len(sent) < 500
    assert np.array_equal(pickle.loads(sent).hr(2), store.hr(2))  # noqa: S301


def truncate(directory: Path) -> None:
    with (directory / "hr.bin").open("r+b") as file:
        file.truncate(100)


def change_index(directory: Path) -> None:
    path = directory / "index.json"
    path.write_text(path.read_text().replace('"lr_offset": 0', '"lr_offset": 1'))


def old_format(directory: Path) -> None:
    path = directory / "index.json"
    body = json.loads(path.read_text()) | {"format": 0}
    del body["sha256"]
    path.write_text(json.dumps(body | {"sha256": packing.body_hash(body)}))


DAMAGES = [
    truncate,
    change_index,
    old_format,
    lambda directory: (directory / "lr.bin").unlink(),
    lambda directory: (directory / "index.json").unlink(),
    lambda directory: (directory / "index.json").write_text("[1, 2]"),
    lambda directory: (directory / "index.json").write_text("{"),
    lambda directory: (directory / "index.json").write_bytes(b"\xff\xfe"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_noticed_and_built_again(
    paths: list[Path],
    store: PatchStore,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], object],
) -> None:
    damage(store.directory)
    with pytest.raises(IntegrityError, match="patch store"):
        PatchStore.open(store.directory)
    with caplog.at_level(logging.WARNING):
        rebuilt = PatchStore.open_or_build(paths, 4, tmp_path / "cache")
    assert "zoo builds it again" in caplog.text
    assert rebuilt.data_hash == store.data_hash


def zero_every_seventh(data: bytearray) -> None:
    data[::7] = bytes(len(data[::7]))


def flip_the_last_bit(data: bytearray) -> None:
    data[-1] ^= 1


def swap_two_pixels(data: bytearray) -> None:
    data[:3], data[3:6] = data[3:6], data[:3]


@pytest.mark.parametrize("kind", ["hr", "lr"])
@pytest.mark.parametrize(
    ("change", "image"),
    [(zero_every_seventh, "000"), (flip_the_last_bit, "002"), (swap_two_pixels, "000")],
)
def test_pixels_that_changed_are_noticed_and_built_again(
    paths: list[Path],
    store: PatchStore,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    change: Callable[[bytearray], None],
    image: str,
) -> None:
    before = [store.hr(number).copy() for number in range(len(store))]
    path = store.directory / f"{kind}.bin"
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    said = rf"{image}\.png in {kind}\.bin differ from the stored ones"
    with caplog.at_level(logging.WARNING):
        rebuilt = PatchStore.open_or_build(paths, 4, tmp_path / "cache")
    assert re.search(f"{said}; zoo builds it again", caplog.text)
    assert all(np.array_equal(rebuilt.hr(number), kept) for number, kept in enumerate(before))


def test_a_store_of_other_images_is_built_again(
    paths: list[Path], store: PatchStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = PatchStore.open_or_build(paths[::-1], 4, tmp_path / "cache")
    shutil.rmtree(other.directory)
    shutil.copytree(store.directory, other.directory)
    with caplog.at_level(logging.WARNING):
        again = PatchStore.open_or_build(paths[::-1], 4, tmp_path / "cache")
    assert "belongs to other images; zoo builds it again" in caplog.text
    assert again.data_hash == other.data_hash != store.data_hash


def test_a_failed_build_leaves_nothing(make_images: MakeImages, tmp_path: Path) -> None:
    paths = make_images((16, 16), (16, 16))
    paths[1].write_bytes(paths[1].read_bytes()[:-30])
    with pytest.raises(DataError, match=r"001\.png"):
        PatchStore.open_or_build(paths, 4, tmp_path / "cache")
    assert [path for path in (tmp_path / "cache/patches").iterdir() if path.is_dir()] == []


def test_all_images_that_cannot_be_stored_are_listed(
    make_images: MakeImages, tmp_path: Path
) -> None:
    paths = make_images((16, 16), (16, 16), (16, 3))
    paths[0].write_bytes(paths[0].read_bytes()[:-30])
    with pytest.raises(DataError, match=r"000\.png.*; .*002\.png.*smaller than the scale"):
        PatchStore.open_or_build(paths, 4, tmp_path / "cache")


def test_what_cannot_be_stored_is_refused(
    make_images: MakeImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="no images"):
        PatchStore.open_or_build([], 4, tmp_path)
    paths = make_images((16, 3))
    with pytest.raises(DataError, match=r"000\.png.*smaller than the scale"):
        PatchStore.open_or_build(paths, 4, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 0, 10))
    with pytest.raises(MachineError, match="ZOO_HOME"):
        PatchStore.open_or_build(paths, 1, tmp_path)


def test_processes_that_meet_build_once(paths: list[Path], tmp_path: Path) -> None:
    builds: list[int] = []

    def open_store(_: int) -> str:
        return PatchStore.open_or_build(
            paths, 4, tmp_path / "cache", lambda done, _total: builds.append(done)
        ).data_hash

    with ThreadPoolExecutor(4) as pool:
        hashes = list(pool.map(open_store, range(4)))
    assert len(set(hashes)) == 1
    assert builds == [1, 2, 3]


def test_a_disk_that_fills_while_packing_is_told(paths: list[Path], tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(
            MachineError, match=r"cannot write .*unfinished: .* needs [\d,]+ bytes, [\d,]+ are free"
        ) as caught:
            PatchStore.open_or_build(paths, 4, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.exit_code == 5
    PatchStore.open_or_build(paths, 4, tmp_path / "cache")
