"""Images with all their properties: depth, grey, alpha, EXIF, colour profile.

`zoo.data.images` reads what networks are trained on: 8 bits, no alpha, no metadata. Here an image
goes through and comes out as it was, only larger. Decoding has the same limits and the same errors.

- pixels are upright: EXIF orientation is applied, and the tag says so;
- a palette becomes RGB, or RGB and alpha; CMYK becomes RGB, and its colour profile is dropped;
- of an animation or a multi-page file the first image is used;
- 16 bits stay 16 bits, in colour too; 32 bits have no defined white and are refused.

What could not be kept is in `Picture.notes`. Not here: writing (`zoo.upscaling.encoding`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage

from zoo.data.deep import deep_levels, needs_deep_reader, raw_mode, read_deep
from zoo.data.images import GREY_MODES, MAX_PIXELS, check_content, decoding, open_checked
from zoo.errors import DataError
from zoo.files import MAX_BYTES, read_file
from zoo.upscaling.metadata import kept_exif, orientation, upright

Pixels = npt.NDArray[Any]
"""uint8 in 0..255 or uint16 in 0..65535."""

_LOSSY: Final = frozenset({"JPEG", "MPO"})
_RGB_MODES: Final = frozenset({"RGB", "RGBA", "RGBa", "RGBX", "P", "PA"})


@dataclass(frozen=True, slots=True)
class Picture:
    """Upright pixels and what goes with them.

    Attributes:
        colours: `(H, W, 3)` RGB or `(H, W)` grey, uint8 or uint16.
        alpha: `(H, W)` of the same type, the maximum where opaque; None if all is opaque.
        exif: tags as files store them.
        icc_profile: colour profile as files store it.
        lossless: whether the file it came from holds its pixels exactly.
        notes: what could not be kept, each a phrase.
    """

    colours: Pixels
    alpha: Pixels | None = None
    exif: bytes | None = None
    icc_profile: bytes | None = None
    lossless: bool = True
    notes: tuple[str, ...] = field(default=())

    @property
    def is_grey(self) -> bool:
        """Whether there is a single channel beside alpha."""
        return self.colours.ndim == 2

    @property
    def is_deep(self) -> bool:
        """Whether a channel has 16 bits."""
        return bool(self.colours.dtype == np.uint16)

    def channels(self) -> Pixels:
        """Return `(H, W, C)`: colours, then alpha if there is any."""
        height, width = self.colours.shape[:2]
        colours = self.colours.reshape(height, width, -1)
        if self.alpha is None:
            return colours
        return np.concatenate([colours, self.alpha[:, :, None]], axis=2)


def read_picture(path: Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read an image with all that is kept of it.

    Args:
        path: the file.
        max_pixels: largest number of pixels accepted.

    Raises:
        DataError: if the file cannot be read, is damaged, or is too large.
    """
    with decoding(path), open_checked(path, max_pixels) as header:
        lossless = _is_lossless(path, header)
        check_content(path, header)
        if not needs_deep_reader(header):
            return picture_of(header, str(path), lossless=lossless)
        notes, exif, turn = _tags(header)
        channels = upright(read_deep(path, header), turn)
        num_colours = 3 if channels.shape[2] > 2 else 1
        return Picture(
            colours=channels[:, :, 0] if num_colours == 1 else channels[:, :, :3],
            alpha=channels[:, :, -1] if channels.shape[2] in (2, 4) else None,
            exif=exif,
            icc_profile=header.info.get("icc_profile"),
            lossless=True,
            notes=(*_first_of_many(header), *notes),
        )


def picture_of(loaded: PillowImage.Image, what: str, *, lossless: bool = True) -> Picture:
    """Return the pixels of a Pillow image and what goes with them.

    Args:
        loaded: an image of any mode but those of 32 bits a channel.
        what: what to call it in an error.
        lossless: whether it came from a file that holds its pixels exactly.

    Raises:
        DataError: if it has 32 bits a channel, or a colour space without a way to RGB.
    """
    _stretch_transparent_level(loaded)
    _load(loaded)
    notes, exif, turn = _tags(loaded)
    profile = loaded.info.get("icc_profile")
    if loaded.mode in ("I", "F"):
        raise DataError(
            f"cannot read image {what}: 32-bit pixels have no defined white; "
            "convert the file to 8 or 16 bits"
        )
    if loaded.mode.startswith("I;16"):
        channels = deep_levels(loaded, loaded)[:, :, None]
        alpha = None
    else:
        has_alpha = loaded.has_transparency_data or loaded.mode in ("La", "RGBa")
        grey = loaded.mode in GREY_MODES
        channels = np.asarray(loaded.convert(_TARGETS[grey, has_alpha]))
        channels = channels[:, :, None] if channels.ndim == 2 else channels
        alpha = upright(channels[:, :, -1], turn) if has_alpha else None
        if not grey and loaded.mode not in _RGB_MODES:
            notes = (*notes, *_converted(loaded.mode, profile))
            profile = None
    colours = upright(channels[:, :, 0] if channels.shape[2] < 3 else channels[:, :, :3], turn)
    notes = (*_first_of_many(loaded), *notes)
    return Picture(colours, alpha, exif, profile, lossless, notes)


_TARGETS: Final = {
    (True, True): "LA",
    (True, False): "L",
    (False, True): "RGBA",
    (False, False): "RGB",
}


def _load(picture: Any) -> None:
    """Decode a Pillow image, which turns a TIFF upright and drops the tag.

    Pillow maps a file whose name it knows, and takes a turned one wrongly (`open_checked`).
    """
    name = getattr(picture, "filename", "")
    if name:
        picture.filename = ""
    try:
        picture.load()
    finally:
        if name:
            picture.filename = name


def _stretch_transparent_level(picture: PillowImage.Image) -> None:
    """Make a PNG's transparent level of grey one of 8 bits, as Pillow makes all others.

    For an image that is already loaded, the original number of bits is unknown.
    """
    bits = {"L;2": 2, "L;4": 4}.get(raw_mode(picture))
    level = picture.info.get("transparency")
    if picture.format == "PNG" and bits is not None and isinstance(level, int):
        most = (1 << bits) - 1
        picture.info["transparency"] = (level & most) * 255 // most


def _tags(picture: PillowImage.Image) -> tuple[tuple[str, ...], bytes | None, int]:
    """Return a note if they are damaged, the tags to keep, and the orientation."""
    try:
        return (), kept_exif(picture), orientation(picture)
    except ValueError as error:
        return (f"{error}, ignored",), None, 1


def _converted(mode: str, profile: bytes | None) -> tuple[str, ...]:
    dropped = "" if profile is None else ", without its colour profile"
    return (f"{mode} converted to RGB{dropped}",)


def _first_of_many(picture: PillowImage.Image) -> tuple[str, ...]:
    several = bool(getattr(picture, "is_animated", False))  # counting may take minutes
    return ("only the first of several images in it",) if several else ()


def _is_lossless(path: Path, header: PillowImage.Image) -> bool:
    """Return whether a file holds its pixels exactly; before it is loaded."""
    if header.format == "TIFF":
        return header.info.get("compression") not in ("jpeg", "tiff_jpeg", "webp")
    if header.format != "WEBP":
        return header.format not in _LOSSY
    content = read_file(path, MAX_BYTES)
    position = 12
    while position + 8 <= len(content):
        kind = content[position : position + 4]
        if kind in (b"VP8L", b"VP8 "):
            return kind == b"VP8L"
        if kind == b"ANMF":  # a frame of an animation: its own chunks follow 16 bytes of header
            position += 8 + 16
            continue
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        position += 8 + size + size % 2
    return False
