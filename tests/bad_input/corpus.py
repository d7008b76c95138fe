"""Picture files as they come: sound ones of every kind, and damaged and hostile ones.

Each knows what a plain decode of it gives, or that nothing may be made of it. How zoo takes them is
in `tests.bad_input.entrances`; `python -m tests.bad_input.entrances` counts.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import png
import tifffile
from PIL import Image as PillowImage
from PIL import ImageOps

Pixels = npt.NDArray[Any]
FORMATS = {
    "png": "PNG",
    "jpg": "JPEG",
    "webp": "WEBP",
    "tif": "TIFF",
    "bmp": "BMP",
    "gif": "GIF",
}
HEIGHT, WIDTH = 40, 48
BOMB_SIDE = 30_000
NUM_FLIPS = 8


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture file.

    Attributes:
        kind: what is odd about it.
        suffix: of its name.
        content: its bytes.
        pixels: `(H, W, 3)` or `(H, W)`, uint8, upright, alpha left out; None where nothing may be
            made of it.
        may_be_refused: whether an error that names it is right as well.
        has_hidden: whether some of its pixels are invisible.
    """

    kind: str
    suffix: str
    content: bytes
    pixels: Pixels | None = None
    may_be_refused: bool = False
    has_hidden: bool = False

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.kind}.{self.suffix}"


