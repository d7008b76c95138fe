"""Files that are complete or absent, and files that detect damage.

A run writes its files with this module. After any kill or power failure, a reader finds the old
content or the new one. zoo also opens all files here: it never waits for a pipe, never reads a
device, and no file fills the memory.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, Final

from zoo.errors import MachineError, UnfitFileError

TEMPORARY = ".tmp"
MAX_BYTES = 4 * 2**30
"""Limit of any file: weights and checkpoints."""
MAX_TEXT_BYTES = 64 * 2**20
"""Limit of a text file: records, provenance, plugins."""
MAX_LOG_BYTES = 2**30
"""Limit of a log that grows with a run."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
SEAL: Final = "digest_sha256"
"""Key of a JSON document's digest of the rest of itself."""
_HEADER_BYTES = 8
MAX_NAME_BYTES = 255
"""Limit of a file name on every file system in common use."""
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is exceeded",
    errno.EFBIG: "the file would exceed the size limit of this process",
}
_NAME_REFUSED = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
_NOT_SUPPORTED = (errno.EINVAL, errno.ENOTSUP)


def require_file(path: Path, max_bytes: int = MAX_BYTES) -> None:
    """Check that a path is a regular file within a size limit, for a library that opens it by name.

    Raises:
        UnfitFileError: if it is a pipe, a device, a folder, or larger.
        OSError: if it does not exist or cannot be accessed.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "not a regular file")
        raise _unfit(path, f"it is {kind}, not a file; replace it by a regular file")
    if status.st_size > max_bytes:
        raise _unfit(
            path,
            f"it has {status.st_size:,} bytes, more than the limit of {max_bytes:,} for such a "
            "file; it is damaged or a different file: replace it by the right one",
        )


def open_file(path: Path, max_bytes: int = MAX_BYTES) -> BufferedReader:
    """Open a file within a size limit for reading.

    Raises:
        UnfitFileError: if it is a pipe, a device, a folder, or larger.
        OSError: if it does not exist or cannot be read.
    """
    require_file(path, max_bytes)
    return open(path, "rb", opener=_without_waiting)


def read_file(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Return the bytes of a file within a size limit; errors as in `open_file`."""
    with open_file(path, max_bytes) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise _unfit(path, f"it grew beyond {max_bytes:,} bytes while zoo read it")
    return content


