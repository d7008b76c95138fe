"""Files of few bytes or pixels that would take hours: the counts are those of the decoders."""

from __future__ import annotations

import io
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from PIL import ImageFile

from zoo.data.bombs import MAX_SCANS, count_scans
from zoo.data.images import hash_file, read_image, read_size
from zoo.data.packing import hash_files
from zoo.data.sources import open_source
from zoo.errors import DataError
from zoo.upscaling.pictures import read_picture

SIDE = 64
PARTS = ("scan", "app", "padding", "stuffed", "tem", "restart", "junk", "short", "unknown", "end")


def progressive(restart: int = 0) -> tuple[bytes, list[bytes], list[bytes]]:
    """Return a progressive JPEG: what is before its scans, tables before each, and the scans."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    stream = io.BytesIO()
    options = {"restart_marker_blocks": restart} if restart else {}
    PillowImage.fromarray(pixels).save(stream, "JPEG", progressive=True, quality=95, **options)
    content = stream.getvalue()[:-2]
    starts = [place for place in range(len(content)) if content[place : place + 2] == b"\xff\xda"]
    tables, scans, before = [], [], None
    for start, stop in zip(starts, [*starts[1:], len(content)], strict=True):
        table = content.find(b"\xff\xc4", start, stop)
        tables.append(b"" if before is None else content[before:start])
        scans.append(content[start : stop if table < 0 else table])
        before = stop if table < 0 else table
    return content[: starts[0]], tables, scans


def shown(content: bytes) -> bytes | None:
    """Return the pixels that Pillow decodes, None where it gives up."""
    try:
        with PillowImage.open(io.BytesIO(content)) as picture:
            return picture.tobytes()
    except (OSError, SyntaxError):
        return None


def oddity(part: str, random: np.random.Generator) -> bytes:
    """Return bytes that may lie between two scans."""
    payload = random.integers(0, 256, int(random.integers(2, 40)), dtype=np.uint8).tobytes()
    return {
        "app": b"\xff\xe5" + struct.pack(">H", len(payload) + 2) + payload,
        "padding": b"\xff" * int(random.integers(1, 9)),
        "stuffed": b"\xff\x00" * int(random.integers(1, 5)),
        "tem": b"\xff\x01",
        "restart": bytes([0xFF, int(random.integers(0xD0, 0xD8))]),
        "junk": payload.replace(b"\xff", b"\xfe"),
        "short": b"\xff\xfe\x00" + bytes([int(random.integers(0, 2))]),
        "unknown": bytes([0xFF, int(random.choice([2, 0x50, 0xBF, 0xF1, 0xFD]))]) + payload,
        "end": b"\xff\xd9",
    }[part]


@pytest.mark.parametrize("restart", [0, 3])
def test_scans_are_counted_as_libjpeg_counts_them(restart: int) -> None:
    """Pillow does not tell how many scans it went over, but every scan changes the pixels."""
    head, tables, scans = progressive(restart)
    pixels = [
        shown(head + b"".join(map(bytes.__add__, tables[:n], scans[:n])) + b"\xff\xd9")
        for n in range(1, len(scans) + 1)
    ]
    assert len(set(pixels)) == len(scans) >= 5
    random = np.random.default_rng(restart)
    agreed = set()
    for _ in range(150):
        content = head
        for table, scan in zip(tables, scans, strict=True):
            content += table + scan
            for part in random.choice(PARTS[1:], random.integers(0, 3), p=[0.12] * 8 + [0.04]):
                content += oddity(str(part), random)
        content += b"\xff\xd9" + scans[-1]
        seen = shown(content)
        counted = count_scans(content, most=MAX_SCANS)
        if seen is None:  # libjpeg gave up: nothing is left to be compared
            continue
        assert seen == pixels[counted - 1]
        agreed.add(counted)
    assert len(agreed) >= 4


@pytest.mark.parametrize(
    "hidden",
    [b"\xff\x01", b"\xff\xff\x01", b"\xff\xd3", b"\xff\x00", b"\xff\x02", b"\xff\xfe\x00\x01"],
    ids=["tem", "padded-tem", "restart", "stuffed", "reserved", "short-comment"],
)
def test_scans_behind_markers_without_length_are_counted(tmp_path: Path, hidden: bytes) -> None:
    """The two bytes after the marker would be a length that skips the rest of the file."""
    head, tables, scans = progressive()
    cover = hidden + b"\xff\xff" if hidden != b"\xff\xfe\x00\x01" else hidden
    content = head + b"".join(map(bytes.__add__, tables, scans)) + cover
    content += 5000 * (cover + scans[-1]) + b"\xff\xd9"
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    begin = time.perf_counter()
    for read in (read_image, read_picture):
        with pytest.raises(DataError, match="a JPEG of more than 100 scans"):
            read(path)
    assert time.perf_counter() - begin < 5


def test_a_counting_ends_at_the_end_of_the_image() -> None:
    head, tables, scans = progressive()
    content = head + b"".join(map(bytes.__add__, tables, scans)) + b"\xff\xd9"
    assert count_scans(content + 500 * scans[-1], most=MAX_SCANS) == len(scans)
    assert count_scans(b"\xff\xd8", most=MAX_SCANS) == 0
    assert count_scans(b"\xff\xd8\xff\xe0", most=MAX_SCANS) == 0


def pages(count: int) -> bytes:
    """Return a TIFF of one picture and many empty pages, six bytes of table each."""
    stream = io.BytesIO()
    PillowImage.fromarray(np.full((9, 8), 7, np.uint8)).save(stream, "TIFF")
    content = bytearray(stream.getvalue())
    content += bytes(len(content) % 2)
    table = int.from_bytes(content[4:8], "little")
    entries = int.from_bytes(content[table : table + 2], "little")
    link = table + 2 + 12 * entries
    content[link : link + 4] = len(content).to_bytes(4, "little")
    for number in range(count):
        following = len(content) + 6 if number < count - 1 else 0
        content += b"\0\0" + following.to_bytes(4, "little")
    return bytes(content)


def test_the_pages_of_a_tiff_are_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(pages(300_000))
    begin = time.perf_counter()
    assert read_picture(path).notes == ("only the first of several images in it",)
    assert read_image(path).shape == read_size(path) == (9, 8)
    assert time.perf_counter() - begin < 2


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif", "mpo"])
def test_the_frames_of_no_format_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    first = PillowImage.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert("RGB")
    path = tmp_path / f"x.{suffix}"
    first.save(path, save_all=True, append_images=[first.rotate(90), first.rotate(180)])
    path = path.rename(path.with_suffix(".jpg")) if suffix == "mpo" else path

    def counted(_: object) -> int:
        raise AssertionError

    for kind in ImageFile.ImageFile.__subclasses__():
        if isinstance(vars(kind).get("n_frames"), property):
            monkeypatch.setattr(kind, "n_frames", property(counted))
    assert read_picture(path).notes == ("only the first of several images in it",)


def test_a_sparse_picture_is_refused_by_its_size_before_it_is_hashed(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        PillowImage.new("L", (32, 32)).save(tmp_path / name)
    path = tmp_path / "hole.png"
    with path.open("wb") as file:
        file.truncate(300_000_000_000)
    begin = time.perf_counter()
    for use in (
        lambda: open_source(f"{tmp_path}/"),
        lambda: hash_files([path]),
        lambda: hash_file(path),
    ):
        with pytest.raises(DataError, match=r"hole\.png: it has 300,000,000,000 bytes, more than"):
            use()
    assert time.perf_counter() - begin < 2
