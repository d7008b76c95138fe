"""A run made longer goes on as if it had always been as long; any other change is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence

import pytest

from tests.train.bits import assert_same_bits, final_state
from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.observers import Notes, Stopper
from tests.train.test_run import Kill
from zoo.errors import RecipeError
from zoo.recipes.book import load_book
from zoo.recipes.schema import RunSpec
from zoo.recipes.variants import specify
from zoo.runs.directory import RunDirectory
from zoo.train import autotune as choosing
from zoo.train.run import train
from zoo.train.timing import ROUNDS, StepTimer, Timings, Way

SETTINGS = ("srresnet-nobn", "training.schedule.kind=constant")


@pytest.fixture
def make_spec(make_spec: MakeSpec, small_validation: str) -> MakeSpec:
    def make(recipe: str, *settings: str) -> RunSpec:
        return make_spec(recipe, small_validation, *settings)

    return make


def test_a_longer_run_ends_in_the_bits_of_one_that_was_as_long_from_the_start(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    longer = make_spec(*SETTINGS, "training.steps=16")
    straight = train(longer, make_options("straight"))
    train(make_spec(*SETTINGS), make_options("extended"))
    with pytest.raises(Kill):  # before anything of the longer run is saved
        train(longer, make_options("extended", observer=Stopper("content", 14, Kill())))
    directory = RunDirectory(straight.directory.parents[3] / "extended/srresnet-nobn/smoke/seed-0")
    assert directory.summary() is None, "the shorter run's is no more"
    notes = Notes()
    run = train(longer, make_options("extended", observer=notes))
    assert notes.started == [("srresnet-nobn", "content", 12)]
    assert_same_bits(final_state(straight.directory), final_state(run.directory))
    hashes = [
        json.loads((path / "provenance.json").read_text())["identity_sha256"]
        for path in (straight.directory, run.directory)
    ]
    assert hashes[0] == hashes[1]
    with pytest.raises(RecipeError, match="12 steps are fewer than the 16"):
        train(make_spec(*SETTINGS), make_options("extended"))


def test_a_run_made_long_enough_to_be_measured_stays_executed_as_it_was_begun(
    make_spec: MakeSpec, make_options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was as long from the start is another run: here it is measured to be NCHW."""

    def timings(_timer: StepTimer, ways: Sequence[Way]) -> tuple[Timings, bool]:
        return {way: [1.0 if way.channels_last else 0.5] * ROUNDS for way in ways}, False

    monkeypatch.setattr(StepTimer, "timings", timings)
    monkeypatch.setattr(choosing, "MIN_NUM_STEPS", 3)
    shorter, longer = (make_spec(*SETTINGS, f"training.steps={steps}") for steps in (2, 4))
    untuned = make_spec(*SETTINGS, "training.steps=4", "runtime.tune=false")
    train(shorter, make_options("extended"))
    extended = train(longer, make_options("extended"))
    measured = train(longer, make_options("measured"))
    plain = train(untuned, make_options("plain"))
    runs = [RunDirectory(run.directory).provenance() or {} for run in (extended, measured, plain)]
    layouts = [run["sessions"][-1]["execution"]["channels_last"] for run in runs]
    assert layouts == [True, False, True]
    hashes = [run["identity_sha256"] for run in runs]
    assert hashes[0] == hashes[2] != hashes[1]
    assert_same_bits(final_state(extended.directory), final_state(plain.directory))


