from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data.extract import MAX_HEADER_BYTES, extract
from zoo.errors import IntegrityError

BAD_NAMES = ["/abs.png", "../up.png", "a/../../up.png", "C:/x.png", "a\\..\\..\\x.png"]


def make_zip(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def make_tar(path: Path, *entries: tuple[str | tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in entries:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "target"
    folder.mkdir(parents=True)
    return folder


def test_files_and_folders_are_unpacked(tmp_path: Path, target: Path) -> None:
    extract(make_zip(tmp_path / "a", ("set/", b""), ("set/1.png", b"one")), target)
    assert (target / "set/1.png").read_bytes() == b"one"
    extract(make_tar(tmp_path / "b", ("other/2.png", b"two")), target)
    assert (target / "other/2.png").read_bytes() == b"two"


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_leave_the_folder_are_refused(
    tmp_path: Path,
    target: Path,
    make: Callable[..., Path],
    name: str,
) -> None:
    archive = make(tmp_path / "a", ("good.png", b"x"), (name, b"x"))
    with pytest.raises(IntegrityError, match="nothing unpacked"):
        extract(archive, target)
    assert list(target.iterdir()) == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "deep", "target"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_zip_links_and_devices_are_refused(tmp_path: Path, target: Path, kind: int) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (kind | 0o777) << 16
    with pytest.raises(IntegrityError, match="link"):
        extract(make_zip(tmp_path / "a", (info, b"/etc/passwd")), target)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_tar_links_and_devices_are_refused(tmp_path: Path, target: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("link")
    info.type, info.linkname = kind, "/etc/passwd"
    with pytest.raises(IntegrityError, match="link"):
        extract(make_tar(tmp_path / "a", (info, b"")), target)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_no_file_goes_through_a_link(tmp_path: Path, target: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("out")
    info.type, info.linkname = kind, "../.."
    archive = make_tar(tmp_path / "a", (info, b""), ("out/climbed.png", b"x"), ("out", b"x"))
    with pytest.raises(IntegrityError, match="nothing unpacked"):
        extract(archive, target)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "deep", "target"]


def test_an_entry_that_says_it_is_small_stays_small(tmp_path: Path, target: Path) -> None:
    archive = make_zip(tmp_path / "a", ("1.png", bytes(5_000_000)))
    content = bytearray(archive.read_bytes())
    for place in (22, content.index(b"PK\x01\x02") + 24):
        content[place : place + 4] = (10).to_bytes(4, "little")
    archive.write_bytes(content)
    with pytest.raises(IntegrityError, match="Bad CRC-32"):
        extract(archive, target, max_bytes=1000)
    assert sum(path.stat().st_size for path in target.iterdir()) <= 10


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_names_and_attributes_of_a_tar_are_short(tmp_path: Path, target: Path, kind: bytes) -> None:
    """They are read whole, before any entry can be looked at."""
    info = tarfile.TarInfo("long")
    info.type = kind
    archive = make_tar(tmp_path / "a", (info, bytes(MAX_HEADER_BYTES + 1)))
    with pytest.raises(IntegrityError, match="a name or attributes of 1048577 bytes"):
        extract(archive, target)


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_a_file_that_is_a_folder_too_is_refused(
    tmp_path: Path, target: Path, make: Callable[..., Path], names: tuple[str, str]
) -> None:
    archive = make(tmp_path / "x", *[(name, b"x") for name in names])
    with pytest.raises(IntegrityError, match="is a file and a folder in it"):
        extract(archive, target)


@pytest.mark.parametrize("make", [make_zip, make_tar])
@pytest.mark.parametrize("limits", [{"max_entries": 2}, {"max_bytes": 2_999_999}])
def test_too_much_is_refused(
    tmp_path: Path,
    target: Path,
    make: Callable[..., Path],
    limits: dict[str, int],
) -> None:
    archive = make(tmp_path / "a", *[(f"{number}.png", bytes(1_000_000)) for number in range(3)])
    with pytest.raises(IntegrityError, match="the limits are"):
        extract(archive, target, **limits)
    assert list(target.iterdir()) == []
    extract(archive, target)
    assert len(list(target.iterdir())) == 3


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04broken"])
def test_what_is_no_archive_is_refused(tmp_path: Path, target: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(IntegrityError, match="cannot unpack"):
        extract(tmp_path / "a", target)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_damaged_archives_are_refused(
    tmp_path: Path,
    target: Path,
    make: Callable[..., Path],
) -> None:
    archive = make(tmp_path / "a", ("1.png", bytes(range(256)) * 400))
    data = bytearray(archive.read_bytes())
    data[80:100] = bytes(20)
    archive.write_bytes(data)
    with pytest.raises(IntegrityError, match="cannot unpack"):
        extract(archive, target)
