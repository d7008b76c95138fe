"""Scoring: every generator sees the same bits, and a record says what it depends on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from zoo.bench import evaluate
from zoo.bench.candidates import Candidate, callable_candidate, weights_candidate
from zoo.bench.evaluate import Clock, Scorer
from zoo.bench.judges import create_metrics
from zoo.bench.suites import Suite, open_suite
from zoo.compare.comparisons import compare
from zoo.data.images import read_image, write_png
from zoo.data.resize import downscale
from zoo.errors import DivergedError, RecipeError, ShapeError, WeightsError
from zoo.files import file_sha256
from zoo.generators.bicubic import Bicubic
from zoo.generators.srresnet import SRResNet
from zoo.metrics.base import Metric
from zoo.metrics.fidelity import PSNRY
from zoo.recipes.schema import Runtime
from zoo.recipes.targets import parse_generator
from zoo.records.record import TrainingSummary, read_record, read_records, write_record
from zoo.runs.device import Execution, choose_device, plan_execution

MakeScorer = Callable[..., Scorer]


@pytest.fixture
def suite(tiny_suite: Path, tiny_data: Path) -> Suite:
    return open_suite(str(tiny_suite), data_root=tiny_data)


@pytest.fixture
def make_scorer(suite: Suite, tmp_path: Path) -> MakeScorer:
    def make(names: tuple[str, ...] | None = None) -> Scorer:
        return Scorer(suite, create_metrics(names or suite.metrics), on_cpu(), tmp_path)

    return make


def on_cpu() -> Execution:
    return plan_execution(Runtime(), choose_device("cpu"))


def weights_of(path: Path, seed: int = 0) -> Candidate:
    torch.manual_seed(seed)
    network = SRResNet(width=4, num_blocks=1)
    torch.save(network.state_dict(), path)
    spec = parse_generator("{name: srresnet, width: 4, num_blocks: 1}")
    return weights_candidate(path, spec, scale=4)


def test_scores_are_those_of_the_images_on_disk(make_scorer: MakeScorer, tiny_data: Path) -> None:
    record = make_scorer().score(callable_candidate("bicubic", Bicubic(scale=4), scale=4))
    hr_image = evaluate.to_tensor(read_image(tiny_data / "Colour" / "HR" / "0.png"))
    lr_image = evaluate.to_tensor(downscale(read_image(tiny_data / "Colour" / "HR" / "0.png"), 4))
    expected = PSNRY()(Bicubic(scale=4)(lr_image.unsqueeze(0))[0], hr_image, scale=4)
    assert record.scored["Colour", "0"]["psnr_y"] == pytest.approx(expected)
    assert list(record.scored) == [("Colour", "0"), ("Colour", "1"), ("Grey", "0")]
    assert record.scale == 4
    assert record.protocol == 1


def test_a_record_says_that_lr_files_are_not_bicubic(
    tiny_suite: Path, tiny_data: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    shutil.copytree(tiny_data, root)
    for number in range(2):
        half = downscale(read_image(root / f"Colour/HR/{number}.png"), 4) // 2
        write_png(root / f"Colour/LR_x4/{number}.png", half)
    suite = open_suite(str(tiny_suite), data_root=root)
    scorer = Scorer(suite, create_metrics(("psnr-y",)), on_cpu(), tmp_path)
    record = scorer.score(callable_candidate("bicubic", Bicubic(scale=4), scale=4))
    colour, grey = read_record(write_record(tmp_path, record)).datasets
    assert colour.degradation == suite.datasets[0].degradation
    assert "2 of 2 LR files are not their HR images downscaled" in str(colour.degradation)
    assert grey.degradation is None


def test_a_perfect_generator_scores_perfectly(suite: Suite, make_scorer: MakeScorer) -> None:
    truth = {
        image.lr_image.tobytes(): evaluate.to_tensor(image.hr_image)
        for dataset in suite.datasets
        for image in dataset
    }

    def oracle(lr_image: Tensor) -> Tensor:
        pixels = lr_image[0].mul(255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        keys = pixels.copy().tobytes(), pixels[:, :, 0].copy().tobytes()
        known = [truth[key] for key in keys if key in truth]
        if not known:  # an image to time it with
            return Bicubic(scale=4)(lr_image)
        return known[0].expand(3, -1, -1).unsqueeze(0)

    for scores in (
        make_scorer().score(callable_candidate("oracle", oracle, scale=4)).scored.values()
    ):
        assert scores["psnr_y"] == pytest.approx(80.0)
        assert scores["lr_psnr"] == pytest.approx(80.0)
        assert scores["ssim_y"] == pytest.approx(1.0)


def test_gallery_pictures_are_what_was_scored(make_scorer: MakeScorer, tmp_path: Path) -> None:
    scorer = make_scorer()
    record = scorer.score(callable_candidate("bicubic", Bicubic(scale=4), scale=4))
    (picture,) = record.pictures
    assert (picture.dataset, picture.image) == ("Colour", "0")
    kept = evaluate.to_tensor(read_image(tmp_path / "tiny" / picture.file))
    hr_image = evaluate.to_tensor(scorer.suite.datasets[0][0].hr_image)
    assert PSNRY()(kept, hr_image, scale=4) == record.scored["Colour", "0"]["psnr_y"]


def test_known_work_is_not_done_again_and_changed_work_is(
    make_scorer: MakeScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = make_scorer()
    candidate = weights_of(tmp_path / "net.pt")
    assert scorer.known(candidate) is None
    path = write_record(tmp_path, scorer.score(candidate))
    assert scorer.known(candidate) == path
    assert make_scorer(("psnr-y",)).known(candidate) is None, "other metrics"
    monkeypatch.setattr(evaluate, "PROTOCOL_VERSION", 2)
    assert scorer.known(candidate) is None, "another protocol"
    monkeypatch.undo()
    assert scorer.known(weights_of(tmp_path / "net.pt", seed=1)) is None, "other weights"


def test_a_callable_is_scored_every_time_and_versions_of_it_are_told_apart(
    make_scorer: MakeScorer,
) -> None:
    scorer = make_scorer()
    bicubic = callable_candidate("net", Bicubic(scale=4), scale=4)
    darker = callable_candidate("net", lambda image: 0.9 * Bicubic(scale=4)(image), scale=4)
    first, again, other = (scorer.score(one) for one in (bicubic, bicubic, darker))
    assert scorer.known(bicubic) is None
    assert first.key == again.key != other.key


def test_what_is_no_upscaled_image_is_named(make_scorer: MakeScorer) -> None:
    scorer = make_scorer()
    with pytest.raises(ShapeError, match=r"expected \(1, 3, 64, 64\), the generator returned"):
        scorer.score(callable_candidate("same", lambda image: image, scale=4))
    with pytest.raises(RecipeError, match=r"upscales x2, but suite tiny is x4"):
        scorer.score(callable_candidate("half", Bicubic(scale=2), scale=2))


def test_weights_that_do_not_fit_are_named(make_scorer: MakeScorer, tmp_path: Path) -> None:
    candidate = weights_of(tmp_path / "net.pt")
    wrong = weights_candidate(tmp_path / "net.pt", parse_generator("rrdb"), scale=4)
    assert make_scorer().score(candidate).target.weights_sha256
    with pytest.raises(WeightsError, match=r"net\.pt does not fit generator 'rrdb'"):
        make_scorer().score(wrong)


def test_a_generator_on_the_command_line_is_checked() -> None:
    assert parse_generator("rrdb").name == "rrdb"
    with pytest.raises(RecipeError, match="did you mean 'num_blocks'"):
        parse_generator("{name: rrdb, num_block: 6}")
    with pytest.raises(LookupError, match="did you mean 'rrdb'"):
        parse_generator("rrbd")
    with pytest.raises(RecipeError, match="write a name"):
        parse_generator("[rrdb]")


class Unavailable(Metric):
    """A metric whose weights are missing."""

    label = "Missing"

    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        raise AssertionError("a metric that is unavailable must not be called")

    def unavailable(self) -> str | None:
        return "its weights are missing: get them"


def test_a_metric_that_is_unavailable_leaves_its_cells_empty(suite: Suite, tmp_path: Path) -> None:
    scorer = Scorer(suite, {"gone": Unavailable(), "psnr-y": PSNRY()}, on_cpu(), tmp_path)
    record = scorer.score(callable_candidate("bicubic", Bicubic(scale=4), scale=4))
    assert record.columns["gone"].unavailable == "its weights are missing: get them"
    assert all("gone" not in scores for scores in record.scored.values())


@pytest.mark.slow
def test_a_generator_with_batch_norm_is_run_under_both_statistics(
    make_scorer: MakeScorer, tmp_path: Path
) -> None:
    record = make_scorer().score(weights_of(tmp_path / "net.pt"))
    gaps = [scores["statistics_gap"] for scores in record.scored.values()]
    assert all(gap > 0 for gap in gaps), "fresh running statistics fit no image"
    plain = make_scorer().score(callable_candidate("bicubic", Bicubic(scale=4), scale=4))
    assert all(scores["statistics_gap"] == 0 for scores in plain.scored.values())


def test_the_clock_adds_up(make_scorer: MakeScorer, tmp_path: Path) -> None:
    clock = Clock()
    make_scorer().score(weights_of(tmp_path / "net.pt"), clock)
    assert 0 < clock.network + clock.metrics + clock.cost <= clock.total


def test_a_score_by_the_network_that_was_trained_against_is_marked(
    suite: Suite, tmp_path: Path
) -> None:

    scorer = Scorer(suite, create_metrics(("psnr-y", "lite1-distance")), on_cpu(), tmp_path)
    components = {"perceptual": {"network": "efficientnet-lite1"}}
    training = TrainingSummary(steps=1, seconds=1.0, verdict="stable", components=components)
    plain = callable_candidate("plain", Bicubic(scale=4), scale=4)
    record = scorer.score(replace(plain, training=training))
    assert record.provenance["trained_against"] == {"lite1_distance": ["perceptual"]}
    assert any(
        "is not informative for plain (loss perceptual), because their loss uses the same" in n
        for n in compare([record])[0].notes
    )
    assert scorer.score(plain).provenance["trained_against"] == {}


class NotANumber(Metric):
    """A metric that has no value for some image."""

    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        return float("nan")


def test_a_score_that_is_no_number_is_left_out_and_said(
    suite: Suite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scorer = Scorer(suite, {"odd": NotANumber(), "psnr-y": PSNRY()}, on_cpu(), tmp_path)
    record = scorer.score(callable_candidate("bicubic", Bicubic(scale=4), scale=4))
    assert all(set(scores) == {"psnr_y", "statistics_gap"} for scores in record.scored.values())
    assert "odd of Colour/0 is nan: left out" in caplog.text
    assert read_record(write_record(tmp_path, record)) == record


def test_a_generator_that_returns_no_numbers_has_no_score(make_scorer: MakeScorer) -> None:
    broken = callable_candidate("broken", lambda image: Bicubic(scale=4)(image) / 0, scale=4)
    with pytest.raises(DivergedError, match="0: the generator returned NaN or infinite"):
        make_scorer().score(broken)


def test_a_torn_record_is_made_again(make_scorer: MakeScorer, tmp_path: Path) -> None:
    scorer, candidate = make_scorer(), weights_of(tmp_path / "net.pt")
    path = write_record(tmp_path, scorer.score(candidate))
    path.write_text(path.read_text()[:50])
    assert scorer.known(candidate) is None
    assert write_record(tmp_path, scorer.score(candidate)) == path
    assert scorer.known(candidate) == path


def test_pictures_of_two_versions_of_a_callable_are_kept_apart(
    make_scorer: MakeScorer, tmp_path: Path
) -> None:
    scorer = make_scorer()
    for factor in (1.0, 0.9):
        network = callable_candidate("net", lambda x, f=factor: f * Bicubic(scale=4)(x), scale=4)
        write_record(tmp_path, scorer.score(network))
    records = read_records(tmp_path)
    assert len(records) == 2
    for record in records:
        (picture,) = record.pictures
        assert file_sha256(tmp_path / "tiny" / picture.file) == picture.sha256


def test_other_training_and_other_software_are_other_work(
    make_scorer: MakeScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, candidate = make_scorer(), weights_of(tmp_path / "net.pt")
    before = scorer.key(candidate)
    trained = TrainingSummary(steps=1, seconds=1.0, verdict="stable")
    assert scorer.key(replace(candidate, training=trained)) != before
    found = evaluate.versions()
    for package in evaluate.SOFTWARE:
        monkeypatch.setattr(evaluate, "versions", lambda name=package: found | {name: "9"})
        assert scorer.key(candidate) != before, package


def changed_target(**change: Any) -> Callable[[Scorer, Candidate], str]:
    def key(scorer: Scorer, candidate: Candidate) -> str:
        target = candidate.target.model_copy(update=change)
        return scorer.key(replace(candidate, target=target))

    return key


def changed_scorer(name: str, value: Any) -> Callable[[Scorer, Candidate], str]:
    def key(scorer: Scorer, candidate: Candidate) -> str:
        setattr(scorer, name, value)
        return scorer.key(candidate)

    return key


def changed_suite(scorer: Scorer, candidate: Candidate) -> str:
    scorer.suite = replace(scorer.suite, sha256="1" * 64)
    return scorer.key(candidate)


def changed_column(scorer: Scorer, candidate: Candidate) -> str:
    """Another network behind a metric."""
    column = scorer.columns["haarpsi"].model_copy(update={"provenance": {"sha256": "1"}})
    scorer.columns["haarpsi"] = column
    return scorer.key(candidate)


def lost_column(scorer: Scorer, candidate: Candidate) -> str:
    """A metric whose weights are missing."""
    column = scorer.columns["haarpsi"].model_copy(update={"unavailable": "no weights"})
    scorer.columns["haarpsi"] = column
    return scorer.key(candidate)


INPUTS = {
    "the generator's code": changed_target(code_sha256="1" * 64),
    "the generator's arguments": changed_target(generator={"name": "srresnet", "width": 5}),
    "the weights": changed_target(weights_sha256="1" * 64),
    "the run": changed_target(identity_sha256="1" * 64),
    "its pretraining": changed_target(pretraining_sha256="1" * 64),
    "the seed": changed_target(seed=7),
    "the profile": changed_target(profile="paper"),
    "the suite": changed_suite,
    "a metric's network": changed_column,
    "a metric's weights": lost_column,
    "a metric's code": changed_scorer("_codes", {"psnr_y": "1"}),
    "the device": changed_scorer("execution", replace(on_cpu(), device=torch.device("meta"))),
    "an error": lambda scorer, candidate: scorer.key(replace(candidate, error="NaN")),
}
"""All that a record depends on, each changed alone; versions, training and protocol are above."""


@pytest.mark.parametrize("change", INPUTS)
def test_each_input_of_a_record_is_in_its_key(
    change: str, make_scorer: MakeScorer, tmp_path: Path
) -> None:
    scorer, candidate = make_scorer(), weights_of(tmp_path / "net.pt")
    before = scorer.key(candidate)
    assert INPUTS[change](scorer, candidate) != before


def test_our_own_code_is_in_the_key(
    make_scorer: MakeScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, candidate = make_scorer(), weights_of(tmp_path / "net.pt")
    before = scorer.key(candidate)
    assert candidate.target.code_sha256 is not None, "built-in generators have code too"
    monkeypatch.setattr(evaluate, "own_code", lambda *_: "changed")
    assert scorer.key(candidate) != before
    monkeypatch.undo()
    monkeypatch.setattr(evaluate, "SCORING_VERSION", 99)
    assert scorer.key(candidate) != before
