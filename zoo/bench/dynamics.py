"""How a training went, in numbers one a run: computed from the rows of its `metrics.jsonl` alone.

The verdict itself is the monitor's and read from the run's summary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any

from zoo.bench.records import Column, Curves

DIVERGED = "diverged"
STABLE = "stable"
CRITIC_LOSS = "discriminator_total"
ADVERSARIAL_GRADIENT = "gradient_adversarial"
SIGNALS = (CRITIC_LOSS, ADVERSARIAL_GRADIENT, "loss_total")
QUALITY = "haarpsi"
VALIDATED = ("psnr_y", QUALITY)
MIN_POINTS = 4

MEASURE_COLUMNS: dict[str, Column] = {
    "finite": Column(label="Stayed finite", value_range=(0.0, 1.0)),
    "stable": Column(label="Verdict stable", value_range=(0.0, 1.0)),
    "psnr_variation": Column(label="Late variation of PSNR-Y", unit="dB", higher_is_better=False),
    "gradient_variation": Column(
        label="Variation of the adversarial gradient", higher_is_better=False
    ),
    "critic_quality_correlation": Column(
        label="Rank correlation of critic loss and quality", value_range=(-1.0, 1.0)
    ),
}


def measures(rows: Sequence[Mapping[str, Any]], *, verdict: str) -> dict[str, float]:
    """Return what can be measured of a run's course; what its rows do not hold is left out.

    `finite` and `stable` are 1 or 0. `psnr_variation` is the standard deviation, in dB, of
    validation PSNR_Y over the second half of the stage. `gradient_variation` is the standard
    deviation over the mean of the norm of the adversary's gradient at the generator.
    `critic_quality_correlation` is the rank correlation (Spearman's rho) between the
    discriminator's loss, averaged over the rows since the validation before, and the HaarPSI of
    the validation. A Wasserstein critic's loss is the negative gap between real and fake: it should
    rise towards 0 as pictures get better, which is a correlation of 1 (Arjovsky 2017, fig. 3).

    Args:
        rows: of `metrics.jsonl`.
        verdict: the monitor's.
    """
    diverged = verdict == DIVERGED or any(row["kind"] == DIVERGED for row in rows)
    found = {"finite": float(not diverged), "stable": float(verdict == STABLE)}
    optional = {
        "psnr_variation": _late_variation(_validations(rows)),
        "gradient_variation": _relative_variation(rows),
        "critic_quality_correlation": _correlation(rows),
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def curves(rows: Sequence[Mapping[str, Any]]) -> Curves:
    """Return the values over time that the report draws."""
    validations = _validations(rows)
    training = [row for row in rows if row["kind"] == "train"]
    return Curves(
        steps=tuple(row["step"] for row in validations),
        scores={
            key: tuple(row[key] for row in validations)
            for key in VALIDATED
            if validations and all(key in row for row in validations)
        },
        train_steps=tuple(row["step"] for row in training),
        signals={
            key: tuple(row.get(key) for row in training)
            for key in SIGNALS
            if any(key in row for row in training)
        },
    )


def _validations(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the validation rows on the images validated last: other images do not compare."""
    found = [row for row in rows if row["kind"] == "validation"]
    return [row for row in found if row["validation"] == found[-1]["validation"]]


def _late_variation(validations: Sequence[Mapping[str, Any]]) -> float | None:
    if not validations:
        return None
    half = validations[-1]["step"] / 2
    late = [float(row["psnr_y"]) for row in validations if row["step"] > half]
    return pstdev(late) if len(late) >= MIN_POINTS else None


def _relative_variation(rows: Sequence[Mapping[str, Any]]) -> float | None:
    norms = [float(row[ADVERSARIAL_GRADIENT]) for row in rows if ADVERSARIAL_GRADIENT in row]
    if len(norms) < MIN_POINTS or fmean(norms) == 0:
        return None
    return pstdev(norms) / fmean(norms)


def _correlation(rows: Sequence[Mapping[str, Any]]) -> float | None:
    pairs = list(_loss_and_quality(rows))
    losses, qualities = [loss for loss, _ in pairs], [quality for _, quality in pairs]
    if len(set(losses)) < MIN_POINTS or len(set(qualities)) < MIN_POINTS:
        return None
    from scipy.stats import spearmanr

    rho = float(spearmanr(losses, qualities).statistic)
    return rho if math.isfinite(rho) else None


def _loss_and_quality(rows: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Pair each validation's quality with the critic's mean loss since the validation before."""
    pairs = []
    for before, after in pairwise(_validations(rows)):
        losses = [
            float(row[CRITIC_LOSS])
            for row in rows
            if CRITIC_LOSS in row and before["step"] < row["step"] <= after["step"]
        ]
        if losses and QUALITY in after:
            pairs.append((fmean(losses), float(after[QUALITY])))
    return pairs
