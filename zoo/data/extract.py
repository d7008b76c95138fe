"""Unpacks archives from other sources, so that nothing is written outside the target folder.

Entries with absolute names, `..`, links or devices are refused, and so are archives with more
entries or bytes than a dataset can have. Not here: downloading (`zoo.data.download`), installing
(`zoo.data.install`).
"""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from zoo.errors import IntegrityError
from zoo.files import require_file

MAX_ENTRIES = 20_000
MAX_BYTES = 50_000_000_000
MAX_HEADER_BYTES = 1 << 20
"""Of a name or the attributes of a tar entry; tarfile reads them before it has an entry to show."""
ENCRYPTED = 0x1  # bit 0 of a zip entry's flags
_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


def extract(
    archive: Path, folder: Path, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
) -> None:
    """Unpack a zip or tar archive into a folder that exists.

    Nothing is written unless every entry passes.

    Args:
        archive: the file, distinguished by its content.
        folder: where its entries go.
        max_entries: most files and folders accepted.
        max_bytes: most unpacked bytes accepted.

    Raises:
        IntegrityError: if the archive is damaged, of another kind, or has an entry it should not.
    """
    try:
        require_file(archive, MAX_BYTES)
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                _extract_zip(opened, archive, folder, max_entries, max_bytes)
        else:
            with tarfile.open(archive, tarinfo=_Entry) as opened_tar:
                _extract_tar(opened_tar, archive, folder, max_entries, max_bytes)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError) as error:
        raise IntegrityError(f"cannot unpack {archive}: {error}") from error
    except NotImplementedError as error:
        raise IntegrityError(f"cannot unpack {archive}: unknown compression ({error})") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise IntegrityError(
            f"cannot unpack {archive}: {error.filename} is a file and a folder in it"
        ) from error


class _Entry(tarfile.TarInfo):
    """An entry of a tar archive whose headers do not fill the memory."""

    def _proc_member(self, opened: tarfile.TarFile) -> tarfile.TarInfo:
        """Read what follows a header; tarfile's place for a subclass to look at it."""
        if self.type in _HEADERS and self.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a name or attributes of {self.size} bytes")
        entry: tarfile.TarInfo = super()._proc_member(opened)  # type: ignore[misc]
        return entry


def _extract_zip(
    opened: zipfile.ZipFile, archive: Path, folder: Path, max_entries: int, max_bytes: int
) -> None:
    entries = opened.infolist()
    _check_amount(archive, len(entries), sum(e.file_size for e in entries), max_entries, max_bytes)
    for entry in entries:
        _check_name(archive, entry.orig_filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or entry.flag_bits & ENCRYPTED:
            raise IntegrityError(
                f"{archive}: {entry.filename!r} is a link, a device or encrypted; nothing unpacked"
            )
    for entry in entries:
        target = folder.joinpath(*PurePosixPath(entry.filename).parts)
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # zipfile stops at the size it announced and checks the CRC: a lying entry ends here.
        with opened.open(entry) as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink, 1 << 20)


def _extract_tar(
    opened: tarfile.TarFile, archive: Path, folder: Path, max_entries: int, max_bytes: int
) -> None:
    entries: list[tarfile.TarInfo] = []
    total = 0
    for entry in opened:  # counted while reading: a compressed tar has no table to ask
        entries.append(entry)
        total += entry.size
        _check_amount(archive, len(entries), total, max_entries, max_bytes)
        _check_name(archive, entry.name)
        if not (entry.isreg() or entry.isdir()):
            raise IntegrityError(
                f"{archive}: {entry.name!r} is a link or a device; nothing unpacked"
            )
    opened.extractall(folder, members=entries, filter="data")


def _check_amount(
    archive: Path, num_entries: int, num_bytes: int, max_entries: int, max_bytes: int
) -> None:
    if num_entries > max_entries or num_bytes > max_bytes:
        raise IntegrityError(
            f"{archive} unpacks to {num_entries} entries and {num_bytes} bytes or more; the limits "
            f"are {max_entries} and {max_bytes}; nothing unpacked"
        )


def _check_name(archive: Path, name: str) -> None:
    """Refuse names that could leave the folder, on any operating system."""
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or any(c in name for c in "\\:\0"):
        raise IntegrityError(f"{archive}: refused entry {name!r}; nothing unpacked")
