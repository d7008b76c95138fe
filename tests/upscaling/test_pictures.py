"""Pictures in and out again: depth, grey, alpha, EXIF, profiles, in every format."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import png
import pytest
import tifffile
from PIL import Image as PillowImage
from PIL import ImageCms, ImageOps
from PIL.ExifTags import IFD, Base

from zoo.errors import DataError
from zoo.upscaling.encoding import to_8_bits, to_pillow, write_picture
from zoo.upscaling.metadata import kept_exif, resized_exif, upright
from zoo.upscaling.pictures import Picture, Pixels, read_picture

Save = Callable[..., Path]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSLESS = ("png", "webp", "tiff")


def deep(pixels: Pixels) -> Pixels:
    """Return 16 bits that 8 cannot hold."""
    return (pixels.astype(np.uint16) * 257 + 3).astype(np.uint16)


def ramp(pixels: Pixels) -> Pixels:
    """Return an alpha channel from 0 to the maximum."""
    height, width = pixels.shape[:2]
    most = np.iinfo(pixels.dtype).max
    return np.linspace(0, most, height * width).reshape(height, width).astype(pixels.dtype)


def tags(orientation: int = 1) -> PillowImage.Exif:
    """Return EXIF with a tag in each of its three tables."""
    exif = PillowImage.Exif()
    exif[Base.Orientation] = orientation
    exif[Base.Make] = "A camera"
    exif.get_ifd(IFD.Exif).update({Base.DateTimeOriginal: "2020:01:02 03:04:05"})
    exif.get_ifd(IFD.Exif).update({Base.ExifImageWidth: 16, Base.ExifImageHeight: 12})
    exif.get_ifd(IFD.GPSInfo).update({1: "N", 2: (50.0, 30.0, 0.0)})
    return exif


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("has_alpha", [False, True])
@pytest.mark.parametrize("is_deep", [False, True])
@pytest.mark.parametrize("is_grey", [False, True])
def test_every_kind_of_picture_comes_back(
    *,
    tmp_path: Path,
    colours: Pixels,
    suffix: str,
    has_alpha: bool,
    is_deep: bool,
    is_grey: bool,
) -> None:
    pixels = deep(colours) if is_deep else colours
    pixels = pixels[:, :, 0] if is_grey else pixels
    picture = Picture(pixels, ramp(pixels) if has_alpha else None, icc_profile=PROFILE)
    path = tmp_path / f"x.{suffix}"
    notes = write_picture(path, picture)
    if suffix == "tiff" and has_alpha and is_deep and is_grey:  # Pillow reads no such header
        assert np.array_equal(tifffile.imread(path), picture.channels())
        return
    again = read_picture(path)
    if suffix == "webp":  # it has RGB and 8 bits, and no other
        expected = to_8_bits(pixels) if is_deep else pixels
        expected = np.stack([expected] * 3, axis=2) if is_grey else expected
        assert bool(notes) == is_deep
    else:
        expected = pixels
        assert notes == ()
        assert (again.is_grey, again.is_deep) == (is_grey, is_deep)
        if has_alpha:
            assert np.array_equal(again.alpha, ramp(pixels))
    assert np.array_equal(again.colours, expected)
    assert (again.alpha is not None) == has_alpha
    assert again.icc_profile == PROFILE
    assert again.lossless


@pytest.mark.parametrize("suffix", ["png", "webp", "tiff", "jpg"])
@pytest.mark.parametrize("is_deep", [False, True])
def test_tags_survive_and_tell_the_new_size(
    *, tmp_path: Path, colours: Pixels, suffix: str, is_deep: bool
) -> None:
    larger = np.kron(colours, np.ones((2, 2, 1), np.uint8))
    exif = tags().tobytes()
    path = tmp_path / f"x.{suffix}"
    write_picture(path, Picture(deep(larger) if is_deep else larger, exif=exif))
    with PillowImage.open(path) as opened:
        found = opened.getexif()
        photo, place = found.get_ifd(IFD.Exif), found.get_ifd(IFD.GPSInfo)
    assert found[Base.Make] == "A camera"
    assert found.get(Base.Orientation, 1) == 1
    assert photo[Base.DateTimeOriginal] == "2020:01:02 03:04:05"
    assert (photo[Base.ExifImageWidth], photo[Base.ExifImageHeight]) == (32, 24)
    assert (place[1], place[2]) == ("N", (50.0, 30.0, 0.0))
    assert read_picture(path).exif is not None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_as_viewers_turn_them(
    save: Save, colours: Pixels, orientation: int
) -> None:
    path = save("x.png", colours, exif=tags(orientation))
    with PillowImage.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    picture = read_picture(path)
    assert np.array_equal(picture.colours, expected)
    assert np.array_equal(upright(colours, orientation), expected)
    assert b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x01" in (picture.exif or b""), "the tag is 1"


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_deep_tiff_is_turned_too(tmp_path: Path, colours: Pixels, orientation: int) -> None:
    path = tmp_path / "x.tif"
    tag = (int(Base.Orientation), "H", 1, orientation, True)
    tifffile.imwrite(path, deep(colours), photometric="rgb", extratags=[tag])
    assert np.array_equal(read_picture(path).colours, upright(deep(colours), orientation))


def test_alpha_that_was_multiplied_in_is_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    pixels = np.zeros((2, 2, 4), np.uint16)
    pixels[:, :] = (10_000, 20_000, 0, 32_768)
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=[1])
    picture = read_picture(path)
    assert picture.colours[0, 0].tolist() == [20_000, 39_999, 0]
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 32_768


def test_a_transparent_colour_of_a_deep_png_is_alpha(tmp_path: Path) -> None:
    path, row = tmp_path / "x.png", [1000, 2000, 3000, 1000, 2000, 3001]
    with path.open("wb") as file:
        writer = png.Writer(2, 1, greyscale=False, bitdepth=16, transparent=(1000, 2000, 3000))
        writer.write(file, [row])
    picture = read_picture(path)
    assert picture.colours.reshape(-1).tolist() == row
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0, 65535]]


@pytest.mark.parametrize(
    ("mode", "is_grey", "has_alpha"),
    [("1", True, False), ("P", False, False), ("PA", False, True), ("CMYK", False, False)],
)
def test_other_modes(
    *, save: Save, colours: Pixels, mode: str, is_grey: bool, has_alpha: bool
) -> None:
    image = PillowImage.fromarray(colours)
    if mode == "PA":
        image.putalpha(PillowImage.fromarray(ramp(colours[:, :, 0])))
        path = save("x.png", image.quantize(200))
    else:
        suffix = "tiff" if mode == "CMYK" else "png"
        path = save(f"x.{suffix}", image.convert(mode), icc_profile=PROFILE)
    picture = read_picture(path)
    assert picture.is_grey == is_grey
    assert (picture.alpha is not None) == has_alpha
    if mode == "CMYK":
        assert picture.notes == ("CMYK converted to RGB, without its colour profile",)
        assert picture.icc_profile is None


def test_what_a_file_lost_is_known(save: Save, colours: Pixels) -> None:
    image = PillowImage.fromarray(colours)
    lossless = {
        "a.png": {},
        "b.tif": {"compression": "tiff_lzw"},
        "c.webp": {"lossless": True},
        "d.webp": {"lossless": True, "exif": tags(), "icc_profile": PROFILE},
    }
    lossy = {"e.jpg": {}, "f.webp": {"exif": tags()}, "g.tif": {"compression": "jpeg"}}
    for name, options in lossless.items():
        assert read_picture(save(name, image, **options)).lossless, name
    for name, options in lossy.items():
        assert not read_picture(save(name, image, **options)).lossless, name


@pytest.mark.parametrize("lossless", [False, True])
def test_chunks_that_nobody_knows_hide_nothing_of_a_webp(
    *, save: Save, colours: Pixels, lossless: bool
) -> None:
    path = save("x.webp", PillowImage.fromarray(colours), lossless=lossless, exif=tags())
    content = path.read_bytes()
    assert content[12:16] == b"VP8X"
    other = b"VP8 " if lossless else b"VP8L"
    for size in (4, 5, 20):  # odd ones are padded
        payload = (other + bytes(size))[:size]
        unknown = b"ABCD" + size.to_bytes(4, "little") + payload + bytes(size % 2)
        body = content[8:30] + unknown + content[30:] + unknown
        path.write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)
        assert read_picture(path).lossless == lossless


def test_jpeg_keeps_its_colours_at_full_size(tmp_path: Path, colours: Pixels) -> None:
    from PIL import JpegImagePlugin

    path = tmp_path / "x.jpg"
    write_picture(path, Picture(colours))
    with PillowImage.open(path) as opened:
        assert isinstance(opened, JpegImagePlugin.JpegImageFile)
        assert JpegImagePlugin.get_sampling(opened) == 0, "4:4:4"


def test_what_a_format_cannot_hold_is_refused(tmp_path: Path, colours: Pixels) -> None:
    clear = Picture(colours, ramp(colours[:, :, 0]))
    with pytest.raises(DataError, match="JPEG has no transparency"):
        write_picture(tmp_path / "x.jpg", clear)
    with pytest.raises(DataError, match="is 16383 per side"):
        write_picture(tmp_path / "x.webp", Picture(np.zeros((1, 16_384), np.uint8)))
    assert list(tmp_path.iterdir()) == []


def test_the_first_of_an_animation_is_used_and_it_is_said(save: Save, colours: Pixels) -> None:
    image = PillowImage.fromarray(colours)
    path = save("x.gif", image, save_all=True, append_images=[image.rotate(90)])
    assert read_picture(path).notes == ("only the first of several images in it",)


def test_thirty_two_bits_are_refused(save: Save) -> None:
    path = save("x.tif", PillowImage.new("F", (4, 4)))
    with pytest.raises(DataError, match="convert the file to 8 or 16 bits"):
        read_picture(path)


def test_damaged_files_are_errors_that_name_them(tmp_path: Path, colours: Pixels) -> None:
    files = {"x.png": 0.5, "y.tiff": 0.3, "z.jpg": 0.5, "w.webp": 0.5}
    for name, share in files.items():
        for picture in (Picture(colours), Picture(deep(colours))):
            path = tmp_path / name
            write_picture(path, picture)
            content = path.read_bytes()
            path.write_bytes(content[: int(len(content) * share)])
            with pytest.raises(DataError, match=name):
                read_picture(path)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_bomb_is_refused_before_it_fills_the_memory(
    tmp_path: Path, colours: Pixels, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """A picture of 12 by 16 whose deflated pixels go on for 10 MB."""
    path, bomb = tmp_path / f"x.{suffix}", bytes(10_000_000)
    monkeypatch.setattr(png.Reader, "read", None)
    monkeypatch.setattr(tifffile.TiffPage, "asarray", None)
    if suffix == "png":
        chunks = {b"IHDR": b"\0\0\0\x10\0\0\0\x0c\x10\2\0\0\0", b"IDAT": zlib.compress(bomb)}
        with path.open("wb") as file:
            png.write_chunks(file, [*chunks.items(), (b"IEND", b"")])
    else:
        tifffile.imwrite(
            path,
            deep(colours),
            photometric="rgb",
            compression="zlib",
            rowsperstrip=6,
            metadata=None,
        )
        with tifffile.TiffFile(path) as opened:
            offsets, counts = (opened.pages.first.tags[tag] for tag in (273, 279))
        content = bytearray(path.read_bytes())
        start, content = len(content), content + zlib.compress(bomb)
        content[offsets.valueoffset : offsets.valueoffset + 4] = start.to_bytes(4, "little")
        content[counts.offset + 2 : counts.offset + 4] = b"\4\0"  # a number of 32 bits
        pair = b"".join(size.to_bytes(4, "little") for size in (len(content) - start, 1))
        content[counts.offset + 8 : counts.offset + 12] = len(content).to_bytes(4, "little")
        path.write_bytes(content + pair)
    with pytest.raises(DataError, match="it contains more data than its pixels"):
        read_picture(path)


def test_a_compression_that_nothing_bounds_is_refused(tmp_path: Path, colours: Pixels) -> None:
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, deep(colours), photometric="rgb", compression="lzma")
    with pytest.raises(DataError, match="16 bits compressed with LZMA; save it with deflate"):
        read_picture(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_mutated_deep_files_are_read_or_refused(
    tmp_path: Path, colours: Pixels, suffix: str
) -> None:
    whole, path = tmp_path / f"whole.{suffix}", tmp_path / f"x.{suffix}"
    write_picture(whole, Picture(deep(colours), exif=tags().tobytes(), icc_profile=PROFILE))
    content, random = whole.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        mutated = bytearray(content)
        for place in random.integers(0, len(mutated), random.integers(1, 8)):
            mutated[place] = random.integers(0, 256)
        path.write_bytes(mutated)
        try:
            read_picture(path)
        except DataError:
            refused += 1
    assert refused > 100


def test_large_files_are_refused_before_they_are_decoded(save: Save, colours: Pixels) -> None:
    with pytest.raises(DataError, match="more than the limit"):
        read_picture(save("x.png", colours), max_pixels=100)


def test_tags_of_how_pixels_are_stored_are_left_out(save: Save, colours: Pixels) -> None:
    path = save("x.tiff", colours, compression="tiff_lzw")
    with PillowImage.open(path) as opened:
        assert kept_exif(opened) is None


def test_a_size_that_is_not_in_the_tags_is_not_added() -> None:
    exif = PillowImage.Exif()
    exif[Base.Make] = "A camera"
    again = PillowImage.Exif()
    again.load(resized_exif(exif.tobytes(), 10, 20))
    assert Base.ExifImageWidth not in again.get_ifd(IFD.Exif)


def test_levels_are_rounded_to_the_nearest() -> None:
    levels = np.array([0, 128, 129, 257, 65535 - 129, 65535 - 128, 65535], np.uint16)
    assert to_8_bits(levels).tolist() == [0, 0, 1, 1, 254, 255, 255]


def test_pillow_gets_the_mode_the_picture_has(colours: Pixels) -> None:
    grey = Picture(colours[:, :, 0])
    clear = replace(grey, alpha=ramp(colours[:, :, 0]))
    kinds = {
        "L": grey,
        "LA": clear,
        "RGB": Picture(colours),
        "RGBA": Picture(colours, ramp(colours[:, :, 0])),
        "I;16": Picture(deep(colours)[:, :, 0]),
    }
    for mode, picture in kinds.items():
        assert to_pillow(picture).mode == mode
    assert to_pillow(Picture(deep(colours))).mode == "RGB"


def test_no_tables_of_tags_are_added(save: Save, colours: Pixels, tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[Base.Make] = "A camera"
    picture = read_picture(save("x.jpg", colours, exif=exif))
    write_picture(tmp_path / "y.png", picture)
    with PillowImage.open(tmp_path / "y.png") as opened:
        assert dict(opened.getexif()) == {Base.Make: "A camera", Base.Orientation: 1}


def test_a_profile_of_grey_does_not_go_with_the_colours_of_a_webp(
    tmp_path: Path, colours: Pixels
) -> None:
    grey = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    notes = write_picture(tmp_path / "x.webp", Picture(colours[:, :, 0], icc_profile=grey))
    assert notes == ("grey converted to RGB for WEBP, without its grey colour profile",)
    assert read_picture(tmp_path / "x.webp").icc_profile is None
    assert write_picture(tmp_path / "x.png", Picture(colours[:, :, 0], icc_profile=grey)) == ()
