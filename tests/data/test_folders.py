"""Folders as people have them: what is taken, what is left out, and that it is said."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from zoo.data.folders import MAX_LINES, find_images
from zoo.data.images import write_png
from zoo.data.sources import open_source
from zoo.errors import DataError

NAMED = "low-resolution images, by the name of the folder"


def put(folder: Path, *names: str, side: int = 16) -> None:
    rng = np.random.default_rng(side)
    for name in names:
        write_png(folder / f"{name}.png", rng.integers(0, 256, (side, side, 3), np.uint8))


def taken(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_images(folder).taken]


@pytest.mark.parametrize(
    ("high", "low", "ending"),
    [
        ("GT", "LQ", ""),
        ("DIV2K_train_HR", "DIV2K_train_LR_bicubic/X4", "x4"),
        ("train/hr", "train/lr_x4", ""),
        ("sharp", "Low-Resolution", ""),
        ("GT_sub", "LRbicx4", ""),
        ("Set5", "Set5_LR", "x4"),
        ("a b", "low res", ""),
    ],
)
def test_folders_are_left_out_by_name(tmp_path: Path, high: str, low: str, ending: str) -> None:
    put(tmp_path / high, "1", "2", "3")
    put(tmp_path / low, *(f"{number}{ending}" for number in (1, 2, 3)), side=4)
    found = find_images(tmp_path)
    assert {path.parent for path in found.taken} == {tmp_path / high}
    assert found.lines() == [
        f"{tmp_path / high}: 3 images taken",
        f"{tmp_path / low}: 3 not used as HR images: {NAMED}",
    ]
    source = open_source(str(tmp_path))
    assert len((*source.training_paths, *source.validation_paths)) == 3
    assert source.found == tuple(found.lines())


@pytest.mark.parametrize("name", ["lrose", "colors", "xlr8", "allr", "low", "flow_restored", "X4"])
def test_other_names_are_no_such_folders(tmp_path: Path, name: str) -> None:
    put(tmp_path / name, "1", "2")
    assert len(find_images(tmp_path).taken) == 2


@pytest.mark.parametrize(
    ("folder", "ending"), [("small", ""), ("X4", ""), ("X4", "x4"), (".", "x4")]
)
def test_smaller_images_of_the_same_names_are_left_out(
    tmp_path: Path, folder: str, ending: str
) -> None:
    put(tmp_path / "photos", "a", "b", side=33)
    put(tmp_path / "photos" / folder, f"a{ending}", f"b{ending}", side=8)
    assert taken(tmp_path) == ["photos/a.png", "photos/b.png"]
    where = (tmp_path / "photos" / folder).resolve()
    told = f"low-resolution: images with the same names in {tmp_path}/photos are larger"
    assert find_images(tmp_path).left_out_lines() == [f"{where}: 2 not used as HR images: {told}"]


def test_images_that_share_names_alone_are_all_taken(tmp_path: Path) -> None:
    put(tmp_path / "one", "a", "b", side=32)
    put(tmp_path / "two", "a", "c", side=8)  # c has no larger one
    put(tmp_path / "three", "a", "b", side=20)  # no whole factor
    put(tmp_path / "four", "a", "b", side=32)
    put(tmp_path / "five", "a", side=16)
    put(tmp_path / "five", "b", side=8)  # another factor than a
    assert len(taken(tmp_path)) == 10
    assert find_images(tmp_path).left_out_lines() == []


def test_links_and_other_files_are_left_out_and_said(tmp_path: Path) -> None:
    top = tmp_path / "photos"
    put(top, "a", "b")
    put(tmp_path / "elsewhere", "c")
    put(top / ".thumbnails", "d")
    (top / "inner").mkdir()
    (top / "inner" / "linked").symlink_to(tmp_path / "elsewhere")
    (top / "inner" / "loop").symlink_to(top)
    (top / "dead.png").symlink_to(tmp_path / "nothing.png")
    (top / "good.png").symlink_to(tmp_path / "elsewhere" / "c.png")
    shutil.copy(top / "a.png", top / "._a.png")
    os.mkfifo(top / "pipe.png")
    for name in ("photo.jfif", "photo.JFIF", "notes.txt", "README", ".DS_Store"):
        (top / name).touch()
    found = find_images(top)
    assert taken(top) == ["a.png", "b.png", "good.png"]
    linked = "a link to a folder: name that folder itself"
    assert sorted(found.left_out_lines()) == sorted(
        [
            f"{top}/inner/linked: 1 not used as HR images: {linked}",
            f"{top}/inner/loop: 1 not used as HR images: {linked}",
            f"{top}: 1 not used as HR images: a broken link",
            f"{top}: 1 not used as HR images: hidden",
            f"{top}: 1 not used as HR images: not a file",
            f"{top}: 2 not used as HR images: suffix .jfif: rename JPEG files to .jpg",
            f"{top}: 1 not used as HR images: suffix .txt is not an image suffix",
            f"{top}: 1 not used as HR images: no suffix",
        ]
    )
    linked = tmp_path / "link"
    linked.symlink_to(top)
    assert len(find_images(linked).taken) == 3, "the folder that was named may be a link"


def test_what_lies_beside_hr_is_said(tmp_path: Path) -> None:
    put(tmp_path / "HR", "a", "b")
    put(tmp_path / "LR_bicubic/X4", "ax4", "bx4", side=4)
    put(tmp_path, "c")
    found = find_images(tmp_path)
    assert taken(tmp_path) == ["HR/a.png", "HR/b.png"]
    beside = "outside the folder HR, and zoo uses only HR"
    assert sorted(found.left_out_lines()) == [
        f"{tmp_path}/LR_bicubic/X4: 2 not used as HR images: {beside}",
        f"{tmp_path}: 1 not used as HR images: {beside}",
    ]


def test_a_folder_that_is_low_resolution_itself_is_taken_with_a_word(tmp_path: Path) -> None:
    folder = tmp_path / "DIV2K_train_LR_bicubic" / "X4"
    put(folder, "1x4", "2x4")
    assert find_images(folder).lines() == [
        f"{folder}: 2 images taken",
        f"{folder}: zoo uses it as ground truth although its name means low resolution",
    ]


def test_where_nothing_is_taken_the_error_says_what_was_left_out(tmp_path: Path) -> None:
    put(tmp_path / "LQ", "1")
    (tmp_path / "a.jfif").touch()
    with pytest.raises(DataError, match=rf"no images in .*; {tmp_path}/LQ: {NAMED}"):
        find_images(tmp_path)


def test_many_folders_are_said_in_few_lines(tmp_path: Path) -> None:
    for number in range(MAX_LINES + 3):
        put(tmp_path / f"class-{number:02d}", f"image-{number}")
        (tmp_path / f"class-{number:02d}" / "notes.txt").touch()
    lines = find_images(tmp_path).lines()
    assert len(lines) == 2 * (MAX_LINES + 1)
    assert lines[MAX_LINES] == "and 3 more folders"
    assert lines[-1] == "and 3 more folders and reasons"


def test_a_folder_that_cannot_be_read_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "a")
    put(tmp_path / "closed", "b")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    told = f"{tmp_path}/closed: 1 not used as HR images: cannot be read: Permission denied"
    assert find_images(tmp_path).left_out_lines() == [told]
