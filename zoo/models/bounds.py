"""A bound on what a constructor allocates: a file may ask for a network of any size.

Not here: whether tensors fit the network that was built (`zoo.models.model`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from zoo.errors import WeightsError

META: Final = torch.device("meta")
MOST_MADE: Final = 16
"""Tensors made for each one that is kept: constructors make some to compute with."""
FEW_TENSORS: Final = 1_000
MOST_ELEMENTS: Final = 16
"""Elements computed for each one that is kept."""
FEW_ELEMENTS: Final = 2**28
"""Elements that are always allowed, in all: 1 GiB of float32."""


class Bounded(TorchDispatchMode):
    """Stops a constructor that makes far more tensors, or larger ones, than its weights ask for.

    Each operator runs on the meta device first, which allocates nothing: what it would make is
    counted before it is made.

    Args:
        tensors: those that the network is made for.
        complaint: what the error says.
    """

    def __init__(self, tensors: Mapping[str, Tensor], complaint: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self._complaint = complaint
        self._num_tensors = MOST_MADE * len(tensors) + FEW_TENSORS
        kept = sum(tensor.numel() for tensor in tensors.values())
        self._num_elements = MOST_ELEMENTS * kept + FEW_ELEMENTS

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare torch the import of its compiler, seconds and 160 MB: nothing is compiled here."""
        return False

    def __torch_dispatch__(
        self,
        operator: Callable[..., Any],
        _types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        self._num_tensors -= not any(
            isinstance(leaf, Tensor) for leaf in tree_leaves((args, kwargs))
        )
        self._num_elements -= _num_made(operator, args, kwargs)
        if self._num_tensors < 0 or self._num_elements < 0:
            raise WeightsError(self._complaint)
        return operator(*args, **kwargs)


def _num_made(
    operator: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> int:
    """Return how many elements an operator would allocate; 0 where only values tell."""
    if operator._schema.name.endswith("_"):  # type: ignore[attr-defined]  # noqa: SLF001  in place
        return 0
    args, options = tree_map_only(Tensor, _on_meta, (args, dict(kwargs)))
    known = {_memory(leaf) for leaf in tree_leaves((args, options)) if isinstance(leaf, Tensor)}
    if not known:
        options["device"] = META
    try:
        result = operator(*args, **options)
    except (RuntimeError, NotImplementedError):  # the operator needs values, or is wrongly called
        return 0
    made = {_memory(leaf): leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)}
    return sum(leaf.numel() for memory, leaf in made.items() if memory not in known)


def _on_meta(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001  there is no public name
