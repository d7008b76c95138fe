"""16 bits a channel in colour or with alpha, which Pillow would cut to 8: pypng and tifffile.

Here arrays go in and out. A file's limits and metadata are the concern of `zoo.upscaling.pictures`,
which reads its header with Pillow first. TIFF files are written by `zoo.upscaling.tiff`.
"""

from __future__ import annotations

import io
import logging
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

# What it finds odd in a damaged file would be printed where nobody handles it.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

Deep = npt.NDArray[np.uint16]

MAXIMUM: Final = 65535
COMPRESSION_LEVEL: Final = 6
_DEPTH_OF_PNG: Final = 24  # where the header chunk has the bits of a channel
_ASSOCIATED, _UNASSOCIATED = 1, 2
_SLICE: Final = 1 << 16  # deflated, which inflates to 64 MiB at most
_DEFLATED: Final = (tifffile.COMPRESSION.ADOBE_DEFLATE, tifffile.COMPRESSION.DEFLATE)
_HARMLESS: Final = (
    tifffile.COMPRESSION.NONE,
    tifffile.COMPRESSION.LZW,
    tifffile.COMPRESSION.PACKBITS,
)


def needs_deep_reader(path: Path, header: PillowImage.Image) -> bool:
    """Tell whether a picture has more bits than Pillow would keep.

    Args:
        path: the file.
        header: the same file, opened by Pillow. Single-channel pictures it reads whole.
    """
    if header.mode.startswith("I;16") and "transparency" not in header.info:
        return False
    if header.format == "PNG":
        with open_file(path) as file:
            return file.read(_DEPTH_OF_PNG + 1)[-1] == 16
    if header.format == "TIFF":
        tags: Any = header
        depths: tuple[int, ...] = tags.tag_v2.get(Base.BitsPerSample, (1,))
        return max(depths) > 8
    return False


def read_deep(path: Path, header: PillowImage.Image) -> Deep:
    """Return the pixels of a 16-bit PNG or TIFF as they are stored.

    Returns:
        `(H, W, C)`, C of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha). Alpha is never
        multiplied into the colours.

    Raises:
        DataError: if it is a TIFF of another kind, or less or more than the whole picture is there.
    """
    pixels = _read_png(path, header.size) if header.format == "PNG" else _read_tiff(path)
    # Of a TIFF Pillow tells the size as it is seen, not as it is stored.
    if sorted(pixels.shape[:2]) != sorted(header.size):
        raise DataError(f"cannot read image {path}: its rows are not those its header tells of")
    return pixels


def encode_deep_png(pixels: Deep, chunks: Mapping[bytes, bytes]) -> bytes:
    """Return a PNG file of 16 bits a channel.

    Args:
        pixels: `(H, W, C)`, C of 1 to 4 as `read_deep` has it.
        chunks: content of further chunks by type, written right after the header.
    """
    height, width, channels = pixels.shape
    writer = png.Writer(
        width,
        height,
        greyscale=channels < 3,
        alpha=channels in (2, 4),
        bitdepth=16,
        compression=COMPRESSION_LEVEL,
    )
    plain, whole = io.BytesIO(), io.BytesIO()
    writer.write_packed(plain, (row.astype(">u2").tobytes() for row in pixels))
    plain.seek(0)
    header, *rest = png.Reader(file=plain).chunks()
    png.write_chunks(whole, [header, *chunks.items(), *rest])
    return whole.getvalue()


def _require_bounded(path: Path, deflated: Iterable[bytes], most: int) -> None:
    """Raise if a stream inflates to more bytes than its picture has, before they fill the memory.

    The readers below inflate a whole chunk at once, and 2 MB of one may hold 2 GB.
    """
    inflater = zlib.decompressobj()
    for piece in deflated:
        for start in range(0, len(piece), _SLICE):
            most -= len(inflater.decompress(piece[start : start + _SLICE]))
            if most < 0:
                raise DataError(
                    f"cannot read image {path}: damaged (it holds more than its pixels)"
                )


def _read_png(path: Path, size: tuple[int, int]) -> Deep:
    width, height = size
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


def _read_tiff(path: Path) -> Deep:
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
            f"cannot read image {path}: 16 bits compressed by {compression.name}; save it deflated "
            "or without compression"
        )


def _divided(colours: Deep, alpha: Deep) -> Deep:
    """Take alpha back out of colours that it was multiplied into."""
    plain = colours.astype(np.float64) * MAXIMUM / np.maximum(alpha, 1)
    rounded = np.minimum(np.floor(plain + 0.5), MAXIMUM).astype(np.uint16)
    return np.concatenate([rounded, alpha], axis=2)
