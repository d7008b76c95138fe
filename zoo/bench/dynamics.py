"""The course of a training in one number per run, from its `metrics.jsonl` and its verdict.

The verdict itself comes from the run's summary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean, linear_regression, pstdev
from typing import Any

from zoo.records.record import Column, Curves
from zoo.runs.verdicts import DIVERGED, HARDLY_LEARNED, UNSTABLE, validations

NOT_STABLE = (*UNSTABLE, HARDLY_LEARNED)
"""The verdicts that every adversary can get, so that shares of runs compare across adversaries."""
CRITIC_LOSS = "discriminator_total"
CRITIC_PENALTY = "discriminator_penalty"
CRITIC_LOGITS = ("discriminator_d_real", "discriminator_d_fake")
ADVERSARIAL_GRADIENT = "gradient_adversarial"
SIGNALS = (CRITIC_LOSS, ADVERSARIAL_GRADIENT, "loss_total")
QUALITY = "haarpsi"
VALIDATED = ("psnr_y", QUALITY)
MIN_POINTS = 4
EARLY = 0.25
"""Share of a stage after which a run is looked at for what it has learned early."""

MEASURE_COLUMNS: dict[str, Column] = {
    "finite": Column(label="Stayed finite", value_range=(0.0, 1.0)),
    "stable": Column(label="Stayed stable", value_range=(0.0, 1.0)),
    "early_psnr": Column(label="Validation PSNR-Y at a quarter", unit="dB"),
    "psnr_variation": Column(label="Late variation of PSNR-Y", unit="dB", higher_is_better=False),
    "gradient_variation": Column(
        label="Variation of the adversarial gradient", higher_is_better=False
    ),
    "critic_quality_correlation": Column(
        label="Rank correlation of the discriminator's loss and quality", value_range=(-1.0, 1.0)
    ),
}


def measures(rows: Sequence[Mapping[str, Any]], *, verdict: str) -> dict[str, float]:
    """Return what can be measured of a run's course; what its rows do not hold is excluded.

    - `finite`: 0 if a row says that a value was not finite, else 1.
    - `stable`: 0 if the run diverged, lost 6 dB of PSNR, collapsed or hardly learned, else 1: a run
      that does not change gives no evidence of stability. `critic-won` counts as stable:
      Wasserstein's critic cannot get that verdict, since it is meant to win, and a share that only
      one side can lose would not compare the sides.
    - `early_psnr`: validation PSNR_Y, in dB, when a quarter of the steps is done, or at the next
      validation; not of a run that diverged, whose steps are fewer. Beside the score at the end
      it tells what learns faster from what ends higher.
    - `psnr_variation`: standard deviation, in dB, of validation PSNR_Y about its own straight
      line over the second half of the stage. Without the line, progress would count as variation.
    - `gradient_variation`: standard deviation over mean of the norm of the adversary's gradient
      at the generator.
    - `critic_quality_correlation`: rank correlation (Spearman's rho) between what the
      discriminator minimises without its penalty, averaged over the rows since the validation
      before, and the HaarPSI of the validation. For a Wasserstein critic that is the negative gap
      between real and fake logits: it should rise towards 0 as images get better, which is a
      correlation of 1 (Arjovsky 2017, fig. 3). For an adversary without penalty it is its loss,
      which is low if the discriminator separates real and fake, so the sign has the same meaning.

    Args:
        rows: of `metrics.jsonl`.
        verdict: the monitor's.
    """
    is_finite = not any(row["kind"] == DIVERGED for row in rows)
    found = {"finite": float(is_finite), "stable": float(is_finite and verdict not in NOT_STABLE)}
    optional = {
        "early_psnr": _early_psnr(validations(rows)) if is_finite else None,
        "psnr_variation": _late_variation(validations(rows)),
        "gradient_variation": _relative_variation(rows),
        "critic_quality_correlation": _correlation(rows),
    }
    return found | {name: value for name, value in optional.items() if value is not None}


def curves(rows: Sequence[Mapping[str, Any]]) -> Curves:
    """Return the values over time that the report draws."""
    scored = validations(rows)
    training = [row for row in rows if row["kind"] == "train"]
    return Curves(
        steps=tuple(row["step"] for row in scored),
        scores={
            key: tuple(row[key] for row in scored)
            for key in VALIDATED
            if scored and all(key in row for row in scored)
        },
        train_steps=tuple(row["step"] for row in training),
        signals={
            key: tuple(row.get(key) for row in training)
            for key in SIGNALS
            if any(key in row for row in training)
        },
    )


def _early_psnr(validations: Sequence[Mapping[str, Any]]) -> float | None:
    early = EARLY * validations[-1]["step"] if validations else 0.0
    found = [float(row["psnr_y"]) for row in validations if row["step"] >= early]
    return found[0] if len(found) > 1 else None


def _late_variation(validations: Sequence[Mapping[str, Any]]) -> float | None:
    if not validations:
        return None
    half = validations[-1]["step"] / 2
    late = [row for row in validations if row["step"] > half]
    steps = [float(row["step"]) for row in late]
    if len(set(steps)) < MIN_POINTS:
        return None
    scores = [float(row["psnr_y"]) for row in late]
    slope, intercept = linear_regression(steps, scores)
    residuals = [
        score - slope * step - intercept for step, score in zip(steps, scores, strict=True)
    ]
    # two of the degrees of freedom are the line's
    return math.sqrt(sum(residual**2 for residual in residuals) / (len(late) - 2))


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
    for before, after in pairwise(validations(rows)):
        between = [row for row in rows if before["step"] < row["step"] <= after["step"]]
        losses = [loss for loss in map(_critic_loss, between) if loss is not None]
        if losses and QUALITY in after:
            pairs.append((fmean(losses), float(after[QUALITY])))
    return pairs


def _critic_loss(row: Mapping[str, Any]) -> float | None:
    """Return what the discriminator minimised in a row, without a penalty on its gradient."""
    if CRITIC_LOSS not in row:
        return None
    if CRITIC_PENALTY not in row:
        return float(row[CRITIC_LOSS])
    if not row.keys() >= {*CRITIC_LOGITS}:
        return None
    real, fake = (float(row[key]) for key in CRITIC_LOGITS)
    return fake - real
