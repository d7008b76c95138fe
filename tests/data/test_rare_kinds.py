"""Kinds of picture that few programs write and both readers take: each shows what it holds.

They are put together byte by byte, as those of `tests.data.test_ramps` are.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

from tests.data.ramps import HEIGHT, RGB, WIDTH, Kind, Truth, ramp, seen, tiff_of
from tests.data.test_ramps import check
from zoo.data.images import read_image
from zoo.errors import DataError

CIELAB = 8
D50 = np.array([0.96422, 1.0, 0.82521])
TO_LINEAR_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
"""Of XYZ under D50, the white of CIELAB in a TIFF (TIFF 6.0, section 23; Bradford's adaptation)."""


def srgb_of_lab(lab: np.ndarray) -> np.ndarray:
    """Return sRGB in 0..255 of L* in 0..100, a* and b*; `(H, W, 3)` both."""
    middle = (lab[:, :, 0] + 16) / 116
    roots = np.stack([middle + lab[:, :, 1] / 500, middle, middle - lab[:, :, 2] / 200], axis=2)
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29)) * D50
    linear = np.clip(xyz @ TO_LINEAR_SRGB.T, 0, 1)
    small = linear <= 0.0031308
    encoded = np.where(small, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded)


@pytest.mark.parametrize("orientation", [1, 6])
def test_cielab_of_8_bits_becomes_srgb(tmp_path: Path, orientation: int) -> None:
    """Muted colours: what a display has not is cut in ways of its own by each program."""
    samples = ramp(3, 8)
    samples[:, :, 0] = 60 + samples[:, :, 0] * 160 // 255
    samples[:, :, 1:] = (samples[:, :, 1:] - 128) // 16
    whole = bytearray(tiff_of(Kind(photometric=RGB, bits=8, orientation=orientation)))
    whole[8 : 8 + samples.size] = (samples % 256).astype(np.uint8).tobytes()
    kind = struct.pack("<HHI", 262, 3, 1)
    place = whole.index(kind) + len(kind)
    whole[place : place + 2] = struct.pack("<H", CIELAB)
    colours = srgb_of_lab(samples * np.array([100 / 255, 1, 1]))
    truth = Truth(seen(colours, orientation), None, is_deep=False, tolerance=2)
    assert check(tmp_path / "x.tif", bytes(whole), truth, what="CIELAB")


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiffs_of_64_bit_places_show_what_they_hold(tmp_path: Path, bits: int, planar: str) -> None:
    samples = ramp(3, bits)
    laid = samples if planar == "contig" else np.moveaxis(samples, 2, 0)
    stream, levels = io.BytesIO(), laid.astype(np.uint8 if bits == 8 else np.uint16)
    tifffile.imwrite(stream, levels, bigtiff=True, photometric="rgb", planarconfig=planar)
    truth = Truth(samples.astype(float), None, is_deep=bits == 16, tolerance=0.5)
    assert check(tmp_path / "x.tif", stream.getvalue(), truth, what="BigTIFF")


def test_a_jpeg_of_cmyk_that_adobe_did_not_mark_is_not_inverted(tmp_path: Path) -> None:
    """What libjpeg writes for it is inverted and marked: both are taken away here."""
    samples = ramp(4, 8, height=24, width=40)
    picture = PillowImage.frombytes("CMYK", (40, 24), samples.astype(np.uint8).tobytes())
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=100, subsampling=0)
    marked = stream.getvalue()
    place = marked.index(b"\xff\xee")
    plain = marked[:place] + marked[place + 2 + int.from_bytes(marked[place + 2 : place + 4]) :]
    assert b"Adobe" in marked
    assert b"Adobe" not in plain
    black = 255 - samples[:, :, 3:]
    colours = black - samples[:, :, :3] * black / 255
    truth = Truth(colours, None, is_deep=False, tolerance=4)
    assert check(tmp_path / "x.jpg", marked, truth, what="marked")
    assert check(tmp_path / "x.jpg", plain, truth, what="plain")


@pytest.mark.parametrize("bits", [4, 8])
def test_bmps_of_runs_show_what_they_hold(tmp_path: Path, bits: int) -> None:
    numbers = ramp(1, bits)[:, :, 0]
    rows = (b"".join(bytes([1, n << 8 - bits]) for n in row) + b"\0\0" for row in numbers[::-1])
    pixels = b"".join(rows) + b"\0\1"
    table = b"".join(bytes([7 * n % 256, 91 * n % 256, 201 * n % 256, 0]) for n in range(1 << bits))
    packing = {8: 1, 4: 2}[bits]
    info = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, bits, packing, len(pixels), 0, 0, 0, 0)
    place = 14 + len(info) + len(table)
    head = b"BM" + struct.pack("<IHHI", place + len(pixels), 0, 0, place)
    colours = np.stack([201 * numbers, 91 * numbers, 7 * numbers], axis=2) % 256
    truth = Truth(colours.astype(float), None, is_deep=False, tolerance=0.5)
    assert check(tmp_path / "x.bmp", head + info + table + pixels, truth, what="runs")


def test_memory_that_ran_out_is_not_called_a_damaged_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.png"
    PillowImage.new("RGB", (8, 8)).save(path)

    def crop(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(PillowImage.Image, "crop", crop)
    with pytest.raises(DataError, match=r"x\.png: not enough memory to decode it"):
        read_image(path)
