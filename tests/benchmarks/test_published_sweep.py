"""What is written of the published sweep is what its records say."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest
from scipy.stats import spearmanr

from zoo.compare.factorial import effects
from zoo.compare.verdicts import ClaimResult, judge_claims, num_tested
from zoo.recipes.book import load_book
from zoo.records.record import Record, read_records

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


def test_what_was_run_and_where(records: list[Record], text: str) -> None:
    book = load_book()
    trained = [record for record in records if record.training is not None]
    cells = {r.target.name for r in trained if book.recipes[r.target.name].matrix is not None}
    recipes = {record.target.name for record in trained} - cells
    assert f"{len(recipes)} recipes and {len(cells)} further cells of the factorial" in text
    assert {record.target.seed for record in trained} == {0, 1, 2}
    assert "seeds 0, 1 and 2" in text
    (images,) = {sum(len(part.images) for part in record.datasets) for record in records}
    assert f"{images} images of `samples-x4`" in text
    (torch,) = {record.provenance["versions"]["torch"].partition("+")[0] for record in records}
    (day,) = {record.provenance["created"][:10] for record in records}
    (machine,) = {record.provenance["machine"] for record in records}
    assert f"no GPU, torch {torch}; trained and scored on {day}" in text
    assert machine == "Intel(R) Xeon(R) Processor, 2 cores"
    assert "Intel Xeon, 2 cores" in text
    (commit,) = {record.provenance["git"]["commit"] for record in records}
    assert f"scored at {commit[:7]}" in text
    front = " ".join(README.read_text(encoding="utf-8").split())
    assert f"we trained {len(recipes)} recipes and a 2x2x2x2 factorial" in front


def test_how_small_it_was(records: list[Record], text: str) -> None:
    budgets = [record.training.budget for record in records if record.training is not None]
    (patch,) = {budget["lr_patch_size"] for budget in budgets}
    content, adversarial = (
        {budget[key] for budget in budgets if key in budget}
        for key in ("content steps", "adversarial steps")
    )
    widths = {r.target.generator["width"] for r in records if r.training is not None}
    assert f"patches of {patch}x{patch}, networks {min(widths)} to {max(widths)} channels" in text
    assert f"{content.pop()} steps on a pixel loss and {adversarial.pop()} against" in text
    assert not content | adversarial


def test_the_factorial(records: list[Record], text: str) -> None:
    (matrix,) = load_book().matrices.values()
    told = (
        ("lpips-alex", "perceptual", 3, "lowers LPIPS-Alex ({}, interval {} to {})"),
        ("psnr-y", "perceptual", 2, "costs PSNR ({} dB, {} to {})"),
        ("psnr-y", "adversary", 2, "vanilla adversary also costs PSNR ({} dB, {} to {})"),
    )
    for metric, factor, decimals, sentence in told:
        found = effects(matrix.cells, records, metric, profile="sweep", suite="samples-x4")
        assert not any(effect.is_clear for effect in found.effects)
        (effect,) = [effect for effect in found.effects if effect.factors == (factor,)]
        interval = effect.interval
        assert interval.low is not None
        assert interval.high is not None
        values = (f"{v:.{decimals}f}" for v in (interval.estimate, interval.low, interval.high))
        assert sentence.format(*values).replace("-0.00)", "0.00)") in text


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
    memory = found["bn-removal-memory"].effect
    assert memory is not None
    assert f"(activations of SRResNet {100 * memory.estimate:.0f} %, counted)" in text
    spread = found["wgangp-variation"]
    assert spread.effect is not None
    assert spread.effect.within(spread.smallest_effect)
    assert f"depends on the adversary by less than {spread.smallest_effect} dB" in text
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
    assert f"for all {len(begun)} recipes and cells whose content recipe was scored" in text
    assert all(lpips[name] < lpips[content] for name, content in begun.items())
    assert f"Over the {len(lpips)} recipes and cells" in text
    names = list(lpips)
    for other, sign, shown in ((lpips, -1, "Spearman {:.2f}"), (haarpsi, 1, "PSNR-Y ({:.2f})")):
        ranks = spearmanr([psnr[name] for name in names], [sign * other[name] for name in names])
        assert shown.format(ranks.statistic) in text
