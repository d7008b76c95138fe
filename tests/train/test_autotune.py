"""How a stage is executed on a CPU: rule, measurement, cache, and a run that goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from torch import nn

from benchmarks.speed.check import networks_of
from tests.train.bits import assert_same_bits, final_state
from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.observers import Notes, Stopper
from zoo.data.stream import PatchStream
from zoo.errors import CheckpointError, MachineError, RecipeError
from zoo.files import write_hashed
from zoo.recipes.schema import Runtime
from zoo.runs.changes import session_changes
from zoo.runs.device import (
    Execution,
    choose_device,
    has_bfloat16_units,
    has_cpp_compiler,
    plan_execution,
)
from zoo.runs.directory import RunDirectory
from zoo.runs.turns import fastest
from zoo.train import autotune as choosing
from zoo.train import compilation, timing
from zoo.train.autotune import (
    MIN_NUM_STEPS,
    Choice,
    alternatives,
    choose,
    recorded_choice,
    ways,
    why_not_measured,
)
from zoo.train.dry_run import dry_run
from zoo.train.prepare import Options, autotune, prepare
from zoo.train.run import Run, train
from zoo.train.step import Batch, TrainingState
from zoo.train.timing import ROUNDS, StepTimer, Timings, Way

PLANNED, HALF = Way(channels_last=True, threads=2), Way(channels_last=True, threads=1)
NCHW, BOTH = Way(channels_last=False, threads=2), Way(channels_last=False, threads=1)
ALIKE = {PLANNED: 1.0, HALF: 1.0, NCHW: 1.0, BOTH: 1.0}
TUNED = ("srresnet-nobn", "runtime.tune=true", "training.steps=4")
Seconds = dict[Way, float]


class Kill(Exception):  # noqa: N818
    """Stands for SIGKILL within the test's process."""


