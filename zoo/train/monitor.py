"""Watches a run, so that no value that is not finite is saved.

Not here: the verdict on a run (`zoo.runs.verdicts`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.errors import DivergedError

_NEVER = 2**62


class FiniteGuard:
    """Remembers, on the device, the first step at which each value was not finite.

    Checking a value on the host would wait for the device in every step. This waits only in
    `check`, which the trainer calls before it logs and before it writes anything.
    """

    def __init__(self) -> None:
        self._first: dict[str, Tensor] = {}
        self._last_finite: dict[str, float] = {}

    def observe(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Record the values of a step."""
        for name, value in values.items():
            if name not in self._first:
                self._first[name] = torch.full((), _NEVER, dtype=torch.int64, device=value.device)
            first = self._first[name]
            bad = torch.where(torch.isfinite(value).all(), _NEVER, step)
            torch.minimum(first, bad, out=first)

    def remember(self, values: Mapping[str, float]) -> None:
        """Keep logged values, to report the last finite ones."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        self._last_finite.update(finite)

    def forget(self) -> None:
        """Start again: the observed steps are undone."""
        self._first.clear()

    def check(self, state: Mapping[str, Any] | None = None) -> None:
        """Raise an error if any value so far, or any tensor of a given state, is not finite.

        Args:
            state: state of each part of a run, by name: nested mappings and lists of tensors.

        Raises:
            DivergedError: naming the step, the term and its last finite values, or the parts.
        """
        steps = {name: int(first) for name, first in self._first.items()}
        bad = {name: step for name, step in steps.items() if step < _NEVER}
        if bad:
            step = min(bad.values())
            names = sorted(name for name, at in bad.items() if at == step)
            raise DivergedError(
                f"{', '.join(names)} became NaN or infinite at step {step}; "
                f"{self._recently(names)}nothing from this step was saved"
            )
        parts = [name for name, part in (state or {}).items() if not _is_finite(part)]
        if parts:
            raise DivergedError(
                f"NaN or infinite values in the state of {', '.join(parts)} although every loss "
                "was finite; nothing from this step was saved"
            )

    def _recently(self, names: Sequence[str]) -> str:
        known = [
            f"{name} {self._last_finite[name]:.4g}" for name in names if name in self._last_finite
        ]
        return f"last logged finite: {', '.join(known)}; " if known else ""


def _is_finite(state: Any) -> bool:
    """Return whether every tensor of a nested state is; waits for the device once."""
    found = [
        tensor.isfinite().all()
        for tensor in _tensors(state)
        if tensor.is_floating_point() or tensor.is_complex()
    ]
    by_device: dict[torch.device, list[Tensor]] = {}
    for one in found:  # an optimizer counts its steps on the CPU, wherever its parameters are
        by_device.setdefault(one.device, []).append(one)
    return all(bool(torch.stack(some).all()) for some in by_device.values())


def _tensors(state: Any) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, Mapping):
        for part in state.values():
            yield from _tensors(part)
    elif isinstance(state, list | tuple):
        for part in state:
            yield from _tensors(part)
