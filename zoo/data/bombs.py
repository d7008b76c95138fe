"""Detects small image files that would fill the memory or never finish, before decoding.

The header gives the size of the result, not the cost of decoding. Not here: limits on the number of
pixels, and decoding (`zoo.data.images`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from PIL import Image as PillowImage
from PIL.ExifTags import Base

from zoo.errors import DataError
from zoo.files import MAX_BYTES, read_file

MAX_SCANS: Final = 100
"""Of one JPEG, as libtiff has it. Every scan goes over the whole image, however few bytes it has;
a progressive file has about ten."""
MAX_TILE_PIXELS: Final = 1 << 24
"""Of one tile of a TIFF that is larger than its image; common tiles have 2**14 to 2**20."""

_END_OF_IMAGE, _START_OF_SCAN = 0xD9, 0xDA
# As libjpeg finds the next marker: 0xFF00 is a byte of data, any number of 0xFF before it padding.
_MARKER = re.compile(rb"\xff([^\x00\xff])")
# What has no length after it: every marker below 0xC0 (0x01 is TEM; the others libjpeg skips within
# a scan and knows nowhere else), the restarts, and the starts and ends of images.
_WITHOUT_LENGTH = frozenset({*range(0xC0), *range(0xD0, 0xDA)})


def require_few_scans(path: Path) -> None:
    """Refuse a JPEG that goes over its image again and again.

    Raises:
        DataError: if it has more than `MAX_SCANS` scans.
        OSError: if it cannot be read.
    """
    if count_scans(read_file(path, MAX_BYTES), most=MAX_SCANS) > MAX_SCANS:
        raise DataError(
            f"cannot read image {path}: damaged (a JPEG of more than {MAX_SCANS} scans)"
        )


def count_scans(content: bytes, *, most: int) -> int:
    """Return how often a JPEG goes over its image, or one more than `most` if that is often.

    Markers are found as libjpeg finds them; where it would give up this continues.

    Args:
        content: of the file.
        most: where counting ends.
    """
    scans, place = 0, 2
    while scans <= most and (found := _MARKER.search(content, place)) is not None:
        marker, place = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            break
        scans += marker == _START_OF_SCAN
        if marker not in _WITHOUT_LENGTH:
            # The length counts its own two bytes, which libjpeg skips even where it is less.
            place += max(2, int.from_bytes(content[place : place + 2], "big"))
    return scans


def require_small_tiles(path: Path, picture: PillowImage.Image) -> None:
    """Refuse a TIFF with a tile far larger than its image: decoders make room for all of it.

    Args:
        path: the file, for the message.
        picture: the same file, opened by Pillow.

    Raises:
        DataError: if it has one.
    """
    if picture.format != "TIFF":
        return
    tagged: Any = picture
    sides = [tagged.tag_v2.get(tag, 0) for tag in (Base.TileWidth, Base.TileLength)]
    pixels = sides[0] * sides[1]
    if pixels > max(MAX_TILE_PIXELS, picture.width * picture.height):
        raise DataError(
            f"cannot read image {path}: damaged (tiles of {sides[0]}x{sides[1]} pixels in an image "
            f"of {picture.width}x{picture.height})"
        )
