"""Small picture files of few pixels that would fill the memory or never end, told before decoding.

A header's size says how large the result is, not what it costs. Not here: limits on the number of
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
"""Of one JPEG, as libtiff has it. Every scan goes over the whole picture, however few bytes it has;
a progressive file has about ten."""
MAX_TILE_PIXELS: Final = 1 << 24
"""Of one tile of a TIFF that is larger than its picture; common tiles have 2**14 to 2**20."""

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
# What ends the data of a scan: any marker but a restart. 0xFF00 is a byte of data, 0xFFFF padding.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def require_few_scans(path: Path) -> None:
    """Refuse a JPEG that goes over its picture again and again.

    Raises:
        DataError: if it has more than `MAX_SCANS` scans.
        OSError: if it cannot be read.
    """
    content = read_file(path, MAX_BYTES)
    scans, found = 0, _MARKER.search(content, 2)
    while found is not None and content[found.start() + 1] != _END_OF_IMAGE:
        start = found.end()
        scans += content[start - 1] == _START_OF_SCAN
        if scans > MAX_SCANS:
            raise DataError(
                f"cannot read image {path}: damaged (a JPEG of more than {MAX_SCANS} scans)"
            )
        length = int.from_bytes(content[start : start + 2], "big")
        found = _MARKER.search(content, start + length)


def require_small_tiles(path: Path, picture: PillowImage.Image) -> None:
    """Refuse a TIFF with a tile far larger than its picture: decoders make room for all of it.

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
            f"cannot read image {path}: damaged (tiles of {sides[0]}x{sides[1]} pixels in a "
            f"picture of {picture.width}x{picture.height})"
        )
