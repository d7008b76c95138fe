"""Image files in, uint8 arrays out, and back: the only place of zoo that decodes images.

Pillow decodes (torchvision's decoder crashes the process on damaged files), behind limits. Rules:

- the header is read first; more than `max_pixels` is refused before a pixel is decoded;
- a damaged, truncated or empty file is a `DataError` that names it, never half an image;
- EXIF orientation is applied, so that height and width are those a viewer shows;
- grey stays single-channel; palette, CMYK and other colour spaces become RGB;
- 16 bits become 8 by dropping the low byte (what Pillow itself does for 16-bit RGB);
- alpha is dropped and the stored colours kept: a photograph has no background to be laid on;
- of an animation or a multi-page file the first picture is used.

Not here: which files make a dataset (`zoo.data.sources`), resizing (`zoo.data.resize`).
"""

from __future__ import annotations

import functools
import hashlib
import io
import logging
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from zoo.errors import DataError
from zoo.files import file_sha256, write_atomically

logger = logging.getLogger(__name__)

Image = npt.NDArray[np.uint8]
MAX_PIXELS = 64_000_000
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
GREY_MODES = frozenset({"1", "L", "LA", "La"})


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
        # Decoding ignores the checksums of PNG chunks and a missing end; this does not.
        if picture.format == "PNG":
            with open_checked(path, max_pixels) as checked:
                checked.verify()
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        return _to_array(upright, path)


def read_size(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Return height and width as `read_image` would decode them, reading the header alone.

    Raises:
        DataError: if the file has no readable header or is too large.
    """
    path = Path(path)
    with decoding(path), open_checked(path, max_pixels) as picture:
        width, height = picture.size
        quarter_turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        return (width, height) if quarter_turned else (height, width)


def write_png(path: str | os.PathLike[str], image: Image) -> None:
    """Write an image losslessly; a reader sees the old file or the whole new one.

    Args:
        path: the file; its folder is made if need be.
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
    """Return the sha256 of a file's bytes; unchanged files are not read twice in one process.

    Raises:
        DataError: if the file cannot be read.
    """
    path = Path(path)
    try:
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


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Turn whatever a decoder raises into a `DataError`, and its warnings into log lines.

    Args:
        path: the file that is decoded inside, for messages.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        except DataError:
            raise
        except FileNotFoundError as error:
            raise DataError(f"no such image: {path}") from error
        except _DECODER_ERRORS as error:
            raise DataError(f"cannot read image {path}: {_reason(path, error)}") from error
    for warning in caught:
        logger.debug("%s: %s", path, warning.message)


def _reason(path: Path, error: BaseException) -> str:
    if path.is_dir():
        return "it is a directory"
    if path.is_file() and path.stat().st_size == 0:
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError):
        return f"not an image, or a damaged one (formats read: {', '.join(FORMATS)})"
    return f"damaged or unsupported ({error or type(error).__name__})"


def open_checked(path: Path, max_pixels: int = MAX_PIXELS) -> PillowImage.Image:
    """Read a file's header with Pillow; use it inside `decoding`.

    Args:
        path: the file.
        max_pixels: largest number of pixels accepted.

    Raises:
        DataError: if the picture is larger.
    """
    picture = PillowImage.open(path, formats=FORMATS)
    width, height = picture.size
    if width * height > max_pixels:
        picture.close()
        raise DataError(
            f"{path} has {width}x{height} pixels, more than the limit of {max_pixels / 1e6:g} "
            "million; cut it into smaller images"
        )
    return picture


def _to_array(picture: PillowImage.Image, path: Path) -> Image:
    if picture.mode.startswith("I;16"):
        return np.ascontiguousarray(np.asarray(picture) >> 8, dtype=np.uint8)
    if picture.mode in ("I", "F"):
        raise DataError(
            f"cannot read image {path}: 32-bit pixels have no defined white; "
            "convert the file to 8 or 16 bits"
        )
    mode = "L" if picture.mode in GREY_MODES else "RGB"
    return np.array(picture.convert(mode), dtype=np.uint8)


@functools.lru_cache(maxsize=65_536)
def _hash_file(path: Path, _size: int, _modified_ns: int) -> str:
    return file_sha256(path)
