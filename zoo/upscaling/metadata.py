"""Metadata of an image file: its EXIF tags, and its orientation.

Tags that describe the image are kept; those that describe how its pixels are stored are not
true of another file and are excluded. Thumbnails are excluded too: they are small on purpose.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL.ExifTags import IFD, Base

Pixels = npt.NDArray[Any]

_STORAGE: Final = frozenset(
    {
        Base.NewSubfileType,
        Base.SubfileType,
        Base.ImageWidth,
        Base.ImageLength,
        Base.BitsPerSample,
        Base.Compression,
        Base.PhotometricInterpretation,
        Base.StripOffsets,
        Base.Orientation,
        Base.SamplesPerPixel,
        Base.RowsPerStrip,
        Base.StripByteCounts,
        Base.MinSampleValue,
        Base.MaxSampleValue,
        Base.PlanarConfiguration,
        Base.Predictor,
        Base.ColorMap,
        Base.TileWidth,
        Base.TileLength,
        Base.TileOffsets,
        Base.TileByteCounts,
        Base.SubIFDs,
        Base.ExtraSamples,
        Base.SampleFormat,
        Base.JPEGTables,
        Base.JpegIFOffset,
        Base.JpegIFByteCount,
        Base.YCbCrCoefficients,
        Base.YCbCrSubSampling,
        Base.YCbCrPositioning,
        Base.ReferenceBlackWhite,
        Base.XMLPacket,
        Base.InterColorProfile,
        0x83BB,  # IPTC
        0x8649,  # Photoshop
    }
)
_UNREADABLE = (SyntaxError, ValueError, TypeError, LookupError, OSError, struct.error)


def kept_exif(picture: PillowImage.Image) -> bytes | None:
    """Return the tags of an image that stay true of another one made from it, upright.

    Args:
        picture: opened, and loaded if its pixels are taken from it.

    Returns:
        EXIF as files store it, None if there is none.

    Raises:
        ValueError: if the tags are damaged.
    """
    try:
        found = picture.getexif()
        kept = PillowImage.Exif()
        for tag, value in found.items():
            if tag not in _STORAGE and tag not in (IFD.Exif, IFD.GPSInfo, IFD.IFD1):
                kept[tag] = value
        tables = {part: found.get_ifd(part) for part in (IFD.Exif, IFD.GPSInfo)}
        if not (len(kept) or any(tables.values())):
            return None
        for part, values in tables.items():
            if values:
                kept.get_ifd(part).update(values)
        kept[Base.Orientation] = 1
        return kept.tobytes()
    except _UNREADABLE as error:
        raise ValueError(f"damaged EXIF ({error})") from error


def resized_exif(exif: bytes, width: int, height: int) -> bytes:
    """Return the tags with the size of the image in them brought up to date, if it is there."""
    tags = PillowImage.Exif()
    tags.load(exif)
    photo = tags.get_ifd(IFD.Exif) if IFD.Exif in tags else {}
    for tag, value in ((Base.ExifImageWidth, width), (Base.ExifImageHeight, height)):
        if tag in photo:
            photo[tag] = value
    return tags.tobytes()


def orientation(picture: PillowImage.Image) -> int:
    """Return the EXIF orientation of an image, 1 (upright) where it has none.

    Raises:
        ValueError: if the tags are damaged.
    """
    try:
        return int(picture.getexif().get(Base.Orientation, 1))
    except _UNREADABLE as error:
        raise ValueError(f"damaged EXIF ({error})") from error


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and mirror pixels the way a viewer does.

    Args:
        pixels: `(H, W)` or `(H, W, C)` as stored.
        orientation: EXIF's number, 1 to 8; any other is taken as 1, as viewers do.

    Returns:
        The same pixels, in rows and columns as seen.
    """
    match orientation:
        case 2:
            turned = pixels[:, ::-1]
        case 3:
            turned = pixels[::-1, ::-1]
        case 4:
            turned = pixels[::-1]
        case 5:
            turned = pixels.swapaxes(0, 1)
        case 6:
            turned = np.rot90(pixels, -1)
        case 7:
            turned = pixels[::-1, ::-1].swapaxes(0, 1)
        case 8:
            turned = np.rot90(pixels)
        case _:
            turned = pixels
    return np.ascontiguousarray(turned)
