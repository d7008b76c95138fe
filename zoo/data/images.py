"""Image files in, uint8 arrays out, and back: the only place of zoo that decodes images.

Pillow decodes (torchvision's decoder crashes the process on damaged files), behind limits. Rules:

- the header is read first; more than `max_pixels` is refused before a pixel is decoded, and so is
  what makes few pixels dear (`zoo.data.bombs`), a file of more than `MAX_BYTES`, and a pipe;
- a damaged, truncated or empty file is a `DataError` that names it, never half an image;
- EXIF orientation is applied, so that height and width are those a viewer shows;
- grey stays single-channel; palette, CMYK and other colour spaces become RGB;
- 16 bits become 8 by dropping the low byte (what Pillow itself does for 16-bit RGB); 9 to 15 bits
  are stretched to 16 first;
- what Pillow would read wrongly is read by `zoo.data.deep`, or refused;
- alpha is dropped and the stored colours kept: an image has no background to be laid on;
- of an animation or a multi-page file the first image is used.

Not here: which files make a dataset (`zoo.data.sources`), resizing (`zoo.data.resize`).
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError
from PIL.ExifTags import Base

from zoo.data.bombs import require_few_scans, require_small_tiles
from zoo.data.deep import Deep, deep_levels, is_cut_wrongly, read_deep, require_true_samples
from zoo.errors import DataError
from zoo.files import file_sha256, require_file, write_atomically

Image = npt.NDArray[np.uint8]
LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of R, G and B in grey (ITU-R BT.601), of values in one range, as in JPEG."""
MAX_PIXELS = 64_000_000
MAX_BYTES = 550_000_000
"""Of a file: `MAX_PIXELS` of 16 bits in four channels, and room for metadata. Some decoders read a
whole file, or whatever length it gives a part of it, before they look."""
# Named so that Pillow never reaches for a decoder with a history (EPS starts Ghostscript).
FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm"}
)
# What Pillow's decoders raise on damaged input, found by feeding them thousands of mutated files.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    PillowImage.DecompressionBombError,
)
_DECODERS: Final = r"(PIL|png|tifffile)(\.|\Z)"  # modules whose warnings are left out
GREY_MODES = frozenset({"1", "L", "LA", "La"})
# Rows of a picture are handed over in pieces of so many pixels: no second copy of it is made.
_PIECE = 1 << 20


