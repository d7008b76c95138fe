"""Reads files of `torch.save` as data, and identifies files that only look like weights.

`torch.load(weights_only=True)` calls nothing but what rebuilds tensors. Training scripts put other
things beside the weights: a score as a number of numpy's, the options they were started with. For
each of these a class of this module stands in, which keeps nothing, so that the weights can be
obtained; anything else is refused by name. Not here: pickles of numpy arrays
(`zoo.weights.pickles`).
"""

from __future__ import annotations

import codecs
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any, Final, Self

from zoo.errors import WeightsError
from zoo.files import open_file

_ZIP = b"PK\x03\x04"
_PYTORCH: Final = (_ZIP, b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
"""How files of `torch.save` begin: a zip, before version 1.6 a pickle of a number of theirs."""
_HEAD = 512
_LENGTH_BYTES = 8  # of the length at the head of a safetensors file
_MAX_HEADER = 100_000_000  # bytes of that header, the format's own limit
_TEXTS: Final = {
    b"version https://git-lfs": (
        "it is a Git LFS pointer instead of the file; get the file with `git lfs pull`, or with "
        "the download button of the page"
    ),
    b"<": (  # HTML, or XML as servers answer
        "it is a web page instead of the file; open it in a browser, and download the file from "
        "there"
    ),
    b"\x1f\x8b": "it is a gzip archive; unpack it first",
    b"7z\xbc\xaf": "it is a 7z archive; unpack it first",
    b"rar!": "it is a rar archive; unpack it first",
    b"\x89hdf": "it is an HDF5 file of Keras; save its tensors as .safetensors",
}
_CUT = "it is truncated; download it again"
_GLOBAL = re.compile(r"GLOBAL (\S+)")
_PLAIN = "save a plain state_dict or a .safetensors file"


class LeftOut:
    """Replaces an object that is not a weight: it accepts all arguments and keeps nothing."""

    def __new__(cls, *_: Any) -> Self:
        """Accept the arguments of the replaced object."""
        return super().__new__(cls)

    def __init__(self, *_: Any) -> None:
        """Take them again: a pickle may call it either way."""

    def __setstate__(self, state: Any) -> None:
        """Drop what would be put into it."""


_LEFT_OUT: Final = (
    *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
    *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
    *("numpy.ndarray", "numpy.dtype", "_codecs.encode"),
    *("argparse.Namespace", "types.SimpleNamespace", "datetime.datetime"),
    *("pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath"),
    *("pathlib._local.PosixPath", "pathlib._local.WindowsPath"),
)
"""What `LeftOut` stands in for, by the names that pickles have for it."""


def is_pytorch(path: Path) -> bool:
    """Return whether a file is one of `torch.save`, whatever its name."""
    return _head(path).startswith(_PYTORCH)


def is_safetensors(path: Path) -> bool:
    """Return whether a file begins as safetensors does, whatever its name: a length, then JSON."""
    head = _head(path)
    length = int.from_bytes(head[:_LENGTH_BYTES], "little")
    return head[_LENGTH_BYTES : _LENGTH_BYTES + 1] == b"{" and 1 < length <= _MAX_HEADER


def read_pytorch(path: Path) -> object:
    """Read a file of `torch.save`; known harmless objects become `LeftOut`.

    Raises:
        WeightsError: if it is damaged, or holds objects; the message names them.
        OSError: if the file cannot be read.
    """
    import torch

    names: list[Any] = [(LeftOut, name) for name in _LEFT_OUT]
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(names):
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # read or refused, below
            with open_file(path) as file:  # by a path, torch would go by its suffix
                return torch.load(file, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # what a damaged or hostile pickle raises has no common base
        # torch's own text advises to load it with code execution; nobody should
        raise WeightsError(f"cannot read weights from {path}: {_reason(path, error)}") from error


def what_it_is(path: Path) -> str | None:
    """Describe a file that has no readable weights, and what to do; None if it is unknown.

    Raises:
        OSError: if the file cannot be read.
    """
    head = _head(path)
    if not head:
        return "it is empty, 0 bytes; download it again"
    if is_safetensors(path):
        length = int.from_bytes(head[:_LENGTH_BYTES], "little")
        return _CUT if length + _LENGTH_BYTES > path.stat().st_size else None
    begins = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    for mark, meaning in _TEXTS.items():
        if begins.startswith(mark):
            return meaning
    if head.startswith(_ZIP):
        return _what_archive(path)
    return None


def _what_archive(path: Path) -> str | None:
    if not zipfile.is_zipfile(path):
        return _CUT
    try:
        with zipfile.ZipFile(path) as archive:
            inside = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return None
    if any("/code/" in name for name in inside):
        return f"it is a TorchScript archive, which is code; {_PLAIN}"
    if not any(name.endswith("data.pkl") for name in inside):
        held = f" of {ascii(inside[0])[:80]}" if inside else ""
        return f"it is a zip archive{held}, not a file of torch.save; unpack it first"
    return None


def _reason(path: Path, error: Exception) -> str:
    named = _GLOBAL.search(str(error))
    if named is not None:
        return (
            f"it contains more than tensors: it refers to {ascii(named[1])[1:-1][:80]}, and a "
            f"pickled object can run code, so zoo ran nothing; {_PLAIN}"
        )
    head = _head(path)
    if head.isascii() and b"\0" not in head:
        line = head.strip().partition(b"\n")[0][:80].decode("ascii")
        return f"it is text, not weights, and starts with {line!r}; download the file itself"
    return (
        "it is damaged or truncated, is not a PyTorch file, or contains more than tensors (a "
        f"pickled model can run code); {_PLAIN}"
    )


def _head(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read(_HEAD)
