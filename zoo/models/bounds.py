"""A bound on what a constructor allocates: a file may ask for a network of any size.

Not here: whether tensors fit the network that was built (`zoo.models.model`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from zoo.errors import WeightsError

MOST_MADE: Final = 16
"""Tensors made for each one that is kept: constructors make some to compute with."""
FEW_TENSORS: Final = 1_000
MOST_ELEMENTS: Final = 4
"""Elements made for each one that is kept."""
FEW_ELEMENTS: Final = 2**26
"""Elements that are no matter of size: 256 MiB of float32."""


class Bounded(TorchDispatchMode):
    """Stops a constructor that makes far more tensors, or larger ones, than it is given.

    A tensor is counted before it is allocated, by the size that its operator is asked for.

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
        if not any(isinstance(leaf, Tensor) for leaf in tree_leaves((args, kwargs))):
            size = next((arg for arg in args if isinstance(arg, list | tuple)), ())
            self._num_tensors -= 1
            self._num_elements -= math.prod(size)
            if self._num_tensors < 0 or self._num_elements < 0:
                raise WeightsError(self._complaint)
        return operator(*args, **kwargs)
