"""Pixels of more than 8 bits, which Pillow truncates or reads wrongly: pypng, tifffile and numpy.

Returns arrays. Callers check a file's limits and metadata by its header first. Not here: 8 bits
(`zoo.data.images`), writing (`zoo.upscaling.encoding`).
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import png
import tifffile
from PIL import Image as PillowImage
from PIL.ExifTags import Base

from zoo.errors import DataError
from zoo.files import open_file

# It would print its own messages about damaged files.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

Deep = npt.NDArray[np.uint16]

MAXIMUM: Final = 65535
_TWELVE: Final = 12
_WHITE_IS_ZERO: Final = 0
_MOST_OF_8_BITS: Final = 255
_COMMENT: Final = re.compile(rb"#[^\r\n]*")
_IN_PLANES: Final = 2
_LOW_BITS_FIRST: Final = 2
_SIGNED: Final = 2
_WITH_ALPHA: Final = ("LA", "La", "PA")
_ASSOCIATED, _UNASSOCIATED = 1, 2
_SLICE: Final = 1 << 16  # deflated, which inflates to 64 MiB at most
_DEFLATED: Final = (tifffile.COMPRESSION.ADOBE_DEFLATE, tifffile.COMPRESSION.DEFLATE)
_HARMLESS: Final = (
    tifffile.COMPRESSION.NONE,
    tifffile.COMPRESSION.LZW,
    tifffile.COMPRESSION.PACKBITS,
)


def needs_deep_reader(header: PillowImage.Image) -> bool:
    """Return whether an image has more bits than Pillow would keep.

    Args:
        header: opened by Pillow and not loaded. Single-channel images it reads whole.
    """
    if header.format == "PPM":
        return _highest_of_pnm(header) > _MOST_OF_8_BITS
    if header.mode.startswith("I;16") and "transparency" not in header.info:
        return False
    if header.format == "PNG":
        return raw_mode(header).endswith("16B")
    return _bits_of_tiff(header) > 8


def is_cut_wrongly(header: PillowImage.Image) -> bool:
    """Return whether Pillow would take more than 8 bits wrongly, and not only cut them to 8.

    Args:
        header: opened by Pillow and not loaded.
    """
    tags = tiff_tags(header)
    mixed_up = tags.get(Base.PlanarConfiguration) == _IN_PLANES
    divided = _ASSOCIATED in tags.get(Base.ExtraSamples, ())
    coloured = raw_mode(header).startswith("LA")  # grey that would become RGB
    return needs_deep_reader(header) and (header.format == "PPM" or mixed_up or divided or coloured)


def read_deep(path: Path, header: PillowImage.Image) -> Deep:
    """Return the pixels of a PNG, TIFF or PNM of more than 8 bits, as they are stored.

    Returns:
        `(H, W, C)`, C of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha), in 0..65535. Alpha
        is never multiplied into the colours.

    Raises:
        DataError: if it is a TIFF of another kind, or less or more than the whole image is there.
    """
    readers = {"PNG": _read_png, "PPM": _read_pnm}
    pixels = readers.get(str(header.format), _read_tiff)(path, header)
    # Of a TIFF Pillow tells the size as it is seen, not as it is stored.
    if sorted(pixels.shape[:2]) != sorted(header.size):
        raise DataError(f"cannot read image {path}: its rows do not match its header")
    return pixels


def require_true_samples(path: Path, header: PillowImage.Image) -> None:
    """Refuse a TIFF whose samples Pillow would take for others.

    Args:
        path: the file, for the message.
        header: the same file, opened by Pillow and not loaded.

    Raises:
        DataError: if it is one.
    """
    tags = tiff_tags(header)
    in_planes = tags.get(Base.PlanarConfiguration) == _IN_PLANES
    plain = (
        _bits_of_tiff(header) == 8
        and tags.get(Base.FillOrder) != _LOW_BITS_FIRST
        and tags.get(Base.PhotometricInterpretation) != _WHITE_IS_ZERO
    )
    is_raw = header.info.get("compression") == "raw"
    misread = not plain if is_raw else header.mode in _WITH_ALPHA
    if in_planes and misread and not needs_deep_reader(header):
        raise DataError(
            f"cannot read image {path}: this kind of TIFF, with a plane for each channel, would be "
            "read wrongly; save it with interleaved channels"
        )
    if _SIGNED in tags.get(Base.SampleFormat, ()) and header.mode in ("L", "LA", "La"):
        raise DataError(
            f"cannot read image {path}: negative levels have no defined black; convert the file to "
            "unsigned levels"
        )


def deep_levels(piece: PillowImage.Image, picture: PillowImage.Image) -> Deep:
    """Return the levels of grey that Pillow holds in 16 bits, `(H, W)` in 0..65535.

    Args:
        piece: a part of the image, of a mode that begins with `I;16`.
        picture: the whole one as it was opened: of a TIFF it knows what its levels mean.
    """
    levels: Deep = np.asarray(piece).astype(np.uint16)
    if _bits_of_tiff(picture) == _TWELVE:
        levels = _stretched(levels, (1 << _TWELVE) - 1)
    if tiff_tags(picture).get(Base.PhotometricInterpretation) == _WHITE_IS_ZERO:
        levels = np.uint16(MAXIMUM) - levels
    return levels


def tiff_tags(picture: PillowImage.Image) -> Mapping[int, Any]:
    """Return the tags of a TIFF as Pillow opened it, none of another image."""
    tags: Mapping[int, Any] = getattr(picture, "tag_v2", {})
    return tags


def raw_mode(header: PillowImage.Image) -> str:
    """Return what Pillow calls the layout of the pixels in a file; "" once it is loaded."""
    opened: Any = header
    tiles = getattr(opened, "tile", ())
    arguments = tiles[0].args if tiles else ""
    return str(arguments if isinstance(arguments, str) else arguments[0])


def _bits_of_tiff(picture: PillowImage.Image) -> int:
    depths: tuple[int, ...] = tiff_tags(picture).get(Base.BitsPerSample, (1,))
    return max(depths)


def _highest_of_pnm(header: PillowImage.Image) -> int:
    """Return the level of white, by what Pillow would tell its decoder of the header it read."""
    opened: Any = header
    arguments = opened.tile[0].args
    if isinstance(arguments, tuple) and isinstance(arguments[-1], int) and header.mode != "F":
        return arguments[-1]
    return MAXIMUM if header.mode == "I" else _MOST_OF_8_BITS


def _require_bounded(path: Path, deflated: Iterable[bytes], most: int) -> None:
    """Raise if a stream inflates to more bytes than its image has, before they fill the memory.

    The readers below inflate a whole chunk at once, and 2 MB of one may hold 2 GB.
    """
    inflater = zlib.decompressobj()
    for piece in deflated:
        for start in range(0, len(piece), _SLICE):
            most -= len(inflater.decompress(piece[start : start + _SLICE]))
            if most < 0:
                raise DataError(
                    f"cannot read image {path}: damaged (it contains more data than its pixels)"
                )


def _read_png(path: Path, header_read: PillowImage.Image) -> Deep:
    width, height = header_read.size
    most = 8 * width * height + 4 * (height + 8)  # four channels, and what filtered each row
    with open_file(path) as file:
        try:
            chunks = png.Reader(file=file).chunks()
            _require_bounded(path, (data for kind, data in chunks if kind == b"IDAT"), most)
            file.seek(0)
            reader = png.Reader(file=file)
            width, height, rows, header = reader.read()
            pixels = np.array([np.asarray(row, np.uint16) for row in rows], np.uint16)
        except png.Error as error:  # derives from nothing that decoders raise
            raise DataError(f"cannot read image {path}: damaged ({error})") from error
    if pixels.size != width * height * header["planes"]:
        raise DataError(f"cannot read image {path}: damaged (rows are missing)")
    pixels = pixels.reshape(height, width, header["planes"])
    if reader.transparent is None:
        return pixels
    is_opaque = (pixels != np.array(reader.transparent, np.uint16)).any(axis=2, keepdims=True)
    return np.concatenate([pixels, is_opaque.astype(np.uint16) * np.uint16(MAXIMUM)], axis=2)


def _read_pnm(path: Path, header: PillowImage.Image) -> Deep:
    opened: Any = header
    most, (width, height) = _highest_of_pnm(header), header.size
    channels = 3 if header.mode == "RGB" else 1
    with open_file(path) as file:
        is_plain = file.read(2) in (b"P2", b"P3")
        file.seek(opened.tile[0].offset)
        content = file.read()
    if is_plain:
        text = _COMMENT.sub(b" ", content)
        levels = np.fromstring(text, dtype=np.int64, sep=" ")  # a word that is no number raises
    else:
        levels = np.frombuffer(content[: 2 * height * width * channels], ">u2").astype(np.int64)
    levels = levels[: height * width * channels]
    if levels.size < height * width * channels:
        raise DataError(f"cannot read image {path}: damaged (rows are missing)")
    if levels.min() < 0 or levels.max() > most:
        raise DataError(f"cannot read image {path}: damaged (levels beyond its white, {most})")
    return _stretched(levels, most).reshape(height, width, channels)


def _stretched(levels: npt.NDArray[Any], most: int) -> Deep:
    """Return levels of 0..most as the nearest of 0..65535."""
    stretched: Deep = ((levels.astype(np.uint32) * MAXIMUM + most // 2) // most).astype(np.uint16)
    return stretched


def _read_tiff(path: Path, _header: PillowImage.Image) -> Deep:
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        axes, kind = page.axes, tifffile.PHOTOMETRIC(page.photometric)
        colours = {tifffile.PHOTOMETRIC.RGB: 3, tifffile.PHOTOMETRIC.MINISBLACK: 1}.get(kind)
        if page.dtype != np.uint16 or axes not in ("YX", "YXS", "SYX") or colours is None:
            raise DataError(
                f"cannot read image {path}: {page.dtype} pixels of kind {kind.name}; convert the "
                "file to 8 or 16 bits, grey or RGB"
            )
        _check_compression(path, file, page)
        pixels = page.asarray()
        extras = tuple(int(extra) for extra in page.extrasamples)
        if not extras and page.samplesperpixel > colours:
            extras = (_UNASSOCIATED,)  # not told of, and what Pillow takes it for in 8 bits
    pixels = pixels[:, :, None] if axes == "YX" else pixels
    pixels = np.moveaxis(pixels, 0, 2) if axes == "SYX" else pixels
    if extras[:1] not in ((_ASSOCIATED,), (_UNASSOCIATED,)):
        return pixels[:, :, :colours]
    if extras[0] == _UNASSOCIATED:
        return pixels[:, :, : colours + 1]
    return _divided(pixels[:, :, :colours], pixels[:, :, colours : colours + 1])


def _check_compression(path: Path, file: tifffile.TiffFile, page: Any) -> None:
    compression = tifffile.COMPRESSION(page.compression)
    if compression in _DEFLATED:
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.filehandle.seek(offset)
            _require_bounded(path, [file.filehandle.read(size)], page.nbytes)
    elif compression not in _HARMLESS:
        raise DataError(
            f"cannot read image {path}: 16 bits compressed with {compression.name}; save it with "
            "deflate or without compression"
        )


def _divided(colours: Deep, alpha: Deep) -> Deep:
    """Take alpha back out of colours that it was multiplied into."""
    plain = colours.astype(np.float64) * MAXIMUM / np.maximum(alpha, 1)
    rounded = np.minimum(np.floor(plain + 0.5), MAXIMUM).astype(np.uint16)
    return np.concatenate([rounded, alpha], axis=2)
