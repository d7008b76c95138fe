from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import IntegrityError, MachineError, WeightsError, ZooError
from zoo.weights import archives
from zoo.weights.archives import read_member

MEMBER = "package-1.0/package/weights.bin"
CONTENT = np.random.default_rng(0).bytes(3 << 20)  # several pieces, and nothing to compress
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def read(archive: Path, member: str = MEMBER, **changes: Any) -> bytes:
    known: dict[str, Any] = {"sha256": SHA256, "num_bytes": len(CONTENT)}
    return read_member(archive, member, **known | changes)


def entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, **more: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    for attribute, value in more.items():
        setattr(made, attribute, value)
    return made


def make_tar(
    folder: Path, *members: tuple[tarfile.TarInfo, bytes], name: str = "package-1.0.tar.gz"
) -> Path:
    path = folder / name
    with tarfile.open(path, "w:gz", compresslevel=1) as opened:
        for member, content in members:
            opened.addfile(member, io.BytesIO(content) if content else None)
    return path


def make_zip(folder: Path, *members: tuple[zipfile.ZipInfo | str, bytes]) -> Path:
    path = folder / "package-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for member, content in members:
            opened.writestr(member, content)
    return path


def good_tar(folder: Path, **more: Any) -> Path:
    return make_tar(
        folder,
        (entry("package-1.0", kind=tarfile.DIRTYPE), b""),
        (entry("package-1.0/before", 1), b"x"),
        (entry(MEMBER, len(CONTENT)), CONTENT),
        (entry("package-1.0/after", 1), b"x"),
        **more,
    )


def good_zip(folder: Path) -> Path:
    return make_zip(folder, ("before", b"x"), (MEMBER, CONTENT), ("after", b"x"))


MAKERS = pytest.mark.parametrize("make", [good_tar, good_zip])


@MAKERS
def test_a_member_is_read_and_nothing_written(make: Any, tmp_path: Path) -> None:
    archive = make(tmp_path)
    assert read(archive) == CONTENT
    assert list(tmp_path.iterdir()) == [archive]


def test_other_names_of_the_same_kinds(tmp_path: Path) -> None:
    assert read(good_tar(tmp_path, name="package.tgz")) == CONTENT
    assert read(good_zip(tmp_path).rename(tmp_path / "PACKAGE.ZIP")) == CONTENT


@MAKERS
def test_an_absent_member_is_told(make: Any, tmp_path: Path) -> None:
    archive = make(tmp_path)
    with pytest.raises(WeightsError, match=r"has no member package-1\.0/none") as caught:
        read(archive, "package-1.0/none")
    assert str(archive) in str(caught.value)


@MAKERS
@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"num_bytes": len(CONTENT) - 1}, "it has 3,145,728 bytes, not 3,145,727"),
        ({"num_bytes": len(CONTENT) + 1}, "it has 3,145,728 bytes, not 3,145,729"),
        ({"sha256": "0" * 64}, f"its sha256 is {SHA256}, not {'0' * 64}"),
    ],
)
def test_another_member_is_told(
    make: Any, tmp_path: Path, change: dict[str, Any], difference: str
) -> None:
    archive = make(tmp_path)
    with pytest.raises(IntegrityError, match=difference) as caught:
        read(archive, **change)
    assert str(archive) in str(caught.value)
    assert MEMBER in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.DIRTYPE,
    ],
)
@pytest.mark.parametrize("link", ["/etc/passwd", "package-1.0/real"])
def test_a_link_or_device_in_a_tar_is_not_followed(tmp_path: Path, kind: bytes, link: str) -> None:
    archive = make_tar(
        tmp_path,
        (entry("package-1.0/real", len(CONTENT)), CONTENT),
        (entry(MEMBER, kind=kind, linkname=link), b""),
    )
    with pytest.raises(IntegrityError, match="it is not a regular file"):
        read(archive)


@pytest.mark.parametrize("mode", [0o120777, 0o020666, 0o010666, 0o040755])
def test_a_link_or_device_in_a_wheel_is_not_followed(tmp_path: Path, mode: int) -> None:
    member = zipfile.ZipInfo(MEMBER)
    member.external_attr = mode << 16
    with pytest.raises(IntegrityError, match="it is not a regular file"):
        read(make_zip(tmp_path, (member, b"/etc/passwd")))


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": MEMBER}
    headers["GNU.sparse.realsize"] = str(len(CONTENT))
    body = b"1\n0\n512\n".ljust(512, b"\0") + b"x" * 512
    path = tmp_path / "package-1.0.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as opened:
        opened.addfile(entry("x", len(body), pax_headers=headers), io.BytesIO(body))
    with pytest.raises(IntegrityError, match=MEMBER):
        read(path)


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    member = (entry(MEMBER, len(CONTENT)), CONTENT)
    with pytest.raises(IntegrityError, match="it appears twice"):
        read(make_tar(tmp_path, member, member))
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = make_zip(tmp_path, (MEMBER, CONTENT), (MEMBER, CONTENT))
    with pytest.raises(IntegrityError, match="it appears 2 times"):
        read(archive)


