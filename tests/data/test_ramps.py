"""Every kind of file that is read at all shows what the words of its format say, to both readers.

What is compared with is written bit by bit (`tests.data.ramps`); that the files are what they are
meant to be is checked with tifffile and pypng.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import png
import pytest
import tifffile
from PIL import Image as PillowImage
from PIL.ExifTags import Base

from tests.data.ramps import (
    ASSOCIATED,
    BLACK_IS_ZERO,
    CMYK,
    COLOURS,
    DEFLATE,
    HEIGHT,
    NONE,
    NOTHING,
    PACKBITS,
    PALETTE,
    RGB,
    UNASSOCIATED,
    WHITE_IS_ZERO,
    WIDTH,
    YCBCR,
    Kind,
    Truth,
    png_of,
    png_samples,
    pnm_of,
    ramp,
    samples_of,
    seen,
    tiff_of,
    truth_of_png,
    truth_of_pnm,
    truth_of_tiff,
)
from zoo.data.images import read_image, read_size
from zoo.errors import DataError
from zoo.upscaling.api import picture_of
from zoo.upscaling.pictures import Picture, read_picture

T = TypeVar("T")
ORIENTATIONS = range(1, 9)
COLOUR_BITS = {YCBCR: (), PALETTE: (1, 2, 4, 12)}
EXTRAS = (
    (),
    (NOTHING,),
    (ASSOCIATED,),
    (UNASSOCIATED,),
    (UNASSOCIATED, NOTHING),
    (NOTHING, NOTHING),
    (ASSOCIATED, NOTHING),
)


READ_TIFFS = {
    *product((WHITE_IS_ZERO, BLACK_IS_ZERO), (1, 2, 4, 8, 16), [()]),
    (BLACK_IS_ZERO, 12, ()),
    *product([BLACK_IS_ZERO], [8], EXTRAS[:4]),
    *product([RGB], (8, 16), EXTRAS[:4]),
    *product([PALETTE], (1, 2, 4, 8), [()]),
    (CMYK, 8, ()),
    (YCBCR, 8, ()),
}
"""What is read at least, whatever the layout of its first kind."""


def check(path: Path, content: bytes, truth: Truth, *, what: object) -> bool:
    """Check that both readers show the truth; return False if both refuse the file.

    None may show anything else.
    """
    path.write_bytes(content)
    picture, image = (or_refused(read, path) for read in (read_picture, read_image))
    if picture is not None:
        check_picture(picture, truth, what)
    if image is not None:
        levels = truth.colours // 256 if truth.is_deep else truth.colours
        slack = 1 if truth.is_deep or truth.tolerance > 1 else 0  # the low byte is cut off
        assert image.shape == levels.shape, what
        assert read_size(path) == image.shape[:2], what
        assert visible(image - levels, truth).max() <= truth.tolerance + slack, what
    return picture is not None or image is not None


def or_refused(read: Callable[[Path], T], path: Path) -> T | None:
    """Return what is read, None where the file is refused by its name."""
    try:
        return read(path)
    except DataError as error:
        if path.name not in str(error):
            raise
        return None


def check_picture(picture: Picture, truth: Truth, what: object) -> None:
    """Check depth, shape, colours and alpha."""
    assert picture.is_deep == truth.is_deep, what
    assert picture.colours.shape == truth.colours.shape, what
    unit = 257 if truth.is_deep and truth.tolerance > 1 else 1
    assert visible(picture.colours - truth.colours, truth).max() <= unit * truth.tolerance, what
    assert (picture.alpha is None) == (truth.alpha is None), what
    if picture.alpha is not None:
        assert np.abs(picture.alpha - truth.alpha).max() <= 0.5, what


def visible(difference: np.ndarray, truth: Truth) -> np.ndarray:
    """Return absolute differences, 0 where alpha is: colours there have no meaning."""
    if truth.alpha is None or truth.tolerance <= 0.5:
        return np.abs(difference)
    shown = truth.alpha > 0
    return np.abs(difference) * shown.reshape(*shown.shape, *(1,) * (difference.ndim - 2))


def meanings(*, all_kinds: bool) -> Iterator[dict[str, Any]]:
    """Yield what samples may mean, and of how many bits they may be."""
    for photometric, bits, extras in product(COLOURS, (1, 2, 4, 8, 12, 16), EXTRAS):
        exists = photometric not in (YCBCR, PALETTE) or bits in (8, *COLOUR_BITS[photometric])
        wanted = all_kinds or (photometric, bits, extras) in READ_TIFFS
        if exists and wanted and (bits >= 8 or not extras):
            yield {"photometric": photometric, "bits": bits, "extras": extras}


def tiffs(orientations: Sequence[int], *, all_kinds: bool) -> Iterator[Kind]:
    """Yield kinds of TIFF: every meaning and depth of samples, in the layouts that there are."""
    for same in meanings(all_kinds=all_kinds):
        for compression, orientation in product((NONE, DEFLATE), orientations):
            yield Kind(**same, compression=compression, orientation=orientation)
        if not all_kinds and (same["bits"] in (1, 4) or same["extras"] not in ((), (2,))):
            continue
        layouts = product("<>", (1, 2), (1, 2), (HEIGHT, 4, 0) if all_kinds else (4,))
        for (order, fill_order, planar, rows), compression in product(layouts, (NONE, DEFLATE)):
            layout = {"order": order, "fill_order": fill_order, "planar": planar, "rows": rows}
            if all_kinds or order == "<" or fill_order == 1:
                yield Kind(**same, **layout, compression=compression)
        yield Kind(**same, compression=PACKBITS, rows=4)
        for order, rows in product("<>", (HEIGHT, 0) if same["bits"] in (8, 16) else ()):
            yield Kind(**same, order=order, rows=rows, compression=DEFLATE, predicted=True)
        if same["extras"] == (UNASSOCIATED,) and same["photometric"] == RGB:
            yield Kind(**same, untold=True)


def check_tiffs(path: Path, kinds: Iterator[Kind]) -> set[tuple[int, int, tuple[int, ...]]]:
    """Check each kind; return meaning, bits and extras of those that are read in some layout."""
    return {
        (kind.photometric, kind.bits, kind.extras)
        for kind in kinds
        if check(path, tiff_of(kind), truth_of_tiff(kind), what=kind)
    }


def test_tiffs_show_what_they_hold_or_are_refused(tmp_path: Path) -> None:
    read = check_tiffs(tmp_path / "x.tif", tiffs((6,), all_kinds=False))
    assert read >= READ_TIFFS


@pytest.mark.slow
def test_tiffs_of_every_layout_show_what_they_hold_or_are_refused(tmp_path: Path) -> None:
    read = check_tiffs(tmp_path / "x.tif", tiffs(ORIENTATIONS, all_kinds=True))
    assert read >= READ_TIFFS


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_tiffs_of_one_strip_are_upright(tmp_path: Path, orientation: int) -> None:
    for photometric, bits, extras in (
        (BLACK_IS_ZERO, 8, ()),
        (BLACK_IS_ZERO, 16, ()),
        (RGB, 8, ()),
        (RGB, 8, (UNASSOCIATED,)),
        (CMYK, 8, ()),
        (PALETTE, 8, ()),
    ):
        kind = Kind(photometric=photometric, bits=bits, extras=extras, orientation=orientation)
        path = tmp_path / "x.tif"
        assert check(path, tiff_of(kind), truth_of_tiff(kind), what=kind)
        for source in (path, io.BytesIO(tiff_of(kind))):
            with PillowImage.open(source) as given:
                check_picture(picture_of(given, "given"), truth_of_tiff(kind), kind)


def test_twelve_bits_reach_white_in_both_readers(tmp_path: Path) -> None:
    path, kind = tmp_path / "x.tif", Kind(photometric=BLACK_IS_ZERO, bits=12)
    path.write_bytes(tiff_of(kind))
    assert read_picture(path).colours.max() == 65535
    assert read_image(path).max() == 255


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Kind(photometric=BLACK_IS_ZERO, bits=8, signed=True), "negative levels have no defined"),
        (
            Kind(photometric=RGB, bits=8, planar=2, fill_order=2),
            "with a plane for each channel, would be read wrongly",
        ),
        (
            Kind(photometric=BLACK_IS_ZERO, bits=8, extras=(2,), planar=2, compression=DEFLATE),
            "with a plane for each channel, would be read wrongly",
        ),
        (Kind(photometric=CMYK, bits=16, planar=2), "convert the file to 8 or 16 bits, grey"),
    ],
)
def test_tiffs_that_would_be_read_wrongly_are_refused(
    tmp_path: Path, kind: Kind, reason: str
) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(tiff_of(kind))
    for read in (read_image, read_picture):
        with pytest.raises(DataError, match=reason):
            read(path)


@pytest.mark.slow
def test_the_tiffs_are_what_tifffile_takes_them_for() -> None:
    num_read = 0
    for kind in tiffs((1,), all_kinds=False):
        if kind.planar == 2 or kind.bits not in (1, 8, 16):  # others need a package more
            continue
        found = tifffile.imread(io.BytesIO(tiff_of(kind)))
        assert np.array_equal(found.reshape(HEIGHT, WIDTH, -1), samples_of(kind)), kind
        num_read += 1
    assert num_read > 100


PNGS = (
    *product([0], (1, 2, 4, 8, 16)),
    *product([3], (1, 2, 4, 8)),
    *product((2, 4, 6), (8, 16)),
)


@pytest.mark.parametrize(("colour", "bits"), PNGS)
def test_pngs_show_what_they_hold(tmp_path: Path, colour: int, bits: int) -> None:
    samples = png_samples(colour, bits)
    levels: list[tuple[int, ...]] = [()]
    if colour in (0, 2):
        levels.append(tuple(int(level) for level in samples[5, 7]))
    if colour == 3:
        levels.append(tuple((7 * number + 3) % 256 for number in range(1 << bits)))
    for transparent, interlace, orientation in product(levels, (False, True), (1, 6, 7)):
        content = png_of(
            colour, bits, transparent=transparent, interlace=interlace, orientation=orientation
        )
        truth = truth_of_png(colour, bits, transparent=transparent, orientation=orientation)
        what = (transparent[:4], interlace, orientation)
        assert check(tmp_path / "x.png", content, truth, what=what)
    _, _, rows, _ = png.Reader(bytes=content).read()
    found = np.vstack([np.asarray(row) for row in rows]).reshape(samples.shape)
    assert np.array_equal(found, samples)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_transparent_level_of_few_bits_is_invisible_when_pillow_opens_it(bits: int) -> None:
    content = png_of(0, bits, transparent=[1])
    with PillowImage.open(io.BytesIO(content)) as given:
        for _ in range(2):  # the second time it is loaded already
            check_picture(picture_of(given, "given"), truth_of_png(0, bits, transparent=[1]), bits)


@pytest.mark.parametrize("magic", ["P2", "P3", "P5", "P6"])
@pytest.mark.parametrize("highest", [1, 31, 100, 255, 256, 1023, 4095, 65535])
def test_pnms_of_any_depth_show_what_they_hold(tmp_path: Path, magic: str, highest: int) -> None:
    suffix = "ppm" if magic in ("P3", "P6") else "pgm"
    content, truth = pnm_of(magic, highest), truth_of_pnm(magic, highest)
    assert check(tmp_path / f"x.{suffix}", content, truth, what=highest)


@pytest.mark.parametrize("magic", ["P1", "P4"])
def test_pbms_show_what_they_hold(tmp_path: Path, magic: str) -> None:
    assert check(tmp_path / "x.pgm", pnm_of(magic, 1), truth_of_pnm(magic, 1), what=magic)


@pytest.mark.parametrize("magic", ["P2", "P5", "P6"])
def test_damaged_deep_pnms_are_refused(tmp_path: Path, magic: str) -> None:
    path = tmp_path / "x.ppm"
    whole = pnm_of(magic, 1023)
    damaged = {
        "rows are missing": whole[: len(whole) // 2],
        "beyond its white": whole.replace(b" 1023\n", b" 1000\n") if magic == "P2" else None,
        "damaged": whole[:-4] + b" x y" if magic == "P2" else None,
    }
    if magic != "P2":
        damaged["beyond its white"] = whole[:-2] + b"\xff\xff"
    for reason, content in damaged.items():
        if content is None:
            continue
        path.write_bytes(content)
        for read in (read_image, read_picture):
            with pytest.raises(DataError, match=reason):
                read(path)


COMPRESSIONS = {
    "1": ("tiff_lzw", "packbits", "group3", "group4", "tiff_ccitt"),
    **dict.fromkeys(("L", "RGB", "CMYK"), ("raw", "tiff_lzw", "packbits", "lzma", "jpeg")),
    "RGBA": ("raw", "tiff_lzw", "packbits", "lzma"),
    "P": ("raw", "tiff_lzw", "packbits"),
}


@pytest.mark.parametrize("mode", COMPRESSIONS)
@pytest.mark.parametrize("orientation", [1, 6])
def test_tiffs_of_every_compression_show_what_they_hold(
    tmp_path: Path, mode: str, orientation: int
) -> None:
    """Those that only libtiff packs, so Pillow writes them; of which samples is known."""
    samples = ramp({"RGB": 3, "RGBA": 4, "CMYK": 4}.get(mode, 1), 8, height=24, width=40)
    levels = samples.squeeze().astype(np.uint8)
    picture = PillowImage.fromarray(levels > 127 if mode == "1" else levels)
    colours = samples[:, :, :3].squeeze().astype(float)
    if mode == "1":
        colours = 255.0 * (samples[:, :, 0] > 127)
    elif mode == "CMYK":
        picture = PillowImage.frombytes("CMYK", (40, 24), levels.tobytes())
        black = 255 - samples[:, :, 3:]
        colours = black - samples[:, :, :3] * black / 255
    elif mode == "P":
        picture.putpalette([(37 * n + k) % 256 for n in range(256) for k in (0, 91, 201)])
        colours = (37.0 * samples + np.array([0, 91, 201])) % 256
    alpha = seen(samples[:, :, 3].astype(float), orientation) if mode == "RGBA" else None
    for compression in COMPRESSIONS[mode]:
        stream = io.BytesIO()
        options = {"quality": 100} if compression == "jpeg" else {}
        tags = {int(Base.Orientation): orientation}
        picture.save(stream, "TIFF", compression=compression, tiffinfo=tags, **options)
        slack = 3 if compression == "jpeg" else 1 if mode == "CMYK" else 0.5
        truth = Truth(seen(colours, orientation), alpha, is_deep=False, tolerance=slack)
        assert check(tmp_path / "x.tif", stream.getvalue(), truth, what=compression)


def bmp_of(bits: int, *, top_down: bool) -> bytes:
    """Return a BMP of the ramp: 1, 4 or 8 bits of a palette, 16 of 5 each, 24 or 32."""
    count = 1 if bits <= 8 else 3
    samples = ramp(count, {16: 5, 24: 8, 32: 8}.get(bits, bits))
    if bits == 16:
        words = samples @ np.array([1 << 10, 1 << 5, 1])
        rows = words.astype("<u2").view(np.uint8).reshape(HEIGHT, -1)
    elif bits > 16:
        padded = np.pad(samples[:, :, ::-1], [(0, 0), (0, 0), (0, bits // 8 - 3)])
        rows = padded.astype(np.uint8).reshape(HEIGHT, -1)
    else:
        shifts = np.arange(bits - 1, -1, -1)
        ones = (samples >> shifts & 1).reshape(HEIGHT, -1).astype(np.uint8)
        rows = np.packbits(ones, axis=1)
    rows = np.pad(rows, [(0, 0), (0, -rows.shape[1] % 4)])
    pixels = (rows if top_down else rows[::-1]).tobytes()
    table = b""
    if bits <= 8:
        entries = np.array(
            [[7 * n % 256, 91 * n % 256, 201 * n % 256, 0] for n in range(1 << bits)]
        )
        table = entries.astype(np.uint8).tobytes()
    place = 14 + 40 + len(table)
    numbers = (40, WIDTH, -HEIGHT if top_down else HEIGHT)
    info = b"".join(number.to_bytes(4, "little", signed=True) for number in numbers)
    info += (1).to_bytes(2, "little") + bits.to_bytes(2, "little") + bytes(24)
    head = b"BM" + (place + len(pixels)).to_bytes(4, "little") + bytes(4)
    return head + place.to_bytes(4, "little") + info + table + pixels


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("bits", [1, 4, 8, 16, 24, 32])
def test_bmps_show_what_they_hold(*, tmp_path: Path, bits: int, top_down: bool) -> None:
    if bits <= 8:
        numbers = ramp(1, bits)[:, :, 0]
        colours = np.stack([201 * numbers, 91 * numbers, 7 * numbers], axis=2) % 256
    else:
        colours = ramp(3, 5 if bits == 16 else 8) * (255 / 31 if bits == 16 else 1)
    truth = Truth(colours.astype(float), None, is_deep=False, tolerance=1 if bits == 16 else 0.5)
    assert check(tmp_path / "x.bmp", bmp_of(bits, top_down=top_down), truth, what=bits)


@pytest.mark.parametrize("suffix", ["webp", "gif", "jpg"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "P"])
def test_other_formats_show_what_they_hold(tmp_path: Path, suffix: str, mode: str) -> None:
    kinds = {"webp": ("RGB", "RGBA"), "gif": ("P",), "jpg": ("L", "RGB", "CMYK")}
    if mode not in kinds[suffix]:
        return
    count = {"L": 1, "RGB": 3, "RGBA": 4, "CMYK": 4, "P": 1}[mode]
    samples = ramp(count, 8, height=24, width=40)
    picture = PillowImage.fromarray(samples.squeeze().astype(np.uint8), "L" if count == 1 else mode)
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    options |= {"quality": 100, "subsampling": 0} if suffix == "jpg" else {}
    if mode == "P":
        picture = PillowImage.fromarray(samples[:, :, 0].astype(np.uint8), "P")
        picture.putpalette([(37 * n + k) % 256 for n in range(256) for k in (0, 91, 201)])
        options |= {"transparency": int(samples[9, 9, 0])}
    for orientation in ORIENTATIONS if suffix != "gif" else (1,):
        exif = PillowImage.Exif()
        exif[Base.Orientation] = orientation
        stream = io.BytesIO()
        form = {"jpg": "JPEG"}.get(suffix, suffix.upper())
        picture.save(stream, form, exif=exif, **options)
        colours, alpha = samples.astype(float), None
        if mode == "CMYK":
            black = 255 - colours[:, :, 3:]
            colours = black - colours[:, :, :3] * black / 255
        if mode == "RGBA":
            colours, alpha = colours[:, :, :3], colours[:, :, 3]
        if mode == "P":
            colours = (37 * samples + np.array([0, 91, 201])) % 256
            alpha = np.where(samples[:, :, 0] == samples[9, 9, 0], 0.0, 255.0)
        colours = colours[:, :, 0] if mode == "L" else colours
        alpha = None if alpha is None else seen(alpha, orientation)
        lossy = 6 if suffix == "jpg" else 0.5
        truth = Truth(seen(colours, orientation), alpha, is_deep=False, tolerance=lossy)
        assert check(tmp_path / f"x.{suffix}", stream.getvalue(), truth, what=orientation)
