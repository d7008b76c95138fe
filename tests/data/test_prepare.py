"""Sub-images of a folder: what is cut, what is dropped, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from zoo.data.images import Image, read_image, write_png
from zoo.data.prepare import prepare_images
from zoo.errors import DataError


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(seed: int, side: int = 96) -> Image:
    """Return an image that survives JPEG: noise of 6x6 pixels enlarged."""
    small = PillowImage.fromarray(noise(6, 6, seed))
    return np.asarray(small.resize((side, side), PillowImage.Resampling.BICUBIC))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "source"


def test_sub_images_reach_the_border_and_are_cut_where_their_place_says(
    tmp_path: Path, source: Path
) -> None:
    image = noise(100, 70)
    write_png(source / "deep" / "a.png", image)
    done = prepare_images(source, tmp_path / "out", size=48, step=32)
    assert done.written == [f"deep/a_s{number:03}.png" for number in range(1, 7)]
    places = [(top, left) for top in (0, 32, 52) for left in (0, 22)]
    for name, (top, left) in zip(done.written, places, strict=True):
        found = read_image(tmp_path / "out" / name)
        np.testing.assert_array_equal(found, image[top : top + 48, left : left + 48])


def test_a_side_that_is_too_short_stays_in_one_piece(tmp_path: Path, source: Path) -> None:
    write_png(source / "a.png", noise(40, 100))
    done = prepare_images(source, tmp_path / "out", size=48, step=48)
    shapes = [read_image(tmp_path / "out" / name).shape for name in done.written]
    assert shapes == [(40, 48, 3)] * 3


def test_flat_sub_images_are_dropped(tmp_path: Path, source: Path) -> None:
    image = noise(48, 96)
    image[:, :48] = 200
    write_png(source / "a.png", image)
    done = prepare_images(source, tmp_path / "out", size=48, step=48)
    assert done.written == ["a_s002.png"]
    (dropped,) = done.dropped
    assert (dropped.image, dropped.top, dropped.left) == ("a.png", 0, 0)
    assert (dropped.reason, dropped.detail) == ("flat", "0.00")
    every = prepare_images(source, tmp_path / "all", size=48, step=48, min_texture=0)
    assert len(every.written) == 2


def test_a_copy_is_dropped_though_it_was_compressed(tmp_path: Path, source: Path) -> None:
    for seed in range(4):
        write_png(source / f"{seed}.png", smooth(seed))
    PillowImage.fromarray(smooth(2)).save(source / "copy.jpg", quality=60)
    done = prepare_images(source, tmp_path / "out", size=96, step=96)
    assert done.written == [f"{seed}_s001.png" for seed in range(4)]
    assert [(each.image, each.reason, each.detail) for each in done.dropped] == [
        ("copy.jpg", "duplicate", "2_s001.png")
    ]
    every = prepare_images(source, tmp_path / "all", size=96, step=96, max_distance=-1)
    assert len(every.written) == 5


def test_grey_stays_grey(tmp_path: Path, source: Path) -> None:
    write_png(source / "a.png", noise(48, 48)[:, :, 0])
    (name,) = prepare_images(source, tmp_path / "out").written
    assert read_image(tmp_path / "out" / name).shape == (48, 48)


def test_a_damaged_image_costs_itself(tmp_path: Path, source: Path) -> None:
    write_png(source / "a.png", noise(48, 48))
    (source / "b.png").write_bytes((source / "a.png").read_bytes()[:900])
    done = prepare_images(source, tmp_path / "out", size=48, step=48)
    assert done.written == ["a_s001.png"]
    assert [each.reason for each in done.dropped] == ["unreadable"]
    assert any("b.png" in line for line in done.lines())


def test_images_that_differ_in_their_suffix_have_names_of_their_own(
    tmp_path: Path, source: Path
) -> None:
    write_png(source / "a.png", smooth(0))
    PillowImage.fromarray(smooth(1)).save(source / "a.jpg")
    done = prepare_images(source, tmp_path / "out", size=96, step=96)
    assert done.written == ["a.jpg_s001.png", "a.png_s001.png"]


def test_a_folder_with_files_or_inside_the_source_is_refused(tmp_path: Path, source: Path) -> None:
    write_png(source / "a.png", noise(48, 48))
    with pytest.raises(DataError, match="inside"):
        prepare_images(source, source / "out")
    with pytest.raises(DataError, match="not empty"):
        prepare_images(source, tmp_path)


def test_nothing_is_left_behind_where_nothing_is_kept(tmp_path: Path, source: Path) -> None:
    write_png(source / "a.png", np.zeros((48, 48, 3), dtype=np.uint8))
    with pytest.raises(DataError, match=r"nothing is left for .*: 0 sub-images written; 1 flat"):
        prepare_images(source, tmp_path / "out", size=48, step=48)
    assert list(tmp_path.iterdir()) == [source]