@pytest.mark.parametrize("name", ["../../escaped", "/escaped", "a/../../b", "C:\\escaped"])
def test_names_that_lead_outside_lead_nowhere(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    tar = make_tar(folder, (entry(name, len(CONTENT)), CONTENT))
    assert read(tar, name) == CONTENT
    wheel = make_zip(folder, (name, CONTENT))
    assert read(wheel, name) == CONTENT
    assert sorted(tmp_path.rglob("*")) == [folder, wheel, tar]


# --- damage


@MAKERS
@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_archive_is_told(make: Any, tmp_path: Path, part: float) -> None:
    archive = make(tmp_path)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(IntegrityError, match=archive.name):
        read(archive)


@MAKERS
def test_damage_anywhere_is_told_or_does_not_matter(make: Any, tmp_path: Path) -> None:
    archive = make(tmp_path)
    content = archive.read_bytes()
    rng = np.random.default_rng(1)
    ends = [*range(0, 200, 7), *range(len(content) - 400, len(content), 7)]
    for place in [*ends, *rng.integers(0, len(content), 10)]:
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        archive.write_bytes(damaged)
        try:
            assert read(archive) == CONTENT
        except ZooError as error:
            assert str(archive) in str(error)  # noqa: PT017


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x1f\x8b", b"PK\x03\x04", b"\0" * 2000])
@pytest.mark.parametrize("name", ["x.tar.gz", "x.whl", "x"])
def test_what_is_no_archive_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(IntegrityError, match=f"cannot read {MEMBER} of .*{name}"):
        read(tmp_path / name)
    (tmp_path / name).write_bytes(gzip.compress(content))
    with pytest.raises(ZooError, match=name):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["x.tar.gz", "x.whl"])
def test_an_archive_that_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(MachineError, match="No such file"):
        read(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(MachineError, match="it is a folder"):
        read(tmp_path / name)


# --- bombs


def peak_of(archive: Path, **changes: Any) -> int:
    """Return the most memory that reading took, in bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(ZooError, match=archive.name):
            read(archive, **changes)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def raw_tar(folder: Path, *pieces: bytes) -> Path:
    path = folder / "package-1.0.tar.gz"
    path.write_bytes(gzip.compress(b"".join(pieces), 1))
    return path


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g", b"X"])
def test_a_header_does_not_fill_the_memory(tmp_path: Path, kind: bytes) -> None:
    huge = 200 << 20
    header = entry("x", huge, kind).tobuf(tarfile.GNU_FORMAT)
    assert peak_of(raw_tar(tmp_path, header, bytes(huge))) < 20 << 20


@pytest.mark.parametrize("kind", [b"L", b"x", b"0"])
@pytest.mark.parametrize("size", [-1, -512, -(1 << 40), 1 << 62])
def test_absurd_sizes_are_told(tmp_path: Path, kind: bytes, size: int) -> None:
    header = entry("x", size, kind).tobuf(tarfile.GNU_FORMAT)
    good = entry("y", 1).tobuf() + b"y".ljust(512, b"\0")
    assert peak_of(raw_tar(tmp_path, good, header, bytes(4096))) < 20 << 20


def test_headers_of_headers_are_told(tmp_path: Path) -> None:
    one = entry("x", 1, b"L").tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")
    with pytest.raises(ZooError, match=r"package-1\.0"):
        read(raw_tar(tmp_path, one * 5000))


@pytest.mark.slow
def test_a_member_that_is_larger_than_known_is_not_read(tmp_path: Path) -> None:
    huge = 200 << 20
    tar = raw_tar(tmp_path, entry(MEMBER, huge).tobuf(), bytes(huge))
    assert peak_of(tar) < 20 << 20
    assert peak_of(make_zip(tmp_path, (MEMBER, bytes(huge)))) < 20 << 20


def test_a_wheel_that_lies_about_a_size_is_told(tmp_path: Path) -> None:
    archive = make_zip(tmp_path, (MEMBER, bytes(len(CONTENT) * 50)))
    content = archive.read_bytes()
    stated = (len(CONTENT) * 50).to_bytes(4, "little")
    assert content.count(stated) == 2
    archive.write_bytes(content.replace(stated, len(CONTENT).to_bytes(4, "little")))
    assert peak_of(archive) < 20 << 20


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(tmp_path: Path, method: int) -> None:
    member = zipfile.ZipInfo(MEMBER)
    member.compress_type = method
    path = tmp_path / "x.whl"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr(member, CONTENT[:1000])
    with pytest.raises(IntegrityError, match="unusual"):
        read(path, num_bytes=1000)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    archive = good_zip(tmp_path)
    content = bytearray(archive.read_bytes())
    content[content.rindex(b"PK\x01\x02", 0, content.rindex(MEMBER.encode())) + 8] |= 1
    archive.write_bytes(content)
    with pytest.raises(IntegrityError, match="encrypted"):
        read(archive)


def test_an_archive_without_end_is_not_read_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = good_tar(tmp_path)
    monkeypatch.setattr(archives, "MAX_ENTRIES", 3)
    with pytest.raises(IntegrityError, match="more than a package has"):
        read(archive)
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MAX_BYTES", len(CONTENT))
    with pytest.raises(IntegrityError, match="more than a package has"):
        read(archive)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_an_archive_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    archive = good_tar(tmp_path)
    archive.chmod(0)
    with pytest.raises(MachineError, match="Permission denied"):
        read(archive)
