"""Reading a pickle of numpy arrays as data: nested dicts, text, numbers and arrays, nothing else.

Flax and JAX ports keep weights so. Unpickling can call anything that the file names; here it can
name three things, and for each of them a class of this module stands in. Neither numpy's own
reconstruction nor any other code is ever called with what the file says.
"""

from __future__ import annotations

import itertools
import pickle
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from zoo.errors import WeightsError
from zoo.files import open_file

if TYPE_CHECKING:
    import numpy as np

_KINDS: Final = {"f2", "f4", "f8"}
_ORDERS: Final = {"<", "="}
_MAX_VALUES: Final = 1_000_000
"""Of what a file unfolds to; a few bytes that refer to each other can stand for any number."""


class _Type:
    """Stands in for `numpy.dtype`: only little-endian floats are taken."""

    def __init__(self, kind: Any, *_: Any) -> None:
        if kind not in _KINDS:
            raise pickle.UnpicklingError(f"it holds numbers of type {kind!r}")
        self.kind: str = kind

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in _ORDERS:
            raise pickle.UnpicklingError("its numbers are not little-endian floats")


class _Array:
    """Stands in for `numpy.ndarray`, and for `_reconstruct` that makes an empty one.

    Not a function: those a pickle could give attributes that stay after it.
    """

    def __init__(self, *_: Any) -> None:
        self.value: np.ndarray[Any, Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError("an array has a state that numpy does not write")
        import numpy as np

        _, shape, kind, is_fortran, content = state
        if not isinstance(kind, _Type) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array contains something other than floats")
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise pickle.UnpicklingError(f"an array has the shape {shape!r}")
        values = np.frombuffer(content, dtype=f"<{kind.kind}")
        self.value = values.reshape(shape, order="F" if is_fortran is True else "C")


_ALLOWED: Final = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        allowed = _ALLOWED.get((module_name, global_name))
        if allowed is None:
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")
        return allowed

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError(f"it refers to {pid!r} outside of itself")


def read_arrays(path: Path) -> object:
    """Read a pickle of numpy arrays; dicts and lists come back with arrays in them.

    Raises:
        WeightsError: if it names anything but numpy's arrays, or is damaged.
        OSError: if the file cannot be read.
    """
    with open_file(path) as file:
        return _read(file, path)


def _read(file: BinaryIO, path: Path) -> object:
    try:
        _check_places(file)
        file.seek(0)
        return _arrays(_Reader(file).load(), itertools.count())
    except OSError:
        raise
    except Exception as error:  # what a damaged or hostile pickle raises has no common base
        raise WeightsError(
            f"cannot read weights from {path}: it is not a plain pickle of float arrays ({error}). "
            "Anything else in a pickle could run code, so zoo ran nothing; get the file from its "
            "publisher, or save its tensors as .safetensors"
        ) from error


def _check_places(file: BinaryIO) -> None:
    """Refuse what stores something at a far place: all before it would be filled with nothing."""
    for opcode, argument, position in pickletools.genops(file):
        place = int(argument or 0) if opcode.name in ("PUT", "LONG_BINPUT") else 0
        if place > (position or 0):
            raise pickle.UnpicklingError(f"it stores something at place {place:,}")


def _arrays(value: Any, count: Iterator[int]) -> Any:
    """Replace placeholders by their arrays."""
    if next(count) >= _MAX_VALUES:
        raise pickle.UnpicklingError(f"it contains more than {_MAX_VALUES:,} values")
    if isinstance(value, _Array):
        if value.value is None:
            raise pickle.UnpicklingError("an array without content")
        return value.value
    if isinstance(value, dict):
        return {key: _arrays(item, count) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_arrays(item, count) for item in value]
    if isinstance(value, str | int | float | None):
        return value
    raise pickle.UnpicklingError(f"it contains a {type(value).__name__}")
