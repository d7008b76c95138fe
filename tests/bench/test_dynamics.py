"""Measures of a run's course, on rows made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.bench.dynamics import curves, measures
from zoo.runs.verdicts import judge


def train_row(step: int, **values: float) -> dict[str, Any]:
    return {"kind": "train", "step": step, **values}


def validation_row(step: int, psnr_y: float, haarpsi: float, images: str = "a") -> dict[str, Any]:
    return {
        "kind": "validation",
        "step": step,
        "validation": images,
        "psnr_y": psnr_y,
        "haarpsi": haarpsi,
    }


def adversarial_rows(losses: list[float], qualities: list[float]) -> list[dict[str, Any]]:
    """Interleave two logged losses around each given one with validations 10 steps apart."""
    rows = [validation_row(0, 20.0, 0.5)]
    for index, (loss, quality) in enumerate(zip(losses, qualities, strict=True)):
        step = 10 * index
        rows += [
            train_row(step + 5, discriminator_total=loss - 0.001, gradient_adversarial=1.0),
            train_row(step + 10, discriminator_total=loss + 0.001, gradient_adversarial=3.0),
            validation_row(step + 10, 20.0 + index, quality),
        ]
    return rows


def test_a_critic_whose_loss_rises_with_quality_tracks_it() -> None:
    rows = adversarial_rows([-5.0, -4.0, -3.0, -2.0, -1.0], [0.1, 0.2, 0.3, 0.4, 0.5])
    found = measures(rows, verdict="stable")
    assert found["critic_quality_correlation"] == pytest.approx(1.0)
    mirrored = adversarial_rows([-1.0, -2.0, -3.0, -4.0, -5.0], [0.1, 0.2, 0.3, 0.4, 0.5])
    assert measures(mirrored, verdict="stable")["critic_quality_correlation"] == pytest.approx(-1)


def test_what_hardly_learned_is_not_counted_as_stable() -> None:
    rows = adversarial_rows([-1.0] * 3, [0.1] * 3)
    found = {v: measures(rows, verdict=v)["stable"] for v in ("stable", "critic-won")}
    assert found == {"stable": 1.0, "critic-won": 1.0}
    assert measures(rows, verdict="hardly-learned")["stable"] == 0.0


def test_a_loss_counts_for_the_validation_after_it() -> None:
    rows = adversarial_rows([-5.0, -4.0, -3.0, -2.0, -1.0], [0.1, 0.2, 0.3, 0.4, 0.5])
    rows.append(train_row(60, discriminator_total=99.0, gradient_adversarial=1.0))
    assert measures(rows, verdict="stable")["critic_quality_correlation"] == pytest.approx(1.0)


def test_variations_are_those_of_their_definition() -> None:
    rows = adversarial_rows([-1.0] * 8, [0.1] * 8)
    found = measures(rows, verdict="stable")
    assert found["gradient_variation"] == pytest.approx(0.5)  # of 1 and 3 in turn
    # PSNR is 20, 20, 21, ... 27 at steps 0 to 80; after step 40 it rises evenly, and never varies
    assert found["psnr_variation"] == pytest.approx(0.0, abs=1e-9)
    assert "critic_quality_correlation" not in found  # a loss that never changes has no rank


def test_what_is_learned_early_is_read_at_a_quarter_of_the_stage() -> None:
    rows = [validation_row(step, 20.0 + step, 0.5) for step in (0, 10, 30, 60, 80)]
    assert measures(rows, verdict="stable")["early_psnr"] == 50.0  # 20 of 80 steps, or the next
    assert "early_psnr" not in measures(rows[:1], verdict="stable")
    lost = [*rows, {"kind": "diverged", "step": 81}]
    assert "early_psnr" not in measures(lost, verdict="diverged"), "a quarter of fewer steps"


@pytest.mark.parametrize("slope", [0.0, 0.3, -0.3])
def test_progress_is_no_variation(slope: float) -> None:
    around = [1.0, -1.0, -1.0, 1.0]  # sums to 0, and has no slope of its own
    rows = [validation_row(0, 20.0, 0.5)]
    rows += [validation_row(50 + 10 * i, 20 + slope * i + y, 0.5) for i, y in enumerate(around)]
    # 4 squared residuals of 1, over the 2 degrees of freedom that the line leaves
    assert measures(rows, verdict="stable")["psnr_variation"] == pytest.approx(2**0.5)


def test_a_penalty_is_no_part_of_the_gap() -> None:
    gaps, qualities = [5.0, 4.0, 3.0, 2.0, 1.0], [0.1, 0.2, 0.3, 0.4, 0.5]
    rows = adversarial_rows([5.0, 4.0, 3.0, 2.0, 1.0], qualities)  # totals that mislead
    assert measures(rows, verdict="stable")["critic_quality_correlation"] == pytest.approx(-1.0)
    training = [row for row in rows if row["kind"] == "train"]
    for index, row in enumerate(training):
        gap = gaps[index // 2]
        row |= {"discriminator_penalty": 9.0, "discriminator_d_real": gap + 7.0}
        row |= {"discriminator_d_fake": 7.0}
    assert measures(rows, verdict="stable")["critic_quality_correlation"] == pytest.approx(1.0)


def test_verdicts_become_shares() -> None:
    rows = [validation_row(0, 20.0, 0.5)]
    assert measures(rows, verdict="stable") == {"finite": 1.0, "stable": 1.0}
    assert measures(rows, verdict="mode-collapsed") == {"finite": 1.0, "stable": 0.0}
    broken = [*rows, {"kind": "diverged", "step": 3, "message": "loss became NaN"}]
    assert measures(broken, verdict="diverged") == {"finite": 0.0, "stable": 0.0}


def test_a_drop_of_psnr_is_unstable_but_finite() -> None:
    rows = [validation_row(0, 30.0, 0.5), validation_row(10, 20.0, 0.5)]
    verdict = judge(rows)
    assert verdict == "diverged"
    assert measures(rows, verdict=verdict) == {"finite": 1.0, "stable": 0.0}


def test_no_run_loses_its_stability_by_a_rule_that_spares_the_other_adversary() -> None:
    rows = [validation_row(0, 20.0, 0.5), validation_row(10, 21.0, 0.5)]
    rows += [train_row(step, discriminator_total=0.001, sr_contrast=1.0) for step in range(8)]
    verdicts = [judge(rows, bounded=bounded) for bounded in (True, False)]
    assert verdicts == ["critic-won", "stable"]
    shares = [measures(rows, verdict=verdict)["stable"] for verdict in verdicts]
    assert shares == [1.0, 1.0]


def test_scores_of_other_images_are_not_compared() -> None:
    old = [validation_row(step, 50.0, 0.9, images="old") for step in range(0, 40, 10)]
    new = [validation_row(step, 20.0, 0.5, images="new") for step in range(40, 120, 10)]
    assert measures([*old, *new], verdict="stable")["psnr_variation"] == pytest.approx(0.0)
    assert curves([*old, *new]).steps == tuple(range(40, 120, 10))


def test_curves_keep_what_was_logged_and_say_where_it_was_not() -> None:
    rows = [
        validation_row(0, 20.0, 0.5),
        train_row(1, loss_total=2.0, discriminator_total=0.7),
        train_row(2, loss_total=1.0),
    ]
    found = curves(rows)
    assert found.scores == {"psnr_y": (20.0,), "haarpsi": (0.5,)}
    assert found.signals == {"discriminator_total": (0.7, None), "loss_total": (2.0, 1.0)}
    assert found.train_steps == (1, 2)
