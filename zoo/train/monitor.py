"""Watches a run: nothing that is not finite gets on, and how stable the players were is judged.

The verdicts and their rules are stated at `judge`. They are read from logged values alone, so
that anyone can apply them to a `metrics.jsonl` again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any, Literal

import torch
from torch import Tensor

from zoo.errors import DivergedError

Verdict = Literal["stable", "critic-won", "mode-collapsed", "diverged"]
DIVERGED: Verdict = "diverged"
PSNR_DROP = 6.0
CRITIC_LOSS_FLOOR = 0.02
CONTRAST_FLOOR = 0.5
_NEVER = 2**62


class FiniteGuard:
    """Remembers, on the device, the first step at which each value was not finite.

    Checking a value on the host would wait for the device in every step; this waits only when
    `check` is called, which the trainer does before it logs and before it writes anything.
    """

    def __init__(self) -> None:
        self._first: dict[str, Tensor] = {}
        self._last_finite: dict[str, float] = {}

    def observe(self, step: int, values: Mapping[str, Tensor]) -> None:
        """Note the values of a step."""
        for name, value in values.items():
            if name not in self._first:
                self._first[name] = torch.full((), _NEVER, dtype=torch.int64, device=value.device)
            first = self._first[name]
            bad = torch.where(torch.isfinite(value).all(), _NEVER, step)
            torch.minimum(first, bad, out=first)

    def remember(self, values: Mapping[str, float]) -> None:
        """Keep logged values, to show what they were before something went wrong."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        self._last_finite.update(finite)

    def forget(self) -> None:
        """Begin anew: what was observed is undone."""
        self._first.clear()

    def check(self, state: Mapping[str, Any] | None = None) -> None:
        """Raise if any value so far, or any tensor of a given state, is not finite.

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
                f"{self._recently(names)}nothing of it was saved"
            )
        parts = [name for name, part in (state or {}).items() if not _is_finite(part)]
        if parts:
            raise DivergedError(
                f"NaN or infinite values in the state of {', '.join(parts)} though every loss was "
                "finite; nothing of it was saved"
            )

    def _recently(self, names: Sequence[str]) -> str:
        known = [
            f"{name} {self._last_finite[name]:.4g}" for name in names if name in self._last_finite
        ]
        return f"last logged finite: {', '.join(known)}; " if known else ""


def _is_finite(state: Any) -> bool:
    """Tell whether every tensor of a nested state is; waits for the device once."""
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


def judge(rows: Sequence[Mapping[str, Any]], *, bounded: bool = True) -> Verdict:
    """Return the verdict on a run from its logged rows.

    Args:
        rows: of `metrics.jsonl`.
        bounded: whether the discriminator's loss cannot go below 0 (`Adversary.bounded`).

    `diverged`: the run met a value that is not finite (a row says so), or its last validation
    PSNR is more than 6 dB below the first on the same images.
    `mode-collapsed`: in the last quarter, the standard deviation of generated pixels has a median
    below half that of real ones.
    `critic-won`: the discriminator's loss, where it is bounded, has a median below 0.02 in the
    last quarter: it tells real from fake with certainty. Objectives without a bound, Wasserstein's
    among them, are not judged by it: their critic is meant to win.
    The middle two need a discriminator in the rows. `stable`: none of these.
    """
    if any(row["kind"] == DIVERGED for row in rows):
        return "diverged"
    validations = [row for row in rows if row["kind"] == "validation"]
    images = validations[-1]["validation"] if validations else None
    psnr = [float(row["psnr_y"]) for row in validations if row["validation"] == images]
    if len(psnr) > 1 and psnr[-1] < psnr[0] - PSNR_DROP:
        return "diverged"
    critic = _values(rows, "discriminator_total")
    if not critic:
        return "stable"
    if median(_last_quarter(_values(rows, "sr_contrast"))) < CONTRAST_FLOOR:
        return "mode-collapsed"
    if bounded and median(_last_quarter(critic)) < CRITIC_LOSS_FLOOR:
        return "critic-won"
    return "stable"


def _values(rows: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [float(row[key]) for row in rows if key in row]


def _last_quarter(values: Sequence[float]) -> Sequence[float]:
    return values[-max(1, len(values) // 4) :] if values else []
