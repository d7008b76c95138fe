"""TIFF, PNG and PNM files written bit by bit from known samples: what a true reader makes of them.

No decoder and no encoder of pictures is used here, so that readers are compared with the formats'
own words. Every picture is a ramp without symmetry.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import png

Samples = npt.NDArray[np.int64]

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
NOTHING, ASSOCIATED, UNASSOCIATED = 0, 1, 2
NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
COLOURS: Final = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
HEIGHT, WIDTH = 11, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How a TIFF holds its pixels.

    Attributes:
        photometric: what the samples mean.
        bits: of each sample.
        extras: what the samples beside the colours mean.
        order: of bytes, `<` or `>`.
        fill_order: 1 where the first pixel is in the high bits of a byte, 2 in the low ones.
        planar: 1 where the samples of a pixel lie together, 2 where each has a plane.
        rows: of a strip; 0 for tiles of 16 by 16.
        compression: TIFF's number.
        orientation: TIFF's number.
        predicted: whether each sample is stored as its difference from the one to its left.
        signed: whether samples are said to be signed.
        untold: whether the tag that tells of extra samples is left out.
    """

    photometric: int
    bits: int
    extras: tuple[int, ...] = ()
    order: str = "<"
    fill_order: int = 1
    planar: int = 1
    rows: int = HEIGHT
    compression: int = NONE
    orientation: int = 1
    predicted: bool = False
    signed: bool = False
    untold: bool = False


def ramp(channels: int, bits: int, *, height: int = HEIGHT, width: int = WIDTH) -> Samples:
    """Return `(height, width, channels)` of levels from 0 to the highest, each channel another."""
    most = (1 << bits) - 1
    rows, columns = np.mgrid[0:height, 0:width]
    down, across = rows / (height - 1), columns / (width - 1)
    planes = [across, down, (down + across) / 2, 1 - across, 1 - down]
    return np.stack([np.round(planes[n % 5] * most) for n in range(channels)], axis=2).astype(int)


def samples_of(kind: Kind) -> Samples:
    """Return the ramp that a TIFF of a kind stores; associated alpha is multiplied in."""
    colours = COLOURS[kind.photometric]
    samples = ramp(colours + len(kind.extras), kind.bits)
    if ASSOCIATED in kind.extras:
        most = (1 << kind.bits) - 1
        alpha = samples[:, :, colours : colours + 1]
        samples[:, :, :colours] = samples[:, :, :colours] * alpha // most
    return samples


def palette(bits: int) -> Samples:
    """Return `(2 ** bits, 3)` of 16-bit levels, in no order."""
    numbers = np.arange(1 << bits)
    return np.stack([(numbers * step * 257) % 65536 for step in (37, 91, 201)], axis=1)


def tiff_of(kind: Kind) -> bytes:
    """Return a TIFF that stores the ramp of its kind."""
    samples = samples_of(kind)
    pieces = [_compressed(piece, kind) for piece in _pieces(samples, kind)]
    count = samples.shape[2]
    tags: dict[int, tuple[int, list[int]]] = {
        256: (4, [WIDTH]),
        257: (4, [HEIGHT]),
        258: (3, [kind.bits] * count),
        259: (3, [kind.compression]),
        262: (3, [kind.photometric]),
        266: (3, [kind.fill_order]),
        274: (3, [kind.orientation]),
        277: (3, [count]),
        284: (3, [kind.planar]),
    }
    if kind.predicted:
        tags[317] = (3, [2])
    if kind.signed:
        tags[339] = (3, [2] * count)
    if kind.extras and not kind.untold:
        tags[338] = (3, list(kind.extras))
    if kind.photometric == PALETTE:
        tags[320] = (3, palette(kind.bits).T.flatten().tolist())
    if kind.photometric == YCBCR:
        tags[530] = (3, [1, 1])
    if kind.rows:
        tags[278] = (4, [kind.rows])
    else:
        tags |= {322: (3, [16]), 323: (3, [16])}
    places = (273, 279) if kind.rows else (324, 325)
    return _tiff(tags, places, pieces, kind.order)


