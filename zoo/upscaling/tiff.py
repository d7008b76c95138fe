"""TIFF files of 8 or 16 bits a channel, deflated, with the tables in which cameras keep EXIF.

tifffile writes the image and the tags of its own table. EXIF has two tables more, which the
first one points to; Pillow lays them out, and they are put behind the image.
"""

from __future__ import annotations

import io
from typing import Any, Final

import numpy.typing as npt
import tifffile
from PIL import Image as PillowImage
from PIL.ExifTags import IFD, Base
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from zoo.errors import DataError

UNASSOCIATED: Final = 2  # alpha that is not multiplied into the colours
MAX_BYTES: Final = (1 << 32) - (1 << 25)  # offsets have 32 bits
_LITTLE_ENDIAN: Final = b"II*\x00\x08\x00\x00\x00"
_TEXTS: Final = (
    Base.ImageDescription,
    Base.Make,
    Base.Model,
    Base.Software,
    Base.DateTime,
    Base.Artist,
    Base.HostComputer,
    Base.Copyright,
)
_TABLES: Final = (IFD.Exif, IFD.GPSInfo)
# tifffile writes no tags that point to tables: places for them are kept by the next lower numbers
# that have no meaning, so that the table stays sorted when the right ones are put in.
_PLACEHOLDERS: Final = {IFD.Exif: 34664, IFD.GPSInfo: 34851}


def encode_tiff(
    pixels: npt.NDArray[Any], *, exif: bytes | None = None, icc_profile: bytes | None = None
) -> bytes:
    """Return a TIFF file.

    Args:
        pixels: `(H, W, C)` uint8 or uint16, C of 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB,
            alpha).
        exif: tags as files store them.
        icc_profile: colour profile as files store it.

    Raises:
        DataError: if the image has more bytes than a TIFF can address.
    """
    if pixels.nbytes > MAX_BYTES:
        raise DataError(f"{pixels.nbytes:,} bytes of pixels exceed the limit of a TIFF")
    channels = pixels.shape[2]
    tags = PillowImage.Exif()
    if exif is not None:
        tags.load(exif)
    tables = {table: tags.get_ifd(table) for table in _TABLES if tags.get_ifd(table)}
    encoded = io.BytesIO()
    tifffile.imwrite(
        encoded,
        pixels[:, :, 0] if channels == 1 else pixels,
        byteorder="<",
        photometric="minisblack" if channels < 3 else "rgb",
        planarconfig=None if channels == 1 else "contig",
        extrasamples=[UNASSOCIATED] if channels in (2, 4) else None,
        compression="zlib",
        predictor=True,
        iccprofile=icc_profile,
        metadata=None,
        software=False,
        extratags=[*_texts(tags), *((_PLACEHOLDERS[table], "I", 1, 0, True) for table in tables)],
    )
    return _with_tables(encoded, tables)


def _texts(tags: PillowImage.Exif) -> list[tuple[int, str, int, str, bool]]:
    found = {int(tag): tags.get(tag) for tag in _TEXTS}
    return [
        (tag, "s", 0, text.encode("ascii", "replace").decode("ascii"), True)
        for tag, text in found.items()
        if isinstance(text, str)
    ]


def _with_tables(encoded: io.BytesIO, tables: dict[IFD, dict[int, Any]]) -> bytes:
    """Put tables behind an image and their places where the image's own table looks for them."""
    if not tables:
        return encoded.getvalue()
    encoded.seek(0)
    with tifffile.TiffFile(encoded) as file:
        own = file.pages.first.tags
        entries = {table: own[_PLACEHOLDERS[table]].offset for table in tables}
    content = bytearray(encoded.getvalue())
    for table, values in tables.items():
        content += bytes(len(content) % 2)  # tables begin at even places
        place, entry = len(content), entries[table]
        directory = ImageFileDirectory_v2(ifh=_LITTLE_ENDIAN)
        for tag, value in values.items():
            directory[tag] = value
        content += directory.tobytes(place)
        content[entry : entry + 2] = int(table).to_bytes(2, "little")
        content[entry + 8 : entry + 12] = place.to_bytes(4, "little")
    return bytes(content)