def read_text(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return the UTF-8 text of a file; errors as in `open_file`, and UnicodeDecodeError."""
    return read_file(path, max_bytes).decode("utf-8")


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write a file under a temporary name, flush it to disk and rename it.

    Raises:
        MachineError: if the disk is full or the folder is not writable; an existing file stays
            intact.
    """
    # Opened by name rather than by tempfile, which would ignore the umask of a shared folder.
    temporary = path.with_name(f".{secrets.token_hex(8)}{TEMPORARY}")  # short, for long names
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise MachineError(_describe(path, len(content), error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def fitting_name(stem: str, ending: str) -> str:
    """Return `stem` and `ending` as a file name of at most `MAX_NAME_BYTES`.

    A longer name is cut before its ending and gets eight digits of the full name's sha256, so that
    two names with the same start stay different.
    """
    whole = os.fsencode(f"{stem}{ending}")
    if len(whole) <= MAX_NAME_BYTES:
        return f"{stem}{ending}"
    ending = f"-{hashlib.sha256(whole).hexdigest()[:8]}{ending}"
    kept = os.fsencode(stem)[: MAX_NAME_BYTES - len(os.fsencode(ending))]
    return f"{kept.decode(errors='ignore')}{ending}"


def is_bad_name(error: BaseException) -> bool:
    """Whether a file could not be written only because of its name."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in _NAME_REFUSED


def append_line(path: Path, line: str) -> None:
    """Append a line to a text file; create it if necessary.

    Raises:
        MachineError: if the disk is full or the file is not writable.
    """
    with explaining_refusals(path, len(line)), path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def sync_file(path: Path) -> None:
    """Wait until a file's content is on disk.

    Raises:
        MachineError: if that fails.
    """
    with explaining_refusals(path), path.open("a") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def explaining_refusals(path: Path, num_bytes: int = 0) -> Iterator[None]:
    """Turn errors of the file system while writing into messages.

    Args:
        path: the file or folder.
        num_bytes: bytes needed.

    Raises:
        MachineError: if the disk is full or the path is not writable.
    """
    try:
        yield
    except OSError as error:
        raise MachineError(_describe(path, num_bytes, error)) from error


def from_home(path: str | os.PathLike[str]) -> Path:
    """Return a path with `~` replaced; unchanged if that home is unknown."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  pathlib's raises where there is none


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal; errors as in `open_file`."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def print_of(path: Path) -> dict[str, Any] | None:
    """Return size and sha256 of a file, None if it does not exist; errors as in `open_file`."""
    if not path.exists():
        return None
    return {"bytes": path.stat().st_size, "sha256": file_sha256(path)}


def hash_path(path: Path) -> Path:
    """Return the path of a file's sha256, in the format of `sha256sum`."""
    return path.with_name(fitting_name(path.name, ".sha256"))


def write_hashed(path: Path, content: bytes | memoryview) -> str:
    """Write a file and its `.sha256` so that a kill between the two does no harm.

    While a file is replaced, its `.sha256` lists the hashes of both contents. The folder is created
    if necessary.

    Returns:
        The sha256.

    Raises:
        MachineError: if the disk is full or the folder is not writable.
    """
    digest = hashlib.sha256(content).hexdigest()
    line = f"{digest}  {path.name}\n".encode()
    recorded = hash_path(path)
    with explaining_refusals(path, len(content)):
        path.parent.mkdir(parents=True, exist_ok=True)
        before = read_file(recorded) if recorded.exists() and path.exists() else b""
    write_atomically(recorded, line + before)
    write_atomically(path, content)
    if before:
        write_atomically(recorded, line)
    return digest


def read_hashed(path: Path) -> bytes | None:
    """Return a file's content if its sha256 is a recorded one, else None.

    Raises:
        UnfitFileError: if one of the two is not a regular file, or much too large.
        MachineError: if one of the two cannot be read, so that damage cannot be checked.
    """
    try:
        content = read_file(path, MAX_BYTES)
        recorded = read_text(hash_path(path)).split()
    except UnfitFileError:
        raise
    except PermissionError as error:
        raise MachineError(f"cannot read {error.filename}: {error.strerror}") from error
    except (OSError, UnicodeDecodeError):
        return None
    return content if hashlib.sha256(content).hexdigest() in recorded else None


def seal_of(document: Mapping[str, Any]) -> str:
    """Return the sha256 of a JSON document's canonical form, without its seal.

    It detects changes. It is not a signature: anyone who can write the file can
    also write a new digest.
    """
    content = {key: value for key, value in document.items() if key != SEAL}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sealed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON document with a digest of itself."""
    return {**document, SEAL: seal_of(document)}


def broken_seal(document: Mapping[str, Any]) -> str:
    """Return what is wrong with a document's digest of itself; empty if nothing is."""
    if SEAL not in document:
        return (
            "it has no digest of itself: an earlier version of zoo wrote it, or someone changed it"
        )
    if document[SEAL] != seal_of(document):
        return "its digest does not match its content: it was changed after zoo wrote it"
    return ""


def in_order(content: bytes) -> bytes:
    """Return a safetensors file with sorted metadata, so that equal tensors have equal bytes.

    The library writes metadata in an order that differs between processes.
    """
    length = int.from_bytes(content[:_HEADER_BYTES], "little")
    header = json.loads(content[_HEADER_BYTES:][:length])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _HEADER_BYTES)  # the tensors begin at a multiple of 8
    return len(text).to_bytes(_HEADER_BYTES, "little") + text + content[_HEADER_BYTES + length :]


def sweep_temporary_files(folder: Path) -> None:
    """Remove partial files that killed processes left below a folder."""
    for path in folder.rglob(f".*{TEMPORARY}"):
        path.unlink(missing_ok=True)


def _without_waiting(path: str, flags: int) -> int:
    """Open a file as `open` does, but do not wait if it has become a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _unfit(path: Path, reason: str) -> UnfitFileError:
    return UnfitFileError(errno.EINVAL, reason, str(path))


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:  # some network mounts cannot; the rename is done
            raise
    finally:
        os.close(descriptor)


def _describe(path: Path, num_bytes: int, error: OSError) -> str:
    reason = _FULL.get(error.errno or 0)
    if reason is None:
        return f"cannot write {path}: {error.strerror}"
    free = shutil.disk_usage(path.parent).free
    return (
        f"cannot write {path}: {reason}; it needs {num_bytes:,} bytes, {free:,} are free. "
        "Everything saved before is intact: free some space and run the same command again"
    )
