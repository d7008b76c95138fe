"""Model files: safetensors with a description in the metadata.

The description is JSON under the key `zoo`, which other loaders ignore. It contains the hash of the
tensors, so a flipped bit is detected even without the `.sha256` file. Not here: finding a model by
its name (`zoo.models.find`), files of other tools (`zoo.exchange`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from zoo.errors import IntegrityError, UnfitFileError, WeightsError
from zoo.files import (
    MAX_BYTES,
    hash_path,
    in_order,
    open_file,
    read_file,
    read_hashed,
    write_hashed,
)
from zoo.models.details import Details, Precision
from zoo.recipes.explain import first_problem

if TYPE_CHECKING:
    import torch

    from zoo.models.model import Model

DETAILS_KEY, TENSORS_KEY = "zoo", "tensors_sha256"
SUFFIX = ".safetensors"
_MAX_HEADER = 100_000_000
_LENGTH_BYTES = 8


def write_model(path: Path, model: Model, *, precision: Precision = "float32") -> str:
    """Write a model as one safetensors file, and its sha256 beside it.

    Args:
        path: where to; its folder is made if necessary.
        model: what to write.
        precision: of the numbers in the file; float16 halves its size and rounds each number to
            11 significant bits.

    Returns:
        The sha256 of the file.

    Raises:
        WeightsError: if a number is too large for float16, or not finite.
        MachineError: if the file cannot be written.
    """
    from safetensors.torch import save

    from zoo.weights.tensors import tensors_sha256

    tensors = {name: _stored(name, value, precision) for name, value in model.tensors.items()}
    details = model.details.model_copy(update={"precision": precision})
    metadata = {
        DETAILS_KEY: details.model_dump_json(by_alias=True),
        TENSORS_KEY: tensors_sha256(tensors),
    }
    return write_hashed(path, in_order(save(tensors, metadata)))


def read_model(path: Path) -> Model:
    """Read a model file.

    Raises:
        WeightsError: if there is none, or it is another tool's.
        IntegrityError: if its content is not what was written.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load

    from zoo.models.model import Model
    from zoo.weights.tensors import tensors_sha256

    details, digest = _described(path)
    content = _content(path)
    try:
        tensors = load(content)
    except (SafetensorError, ValueError) as error:
        raise IntegrityError(f"{path} is damaged ({error}); download or export it again") from error
    if tensors_sha256(tensors) != digest:
        raise IntegrityError(
            f"{path} is damaged: its tensors differ from those it was written with; download or "
            "export it again"
        )
    floats = {
        name: value.to(torch.float32) if value.is_floating_point() else value
        for name, value in tensors.items()
    }
    return Model(details, floats, path, hashlib.sha256(content).hexdigest())


def read_details(path: Path) -> Details:
    """Return what a model file says of itself, without its tensors and without torch.

    Raises:
        WeightsError: if it is not a model file of zoo's.
        IntegrityError: if it is none because it is damaged: its sha256 is not the one beside it.
    """
    return _described(path)[0]


def is_model_file(path: Path) -> bool:
    """Return whether a file is a safetensors file with a description by zoo in it.

    Raises:
        UnfitFileError: if it is a pipe, a device, or far too large.
        IntegrityError: if it is none, and its sha256 is not the one beside it.
    """
    try:
        return path.suffix == SUFFIX and DETAILS_KEY in _metadata(path)
    except WeightsError:
        return False


def _described(path: Path) -> tuple[Details, str]:
    metadata = _metadata(path)
    if DETAILS_KEY not in metadata:
        _require_intact(path)
        raise WeightsError(
            f"{path} does not name its generator, so zoo did not write it; convert it with: zoo "
            f"import {path}"
        )
    try:
        return Details.model_validate_json(metadata[DETAILS_KEY]), metadata[TENSORS_KEY]
    except (ValidationError, KeyError) as error:
        _require_intact(path)
        raise WeightsError(
            f"this version of zoo cannot read the description in {path}: {_reason(error)}"
        ) from error


def _reason(error: ValidationError | KeyError) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]}"
    return first_problem(error)


def _metadata(path: Path) -> Mapping[str, str]:
    """Return the metadata in a safetensors header: 8 bytes of length, then JSON."""
    try:
        with open_file(path) as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            header: Any = json.loads(file.read(length)) if length <= _MAX_HEADER else None
    except UnfitFileError:
        raise
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        _require_intact(path)
        raise WeightsError(f"{path} is not a safetensors file; convert it with: zoo import {path}")
    metadata = header.get("__metadata__", {})
    return metadata if isinstance(metadata, dict) else {}


def _require_intact(path: Path) -> None:
    """Raise before a file with a sha256 beside it is taken for another tool's, and is damaged."""
    if hash_path(path).exists():
        _content(path)


def _content(path: Path) -> bytes:
    """Return a file's bytes, compared with the sha256 beside it if there is one."""
    if not hash_path(path).exists():
        return read_file(path, MAX_BYTES)
    content = read_hashed(path)
    if content is None:
        raise IntegrityError(
            f"{path} is damaged or was replaced: its sha256 differs from the one in "
            f"{hash_path(path).name}; download or export it again"
        )
    return content


def _stored(name: str, tensor: torch.Tensor, precision: Precision) -> torch.Tensor:
    import torch

    kept = tensor.detach().cpu()
    if kept.is_floating_point():
        kept = kept.to(torch.float16 if precision == "float16" else torch.float32)
        if not bool(kept.isfinite().all()):
            raise WeightsError(
                f"{name} has a NaN or infinite value in {precision}: "
                + ("write it in float32" if precision == "float16" else "these weights are broken")
            )
    return kept.clone(memory_format=torch.contiguous_format)
