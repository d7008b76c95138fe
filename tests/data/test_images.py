from __future__ import annotations

import contextlib
import hashlib
import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from zoo.data.images import hash_file, hash_pixels, read_image, read_size, to_rgb, write_png
from zoo.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
GREY = RGB[:, :, 0].copy()


def save(picture: PillowImage.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("image", [RGB, GREY], ids=["rgb", "grey"])
def test_png_round_trip(tmp_path: Path, image: np.ndarray) -> None:
    path = tmp_path / "folder" / "a.png"
    write_png(path, image)
    assert np.array_equal(read_image(path), image)
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    write_png(path, GREY)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PillowImage.Image, "save", fail)
    with pytest.raises(OSError, match="No space"):
        write_png(path, RGB)
    monkeypatch.undo()
    assert np.array_equal(read_image(path), GREY)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_only_images_are_written(tmp_path: Path, image: np.ndarray) -> None:
    with pytest.raises(DataError, match="expected uint8"):
        write_png(tmp_path / "a.png", image)


def test_palette_and_cmyk_become_rgb(tmp_path: Path) -> None:
    flat = PillowImage.new("RGB", (8, 8), (255, 0, 0))
    palette = read_image(save(flat.convert("P"), tmp_path / "p.png"))
    cmyk = read_image(save(flat.convert("CMYK"), tmp_path / "c.tif"))
    assert palette.shape == cmyk.shape == (8, 8, 3)
    assert palette[0, 0].tolist() == cmyk[0, 0].tolist() == [255, 0, 0]


def test_palette_with_transparency_keeps_its_colours(tmp_path: Path) -> None:
    picture = PillowImage.fromarray(RGB).quantize(16)
    expected = np.asarray(picture.convert("RGB"))
    path = save(picture, tmp_path / "p.png", transparency=bytes(range(16)))
    assert np.array_equal(read_image(path), expected)


@pytest.mark.parametrize(("mode", "base"), [("RGBA", RGB), ("LA", GREY)])
def test_alpha_is_dropped(tmp_path: Path, mode: str, base: np.ndarray) -> None:
    picture = PillowImage.fromarray(base).convert(mode)
    picture.putalpha(PillowImage.new("L", picture.size, 3))
    assert np.array_equal(read_image(save(picture, tmp_path / "a.png")), base)


def test_sixteen_bits_lose_their_low_byte(tmp_path: Path) -> None:
    deep = np.array([[0, 255, 256, 0x1234, 65535]], dtype=np.uint16)
    path = save(PillowImage.fromarray(deep), tmp_path / "deep.png")
    assert read_image(path).tolist() == [[0, 0, 1, 0x12, 255]]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_32_bits_are_refused(tmp_path: Path, mode: str) -> None:
    path = save(PillowImage.new(mode, (4, 4)), tmp_path / "float.tif")
    with pytest.raises(DataError, match="no defined white"):
        read_image(path)


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    path = save(PillowImage.new("1", (3, 2), 1), tmp_path / "bit.png")
    assert np.all(read_image(path) == 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    path = save(PillowImage.fromarray(RGB), tmp_path / "turned.png", exif=exif.tobytes())
    views = [
        RGB,
        RGB[:, ::-1],
        RGB[::-1, ::-1],
        RGB[::-1],
        RGB.transpose(1, 0, 2),
        np.rot90(RGB, -1),
        RGB[::-1, ::-1].transpose(1, 0, 2),
        np.rot90(RGB),
    ]
    image = read_image(path)
    assert np.array_equal(image, views[orientation - 1])
    assert read_size(path) == image.shape[:2]


@pytest.mark.parametrize("suffix", ["gif", "png", "tif"])
def test_the_first_picture_of_several_is_used(tmp_path: Path, suffix: str) -> None:
    frames = [PillowImage.new("RGB", (6, 5), colour) for colour in ("black", "white")]
    path = tmp_path / f"several.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert np.all(read_image(path) == 0)


def test_size_is_checked_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_png(path, RGB)
    assert read_image(path, max_pixels=240).shape == RGB.shape
    for read in (read_image, read_size):
        with pytest.raises(DataError, match=r"a\.png has 20x12 pixels"):
            read(path, max_pixels=239)


@pytest.mark.parametrize("side", [10_000, 30_000], ids=["pillow-warns", "pillow-raises"])
def test_bombs_are_refused_from_the_header(tmp_path: Path, side: int) -> None:
    # A PNG whose header promises far more than its few bytes: decoding would take gigabytes.
    path = tmp_path / "bomb.png"
    small = io.BytesIO()
    PillowImage.new("1", (side, 1)).save(small, "PNG")
    data = bytearray(small.getvalue())
    data[20:24] = side.to_bytes(4, "big")
    data[29:33] = zlib_crc(bytes(data[12:29]))
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"bomb\.png"):
        read_image(path)


def zlib_crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "the file is empty"), (b"hello, world", "not an image"), (b"\x89PNG\r\n", "not an im")],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"bad\.png.*{reason}"):
        read_image(path)


def test_missing_files_and_directories(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such image"):
        read_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="it is a folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif", "bmp"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = save(PillowImage.fromarray(np.tile(RGB, (8, 8, 1))), tmp_path / f"a.{suffix}")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=rf"a\.{suffix}"):
        read_image(path)


def test_every_flipped_bit_of_png_pixels_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_png(path, RGB)
    data = path.read_bytes()
    for place in range(data.index(b"IDAT"), len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(DataError, match=r"a\.png"):
            read_image(path)
    path.write_bytes(data[: -len(b"....IEND....")])
    with pytest.raises(DataError, match=r"a\.png"):
        read_image(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "gif", "bmp"])
def test_mutated_files_give_an_image_or_a_data_error(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    path = save(PillowImage.fromarray(np.tile(RGB, (2, 2, 1))), tmp_path / f"a.{suffix}")
    data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    for _ in range(100):
        mutated = data.copy()
        places = rng.integers(0, min(len(data), 400), size=4)
        mutated[places] = rng.integers(0, 256, size=4)
        path.write_bytes(mutated.tobytes())
        # Some mutations leave a readable picture; nothing but a DataError may come of the others.
        with contextlib.suppress(DataError):
            assert read_image(path).dtype == np.uint8


def test_hashes(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_png(path, RGB)
    assert hash_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    write_png(path, GREY)
    assert hash_file(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert hash_pixels(RGB) == hash_pixels(np.asfortranarray(RGB))
    assert hash_pixels(RGB) != hash_pixels(RGB.reshape(20, 12, 3))
    with pytest.raises(DataError, match=r"none\.png"):
        hash_file(tmp_path / "none.png")


def test_grey_is_repeated_in_every_channel() -> None:
    assert np.array_equal(to_rgb(GREY), np.stack([GREY] * 3, axis=2))
    assert to_rgb(RGB) is RGB