def test_a_run_that_has_saved_nothing_yet_may_be_made_longer_too(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    shorter, longer, longest = (
        make_spec(*SETTINGS, f"training.steps={steps}") for steps in (2, 3, 4)
    )
    straight = train(longer, make_options("straight"))
    with pytest.raises(Kill):
        train(shorter, make_options("begun", observer=Stopper("content", 1, Kill())))
    run = train(longer, make_options("begun"))
    assert_same_bits(final_state(straight.directory), final_state(run.directory))
    shutil.rmtree(run.directory / "checkpoints")
    with pytest.raises(RecipeError, match="no checkpoint to continue from"):
        train(longest, make_options("begun"))
    assert run.generator() is not None, "it is left as it is"


def test_a_finished_run_that_may_go_back_from_now_on_stays_as_it_is(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    plain, rollback = (
        make_spec(*SETTINGS, "training.steps=2", f"training.on_divergence={policy}")
        for policy in ("raise", "rollback")
    )
    weights, notes = train(plain, make_options()).generator().state_dict(), Notes()
    again = train(rollback, make_options(observer=notes))
    assert notes.rows == []
    assert_same_bits(again.generator().state_dict(), weights)
    with pytest.raises(RecipeError, match='on_divergence "rollback" -> absent'):
        train(plain, make_options())


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (["training.schedule.kind=cosine"], [], "follow a cosine schedule"),
        (["data.augment=false"], ["data.augment=true"], "augment false -> true"),
    ],
    ids=["schedule of the length", "more than the length"],
)
def test_what_would_not_be_the_same_run_is_refused(
    make_spec: MakeSpec,
    make_options: MakeOptions,
    before: Sequence[str],
    now: Sequence[str],
    said: str,
) -> None:
    train(make_spec("srresnet-nobn", *before), make_options())
    longer = make_spec("srresnet-nobn", *before, *now, "training.steps=16")
    with pytest.raises(
        RecipeError, match=rf"num_steps 12 -> 16.*{said}|{said}.*num_steps 12 -> 16"
    ):
        train(longer, make_options())


def test_a_longer_run_by_settings_begins_with_a_copy_and_both_are_kept(
    make_options: MakeOptions, small_validation: str
) -> None:
    book = load_book()
    settings = [small_validation, *SETTINGS[1:]]

    def of(*more: str) -> RunSpec:
        return specify(book, SETTINGS[0], "smoke", settings=[*settings, *more])

    short = train(of(), make_options())
    assert short.directory.parent.name == "smoke", "constant is what it is anyway"
    before = {path: path.read_bytes() for path in short.directory.rglob("*.*") if path.is_file()}
    notes = Notes()
    long = train(of("training.steps=16"), make_options(observer=notes))
    assert long.directory.parent.name == "smoke+training.steps=16"
    assert notes.started == [(SETTINGS[0], "content", 12)]
    assert {path: path.read_bytes() for path in before} == before
    straight = train(of("training.steps=16"), make_options("straight"))
    assert_same_bits(final_state(straight.directory), final_state(long.directory))
    again = Notes()
    train(of("training.steps=16"), make_options(observer=again))
    assert again.started == [], "it is finished"
    other = Notes()
    train(of("training.steps=14", "training.learning_rate=0.01"), make_options(observer=other))
    assert other.started == [(SETTINGS[0], "content", 0)], "its steps are others"


def test_a_run_that_another_process_writes_is_not_copied(
    make_options: MakeOptions, small_validation: str
) -> None:
    book = load_book()

    def of(*more: str) -> RunSpec:
        return specify(book, SETTINGS[0], "smoke", settings=[small_validation, *more])

    short = train(of(), make_options())
    notes = Notes()
    with RunDirectory(short.directory).lock():
        train(of("training.steps=13"), make_options(observer=notes))
    assert notes.started == [(SETTINGS[0], "content", 0)]


def test_a_run_goes_on_where_it_was_begun_before_settings_had_directories(
    make_options: MakeOptions, small_validation: str
) -> None:
    spec = specify(
        load_book(), SETTINGS[0], "smoke", settings=[small_validation, "training.steps=5"]
    )
    untold = spec.model_copy(update={"variant": ()})
    old = train(untold, make_options())
    assert old.directory.parent.name == "smoke"
    notes = Notes()
    again = train(spec, make_options(observer=notes))
    assert again.directory == old.directory
    assert notes.started == []
