"""Images into files: PNG, JPEG, WebP and TIFF, with depth, alpha, EXIF and colour profile.

Nothing a format cannot hold is lost in silence: alpha in a JPEG is an error, and 16 bits are
rounded to 8 for JPEG and WebP with a note.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import png
from PIL import Image as PillowImage

from zoo.errors import DataError, MachineError
from zoo.files import is_bad_name, write_atomically
from zoo.upscaling.metadata import resized_exif
from zoo.upscaling.pictures import Picture
from zoo.upscaling.tiff import encode_tiff

SUFFIX_FORMATS: Final[Mapping[str, str]] = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
QUALITY: Final = 95
PNG_LEVEL: Final = 3
"""A third of the time of the usual 6, for files a tenth larger."""
_MOST_PIXELS_A_SIDE: Final = {"JPEG": 65_535, "WEBP": 16_383}
_SPACE: Final = slice(16, 20)  # where a colour profile says which colours it is of
_EXIF_PREFIX: Final = b"Exif\x00\x00"
_ENCODER_ERRORS: Final = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    SyntaxError,
    RuntimeError,
    SystemError,
    MemoryError,
    struct.error,
)


def write_picture(path: Path, picture: Picture) -> tuple[str, ...]:
    """Write an image in the format its name says; a reader sees no file or the whole one.

    Args:
        path: ends in one of `SUFFIX_FORMATS`; its folder is made if necessary.
        picture: what to write.

    Returns:
        What the format could not hold, each a phrase.

    Raises:
        DataError: if the format cannot hold the image at all, or the file system not its name.
        MachineError: if no file can be written there.
    """
    kind = SUFFIX_FORMATS[path.suffix.lower()]
    height, width = picture.colours.shape[:2]
    most = _MOST_PIXELS_A_SIDE.get(kind)
    if most is not None and max(height, width) > most:
        raise DataError(
            f"cannot write {path}: {width}x{height} pixels, but the limit of {kind} is {most} per "
            "side"
        )
    if kind == "JPEG" and picture.alpha is not None:
        raise DataError(f"cannot write {path}: JPEG has no transparency; use png, webp or tiff")
    try:
        content, notes = _encoded(picture, kind)
    except _ENCODER_ERRORS as error:
        raise DataError(
            f"cannot write {path} as {kind}: {error or type(error).__name__}"
        ) from error
    try:
        _write(path, content)
    except MachineError as error:
        if is_bad_name(error):
            raise DataError(f"{error}: choose another name") from error
        raise
    return notes


def _write(path: Path, content: bytes | memoryview) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    write_atomically(path, content)


def to_pillow(picture: Picture) -> PillowImage.Image:
    """Return an image as a Pillow image, its EXIF tags and colour profile in `info`.

    16 bits in colour or with alpha are rounded to 8: Pillow has no mode for them.
    """
    channels = picture.channels()
    if picture.is_deep and channels.shape[2] > 1:
        channels = to_8_bits(channels)
    image = PillowImage.fromarray(channels[:, :, 0] if channels.shape[2] == 1 else channels)
    exif = _exif_of(picture)
    if exif is not None:
        image.info["exif"] = exif
    if picture.icc_profile is not None:
        image.info["icc_profile"] = picture.icc_profile
    return image


def encode_deep_png(pixels: npt.NDArray[np.uint16], chunks: Mapping[bytes, bytes]) -> bytes:
    """Return a PNG file of 16 bits a channel.

    Args:
        pixels: `(H, W, C)`, C of 1 to 4 as `zoo.data.deep.read_deep` has it.
        chunks: content of further chunks by type, written right after the header.
    """
    height, width, channels = pixels.shape
    writer = png.Writer(
        width,
        height,
        greyscale=channels < 3,
        alpha=channels in (2, 4),
        bitdepth=16,
        compression=PNG_LEVEL,
    )
    plain, whole = io.BytesIO(), io.BytesIO()
    writer.write_packed(plain, (row.astype(">u2").tobytes() for row in pixels))
    plain.seek(0)
    header, *rest = png.Reader(file=plain).chunks()
    png.write_chunks(whole, [header, *chunks.items(), *rest])
    return whole.getvalue()


def to_8_bits(channels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    """Return the nearest of 256 levels: 65535 is 255."""
    # 65535 is 257 * 255; adding half of 257 rounds to the nearest
    return ((channels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _encoded(picture: Picture, kind: str) -> tuple[bytes | memoryview, tuple[str, ...]]:
    exif, channels = _exif_of(picture), picture.channels()
    if kind == "TIFF":
        return encode_tiff(channels, exif=exif, icc_profile=picture.icc_profile), ()
    if kind == "PNG" and picture.is_deep:
        return encode_deep_png(channels, _chunks(exif, picture.icc_profile)), ()
    options: dict[str, Any] = {"exif": exif, "icc_profile": picture.icc_profile}
    notes: tuple[str, ...] = ()
    if picture.is_deep:
        notes = (f"16 bits rounded to the 8 bits of {kind}",)
    if kind == "JPEG":
        options |= {"quality": QUALITY, "subsampling": 0, "optimize": True}
    elif kind == "PNG":
        options |= {"compress_level": PNG_LEVEL}
    elif kind == "WEBP":
        lossless = picture.lossless
        options |= {"lossless": lossless, "quality": 80 if lossless else QUALITY, "exact": lossless}
        if picture.is_grey and (picture.icc_profile or b"")[_SPACE] == b"GRAY":
            options["icc_profile"] = None
            notes += ("grey converted to RGB for WEBP, without its grey colour profile",)
    levels = to_8_bits(channels) if picture.is_deep else channels
    image = PillowImage.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
    encoded = io.BytesIO()
    given = {name: value for name, value in options.items() if value is not None}
    image.save(encoded, format=kind, **given)
    return encoded.getbuffer(), notes


def _chunks(exif: bytes | None, icc_profile: bytes | None) -> dict[bytes, bytes]:
    """Return the chunks of a PNG that hold tags and profile."""
    chunks: dict[bytes, bytes] = {}
    if icc_profile is not None:
        chunks[b"iCCP"] = _profile_chunk(icc_profile)
    if exif is not None:
        chunks[b"eXIf"] = exif.removeprefix(_EXIF_PREFIX)
    return chunks


def _profile_chunk(profile: bytes) -> bytes:
    """Return the content of an iCCP chunk: a name, a zero, the method 0, the deflated profile."""
    return b"ICC Profile\x00\x00" + zlib.compress(profile)


def _exif_of(picture: Picture) -> bytes | None:
    if picture.exif is None:
        return None
    height, width = picture.colours.shape[:2]
    return resized_exif(picture.exif, width, height)
