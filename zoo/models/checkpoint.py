"""Reads a checkpoint of another tool as data and finds its weights in any wrapping.

The file is not trusted: no code in it is run, and its size is checked before it is read. The
meaning of its keys is in `zoo.models.layouts`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.errors import WeightsError
from zoo.files import require_file
from zoo.text import plain
from zoo.weights.tensors import read_data

WRAPPERS = (
    "params_ema",
    "ema_state_dict",
    "params",
    "state_dict",
    "model_state_dict",
    "generator",
    "net_g",
    "model",
)
"""Where training scripts put the weights of a generator; a moving average first."""

COMMON = ("module.", "_orig_mod.", "model.")
"""What parallel training, compilation and Lightning put before every name."""

OWNERS = ("generator.", "net_g.", "netG.")
"""What a combined checkpoint puts before the generator's names; other names are not its own."""

COUNTERS_OF_THOP = ("total_ops", "total_params")
"""Last parts of the names of what thop leaves in a network that it counted operations of."""

MAX_FILE_BYTES = 4 * 1024**3
MAX_TENSORS = 5_000
MAX_NAME = 200
COUNTER = "num_batches_tracked"
"""Ending of the name of an integer that batch norm keeps and no network computes with."""

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_INDICES = (torch.int64, torch.int32, torch.uint8, torch.bool)
"""Of buffers that a network looks up places with, or keeps its form in; no weights are of these
types."""
_LISTED = 6


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights in a file.

    Attributes:
        tensors: by the names the file has, prefixes removed; float32 but for counters.
        prefix: what was removed from the beginning of every name.
        key: where in the file they were, None at its top.
        notes: what was chosen or excluded, as sentences.
    """

    tensors: dict[str, torch.Tensor]
    key: str | None
    notes: tuple[str, ...]
    prefix: str = ""


def read_checkpoint(path: Path, *, key: str | None = None) -> Checkpoint:
    """Read the weights of a generator from a PyTorch or safetensors file.

    Args:
        path: the file.
        key: the entry that holds the weights; by default the first of `WRAPPERS` that is there.

    Raises:
        WeightsError: if the file is missing, damaged, too large, holds objects or no weights.
    """
    num_bytes = _size(path)
    loaded = read_data(path)
    if not isinstance(loaded, Mapping):
        raise WeightsError(
            f"{path} contains a {type(loaded).__name__} instead of named tensors; save a state_dict"
        )
    state, found, notes = _unwrapped(path, loaded, key)
    counted = [name for name in state if name.rpartition(".")[2] in COUNTERS_OF_THOP]
    if counted:
        notes.append(f"ignored {len(counted)} counters of thop")
        state = {name: value for name, value in state.items() if name not in counted}
    _require_ordinary(path, state, num_bytes)
    tensors, stripped = _without_prefix(state)
    if stripped:
        notes.append(f"the prefix {stripped!r} was removed from the names")
        if len(tensors) < len(state):
            notes.append(f"ignored {len(state) - len(tensors)} tensors without that prefix")
    floats = {name: _as_float32(value) for name, value in tensors.items()}
    types = {str(value.dtype).removeprefix("torch.") for value in _floating(state)} - {"float32"}
    if types:
        notes.append(f"converted from {', '.join(sorted(types))} to float32")
    return Checkpoint(floats, found, tuple(notes), stripped)


def _size(path: Path) -> int:
    """Return how many bytes a file holds; a zip archive may hold far more than it looks.

    Raises:
        WeightsError: if it would fill the memory, or what is in it cannot be told.
    """
    try:
        if not path.exists():
            raise WeightsError(f"the file {path} does not exist")
        require_file(path, MAX_FILE_BYTES)
        num_bytes = path.stat().st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                num_bytes = max(num_bytes, sum(entry.file_size for entry in archive.infolist()))
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from error
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise WeightsError(f"{path} is a damaged archive: {plain(str(error))}") from error
    if num_bytes > MAX_FILE_BYTES:
        raise WeightsError(
            f"{path} has {num_bytes:,} bytes, more than the limit of {MAX_FILE_BYTES:,} for a "
            "checkpoint; save only the generator's state_dict"
        )
    return num_bytes


def _unwrapped(
    path: Path, loaded: Mapping[Any, Any], key: str | None
) -> tuple[dict[str, torch.Tensor], str | None, list[str]]:
    wrappers = [name for name, value in loaded.items() if _is_state(value)]
    if key is not None:
        if key not in wrappers:
            named = ", ".join(map(repr, wrappers)) or "none"
            raise WeightsError(
                f"{path} has no weights under {key!r} (entries with weights: {named})"
            )
        return dict(loaded[key]), key, _left_out(loaded, key)
    if _is_state(loaded):
        return dict(loaded), None, []
    chosen = next((name for name in WRAPPERS if name in wrappers), None)
    if chosen is None and len(wrappers) == 1:
        chosen = wrappers[0]
    own = {n: each for n, each in loaded.items() if isinstance(each, torch.Tensor)}
    if not wrappers and _is_state(own):
        rest = sorted(_shown(name) for name in loaded if name not in own)
        return own, None, [f"ignored: {', '.join(rest[:_LISTED])}"]
    if chosen is None:
        raise WeightsError(_no_weights(path, loaded, wrappers))
    return dict(loaded[chosen]), chosen, _left_out(loaded, chosen)


def _is_state(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) for name in value)
        and all(isinstance(tensor, torch.Tensor) for tensor in value.values())
    )


def _left_out(loaded: Mapping[Any, Any], taken: str) -> list[str]:
    others = sorted(_shown(name) for name in loaded if name != taken)
    notes = [f"used the weights under {_shown(taken)!r}"]
    if others:
        notes.append(f"ignored: {', '.join(others[:_LISTED])}")
    return notes


def _no_weights(path: Path, loaded: Mapping[Any, Any], wrappers: list[str]) -> str:
    keys = ", ".join(repr(_shown(name)) for name in list(loaded)[:_LISTED]) or "nothing"
    if wrappers:
        several = ", ".join(map(repr, wrappers))
        return f"{path} has several sets of weights: {several}; choose one with --key"
    if any("optimizer" in str(name) for name in loaded):
        return f"{path} is the state of an optimizer without weights (it contains {keys})"
    return f"{path} has no state dict of named tensors (it contains {keys})"


def _require_ordinary(path: Path, state: Mapping[str, torch.Tensor], num_bytes: int) -> None:
    """Refuse tensors no network of ours can have, before anything is computed with them.

    A tensor may repeat a number of the file as often as it likes: a file of a kilobyte may claim
    a terabyte, so what is claimed is compared with what is there.
    """
    if len(state) > MAX_TENSORS:
        raise WeightsError(
            f"{path} has {len(state):,} tensors; no generator of zoo has more than {MAX_TENSORS:,}"
        )
    claimed = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    if claimed > num_bytes:
        raise WeightsError(
            f"{path} describes tensors of {claimed:,} bytes but has {num_bytes:,}: its tensors "
            "share memory; save every tensor separately"
        )
    for name, tensor in state.items():
        problem = _tensor_problem(name, tensor)
        if problem is not None:
            raise WeightsError(f"{path}: {_shown(name)} {problem}")


def _tensor_problem(name: str, tensor: torch.Tensor) -> str | None:
    if len(name) > MAX_NAME or not name.isprintable():
        return "is not a valid tensor name of a network"
    unusual = tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested
    if unusual or tensor.device.type != "cpu":
        return "is sparse, nested, quantised or without values; save it as an ordinary tensor"
    if name.endswith(COUNTER):
        return None
    if tensor.dtype in _INDICES:
        return None
    if tensor.dtype not in _FLOATS:
        return f"is of type {tensor.dtype}; weights are floating-point numbers of 16 bits or more"
    if not bool(tensor.isfinite().all()):
        return "has NaN or infinite values, so these weights are broken"
    return None


def _shown(name: object) -> str:
    """Return a name out of a file on one line, short, without what a terminal obeys."""
    return plain(str(name))[:MAX_NAME]


def _without_prefix(state: dict[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], str]:
    """Remove prefixes that all names share; of a combined checkpoint, keep the generator alone."""
    removed, prefix = "", _prefix(state)
    while prefix:
        inside = [name for name in state if name.startswith(prefix)]
        state = {name.removeprefix(prefix): state[name] for name in inside}
        removed += prefix
        prefix = _prefix(state)
    return state, removed


def _prefix(state: Mapping[str, torch.Tensor]) -> str:
    """Return a prefix that is not part of the generator's own names, empty if there is none."""
    for prefix in (*COMMON, *OWNERS):
        rest = [name.removeprefix(prefix) for name in state if name.startswith(prefix)]
        numbered = any(name[:1].isdigit() for name in rest)  # parts of a sequence called `model`
        if rest and not numbered and (prefix in OWNERS or len(rest) == len(state)):
            return prefix
    return ""


def _floating(state: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
    return [value for value in state.values() if value.is_floating_point()]


def _as_float32(tensor: torch.Tensor) -> torch.Tensor:
    plain = tensor.detach()
    if plain.is_floating_point():
        plain = plain.to(torch.float32)
    elif plain.dtype != torch.bool:
        plain = plain.to(torch.int64)
    return plain.clone(memory_format=torch.contiguous_format)
