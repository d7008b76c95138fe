"""The content of a run's `weights.safetensors`: tensors, and the identity of the run.

Not here: the file, its sha256 and repairs (`zoo.runs.directory`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from zoo.files import in_order

_HEADER_BYTES = 8


def pack(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Return a state dict as safetensors; equal tensors and metadata have equal bytes."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    return in_order(safetensors.torch.save(tensors, dict(metadata)))


def unpack(content: bytes) -> tuple[dict[str, Tensor], str, int]:
    """Return the tensors, the hash of their identity, and their step.

    Raises:
        ValueError: if a run did not write the content.
    """
    length = int.from_bytes(content[:_HEADER_BYTES], "little")  # a JSON header, its size first
    try:
        metadata: Any = json.loads(content[_HEADER_BYTES:][:length])["__metadata__"]
        owner, step = metadata["identity_sha256"], int(metadata["step"])
        return safetensors.torch.load(content), owner, step
    except (LookupError, TypeError, RecursionError, SafetensorError) as error:
        raise ValueError("these are not the weights of a run") from error