@pytest.fixture(autouse=True)
def plain_machine(one_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave two threads to choose from and no bfloat16 units, whatever this machine has."""
    torch.set_num_threads(2)  # `one_thread` puts back what was
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(choosing, "has_bfloat16_units", lambda: False)


@pytest.fixture
def bfloat16_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the CPU units for bfloat16, which `plain_machine` takes away from every other test."""
    monkeypatch.setattr(choosing, "has_bfloat16_units", lambda: True)


def tell_times(monkeypatch: pytest.MonkeyPatch, *, real: bool) -> Seconds:
    """Say what a step takes by each way; take it, or do not."""
    told: Seconds = {}

    def step_seconds(players: TrainingState, own: Batch, extra: Sequence[Batch]) -> float:
        if real:
            take_step(players, own, extra)
        execution = players.execution
        assert execution.num_threads == torch.get_num_threads()
        return told[choosing.planned_way(execution)]

    take_step = timing.step_seconds
    monkeypatch.setattr(timing, "step_seconds", step_seconds)
    return told


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    """Return what a step is said to take by each way; none is taken."""
    return tell_times(monkeypatch, real=False)


@pytest.fixture
def running_clock(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    """Return what a step is said to take by each way; it is taken all the same."""
    return tell_times(monkeypatch, real=True)


@pytest.fixture(scope="module")
def stream(make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory) -> PatchStream:
    """Return training batches; they know nothing of the networks."""
    folder = tmp_path_factory.mktemp("store")
    spec = make_spec("srresnet-nobn")
    found = prepare(spec, Options(folder, device="cpu"), dry_run=folder).stream
    assert isinstance(found, PatchStream)
    return found


@pytest.fixture
def chosen(make_spec: MakeSpec, stream: PatchStream, tmp_path: Path) -> Callable[..., Choice]:
    """Return a function that chooses for a recipe with settings, its cache below `tmp_path`."""

    def choose_for(*settings: str, heard: Notes | None = None, num_steps: int = 12) -> Choice:
        spec = make_spec("srresnet-nobn", "runtime.tune=true", *settings)
        execution = plan_execution(spec.settings.runtime, choose_device("cpu"))
        tell = (heard or Notes()).notice
        return choose(StepTimer(spec, execution, stream, tmp_path, tell), num_steps)

    return choose_for


@pytest.fixture
def tiny(make_spec: MakeSpec, small_validation: str) -> MakeSpec:
    """Return specifications as `make_spec` does, validated on one small image."""
    return lambda recipe, *settings, seed=0: make_spec(
        recipe, small_validation, *settings, seed=seed
    )


def kept_times(folder: Path) -> list[Path]:
    return list((folder / "choices").glob("*.json"))


def planned(**runtime: Any) -> Execution:
    return plan_execution(Runtime(**runtime), choose_device("cpu"))


def session(run: Run, number: int) -> dict[str, Any]:
    provenance = RunDirectory(run.directory).provenance()
    assert provenance is not None
    found: dict[str, Any] = provenance["sessions"][number]
    return found


def test_a_gain_within_the_noise_changes_nothing() -> None:
    rounds = [1.0] * ROUNDS
    assert fastest({PLANNED: rounds, NCHW: [0.96] * ROUNDS}) == (PLANNED, 1.0)
    best, gain = fastest({PLANNED: rounds, NCHW: [0.5] * ROUNDS})
    assert (best, gain) == (NCHW, 2.0)


def test_rounds_are_compared_in_pairs() -> None:
    """A machine that slows down slows both: the gain is the same in every round."""
    slowing = [1.0, 2.0, 4.0, 8.0, 16.0]
    best, gain = fastest({PLANNED: slowing, NCHW: [0.8 * each for each in slowing]})
    assert best == NCHW
    assert gain == pytest.approx(1.25)
    one_outlier = {PLANNED: [1.0] * 5, NCHW: [0.1, 1.0, 1.0, 1.0, 1.0]}
    assert fastest(one_outlier)[0] == PLANNED


def test_a_change_that_alone_brings_nothing_is_not_made() -> None:
    timings = {PLANNED: [1.0] * 5, HALF: [0.5] * 5, NCHW: [1.0] * 5, BOTH: [0.49] * 5}
    assert fastest(timings) == (HALF, 2.0)


def test_a_way_that_was_given_up_is_not_taken() -> None:
    assert fastest({PLANNED: [1.0] * 5, NCHW: [0.1]})[0] == PLANNED


@pytest.mark.parametrize(
    ("threads", "counts"), [(1, [1]), (2, [2, 1]), (3, [3, 1]), (4, [4, 2, 1]), (64, [64, 32, 16])]
)
def test_ways_are_both_layouts_and_fewer_threads(threads: int, counts: list[int]) -> None:
    execution = replace(planned(), threads=threads)
    expected = [
        Way(channels_last=layout, threads=count) for layout in (True, False) for count in counts
    ]
    assert ways(Runtime(), execution) == expected


def test_what_a_setting_or_the_environment_settles_is_not_varied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert ways(Runtime(channels_last=False), planned(channels_last=False)) == [NCHW, BOTH]
    assert ways(Runtime(threads=1), planned(threads=1)) == [HALF, BOTH]
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert ways(Runtime(), planned()) == [PLANNED, NCHW]


@pytest.mark.parametrize(
    ("runtime", "steps", "why"),
    [
        ({}, MIN_NUM_STEPS, None),
        ({}, MIN_NUM_STEPS - 1, "1499 steps are too few to gain from it"),
        ({"tune": True}, 1, None),
        ({"tune": False}, 10**6, "runtime.tune is false"),
        ({"compile": True}, 10**6, "runtime.compile is true"),
        (
            {"channels_last": False, "threads": 1},
            10**6,
            "layout, threads and precision are fixed",
        ),
    ],
)
def test_only_what_gains_from_it_is_measured(
    runtime: dict[str, Any], steps: int, why: str | None
) -> None:
    assert why_not_measured(Runtime(**runtime), planned(**runtime), steps) == why


def test_a_gpu_is_not_measured() -> None:
    execution = replace(planned(), device=torch.device("cuda"))
    assert why_not_measured(Runtime(tune=True), execution, 10**6) == "only CPUs are measured"


def test_a_short_run_is_executed_as_planned_and_says_why(
    tiny: MakeSpec, make_options: MakeOptions, private_home: Path
) -> None:
    heard = Notes()
    run = train(tiny("srresnet-nobn", "training.steps=2"), make_options(observer=heard))
    told = (
        "float32, channels_last, 2 threads, eager (not measured: 2 steps are too few to gain from"
    )
    assert any(line.startswith(f"srresnet-nobn: {told}") for line in heard.notices)
    assert session(run, 0)["choice"]["source"] == "default"
    assert not (private_home / "cache" / "choices").exists()


def test_the_fastest_way_is_taken_shown_recorded_and_kept(
    tiny: MakeSpec, make_options: MakeOptions, clock: Seconds
) -> None:
    clock |= {PLANNED: 1.0, HALF: 0.8, NCHW: 1.0, BOTH: 0.5}
    heard = Notes()
    spec = tiny(*TUNED)
    run = train(spec, make_options(observer=heard))
    assert torch.get_num_threads() == 2
    recorded = session(run, 0)
    assert recorded["execution"]["channels_last"] is False
    assert recorded["execution"]["threads"] == 1
    assert recorded["choice"]["source"] == "measured"
    assert recorded["choice"]["seconds"] == {str(way): clock[way] for way in clock}
    chosen = "float32, NCHW, 1 thread, eager (chosen by measurement: 2.00 times as fast as float32,"
    assert any(chosen in notice for notice in heard.notices)

    clock.clear()  # any further measurement fails
    again = train(spec, make_options("again"))
    assert session(again, 0)["choice"]["source"] == "cached"
    assert session(again, 0)["choice"]["way"] == recorded["choice"]["way"]
    assert_same_bits(final_state(run.directory), final_state(again.directory))


def test_a_hopeless_way_takes_two_steps(
    chosen: Callable[..., Choice], clock: Seconds, tmp_path: Path
) -> None:
    clock |= {PLANNED: 1.0, HALF: 1.6, NCHW: 1.4, BOTH: 1.0}
    assert chosen().way == PLANNED
    (kept,) = kept_times(tmp_path)
    counts = [len(times) for times in json.loads(kept.read_text())["seconds"].values()]
    assert counts == [ROUNDS, 1, ROUNDS, ROUNDS]


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", '{"seconds": {}}', f'{{"seconds": {{"{PLANNED}": [1]}}}}'],
)
def test_damaged_times_are_measured_anew(
    chosen: Callable[..., Choice], clock: Seconds, tmp_path: Path, damage: str
) -> None:
    clock |= {**ALIKE, NCHW: 0.5}
    chosen()
    (kept,) = kept_times(tmp_path)
    whole, heard = kept.read_text(), Notes()
    write_hashed(kept, damage.encode())
    choice = chosen(heard=heard)
    assert (choice.way, choice.source) == (NCHW, "measured")
    assert heard.notices[0] == f"{kept} is damaged: zoo ignores its times"
    assert kept.read_text() == whole


def test_what_another_process_measures_is_waited_for_in_words(
    chosen: Callable[..., Choice], clock: Seconds, tmp_path: Path
) -> None:
    clock |= {**ALIKE, NCHW: 0.5}
    chosen()
    (kept,) = kept_times(tmp_path)
    lock = FileLock(kept.with_suffix(".lock"))

    class Holder(Notes):
        def notice(self, message: str) -> None:
            super().notice(message)
            lock.release()

    heard = Holder()
    lock.acquire()
    assert chosen(heard=heard).source == "cached"
    assert heard.notices == ["srresnet-nobn: waiting for another process that times such steps"]


def test_a_cache_that_cannot_be_written_is_named(
    chosen: Callable[..., Choice], clock: Seconds, tmp_path: Path
) -> None:
    (tmp_path / "choices").write_text("not a folder")
    with pytest.raises(MachineError, match=r"cannot write .*/choices/.*\.json"):
        chosen()


@pytest.mark.parametrize("seconds", ["NaN", "-1", "0", "Infinity"])
def test_times_that_cannot_be_are_damage(
    chosen: Callable[..., Choice], clock: Seconds, tmp_path: Path, seconds: str
) -> None:
    clock |= {**ALIKE, NCHW: 0.5}
    chosen()
    (kept,) = kept_times(tmp_path)
    write_hashed(kept, kept.read_bytes().replace(b"0.5", seconds.encode()))
    assert chosen().source == "measured"
    assert chosen().source == "cached"


def test_times_that_were_edited_are_not_used(
    chosen: Callable[..., Choice], clock: Seconds, tmp_path: Path
) -> None:
    clock |= {**ALIKE, NCHW: 0.5}
    chosen()
    (kept,) = kept_times(tmp_path)
    whole, heard = kept.read_bytes(), Notes()
    kept.write_bytes(whole.replace(b"0.5", b"2.5"))
    assert chosen(heard=heard).source == "measured"
    assert heard.notices[0] == f"{kept} is damaged: zoo ignores its times"
    write_hashed(kept, whole.replace(b'"batches": [', b'"batches": [ 7,'))  # of another step
    assert chosen().source == "measured"
    assert kept.read_bytes() == whole


@pytest.mark.parametrize("setting", ["data.batch_size=3", "generator.width=12", "losses.l1=1"])
def test_another_step_is_measured_for_itself(
    chosen: Callable[..., Choice], clock: Seconds, tmp_path: Path, setting: str
) -> None:
    clock |= ALIKE
    assert [chosen(*more).source for more in ((), (setting,))] == ["measured"] * 2
    assert chosen("training.learning_rate=1").source == "cached"
    assert len(kept_times(tmp_path)) == 2


@pytest.mark.slow
def test_measuring_changes_nothing_of_the_run(
    tiny: MakeSpec, make_options: MakeOptions, running_clock: Seconds
) -> None:
    """With critic steps, penalty and BatchNorm; random state, networks and batches are its own."""
    recipe = ("srgan-wgangp", "losses.vgg19=null", "generator.norm=batch", "training.steps=4")
    torch.set_num_threads(1)
    running_clock |= ALIKE
    measured = train(tiny(*recipe, "runtime.tune=true"), make_options("measured"))
    plain = train(tiny(*recipe, "runtime.tune=false"), make_options("plain"))
    assert session(measured, 0)["choice"]["source"] == "measured"
    assert session(plain, 0)["choice"]["source"] == "default"
    assert_same_bits(final_state(measured.directory), final_state(plain.directory))


def test_measuring_leaves_random_state_and_prepared_networks_alone(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    spec = make_spec("srgan-wgangp", "losses.vgg19=null", "runtime.tune=true")
    prepared = prepare(spec, make_options())
    networks = nn.ModuleDict(
        {name.replace(".", "_"): each for name, each in networks_of(prepared.components).items()}
    )
    values = {name: value.clone() for name, value in networks.state_dict().items()}
    modes = [module.training for module in networks.modules()]
    random = torch.get_rng_state()
    torch.set_num_threads(1)
    autotune(spec, prepared, make_options(), begun=None)
    assert torch.equal(torch.get_rng_state(), random)
    assert_same_bits(values, dict(networks.state_dict()))
    assert modes == [module.training for module in networks.modules()]


@pytest.mark.slow
def test_a_run_goes_on_as_it_was_begun(
    tiny: MakeSpec, make_options: MakeOptions, clock: Seconds, private_home: Path
) -> None:
    """Killed in both stages, the cache emptied, it is the uninterrupted run to the bit."""
    recipe = ("srgan-wgangp", "losses.vgg19=null", "generator.norm=batch", "runtime.tune=true")
    spec = tiny(*recipe)
    clock |= {**ALIKE, BOTH: 0.5}
    straight = train(spec, make_options("straight"))
    for stage in ("content", "adversarial"):
        with pytest.raises(Kill):
            train(spec, make_options("killed", observer=Stopper(stage, 5, Kill())))
        for kept in (private_home / "cache" / "choices").glob("*.json"):
            kept.unlink()
        if stage == "adversarial":
            clock.clear()  # any further measurement fails
    killed = train(spec, make_options("killed"))
    last = session(killed, 1)
    assert (last["choice"]["source"], last["choice"]["reason"]) == (
        "recorded",
        "as at the start of the run",
    )
    assert last["execution"]["threads"] == 1
    assert last["choice"]["seconds"] == session(killed, 0)["choice"]["seconds"]
    assert_same_bits(final_state(straight.directory), final_state(killed.directory))
    train(tiny(*recipe[:-1]), make_options("killed"))  # finished; without the setting too


def test_another_choice_trains_no_second_pretraining(
    tiny: MakeSpec, make_options: MakeOptions, clock: Seconds, private_home: Path
) -> None:
    clock |= {**ALIKE, BOTH: 0.5}
    settings = ("losses.vgg19=null", "runtime.tune=true")
    train(tiny("srresnet-nobn", "runtime.tune=true"), make_options())
    for kept in (private_home / "cache" / "choices").glob("*.json"):
        kept.unlink()
    clock |= {HALF: 0.1}
    notes = Notes()
    run = train(tiny("srgan-nobn", *settings), make_options(observer=notes))
    assert [recipe for recipe, _, _ in notes.started] == ["srgan-nobn"]
    assert session(run, 0)["execution"]["channels_last"] is True
    train(tiny("srgan-nobn", "losses.vgg19=null"), make_options())  # finds both stages again


def test_fewer_cores_than_a_run_was_begun_with_are_said(
    tiny: MakeSpec, make_options: MakeOptions, clock: Seconds
) -> None:
    clock |= {PLANNED: 1.0, HALF: 2.0, NCHW: 0.5, BOTH: 2.0}
    spec, heard = tiny(*TUNED), Notes()
    with pytest.raises(Kill):
        train(spec, make_options(observer=Stopper("content", 2, Kill())))
    torch.set_num_threads(1)
    run = train(spec, make_options(observer=heard))
    change = "resumes with another number of threads (2 -> 1): the last bits may differ"
    assert f"srresnet-nobn {change}" in heard.notices
    assert session(run, 1)["choice"]["way"] == {
        "channels_last": False,
        "threads": 1,
        "compile": False,
        "bfloat16": False,
    }


def test_another_processor_is_said_and_an_unknown_one_is_not() -> None:
    told = {"versions": {"torch": "2"}, "execution": {"threads": 1}, "device_name": "cpu"}
    one, other = told | {"processor": "Xeon 8"}, told | {"processor": "EPYC 7"}
    assert session_changes(one, other) == ["processor (Xeon 8 -> EPYC 7)"]
    assert session_changes(told, one) == session_changes(one, one) == []


def test_more_cores_than_a_run_was_begun_with_change_nothing(
    tiny: MakeSpec, make_options: MakeOptions
) -> None:
    """Nothing was measured: the number of threads is kept all the same."""
    spec, heard = tiny("srresnet-nobn", "training.steps=4"), Notes()
    torch.set_num_threads(1)
    straight = train(spec, make_options("straight"))
    with pytest.raises(Kill):
        train(spec, make_options(observer=Stopper("content", 2, Kill())))
    torch.set_num_threads(2)
    run = train(spec, make_options(observer=heard))
    assert session(run, 0)["choice"]["source"] == "default"
    assert session(run, 1)["execution"]["threads"] == 1
    assert not any("another number of threads" in notice for notice in heard.notices)
    assert_same_bits(final_state(straight.directory), final_state(run.directory))


def test_threads_of_a_setting_come_before_those_a_run_was_begun_with() -> None:
    begun = {"sessions": [{"choice": Choice(HALF, "default", "").document()}]}
    assert recorded_choice(begun, Runtime(), planned()).apply(planned()).threads == 1
    settled = planned(threads=2)
    assert recorded_choice(begun, Runtime(threads=2), settled).apply(settled).threads == 2


def test_a_setting_that_contradicts_the_choice_is_refused(
    tiny: MakeSpec, make_options: MakeOptions, clock: Seconds
) -> None:
    clock |= {PLANNED: 1.0, HALF: 2.0, NCHW: 0.5, BOTH: 2.0}
    train(tiny(*TUNED), make_options())
    contrary = tiny(*TUNED, "runtime.channels_last=true")
    with pytest.raises(RecipeError, match=r"execution.channels_last false -> true"):
        train(contrary, make_options())


def test_a_run_begun_before_there_were_choices_goes_on_as_planned() -> None:
    old: dict[str, Any] = {"sessions": [{"execution": {"threads": 2}}]}
    choice = recorded_choice(old, Runtime(tune=True), planned())
    assert choice.apply(planned()) == planned()
    assert choice.describe() == f"{PLANNED} (as at the start of the run)"


@pytest.mark.parametrize("record", [[], {"free": ["threads"]}, {"free": ["threads"], "way": 1}])
def test_a_damaged_record_is_named(record: Any) -> None:
    provenance = {"sessions": [{"choice": record}]} if record else {"sessions": []}
    with pytest.raises(CheckpointError, match=r"provenance\.json of the run is damaged"):
        recorded_choice(provenance, Runtime(), planned())


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    """Return what is said of each way; nothing is compiled, for which torch takes seconds."""
    told: Seconds = {}
    asked: list[Sequence[Way]] = []

    def timings(_timer: StepTimer, ways: Sequence[Way]) -> tuple[Timings, bool]:
        if any(way not in told for way in ways):
            raise RuntimeError("no headers\nof Python")
        known = ways in asked
        asked.append(ways)
        return {way: [told[way]] * ROUNDS for way in ways}, known

    monkeypatch.setattr(StepTimer, "timings", timings)
    monkeypatch.setattr(choosing, "has_cpp_compiler", lambda: True)
    return told


def test_compilation_is_tried_where_training_takes_long(
    chosen: Callable[..., Choice], table: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the best eager way alone."""
    compiled = replace(HALF, compile=True)
    table |= {**ALIKE, HALF: 0.8, compiled: 0.4}
    assert chosen(num_steps=4_000).way == HALF  # 3,200 seconds
    found = chosen(num_steps=10_000)
    assert (found.way, found.source) == (compiled, "measured")
    assert f"2.50 times as fast as {PLANNED}" in found.reason
    assert found.seconds == {str(way): seconds for way, seconds in table.items()}
    again = chosen(num_steps=10_000)
    assert (again.way, again.source) == (compiled, "cached")
    assert chosen("runtime.compile=false", num_steps=10_000).way == HALF
    monkeypatch.setattr(choosing, "has_cpp_compiler", lambda: False)
    assert chosen(num_steps=10_000).way == HALF


def test_what_does_not_compile_stays_eager_and_says_so(
    chosen: Callable[..., Choice], table: Seconds
) -> None:
    table |= {**ALIKE, HALF: 0.8}
    heard = Notes()
    choice = chosen(num_steps=10_000, heard=heard)
    assert (choice.way, len(choice.seconds)) == (HALF, 4)
    compiled = replace(HALF, compile=True)
    told = f"srresnet-nobn: a step with {compiled} fails, so it stays {HALF}: no headers"
    assert heard.notices == [told]


@pytest.mark.usefixtures("bfloat16_units")
def test_bfloat16_is_tried_beside_the_best_way_and_kept_for_compilation(
    chosen: Callable[..., Choice], table: Seconds
) -> None:
    coarse = replace(HALF, bfloat16=True)
    table |= {**ALIKE, HALF: 0.8, coarse: 0.4, replace(coarse, compile=True): 0.1}
    found = chosen()
    assert (found.way, found.source) == (coarse, "measured")
    assert found.reason == f"chosen by measurement: 2.50 times as fast as {PLANNED}"
    assert list(found.seconds) == [*map(str, (*ALIKE, coarse))]
    assert chosen(num_steps=10_000).way == replace(coarse, compile=True)  # 4,000 seconds
    del table[coarse]
    heard = Notes()
    assert chosen(heard=heard).way == HALF
    assert heard.notices[0].startswith(
        f"srresnet-nobn: a step with {coarse} fails, so it stays {HALF}"
    )


@pytest.mark.parametrize(("seconds", "taken"), [(0.96, False), (0.94, True)])
@pytest.mark.usefixtures("bfloat16_units")
def test_bfloat16_is_taken_from_the_same_gain_as_any_way(
    chosen: Callable[..., Choice], table: Seconds, *, seconds: float, taken: bool
) -> None:
    table |= {**ALIKE, replace(PLANNED, bfloat16=True): seconds}
    assert chosen().way == replace(PLANNED, bfloat16=taken)


def test_without_units_bfloat16_is_not_timed(chosen: Callable[..., Choice], table: Seconds) -> None:
    table |= {**ALIKE, replace(PLANNED, bfloat16=True): 0.1}
    found = chosen()
    assert found.way == PLANNED
    assert not any("bfloat16" in way for way in found.seconds)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.usefixtures("bfloat16_units")
def test_a_precision_of_a_setting_is_not_varied(
    chosen: Callable[..., Choice], table: Seconds, precision: str
) -> None:
    """And without units it is done all the same, which the choice says."""
    is_coarse = precision == "bfloat16"
    table |= {replace(way, bfloat16=is_coarse): 1.0 for way in ALIKE}
    found = chosen(f"runtime.precision={precision}")
    assert found.way == replace(PLANNED, bfloat16=is_coarse)
    assert "bfloat16" not in found.free
    settled = {"precision": precision, "channels_last": True, "threads": 2}
    why = why_not_measured(Runtime(**settled), planned(**settled), 10**6)
    assert why == "layout, threads and precision are fixed"


def test_emulation_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = Choice(replace(PLANNED, bfloat16=True), "default", "why")
    assert "(why); this CPU has no bfloat16 units and emulates bfloat16" in choice.describe()
    monkeypatch.setattr(choosing, "has_bfloat16_units", lambda: True)
    assert choice.describe() == "bfloat16, channels_last, 2 threads, eager (why)"


@pytest.mark.usefixtures("bfloat16_units")
def test_precision_alone_is_measured_where_all_else_is_settled(
    chosen: Callable[..., Choice], table: Seconds
) -> None:
    table |= {PLANNED: 1.0, replace(PLANNED, bfloat16=True): 0.5}
    found = chosen("runtime.channels_last=true", "runtime.threads=2")
    assert (found.way, found.free) == (replace(PLANNED, bfloat16=True), ("compile", "bfloat16"))


def test_units_are_those_torch_knows_of(monkeypatch: pytest.MonkeyPatch) -> None:
    for known, has in (
        ({"avx512_f": True, "avx512_bf16": False, "amx_tile": True}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"architecture": "aarch64", "bf16": True}, True),
        ({}, False),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda known=known: known)
        assert has_bfloat16_units() is has


def test_a_recorded_precision_is_taken_where_no_setting_says_otherwise() -> None:
    coarse = replace(HALF, bfloat16=True)
    record = Choice(coarse, "measured", "", ("bfloat16",)).document()
    begun = {"sessions": [{"choice": record}]}
    assert recorded_choice(begun, Runtime(), planned()).apply(planned()).bfloat16
    settled = Runtime(precision="float32")
    assert not recorded_choice(begun, settled, planned()).apply(planned()).bfloat16
    del record["way"]["bfloat16"]
    with pytest.raises(CheckpointError, match="does not record how the run was executed"):
        recorded_choice(begun, Runtime(), planned())


def test_other_identities_are_of_all_that_is_free_and_the_planned_is_first() -> None:
    found = alternatives(Runtime(), planned())
    assert found[0] == planned()
    told = {(each.channels_last, each.compile, each.bfloat16) for each in found}
    assert len(found) == len(told) == 8
    settled = {"compile": False, "precision": "bfloat16"}
    coarse = alternatives(Runtime(**settled), planned(**settled))
    assert [(each.channels_last, each.bfloat16) for each in coarse] == [(True, True), (False, True)]


@pytest.mark.slow
@pytest.mark.usefixtures("bfloat16_units")
def test_a_run_keeps_the_precision_that_was_measured(
    tiny: MakeSpec,
    make_options: MakeOptions,
    running_clock: Seconds,
    private_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed and resumed on a CPU without units, it goes on in bfloat16 and says so."""
    coarse = replace(HALF, bfloat16=True)
    running_clock |= {HALF: 1.0, BOTH: 1.0, coarse: 0.5}
    torch.set_num_threads(1)
    spec, heard = tiny(*TUNED), Notes()
    straight = train(spec, make_options("straight", observer=heard))
    with pytest.raises(Kill):
        train(spec, make_options("killed", observer=Stopper("content", 2, Kill())))
    running_clock.clear()  # any further measurement fails
    monkeypatch.setattr(choosing, "has_bfloat16_units", lambda: False)
    (shown,) = dry_run(spec, make_options("killed"), choose=True)
    killed = train(spec, make_options("killed"))
    assert_same_bits(final_state(straight.directory), final_state(killed.directory))
    assert any(f"{coarse} (chosen by measurement: 2.00 times" in line for line in heard.notices)
    assert shown.choice is not None
    assert (
        f"{coarse} (as at the start of the run); this CPU has no bfloat16 units"
        in shown.choice.describe()
    )
    provenance = RunDirectory(killed.directory).provenance()
    assert provenance is not None
    assert provenance["identity"]["execution"]["precision"] == "bfloat16"
    assert provenance["sessions"][1]["choice"]["way"] == asdict(coarse)
    assert provenance["sessions"][1]["execution"]["precision"] == "bfloat16"
    with pytest.raises(RecipeError, match=r'execution.precision "bfloat16" -> "float32"'):
        train(tiny(*TUNED, "runtime.precision=float32"), make_options("killed"))


@pytest.mark.slow
@pytest.mark.usefixtures("bfloat16_units")
def test_a_pretraining_in_another_precision_is_taken_as_it_is(
    tiny: MakeSpec, make_options: MakeOptions, clock: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock |= {**ALIKE, replace(PLANNED, bfloat16=True): 0.5}
    train(tiny("srresnet-nobn", "runtime.tune=true"), make_options())
    monkeypatch.setattr(choosing, "has_bfloat16_units", lambda: False)
    notes = Notes()
    settings = ("losses.vgg19=null", "runtime.tune=true")
    run = train(tiny("srgan-nobn", *settings), make_options(observer=notes))
    assert [recipe for recipe, _, _ in notes.started] == ["srgan-nobn"]
    assert session(run, 0)["execution"]["precision"] == "float32"


@pytest.mark.slow
def test_what_was_compiled_is_forgotten_where_its_timing_fails(
    chosen: Callable[..., Choice], clock: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock |= ALIKE  # nothing is told of compiled ways
    resets: list[bool] = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: resets.append(True))
    monkeypatch.setattr(choosing, "MIN_SECONDS_TO_COMPILE", 0.0)
    for module in (choosing, compilation):
        monkeypatch.setattr(module, "has_cpp_compiler", lambda: True)
    with pytest.raises(KeyError):
        chosen()
    assert resets == [True]


@pytest.mark.slow
def test_a_compiled_step_is_timed(
    chosen: Callable[..., Choice], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_cpp_compiler():
        pytest.skip("there is no C++ compiler on the path")
    torch.set_num_threads(1)
    monkeypatch.setattr(choosing, "MIN_SECONDS_TO_COMPILE", 0.0)
    choice = chosen()
    assert [way.rpartition(" ")[2] for way in choice.seconds] == ["eager", "eager", "compiled"]


def test_a_dry_run_measures_and_keeps_nothing(
    make_spec: MakeSpec, make_options: MakeOptions, clock: Seconds, private_home: Path
) -> None:
    clock |= {**ALIKE, NCHW: 0.5}
    spec = make_spec(*TUNED)
    (unasked,) = dry_run(spec, make_options())
    (stage,) = dry_run(spec, make_options(), choose=True)
    assert unasked.choice is None
    assert stage.choice is not None
    assert (stage.choice.source, stage.execution.channels_last) == ("measured", False)
    assert not (private_home / "cache").exists()


def test_a_dry_run_leaves_the_measurement_to_a_long_run(
    make_spec: MakeSpec, make_options: MakeOptions, clock: Seconds, private_home: Path
) -> None:
    """No time is told: any measurement fails."""
    spec = make_spec("srresnet-nobn", "training.steps=1500")
    (stage,) = dry_run(spec, make_options(), choose=True)
    assert stage.choice is not None
    assert (stage.choice.source, stage.choice.way) == ("default", PLANNED)
    assert "measured when the run trains" in stage.choice.reason
    clock |= {**ALIKE, NCHW: 0.5}
    autotune(spec, prepare(spec, make_options()), make_options(), begun=None)
    clock.clear()
    (stage,) = dry_run(spec, make_options(), choose=True)
    assert stage.choice is not None
    assert (stage.choice.source, stage.choice.way) == ("cached", NCHW)


def test_a_dry_run_shows_what_a_run_was_begun_with(
    tiny: MakeSpec, make_options: MakeOptions, clock: Seconds
) -> None:
    clock |= {**ALIKE, BOTH: 0.5}
    tuned = ("srgan-wgangp", "losses.vgg19=null", "runtime.tune=true")
    spec, options = tiny(*tuned, "training.steps=2"), make_options()
    train(spec, options)
    clock |= {PLANNED: 0.1}
    for stage in dry_run(spec, options, choose=True):
        assert stage.choice is not None
        assert (stage.choice.source, stage.choice.way) == ("recorded", BOTH)
    *_, other = dry_run(tiny(*tuned, "training.steps=3"), options, choose=True)
    assert other.choice is not None
    assert other.choice.source == "cached"


def test_threads_of_a_setting_are_used_and_given_back(
    tiny: MakeSpec, make_options: MakeOptions
) -> None:
    used: list[int] = []
    notes = Notes()
    notes.stepped = lambda *_: used.append(torch.get_num_threads())  # type: ignore[method-assign]
    spec = tiny("srresnet-nobn", "runtime.threads=1", "training.steps=2")
    run = train(spec, make_options(observer=notes))
    assert set(used) == {1}
    assert session(run, 0)["execution"]["threads"] == 1
    assert torch.get_num_threads() == 2