def photograph() -> Pixels:
    """Return `(HEIGHT, WIDTH, 3)` of 216 colours, so that a palette holds them, and no symmetry."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [columns // 8, rows // 7, (rows + 2 * columns) // 24]
    return (51 * np.stack([plane % 6 for plane in planes], axis=2)).astype(np.uint8)


def make_corpus() -> list[Sample]:
    """Return every sample; names are unique."""
    parts = (_plain, _one_pixel, _deep, _other_colours, _turned, _several)
    sound = [sample for part in parts for sample in part()]
    damaged = [sample for part in (_damaged, _flipped, _bombs, _dear) for sample in part()]
    return [*sound, *damaged]


def _encoded(picture: PillowImage.Image, suffix: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, FORMATS[suffix], **options)
    return stream.getvalue()


def _decoded(content: bytes) -> Pixels:
    """Return what Pillow alone makes of a file, upright."""
    with PillowImage.open(io.BytesIO(content)) as picture:
        picture.load()
        upright = ImageOps.exif_transpose(picture)
        return np.asarray(upright.convert("L" if upright.mode in ("1", "L", "LA") else "RGB"))


def _plain() -> Iterator[Sample]:
    picture = PillowImage.fromarray(photograph())
    for suffix in FORMATS:
        source = picture.quantize(256) if suffix == "gif" else picture
        content = _encoded(source, suffix)
        yield Sample("plain", suffix, content, _decoded(content))
        if suffix != "webp":
            content = _encoded(picture.convert("L"), suffix)
            yield Sample("grey", suffix, content, _decoded(content))
    content = _encoded(picture, "jpg", progressive=True)
    yield Sample("progressive", "jpg", content, _decoded(content))
    content = _encoded(picture, "webp", lossless=True)
    yield Sample("lossless", "webp", content, photograph())
    content = _encoded(picture.convert("1"), "png")
    yield Sample("one-bit", "png", content, _decoded(content))


def _one_pixel() -> Iterator[Sample]:
    for suffix in FORMATS:
        content = _encoded(PillowImage.new("RGB", (1, 1), (200, 100, 50)), suffix)
        yield Sample("1x1", suffix, content, _decoded(content))


def _deep() -> Iterator[Sample]:
    colours = photograph().astype(np.uint16) * 256 + 77
    grey = colours[:, :, 0]
    stream = io.BytesIO()
    writer = png.Writer(WIDTH, HEIGHT, greyscale=False, bitdepth=16)
    writer.write(stream, colours.reshape(HEIGHT, -1).tolist())
    yield Sample("16-bit", "png", stream.getvalue(), photograph())
    content = _encoded(PillowImage.fromarray(grey), "png")
    yield Sample("16-bit-grey", "png", content, photograph()[:, :, 0])
    stream = io.BytesIO()
    tifffile.imwrite(stream, colours, photometric="rgb")
    yield Sample("16-bit", "tif", stream.getvalue(), photograph())
    content = _encoded(PillowImage.fromarray(grey), "tif")
    yield Sample("16-bit-grey", "tif", content, photograph()[:, :, 0])


def _other_colours() -> Iterator[Sample]:
    picture = PillowImage.fromarray(photograph())
    for suffix in ("jpg", "tif"):
        content = _encoded(picture.convert("CMYK"), suffix)
        yield Sample("cmyk", suffix, content, _decoded(content))
    palette = picture.quantize(256)
    colours = np.asarray(palette.convert("RGB"))
    content = _encoded(palette, "png", transparency=bytes(range(1, 256)) + b"\xff")
    yield Sample("palette-transparency", "png", content, colours)
    content = _encoded(palette, "png", transparency=bytes([0]) + b"\xff" * 255)
    yield Sample("palette-hidden", "png", content, colours, has_hidden=True)
    content = _encoded(palette, "gif", transparency=3)
    yield Sample("palette-hidden", "gif", content, colours, has_hidden=True)
    alpha = PillowImage.fromarray(np.full((HEIGHT, WIDTH), 90, np.uint8))
    clear = picture.copy()
    clear.putalpha(alpha)
    for suffix, options in {"png": {}, "tif": {}, "webp": {"lossless": True}}.items():
        yield Sample("alpha", suffix, _encoded(clear, suffix, **options), photograph())
    floats = PillowImage.fromarray(photograph()[:, :, 0].astype(np.float32))
    yield Sample("32-bit", "tif", _encoded(floats, "tif"))


def _turned() -> Iterator[Sample]:
    picture = PillowImage.fromarray(photograph())
    for orientation in (3, 5, 6, 8):
        exif = PillowImage.Exif()
        exif[0x0112] = orientation
        for suffix in ("png", "jpg", "webp", "tif"):
            lossless = {"lossless": True} if suffix == "webp" else {}
            content = _encoded(picture, suffix, exif=exif.tobytes(), **lossless)
            pixels = _decoded(content) if suffix == "jpg" else TURNS[orientation](photograph())
            yield Sample(f"exif-{orientation}", suffix, content, pixels)


TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    3: lambda pixels: pixels[::-1, ::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, -1),
    8: np.rot90,
}


def _several() -> Iterator[Sample]:
    first = PillowImage.fromarray(photograph())
    more: dict[str, Any] = {"save_all": True, "append_images": [first.rotate(180)]}
    for suffix in ("png", "webp", "tif", "gif"):
        lossless = {"lossless": True} if suffix == "webp" else {}
        source = first.quantize(256) if suffix == "gif" else first
        content = _encoded(source, suffix, **more, **lossless)
        yield Sample("animated", suffix, content, _decoded(content))
    stream = io.BytesIO()
    first.save(stream, "MPO", **more)
    yield Sample("animated", "jpg", stream.getvalue(), _decoded(stream.getvalue()))


def _whole(suffix: str) -> bytes:
    """Return a sound file whose pixels no format can pack into nothing."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return _encoded(PillowImage.fromarray(noise), suffix)


def _damaged() -> Iterator[Sample]:
    for suffix in FORMATS:
        content = _whole(suffix)
        for share in (0.02, 0.5, 0.9):
            yield Sample(f"truncated-{share}", suffix, content[: int(share * len(content))])
        yield Sample("empty", suffix, b"")
        yield Sample("text", suffix, b"no picture, but words\n" * 20)


def _flipped() -> Iterator[Sample]:
    """Yield files with one bit flipped; what has no checksum may be readable, and then is read."""
    random = np.random.default_rng(1)
    for suffix in FORMATS:
        whole = _whole(suffix)
        for number in range(NUM_FLIPS):
            content = bytearray(whole)
            # Half of them in the header, where more depends on every bit.
            place = random.integers(0, len(content) if number % 2 else min(64, len(content)))
            content[place] ^= 1 << int(random.integers(0, 8))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow finds much of it odd, and reads it
                try:
                    pixels: Pixels | None = _decoded(bytes(content))
                except Exception:  # noqa: BLE001  Pillow alone raises anything
                    pixels = None
            yield Sample(f"flipped-{number}", suffix, bytes(content), pixels, may_be_refused=True)