def _tiff(
    tags: dict[int, tuple[int, list[int]]], places: tuple[int, int], pieces: list[bytes], order: str
) -> bytes:
    """Lay out header, pixels, long values and the table, in this order."""
    content = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    offsets = []
    for piece in pieces:
        offsets.append(len(content))
        content += piece + bytes(len(piece) % 2)
    tags = tags | {places[0]: (4, offsets), places[1]: (4, [len(piece) for piece in pieces])}
    table = struct.pack(f"{order}H", len(tags))
    for tag, (form, values) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{'H' if form == 3 else 'I'}", *values)
        if len(packed) > 4:
            place = len(content)
            content += packed
            packed = struct.pack(f"{order}I", place)
        table += struct.pack(f"{order}HHI", tag, form, len(values)) + packed.ljust(4, b"\0")
    content[4:8] = struct.pack(f"{order}I", len(content))
    return bytes(content + table + bytes(4))


def _pieces(samples: Samples, kind: Kind) -> Iterator[bytes]:
    planes = [samples] if kind.planar == 1 else np.split(samples, samples.shape[2], axis=2)
    for plane in planes:
        if kind.rows:
            for top in range(0, HEIGHT, kind.rows):
                yield packed_rows(
                    plane[top : top + kind.rows], kind.bits, kind.order, predicted=kind.predicted
                )
            continue
        padded = np.pad(plane, [(0, -HEIGHT % 16), (0, -WIDTH % 16), (0, 0)], mode="edge")
        for top, left in product(range(0, len(padded), 16), range(0, padded.shape[1], 16)):
            tile = padded[top : top + 16, left : left + 16]
            yield packed_rows(tile, kind.bits, kind.order, predicted=kind.predicted)


def packed_rows(samples: Samples, bits: int, order: str = ">", *, predicted: bool = False) -> bytes:
    """Return rows of samples, each begun on a byte, high bits first."""
    if predicted:
        samples = np.diff(samples, axis=1, prepend=0) % (1 << bits)
    rows = samples.reshape(len(samples), -1)
    if bits == 16:
        return rows.astype(f"{order}u2").tobytes()
    shifts = np.arange(bits - 1, -1, -1)
    ones = (rows[:, :, None] >> shifts & 1).reshape(len(rows), -1).astype(np.uint8)
    return np.packbits(ones, axis=1).tobytes()


def _compressed(content: bytes, kind: Kind) -> bytes:
    if kind.compression == DEFLATE:
        content = zlib.compress(content)
    elif kind.compression == PACKBITS:
        pieces = (content[start : start + 128] for start in range(0, len(content), 128))
        content = b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)
    if kind.fill_order == 2:
        mirrored = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
        content = content.translate(mirrored)
    return content


def png_of(
    colour: int,
    bits: int,
    *,
    transparent: Sequence[int] = (),
    interlace: bool = False,
    orientation: int = 1,
) -> bytes:
    """Return a PNG that stores a ramp: see `png_samples`.

    Args:
        colour: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
        bits: of each sample.
        transparent: the level that is invisible; of a palette, alpha of each entry.
        interlace: whether its rows come in seven passes.
        orientation: EXIF's number.
    """
    samples = png_samples(colour, bits)
    options: dict[str, Any] = {"transparent": tuple(transparent) or None}
    if colour in (0, 4):
        options["transparent"] = transparent[0] if transparent else None
    if colour == 3:
        entries = [tuple(entry) for entry in (palette(bits) >> 8).tolist()]
        if transparent:
            entries = [(*entry, alpha) for entry, alpha in zip(entries, transparent, strict=True)]
        options = {"palette": entries}
    writer = png.Writer(
        WIDTH,
        HEIGHT,
        greyscale=colour in (0, 4),
        alpha=colour in (4, 6),
        bitdepth=bits,
        interlace=interlace,
        **options,
    )
    stream = io.BytesIO()
    writer.write_array(stream, samples.flatten().tolist()) if interlace else writer.write(
        stream, samples.reshape(HEIGHT, -1).tolist()
    )
    exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + struct.pack("<HHI", orientation, 0, 0)
    stream.seek(0)
    header, *rest = png.Reader(file=stream).chunks()
    whole = io.BytesIO()
    png.write_chunks(whole, [header, (b"eXIf", exif), *rest])
    return whole.getvalue()


def png_samples(colour: int, bits: int) -> Samples:
    """Return the ramp that a PNG of a kind stores."""
    return ramp({0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour], bits)


def pnm_of(magic: str, highest: int) -> bytes:
    """Return a PNM that stores `pnm_samples`, with comments and spaces where they may be."""
    samples = pnm_samples(magic, highest)
    head = f"{magic} # a comment\n# another\n{WIDTH}\t{HEIGHT}"
    if magic in ("P1", "P4"):
        rows = samples[:, :, 0]
        if magic == "P4":
            return f"{head}\n".encode() + packed_rows(1 - samples, 1)
        return (
            f"{head}\n".encode()
            + "\n".join(" ".join(map(str, row)) for row in (1 - rows).tolist()).encode()
        )
    head = f"{head} {highest}\n"
    if magic in ("P2", "P3"):
        return (head + "\n".join(map(str, samples.flatten().tolist()))).encode()
    form = "u1" if highest < 256 else ">u2"
    return head.encode() + samples.astype(form).tobytes()


