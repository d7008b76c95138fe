"""The weights with the best validation score."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.observers import Notes, Stopper
from zoo.errors import RecipeError, WeightsError
from zoo.metrics.learned import LPIPSAlex
from zoo.metrics.perceptual import HaarPSI
from zoo.models.find import find_model
from zoo.recipes.schema import Training
from zoo.runs.directory import RunDirectory
from zoo.runs.weights import unpack
from zoo.train import best
from zoo.train.best import BEST, BestWeights, validation_metrics
from zoo.train.identity import run_identity
from zoo.train.prepare import prepare
from zoo.train.run import train

KEPT = (
    *("training.steps=6", "training.validate_every=1", "training.checkpoint_every=2"),
    "training.validate_with=haarpsi",
)


def row(step: int, score: float) -> dict[str, object]:
    scores = {"psnr_y": 20.0, "psnr_y_images": {"a": 20.0}, "haarpsi": score}
    return {"kind": "validation", "step": step, "validation": "x", **scores}


def step_of(weights: BestWeights) -> int:
    return unpack(weights.path.read_bytes())[2]


@pytest.mark.parametrize(("higher_is_better", "expected"), [(True, 3), (False, 2), (None, 2)])
def test_the_first_of_the_best_is_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    higher_is_better: bool | None,  # noqa: FBT001  a parameter of the test
    expected: int,
) -> None:
    metric = SimpleNamespace(higher_is_better=higher_is_better)
    monkeypatch.setattr(best, "METRICS", SimpleNamespace(get=lambda _name: metric))
    directory = RunDirectory(tmp_path)
    weights = BestWeights(directory, "0" * 64, "haarpsi")
    for step, score in enumerate((0.5, 0.1, 0.7, 0.7, 0.2), start=1):
        weights.offer(row(step, score), torch.nn.Linear(1, 1))
        directory.append_row(row(step, score))
    assert step_of(weights) == expected


def test_weights_that_a_rollback_took_back_are_not_published(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    weights = BestWeights(directory, "0" * 64, "haarpsi")
    for step, score in ((1, 0.5), (2, 0.9)):
        weights.offer(row(step, score), torch.nn.Linear(1, 1))
        directory.append_row(row(step, score))
    directory.drop_rows_after(1)
    said = weights.publish()
    assert said == "the weights of step 1, with the best haarpsi, were not kept"
    assert not (tmp_path / BEST).exists()


def test_the_best_weights_of_a_run_are_a_model_and_survive_a_stop(
    make_spec: MakeSpec, make_options: MakeOptions, small_validation: str
) -> None:
    spec, notes = make_spec("srresnet", small_validation, *KEPT), Notes()
    whole = train(spec, make_options("straight", observer=notes)).directory
    scores = {r["step"]: r["haarpsi"] for r in RunDirectory(whole).rows() if "haarpsi" in r}
    assert sorted(scores) == list(range(7))
    step = max(scores, key=lambda each: scores[each])
    model = find_model(whole / BEST)
    assert model.details.name == f"srresnet-smoke-step-{step}"
    assert model.details.training is not None
    assert model.details.training.steps == step
    assert any(f"best haarpsi of its validations: {scores[step]:.4g}" in n for n in notes.notices)
    with pytest.raises(KeyboardInterrupt):
        train(spec, make_options("stopped", observer=Stopper("content", 5, KeyboardInterrupt())))
    again = train(spec, make_options("stopped")).directory
    for name, value in find_model(again / BEST).tensors.items():
        assert torch.equal(value, model.tensors[name]), name
    (again / BEST).unlink()
    train(spec, make_options("stopped"))
    assert (again / BEST).is_file()


def test_the_metric_is_not_part_of_what_a_run_is(
    make_spec: MakeSpec, make_options: MakeOptions, small_validation: str
) -> None:
    def identity(*settings: str) -> object:
        spec = make_spec("srresnet", small_validation, *settings)
        return run_identity(spec, prepare(spec, make_options()), None)

    assert identity() == identity("training.validate_with=haarpsi")


def test_missing_weights_of_the_metric_are_found_before_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(LPIPSAlex, "unavailable", lambda _self: "run 'zoo weights get lpips'")
    with pytest.raises(WeightsError, match="validate_with=lpips-alex: run 'zoo weights get"):
        validation_metrics(Training(steps=1, validate_with="lpips-alex"), 100)


def test_an_image_that_is_too_small_is_found_before_the_training(
    monkeypatch: pytest.MonkeyPatch,
    make_spec: MakeSpec,
    make_options: MakeOptions,
    small_validation: str,
) -> None:
    monkeypatch.setattr(HaarPSI, "min_side", 41)
    spec = make_spec("srresnet", small_validation, "training.validate_with=haarpsi")
    with pytest.raises(RecipeError, match=r"needs 41 pixels a side, .* has 40 without"):
        prepare(spec, make_options())


def test_a_finished_run_without_a_score_says_so(
    make_spec: MakeSpec, make_options: MakeOptions, small_validation: str
) -> None:
    few = (small_validation, "training.steps=1", "training.validate_every=1")
    train(make_spec("srresnet", *few), make_options())
    notes = Notes()
    spec = make_spec("srresnet", *few, "training.validate_with=psnr-rgb")
    train(spec, make_options(observer=notes))
    assert any("no validation has a score of psnr-rgb" in line for line in notes.notices)
