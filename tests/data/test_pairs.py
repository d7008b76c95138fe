from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.data.images import write_png
from zoo.data.pairs import KNOWN_SETS, find_pairs
from zoo.errors import DataError


def put(folder: Path, *names: str) -> None:
    for name in names:
        write_png(folder / f"{name}.png", np.zeros((8, 8, 3), np.uint8))


def test_a_dataset_without_low_resolution_files(tmp_path: Path) -> None:
    put(tmp_path / "Mine/HR", "b", "a")
    pairs = find_pairs("Mine", 4, data_root=tmp_path)
    assert [(pair.name, pair.lr_file) for pair in pairs] == [("a", None), ("b", None)]


@pytest.mark.parametrize(
    ("folder", "suffix"),
    [
        ("Mine/LR_bicubic/X4", "x4"),
        ("Mine/LR_bicubic/X4", ""),
        ("Mine/LR_x4", "x4"),
        ("Mine/LRbicx4", ""),
        ("Mine/LR/X4", ""),
        ("Mine_LR_bicubic/X4", "x4"),
        ("Mine/LR/X4", "_x4"),
        ("Mine/LR/X4", "-x4"),
        ("Mine/LR/X4", "X4"),
    ],
)
def test_low_resolution_files_are_found(tmp_path: Path, folder: str, suffix: str) -> None:
    put(tmp_path / "Mine/HR", "a", "b")
    put(tmp_path / folder, f"a{suffix}", f"b{suffix}")
    lr_files = [pair.lr_file for pair in find_pairs("Mine", 4, data_root=tmp_path)]
    assert lr_files == [tmp_path / folder / f"{name}{suffix}.png" for name in "ab"]
    assert all(pair.lr_file is None for pair in find_pairs("Mine", 2, data_root=tmp_path))


def test_suffixes_may_be_in_capitals(tmp_path: Path) -> None:
    put(tmp_path / "Mine/HR", "a")
    put(tmp_path / "Mine/LR_x4", "ax4")
    for folder, name in (("HR", "a"), ("LR_x4", "ax4")):
        place = tmp_path / "Mine" / folder
        (place / f"{name}.png").rename(place / f"{name}.PNG")
    (pair,) = find_pairs("Mine", 4, data_root=tmp_path)
    assert pair.lr_file == tmp_path / "Mine/LR_x4/ax4.PNG"


def test_half_a_folder_of_low_resolution_files_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "Mine/HR", "a", "b")
    put(tmp_path / "Mine/LR_x4", "a")
    with pytest.raises(DataError, match="lacks 1 of 2 images, the first is 'b'"):
        find_pairs("Mine", 4, data_root=tmp_path)


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "Mine/HR", "a", "sub/a")
    with pytest.raises(DataError, match="several images called 'a'"):
        find_pairs("Mine", 4, data_root=tmp_path)


def test_known_sets_may_go_by_another_name_and_must_be_complete(tmp_path: Path) -> None:
    put(tmp_path / "B100/HR", *map(str, range(100)))
    assert len(find_pairs("BSD100", 4, data_root=tmp_path)) == 100
    put(tmp_path / "DIV2K/DIV2K_valid_HR", *map(str, range(801, 901)))
    put(tmp_path / "DIV2K/DIV2K_valid_LR_bicubic/X4", *(f"{n}x4" for n in range(801, 901)))
    pairs = find_pairs("DIV2K_valid", 4, data_root=tmp_path)
    assert {pair.lr_file.name for pair in pairs if pair.lr_file} >= {"801x4.png", "900x4.png"}
    put(tmp_path / "Set5/HR", "baby")
    with pytest.raises(DataError, match=r"Set5 has 5 images, but .* has 1; get it with"):
        find_pairs("Set5", 4, data_root=tmp_path)


@pytest.mark.parametrize("name", KNOWN_SETS)
def test_an_absent_set_says_where_and_how(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_pairs(name, 4, data_root=tmp_path)
    assert f"searched for {tmp_path / name / 'HR'}" in str(caught.value)
    assert KNOWN_SETS[name].how_to_get in str(caught.value)


def test_an_unknown_name_gets_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="did you mean 'Urban100'"):
        find_pairs("urban-100", 4, data_root=tmp_path)
    with pytest.raises(DataError, match="is not the name of a dataset"):
        find_pairs("../Set5", 4, data_root=tmp_path)


def test_the_photographs_of_the_wheel() -> None:
    names = [pair.name for name in ("samples", "samples-grey") for pair in find_pairs(name, 4)]
    assert names == [
        *("astronaut", "chelsea", "coffee"),
        *("camera", "coins", "moon", "brick", "grass", "gravel"),
    ]
