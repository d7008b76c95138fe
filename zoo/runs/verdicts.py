"""The verdict on a run: whether the training was stable and learned anything.

The rules are stated at `judge`. They use only logged values, so anyone can apply them to a
`metrics.jsonl`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Final, Literal

Verdict = Literal["stable", "hardly-learned", "critic-won", "mode-collapsed", "diverged"]
STABLE: Final[Verdict] = "stable"
DIVERGED: Final[Verdict] = "diverged"
HARDLY_LEARNED: Final[Verdict] = "hardly-learned"
UNSTABLE: Final = (DIVERGED, "mode-collapsed")
PSNR_DROP = 6.0
PSNR_GAIN = 0.1
"""Minimum gain over bicubic interpolation of a run that has learned something, in dB."""
CRITIC_LOSS_FLOOR = 0.02
CONTRAST_FLOOR = 0.5


def judge(
    rows: Sequence[Mapping[str, Any]], *, bounded: bool = True, bicubic: float | None = None
) -> Verdict:
    """Return the verdict on a run from its logged rows.

    Args:
        rows: of `metrics.jsonl`.
        bounded: whether the discriminator's loss cannot go below 0 (`Adversary.bounded`).
        bicubic: PSNR_Y of bicubic interpolation on the images validated last, in dB; None if it
            is not known, and then nothing is `hardly-learned`.

    The first rule that holds gives the verdict:

    `diverged`: the run met a value that is not finite (a row says so), or its last validation
    PSNR is more than 6 dB below the first on the same images.
    `mode-collapsed`: in the last quarter, the standard deviation of generated pixels has a median
    below half that of real ones.
    `hardly-learned`: no validation reaches 0.1 dB more than bicubic. The best one counts, since an
    adversarial stage may end below bicubic in PSNR and look better; it begins with the pretrained
    generator, which is validated first.
    `critic-won`: the discriminator's loss, where it is bounded, has a median below 0.02 in the
    last quarter: it tells real from fake with certainty. Objectives without a bound, Wasserstein's
    among them, are not judged by it: their critic is meant to win.
    `stable`: none of these. A collapse and a critic that won need a discriminator in the rows.
    """
    if any(row["kind"] == DIVERGED for row in rows):
        return DIVERGED
    psnr = [float(row["psnr_y"]) for row in validations(rows)]
    if len(psnr) > 1 and psnr[-1] < psnr[0] - PSNR_DROP:
        return DIVERGED
    critic = _values(rows, "discriminator_total")
    if critic and median(_last_quarter(_values(rows, "sr_contrast"))) < CONTRAST_FLOOR:
        return "mode-collapsed"
    won = bounded and bool(critic) and median(_last_quarter(critic)) < CRITIC_LOSS_FLOOR
    return judge_again("critic-won" if won else "stable", rows, bicubic)


def judge_again(
    verdict: Verdict, rows: Sequence[Mapping[str, Any]], bicubic: float | None
) -> Verdict:
    """Return the current verdict for one from before `hardly-learned` existed."""
    psnr = [float(row["psnr_y"]) for row in validations(rows)]
    is_known = bool(psnr) and bicubic is not None and verdict not in UNSTABLE
    return HARDLY_LEARNED if is_known and max(psnr) < (bicubic or 0) + PSNR_GAIN else verdict


def validations(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the validations on the latest validation images: other images do not compare."""
    found = [row for row in rows if row["kind"] == "validation"]
    return [row for row in found if row["validation"] == found[-1]["validation"]]


def _values(rows: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [float(row[key]) for row in rows if key in row]


def _last_quarter(values: Sequence[float]) -> Sequence[float]:
    return values[-max(1, len(values) // 4) :] if values else []
