"""Given low-resolution images: found in the layouts that people have, every mismatch named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.data.folders import find_images
from zoo.data.given import MAX_SHOWN, find_given, folder_of
from zoo.data.images import read_image, write_png
from zoo.data.patches import PatchStore
from zoo.data.resize import downscale
from zoo.errors import DataError


def put(folder: Path, *names: str, height: int = 32, width: int = 40) -> None:
    for name in names:
        rng = np.random.default_rng(height + len(name))
        write_png(folder / name, rng.integers(0, 256, (height, width, 3), np.uint8))


def put_low(folder: Path, *names: str) -> None:
    put(folder, *names, height=8, width=10)


@pytest.mark.parametrize(
    ("high", "low", "ending"),
    [
        ("Mine/HR", "Mine/LR/X4", ""),
        ("Mine/HR", "Mine/LR/X4", "x4"),
        ("Mine/HR", "Mine/LR_bicubic/X4", "x4"),
        ("Mine/HR", "Mine/LRbicx4", ""),
        ("Mine/HR", "Mine/LR_x4", "_x4"),
        ("DIV2K_train/HR", "DIV2K_train_LR_bicubic/X4", "x4"),
        ("DIV2K_train_HR", "DIV2K_train_LR_bicubic/X4", "x4"),
        ("gt", "lq", ""),
        ("GT", "LQ", ""),
        ("Set5", "Set5_LR", "x4"),
        ("mine/hr/animals", "mine/lr/X4/animals", "-x4"),
    ],
)
def test_files_are_found_in_the_usual_layouts(
    tmp_path: Path, high: str, low: str, ending: str
) -> None:
    put(tmp_path / high, "a.png", "b.PNG")
    put_low(tmp_path / low, f"a{ending}.png", f"b{ending}.bmp")
    paths = (tmp_path / high / "a.png", tmp_path / high / "b.PNG")
    assert dict(find_given(paths, 4).files) == {
        paths[0]: tmp_path / low / f"a{ending}.png",
        paths[1]: tmp_path / low / f"b{ending}.bmp",
    }
    assert folder_of(paths[0], 2) is None or "X4" not in low
    assert set(find_images(tmp_path / high).taken) == set(paths)


def test_every_mismatch_is_named_at_once(tmp_path: Path) -> None:
    put(tmp_path / "gt", "a.png", "b.png", "c.png", "d.png")
    put_low(tmp_path / "lq", "ax4.png", "d.png", "e.png")
    put(tmp_path / "lq", "b.png", height=8, width=11)
    with pytest.raises(DataError) as caught:
        find_given(find_images(tmp_path / "gt").taken, 4)
    message = str(caught.value)
    assert "do not match at scale 4 (3 problems)" in message
    assert f"{tmp_path}/gt/c.png: no low-resolution image cx4 or c in" in message
    assert f"{tmp_path}/lq/e.png: no high-resolution image of this name in {tmp_path}/gt" in message
    assert (
        f"{tmp_path}/lq/b.png has 11x8 pixels, but {tmp_path}/gt/b.png with 40x32 needs 10x8"
        in (message)
    )
    put(tmp_path / "far/away/from/it", "a.png")
    with pytest.raises(DataError, match=r"it/a\.png has no folder of low-resolution images"):
        find_given([tmp_path / "far/away/from/it/a.png"], 8)


def test_of_very_many_mismatches_the_rest_is_counted(tmp_path: Path) -> None:
    put_low(tmp_path / "lq", *(f"{number}.png" for number in range(MAX_SHOWN + 3)))
    put(tmp_path / "gt", "x.png")
    with pytest.raises(DataError, match=rf"\({MAX_SHOWN + 4} problems\): .*; and 4 more"):
        find_given([tmp_path / "gt" / "x.png"], 4)


def test_an_odd_size_is_that_of_the_image_cut_to_a_multiple(tmp_path: Path) -> None:
    put(tmp_path / "gt", "a.png", height=35, width=43)
    put_low(tmp_path / "lq", "a.png")
    given = find_given([tmp_path / "gt/a.png"], 4)
    store = PatchStore.open_or_build([tmp_path / "gt/a.png"], 4, tmp_path, low=given)
    assert np.array_equal(store.lr(0), read_image(tmp_path / "lq/a.png"))


def test_given_bicubic_images_are_the_same_data_in_another_store(tmp_path: Path) -> None:
    path = tmp_path / "gt/a.png"
    put(tmp_path / "gt", "a.png")
    write_png(tmp_path / "lq/a.png", downscale(read_image(path), 4))
    made = PatchStore.open_or_build([path], 4, tmp_path)
    given = PatchStore.open_or_build([path], 4, tmp_path, low=find_given([path], 4))
    assert given.data_hash == made.data_hash
    assert given.directory != made.directory
    put_low(tmp_path / "lq", "a.png")
    other = PatchStore.open_or_build([path], 4, tmp_path, low=find_given([path], 4))
    assert other.directory != given.directory
    assert other.data_hash != made.data_hash