def pnm_samples(magic: str, highest: int) -> Samples:
    """Return the ramp that a PNM of a kind stores, its white 1 in those of one bit."""
    samples = ramp(3 if magic in ("P3", "P6") else 1, 16)
    return (samples * highest + 32767) // 65535


@dataclass(frozen=True, slots=True)
class Truth:
    """What a true reader makes of a file, upright.

    Attributes:
        colours: `(H, W, 3)` or `(H, W)`, in 0..255 or 0..65535, not rounded.
        alpha: `(H, W)` likewise; None where all is opaque.
        is_deep: whether white is 65535.
        tolerance: how far from `colours` rounding may lead, in their levels.
    """

    colours: npt.NDArray[np.float64]
    alpha: npt.NDArray[np.float64] | None
    is_deep: bool
    tolerance: float = 0.5


def seen(stored: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Return stored pixels as EXIF says that they are seen: where row 0 and column 0 are."""
    across = {2: "right", 3: "right", 6: "right", 7: "right"}.get(orientation, "left")
    upside_down = orientation in (3, 4, 7, 8)
    turned = np.swapaxes(stored, 0, 1) if orientation > 4 else stored
    turned = turned[:, ::-1] if across == "right" else turned
    return turned[::-1] if upside_down else turned


def truth_of_tiff(kind: Kind) -> Truth:
    """Return what the TIFF of a kind shows."""
    samples, most = samples_of(kind), (1 << kind.bits) - 1
    white = 65535 if kind.bits > 8 else 255
    count = COLOURS[kind.photometric]
    levels = samples * white / most
    colours, alpha, tolerance = levels[:, :, :count], None, 0.5
    if kind.extras and (kind.extras[0] or kind.untold):
        alpha = levels[:, :, count]
    if ASSOCIATED in kind.extras and alpha is not None:  # dark ones are coarse, so stored
        colours = np.minimum(colours * white / np.maximum(alpha, 1)[:, :, None], white)
        tolerance = 1.1
    if kind.photometric == WHITE_IS_ZERO:
        colours = white - colours
    elif kind.photometric == PALETTE:
        colours = (palette(kind.bits)[samples[:, :, 0]] >> 8).astype(float)
    elif kind.photometric == CMYK:
        black = white - colours[:, :, 3:]
        colours, tolerance = black - colours[:, :, :3] * black / white, 1.6
    elif kind.photometric == YCBCR:
        luma, blue, red = (colours[:, :, n] - (0, 128, 128)[n] for n in range(3))
        planes = [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue]
        colours, tolerance = np.clip(np.stack(planes, axis=2), 0, 255), 1.6
    colours = colours[:, :, 0] if colours.shape[2] == 1 else colours
    shown = None if alpha is None else seen(alpha, kind.orientation)
    return Truth(seen(colours, kind.orientation), shown, white == 65535, tolerance)


def truth_of_png(
    colour: int, bits: int, *, transparent: Sequence[int] = (), orientation: int = 1
) -> Truth:
    """Return what the PNG of a kind shows."""
    samples, white = png_samples(colour, bits), 65535 if bits == 16 else 255
    colours, alpha = samples * white / ((1 << bits) - 1), None
    if colour == 3:
        colours = (palette(bits)[samples[:, :, 0]] >> 8).astype(float)
        alpha = np.array(transparent, float)[samples[:, :, 0]] if transparent else None
    elif colour in (4, 6):
        colours, alpha = colours[:, :, :-1], colours[:, :, -1]
    elif transparent:
        alpha = np.where((samples == np.array(transparent)).all(axis=2), 0.0, white)
    colours = colours[:, :, 0] if colours.shape[2] == 1 else colours
    shown = None if alpha is None else seen(alpha, orientation)
    return Truth(seen(colours, orientation), shown, bits == 16)


def truth_of_pnm(magic: str, highest: int) -> Truth:
    """Return what the PNM of a kind shows."""
    white = 65535 if highest > 255 else 255
    colours = pnm_samples(magic, highest) * white / highest
    return Truth(colours[:, :, 0] if colours.shape[2] == 1 else colours, None, white == 65535)