def read_image(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode one image file by the rules of this module.

    Args:
        path: the file.
        max_pixels: largest number of pixels accepted.

    Returns:
        `(H, W, 3)` RGB, or `(H, W)` for a single-channel file, in 0..255, contiguous.

    Raises:
        DataError: if the file cannot be read, is damaged, or is too large.
    """
    path = Path(path)
    with decoding(path), open_checked(path, max_pixels) as picture:
        check_content(path, picture)
        if is_cut_wrongly(picture):
            return _as_seen(_colours_in_8_bits(read_deep(path, picture)), _orientation(picture))
        picture.load()
        return _to_array(picture, path)


def read_size(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Return height and width as `read_image` would decode them, reading the header alone.

    Raises:
        DataError: if the file has no readable header or is too large.
    """
    path = Path(path)
    with decoding(path), open_checked(path, max_pixels) as picture:
        width, height = picture.size
        # Of a TIFF Pillow tells the size as it is seen, not as it is stored.
        turned = picture.format != "TIFF" and _orientation(picture) in (5, 6, 7, 8)
        return (width, height) if turned else (height, width)


def write_png(path: str | os.PathLike[str], image: Image) -> None:
    """Write an image losslessly; a reader sees the old file or the whole new one.

    Args:
        path: the file; its folder is made if necessary.
        image: `(H, W, 3)` RGB or `(H, W)` in 0..255.

    Raises:
        DataError: if the array is not such an image.
    """
    path = Path(path)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise DataError(
            f"cannot write {path}: expected uint8 (H, W, 3) or (H, W), "
            f"got {image.dtype} {image.shape}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = io.BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(image)).save(encoded, format="PNG")
    write_atomically(path, encoded.getbuffer())


def hash_file(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of an image file; unchanged files are not read twice in one process.

    Raises:
        DataError: if the file cannot be read, or has more than `MAX_BYTES`.
    """
    path = Path(path)
    try:
        require_file(path, MAX_BYTES)
        status = path.stat()
        return _hash_file(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def hash_pixels(image: Image) -> str:
    """Return the sha256 of an image's shape and pixels: equal whatever file they came from.

    Args:
        image: `(H, W, C)` or `(H, W)` in 0..255.
    """
    digest = hashlib.sha256("x".join(map(str, image.shape)).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def to_rgb(image: Image) -> Image:
    """Return `(H, W, 3)`: a single-channel image repeated in every channel, RGB as it is."""
    return np.repeat(image[:, :, None], 3, axis=2) if image.ndim == 2 else image


class _Quiet:
    """Leaves out what decoders warn of while any thread decodes.

    `warnings.catch_warnings` cannot: in threads that overlap each puts back what it found, and the
    last may leave the process without warnings for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                warnings.filterwarnings("ignore", module=_DECODERS)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                filters: list[Any] = warnings.filters  # type: ignore[assignment]
                for ours in [one for one in filters if getattr(one[3], "pattern", "") == _DECODERS]:
                    filters.remove(ours)


_QUIET: Final = _Quiet()


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into a `DataError`, and leave its warnings out.

    Args:
        path: the file that is decoded inside, for messages.
    """
    with _QUIET:
        try:
            yield
        except DataError:
            raise
        except FileNotFoundError as error:
            raise DataError(f"no such image: {path}") from error
        except _DECODER_ERRORS as error:
            raise DataError(f"cannot read image {path}: {_reason(path, error)}") from error


def _reason(path: Path, error: BaseException) -> str:
    if path.is_file() and path.stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, PillowImage.DecompressionBombError):  # Pillow's own, before `open_checked`
        limit = f"{MAX_PIXELS / 1e6:g} million"
        return f"more pixels than the limit of {limit}; cut it into smaller images"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it, or the file is damaged and requests too much"
    if isinstance(error, UnidentifiedImageError):
        return f"not an image, or damaged (accepted formats: {', '.join(FORMATS)})"
    return f"damaged or unsupported ({error or type(error).__name__})"


def open_checked(path: Path, max_pixels: int = MAX_PIXELS) -> PillowImage.Image:
    """Read a file's header with Pillow; use it inside `decoding`.

    Args:
        path: the file.
        max_pixels: largest number of pixels accepted.

    Raises:
        DataError: if the image is larger, or the file is none or too long.
        OSError: if it cannot be read.
    """
    require_file(path, MAX_BYTES)
    picture = PillowImage.open(path, formats=FORMATS)
    # Pillow maps a file whose name it knows: of a turned TIFF it takes height for width then, and
    # one that gets shorter meanwhile ends the process.
    picture.filename = ""
    width, height = picture.size
    if width * height > max_pixels:
        picture.close()
        raise DataError(
            f"{path} has {width}x{height} pixels, more than the limit of {max_pixels / 1e6:g} "
            "million; cut it into smaller images"
        )
    try:
        require_small_tiles(path, picture)
        require_true_samples(path, picture)
    except DataError:
        picture.close()
        raise
    return picture


def check_content(path: Path, picture: PillowImage.Image) -> None:
    """Check what decoding does not, before it; use it inside `decoding`.

    Args:
        path: the file.
        picture: the same file, opened and not yet loaded.

    Raises:
        DataError: if decoding would take far longer than its pixels do.
    """
    if picture.format == "PNG":  # decoding ignores the checksums of chunks, and a missing end
        with PillowImage.open(path, formats=FORMATS) as checked:
            checked.verify()
    elif picture.format in ("JPEG", "MPO"):
        require_few_scans(path)


def _to_array(picture: PillowImage.Image, path: Path) -> Image:
    if picture.mode in ("I", "F"):
        raise DataError(
            f"cannot read image {path}: 32-bit pixels have no defined white; "
            "convert the file to 8 or 16 bits"
        )
    orientation = _orientation(picture)
    width, height = picture.size
    size = (width, height) if orientation in (5, 6, 7, 8) else (height, width)
    is_grey = picture.mode in GREY_MODES or picture.mode.startswith("I;16")
    image = np.empty(size if is_grey else (*size, 3), dtype=np.uint8)
    stored = _as_stored(image, orientation)
    rows = max(1, _PIECE // width)
    for top in range(0, height, rows):
        piece = picture.crop((0, top, width, min(top + rows, height)))
        if piece.mode.startswith("I;16"):
            stored[top : top + rows] = deep_levels(piece, picture) >> 8
        else:
            stored[top : top + rows] = np.asarray(piece.convert("L" if is_grey else "RGB"))
    return image


def _colours_in_8_bits(channels: Deep) -> Image:
    """Return `(H, W, 3)` or `(H, W)` of `(H, W, C)`, without alpha."""
    levels = (channels >> 8).astype(np.uint8)
    return levels[:, :, :3] if levels.shape[2] > 2 else levels[:, :, 0]


def _as_seen(stored: Image, orientation: object) -> Image:
    """Return an image upright that a file of an EXIF orientation stores."""
    height, width, *channels = stored.shape
    size = (width, height) if orientation in (5, 6, 7, 8) else (height, width)
    image = np.empty((*size, *channels), np.uint8)
    _as_stored(image, orientation)[:] = stored
    return image


def _orientation(picture: PillowImage.Image) -> object:
    return picture.getexif().get(Base.Orientation, 1)


def _as_stored(image: Image, orientation: object) -> Image:
    """Return an upright image as a file of that EXIF orientation stores it, a view.

    What is none of EXIF's numbers is taken as 1, as viewers do.
    """
    match orientation:
        case 2:
            return image[:, ::-1]
        case 3:
            return image[::-1, ::-1]
        case 4:
            return image[::-1]
        case 5:
            return image.swapaxes(0, 1)
        case 6:
            return np.rot90(image)
        case 7:
            return image[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(image, -1)
        case _:
            return image


@functools.lru_cache(maxsize=65_536)
def _hash_file(path: Path, _size: int, _modified_ns: int) -> str:
    return file_sha256(path)
