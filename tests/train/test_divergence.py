"""Values that are not finite: none reaches a file, and a run that may goes back and on."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.train.bits import assert_same_bits, final_state
from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.observers import Notes, Stopper
from tests.train.poison import INFINITY, NAN, PLACES, Poison, non_finite_on_disk
from tests.train.test_run import Kill
from zoo.errors import DivergedError
from zoo.recipes.schema import RunSpec, Runtime
from zoo.runs.checkpoint import load_latest
from zoo.runs.device import plan_execution
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.verdicts import judge
from zoo.train.run import train
from zoo.train.trainer import MAX_ROLLBACKS
from zoo.train.validation import Validator

RECIPE = ("srgan-wgangp", "losses.vgg19=null", "training.schedule.kind=constant")
ROLLBACK = "training.on_divergence=rollback"


@pytest.fixture
def make_spec(make_spec: MakeSpec, small_validation: str) -> MakeSpec:
    return functools.partial(_make, make_spec, small_validation)


def _make(make_spec: MakeSpec, validation: str, recipe: str, *settings: str) -> RunSpec:
    return make_spec(recipe, validation, *settings)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_what_is_not_finite_reaches_no_file(
    make_spec: MakeSpec,
    make_options: MakeOptions,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    """Step 4 validates and saves, so that what is found a step later is found too late."""
    spec, options = make_spec(*RECIPE, "training.log_every=8"), make_options()
    for step, value in ((4, NAN), (3, INFINITY)):
        monkeypatch.setattr("zoo.train.trainer.training_step", Poison(place, value, [step]))
        with pytest.raises(DivergedError, match=r"NaN or infinite.*on_divergence=rollback"):
            train(spec, replace(options, fresh=value == INFINITY))
        path = run_path(spec, options.run_root)
        assert non_finite_on_disk(path) == []
        assert judge(RunDirectory(path).rows()) == "diverged"
        state = load_latest(path / "checkpoints")
        assert state is not None
        assert state["step"] == 2


@pytest.mark.slow
def test_the_search_for_values_on_disk_would_find_them(
    make_spec: MakeSpec, make_options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: without the guard they would be written."""
    monkeypatch.setattr("zoo.train.trainer.FiniteGuard.check", lambda *_: None)
    monkeypatch.setattr("zoo.train.trainer.training_step", Poison("critic-moment", INFINITY, [8]))
    run = train(make_spec(*RECIPE, "training.log_every=8"), make_options())
    assert non_finite_on_disk(run.directory)


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 7])
def test_a_run_that_may_goes_back_and_learns_half_as_fast(
    make_spec: MakeSpec, make_options: MakeOptions, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    notes = Notes()
    spec = make_spec(*RECIPE, ROLLBACK)
    monkeypatch.setattr("zoo.train.trainer.training_step", Poison("loss", NAN, [step]))
    run = train(spec, make_options(observer=notes))
    good = step - 1
    (row,) = [row for row in RunDirectory(run.directory).rows() if row["kind"] == "rollback"]
    assert (row["step"], row["diverged_at"], row["rollback"]) == (good, step, 1)
    assert row["learning_rate_factor"] == 0.5
    assert row in notes.rows
    rates = {
        row["step"]: row["learning_rate"]
        for row in RunDirectory(run.directory).rows()
        if row["kind"] == "train"
    }
    assert list(rates) == list(range(1, 9))
    assert all(rates[at] == (1e-4 if at <= good else 5e-5) for at in rates)
    assert run.summary["verdict"] != "diverged"
    assert non_finite_on_disk(run.directory) == []


class AfterRollback(Notes):
    """Breaks off between the step gone back to and the one that diverged."""

    def stepped(self, step: int, num_images: int) -> None:
        if step == 6 and any(row["kind"] == "rollback" for row in self.rows):
            raise Kill


@pytest.mark.slow
def test_killed_after_going_back_it_ends_in_the_same_bits(
    make_spec: MakeSpec, make_options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec("srresnet-nobn", ROLLBACK, "training.learning_rate=1e-3")
    real = RunDirectory.append_row

    def diverge(self: RunDirectory, row: dict[str, object]) -> None:
        """A rate above 3e-4 diverges in step 7, as often as it comes there."""
        if row["kind"] == "train" and row["step"] == 7 and float(str(row["learning_rate"])) > 3e-4:
            raise DivergedError("too fast")
        real(self, row)

    monkeypatch.setattr(RunDirectory, "append_row", diverge)
    straight = train(spec, make_options("straight"))
    with pytest.raises(DivergedError, match="too fast"):  # begun without going back: it may still
        train(make_spec("srresnet-nobn", "training.learning_rate=1e-3"), make_options("killed"))
    # before going back, on the way again after the first and the second time, and later
    observers = [AfterRollback(), AfterRollback(), Stopper("content", 11, Kill())]
    for rollbacks, observer in enumerate([Stopper("content", 5, Kill()), *observers]):
        with pytest.raises(Kill):
            train(spec, make_options("killed", observer=observer))
        state = load_latest(run_path(spec, make_options("killed").run_root) / "checkpoints")
        assert state is not None
        assert state["rollbacks"] == min(rollbacks, 2), "it is on disk at once"
    killed = train(spec, make_options("killed"))
    ends = [final_state(run.directory) for run in (straight, killed)]
    assert_same_bits(*ends)
    assert ends[0]["checkpoint"]["rollbacks"] == 2
    rows = [
        [(row["kind"], row["step"]) for row in RunDirectory(run.directory).rows()]
        for run in (straight, killed)
    ]
    assert rows[0] == rows[1]
    assert rows[0].count(("rollback", 4)) == 2


@pytest.mark.slow
def test_after_some_rollbacks_it_raises(
    make_spec: MakeSpec, make_options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, options = make_spec(*RECIPE, ROLLBACK), make_options()
    monkeypatch.setattr("zoo.train.trainer.training_step", Poison("critic-output", NAN, None))
    for _ in range(2):  # the second time it has gone back as often as it may
        with pytest.raises(DivergedError, match=f"after {MAX_ROLLBACKS} rollbacks") as caught:
            train(spec, options)
        assert "on_divergence" not in str(caught.value), "it is set already"
        rows = RunDirectory(run_path(spec, options.run_root)).rows()
        assert sum(row["kind"] == "rollback" for row in rows) == MAX_ROLLBACKS
        assert rows[-1]["kind"] == "diverged"


def test_an_image_that_is_not_finite_is_no_score(small_validation: str) -> None:
    """Rounded to 8 bits NaN is 0, and a black image has a score."""

    class Overflow(nn.Module):
        def forward(self, lr_image: Tensor) -> Tensor:
            return lr_image.repeat_interleave(4, -1).repeat_interleave(4, -2) * INFINITY

    images = sorted(Path(small_validation.partition("=")[2]).iterdir())
    execution = plan_execution(Runtime(), torch.device("cpu"))
    with pytest.raises(DivergedError, match="the upscaled noise has NaN or infinite pixels"):
        Validator(images, scale=4).row(Overflow(), execution, step=3)