def _bombs() -> Iterator[Sample]:
    """Yield small files that say they are 30,000 pixels a side, or as many as their format has."""
    side = BOMB_SIDE
    packed = deflated_zeros(side * (1 + side // 8))
    yield Sample("bomb", "png", png_file(side, side, 1, 0, [(b"IDAT", packed)]))
    content = bytearray(_whole("jpg"))
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", side, side)
    yield Sample("bomb", "jpg", bytes(content))
    content = bytearray(_encoded(PillowImage.fromarray(photograph()), "webp", lossless=True))
    content[21:25] = struct.pack("<I", 0x3FFF | 0x3FFF << 14)  # 16,384 a side is the most it has
    yield Sample("bomb", "webp", bytes(content))
    yield Sample("bomb", "tif", tiff_file(side, side, b"", {278: side}))
    content = bytearray(_whole("bmp"))
    content[18:26] = struct.pack("<ii", side, side)
    yield Sample("bomb", "bmp", bytes(content))
    content = bytearray(_encoded(PillowImage.fromarray(photograph()).quantize(256), "gif"))
    content[6:10] = struct.pack("<HH", side, side)
    yield Sample("bomb", "gif", bytes(content))
    frame = content.index(b"\x2c\0\0\0\0")
    content[6:10], content[frame + 5 : frame + 9] = struct.pack("<HH", 9, 9), content[6:10]
    yield Sample("bomb-in-a-frame", "gif", bytes(content))


def _dear() -> Iterator[Sample]:
    """Yield files of few pixels that a decoder would pay gigabytes or hours for."""
    side = 20_000
    tile = deflated_zeros(3 * side * side)
    yield Sample("tile-bomb", "tif", tiff_file(16, 16, tile, {322: side, 323: side}))
    picture = PillowImage.new("L", (4000, 4000), 128)
    content = _encoded(picture, "jpg", progressive=True)
    last = content.rindex(b"\xff\xda")
    yield Sample("scan-bomb", "jpg", content[:-2] + 5000 * content[last:-2] + content[-2:])
    packed = deflated_zeros(2_000_000_000)
    black = np.zeros((16, 16, 3), np.uint8)
    content = png_file(16, 16, 16, 2, [(b"IDAT", packed)])
    yield Sample("pixel-bomb", "png", content, black, may_be_refused=True)
    ours = zlib.compress(bytes(16 * (1 + 16 * 3)))
    text = (b"zTXt", b"Comment\0\0" + packed)
    profile = (b"iCCP", b"icc\0\0" + packed)
    for name, chunk in {"text-bomb": text, "profile-bomb": profile}.items():
        content = png_file(16, 16, 8, 2, [chunk, (b"IDAT", ours)])
        yield Sample(name, "png", content, black, may_be_refused=True)


def deflated_zeros(count: int) -> bytes:
    """Return so many zeros as zlib packs them, made without them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(count % (1 << 20))) + packer.flush()
    checksum = struct.pack(">HH", count % 65521, 1)
    return b"\x78\x9c" + (count >> 20) * block + rest + checksum


def png_file(
    width: int, height: int, depth: int, colour: int, chunks: list[tuple[bytes, bytes]]
) -> bytes:
    """Return a PNG of any chunks, each with its checksum."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    stream = io.BytesIO()
    png.write_chunks(stream, [(b"IHDR", header), *chunks, (b"IEND", b"")])
    return stream.getvalue()


def tiff_file(width: int, height: int, data: bytes, tags: dict[int, int]) -> bytes:
    """Return a deflated RGB TIFF with further tags, its pixels in one strip or tile."""
    is_tiled = 322 in tags
    places = {324 if is_tiled else 273: 0, 325 if is_tiled else 279: len(data)}
    known = {256: width, 257: height, 258: 0, 259: 8, 262: 2, 277: 3, 284: 1} | places | tags
    depths = 8 + 2 + 12 * len(known) + 4
    known[258], known[324 if is_tiled else 273] = depths, depths + 6
    content = b"II*\0" + struct.pack("<IH", 8, len(known))
    for tag in sorted(known):
        kind, count = (3, 3) if tag == 258 else (4, 1)
        content += struct.pack("<HHII", tag, kind, count, known[tag])
    return content + struct.pack("<IHHH", 0, 8, 8, 8) + data
