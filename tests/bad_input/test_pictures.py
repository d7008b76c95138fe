"""Each picture of the corpus is used as a plain decode has it, or named in an error."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.bad_input.corpus import Pixels, Sample, make_corpus, tiff_file
from tests.bad_input.entrances import ENTRANCES, MAX_BYTES, NAMED, SLOW, USED, run_elsewhere
from zoo.data.images import decoding, read_image, read_size
from zoo.data.packing import build
from zoo.errors import DataError
from zoo.upscaling.pictures import read_picture


@pytest.fixture(scope="module")
def corpus() -> list[Sample]:
    """Return every picture."""
    return make_corpus()


def read_eight_bits(path: Path) -> Pixels:
    """Read a picture to be upscaled, and cut it as pictures to train on are."""
    colours = read_picture(path).colours
    return colours >> 8 if colours.dtype == np.uint16 else colours


@pytest.mark.parametrize("read", [read_image, read_eight_bits])
def test_pixels_are_those_of_a_plain_decode_or_the_error_has_the_name(
    corpus: list[Sample], tmp_path: Path, read: Callable[[Path], Pixels]
) -> None:
    used = named = 0
    for sample in corpus:
        path = tmp_path / sample.name
        path.write_bytes(sample.content)
        try:
            pixels = read(path)
        except DataError as error:
            named += sample.name in str(error) and (sample.pixels is None or sample.may_be_refused)
        else:
            assert sample.pixels is not None, sample.name
            assert np.array_equal(pixels, sample.pixels), sample.name
            assert read_size(path) == pixels.shape[:2], sample.name
            used += 1
    assert used + named == len(corpus)
    assert used >= 80
    assert named >= 50


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bomb.tif", "more pixels than the limit of 64 million"),
        ("bomb.png", "more pixels than the limit of 64 million"),
        ("bomb-in-a-frame.gif", "more pixels than the limit"),
        ("tile-bomb.tif", "tiles of 20000x20000 pixels in an image of 16x16"),
        ("scan-bomb.jpg", "a JPEG of more than 100 scans"),
        ("32-bit.tif", "convert the file to 8 or 16 bits"),
        ("empty.webp", "the file is empty"),
    ],
)
def test_the_reason_is_the_true_one(
    corpus: list[Sample], tmp_path: Path, name: str, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(next(sample.content for sample in corpus if sample.name == name))
    for read in (read_image, read_picture):
        with pytest.raises(DataError, match=reason):
            read(path)


def test_a_jpeg_with_another_file_behind_it_is_read(corpus: list[Sample], tmp_path: Path) -> None:
    """Cameras put films behind photographs, whose bytes look like anything."""
    sample = next(sample for sample in corpus if sample.name == "progressive.jpg")
    path = tmp_path / "film.jpg"
    path.write_bytes(sample.content + 500 * b"\xff\xda\0\0")
    assert sample.pixels is not None
    assert np.array_equal(read_image(path), sample.pixels)


@pytest.mark.parametrize("read", [read_image, read_size, read_picture])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png: it is a pipe, not a file"):
        read(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DataError, match=r"folder\.png: it is a folder, not a file"):
        read(tmp_path / "folder.png")


def test_a_file_longer_than_any_picture_is_not_read(tmp_path: Path) -> None:
    """16x16 pixels and two gigabytes behind them, a hole of the disk."""
    path = tmp_path / "hole.tif"
    path.write_bytes(tiff_file(16, 16, bytes(768), {259: 1}))
    read_image(path)
    with path.open("r+b") as file:
        file.truncate(2_000_000_000)
    for read in (read_image, read_size, read_picture):
        with pytest.raises(DataError, match=r"hole\.tif: it has 2,000,000,000 bytes, more than"):
            read(path)


def test_decoding_in_threads_leaves_the_warnings_of_the_process() -> None:
    path = Path("any.png")
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first() -> None:
        with decoding(path):
            first_in.set()
            assert second_in.wait(10)
        first_out.set()

    def second() -> None:
        assert first_in.wait(10)
        with decoding(path):
            second_in.set()
            assert first_out.wait(10)
            warnings.warn_explicit("left out", UserWarning, "Image.py", 1, module="PIL.Image")

    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(first), pool.submit(second)]:
            done.result()
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="still told"):
        warnings.warn("still told", stacklevel=1)


def test_large_photographs_are_packed_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.data import packing
    from zoo.data.images import write_png

    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path in paths:
        write_png(path, np.zeros((8, 10, 3), np.uint8))
    monkeypatch.setattr(packing, "_PIXELS_AT_ONCE", 2 * 80)
    groups = list(packing._groups(paths, 4))
    assert groups == [paths[:2], paths[2:4], paths[4:]]
    build(tmp_path / "store", paths, ["0"] * 5, 2)
    assert (tmp_path / "store" / "hr.bin").stat().st_size == 5 * 240


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ENTRANCES)
def test_every_entrance_takes_every_picture_within_time_and_memory(name: str) -> None:
    step = 24 if name in SLOW else 1  # a command each; benchmarks/endurance.py gives them all
    result = run_elsewhere([name], step)
    reports = result["reports"][name]
    bad = [report for report in reports if report["became"] not in (USED, NAMED)]
    assert not bad, bad[:5]
    assert sum(report["became"] == USED for report in reports) >= len(reports) // 2
    assert result["peak"] < MAX_BYTES, f"{result['peak']} bytes, {result['before']} before"
