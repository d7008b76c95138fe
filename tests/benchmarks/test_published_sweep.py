"""What is written of the published sweep is what its records say."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest
from scipy.stats import spearmanr

from zoo.bench.records import Record, read_records
from zoo.bench.verdicts import ClaimResult, judge_claims, num_tested
from zoo.recipes.book import load_book

SWEEP = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "sweep"
README = SWEEP.parents[2] / "README.md"


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return read_records(SWEEP / "records")


@pytest.fixture(scope="module")
def judged(records: list[Record]) -> list[ClaimResult]:
    claims = load_book().claims.values()
    return judge_claims(claims, records, profile="sweep", suite="samples-x4")


@pytest.fixture(scope="module")
def text() -> str:
    return " ".join((SWEEP / "README.md").read_text(encoding="utf-8").split())


def means(records: list[Record], key: str) -> dict[str, float]:
    """Return the mean over datasets and seeds by recipe, without the baseline."""
    found: dict[str, list[float]] = {}
    for record in records:
        if record.target.kind == "run":
            parts = [fmean(i.scores[key] for i in part.images) for part in record.datasets]
            found.setdefault(record.target.name, []).append(fmean(parts))
    return {name: fmean(values) for name, values in found.items()}


def test_how_much_was_run(records: list[Record], text: str) -> None:
    runs = [record.training for record in records if record.training is not None]
    assert f"{len(runs)} runs and bicubic" in text
    assert len(records) == len(runs) + 1
    minutes = sum(run.seconds for run in runs) / 60
    assert f"Training took {minutes:.0f} minutes of one core" in text
    assert {run.verdict for run in runs} == {"stable"}


@pytest.mark.slow
def test_the_verdicts(judged: list[ClaimResult], text: str) -> None:
    counts = Counter(result.verdict for result in judged)
    told = (
        f"Of {len(judged)} claims {counts['supported']} are supported, "
        f"{counts['no effect shown']} show no effect, {counts['not enough data']} have not enough "
        "data, none is contradicted."
    )
    assert told in text
    assert counts["contradicted"] == 0
    front = " ".join(README.read_text(encoding="utf-8").split())
    assert f"of {len(judged)} claims {counts['supported']} are supported" in front
    assert (
        f"{counts['no effect shown']} show no effect, {counts['not enough data']} have not" in front
    )
    assert f"After correction for {num_tested(judged)} claims" in text


@pytest.mark.slow
def test_the_effects(judged: list[ClaimResult], text: str) -> None:
    found = {result.claim: result for result in judged}
    for claim, shown in (
        ("perceptual-loss-lpips", "LPIPS-Alex by"),
        ("rrdb-perception", "RRDB is"),
    ):
        effect, p_value = found[claim].effect, found[claim].p_value
        assert effect is not None
        assert effect.low is not None
        assert effect.high is not None
        assert p_value is not None
        size = f"{shown} {-effect.estimate:.3f}"
        assert size in text
        assert f"({-effect.high:.3f} to {-effect.low:.3f})" in text
        assert re.search(rf"p is .*{p_value:.2g}", text)
    smooth = found["mse-over-smooths"].effect
    assert smooth is not None
    assert smooth.low is not None
    assert smooth.high is not None
    assert f"{-smooth.estimate:.1f} dB below the ground truth's" in text
    assert f"interval {-smooth.high:.1f} to {-smooth.low:.1f}" in text
    gradient = found["wgangp-gradient"]
    assert gradient.effect is not None
    assert f"({-gradient.effect.estimate:.2f} of its mean less, p = {gradient.p_value:.3f}" in text


def test_lpips_falls_with_an_adversary_and_goes_its_own_way(
    records: list[Record], text: str
) -> None:
    lpips, psnr, haarpsi = (means(records, key) for key in ("lpips_alex", "psnr_y", "haarpsi"))
    scored = {r.target.identity_sha256: r.target.name for r in records}
    begun = {
        record.target.name: scored[record.target.pretraining_sha256]
        for record in records
        if record.target.pretraining_sha256 in scored and record.target.pretraining_sha256
    }
    assert f"the {len(begun)} recipes and cells whose content recipe was scored" in text
    assert all(lpips[name] < lpips[content] for name, content in begun.items())
    assert f"Over the {len(lpips)} recipes and cells" in text
    names = list(lpips)
    for other, sign, shown in ((lpips, -1, "Spearman {:.2f}"), (haarpsi, 1, "PSNR-Y ({:.2f})")):
        ranks = spearmanr([psnr[name] for name in names], [sign * other[name] for name in names])
        assert shown.format(ranks.statistic) in text
