from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from benchmarks.take_home import preview
from tests.train.bits import assert_same_bits, final_state, trainable_recipes
from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.observers import Notes, Stopper
from zoo.data.images import write_png
from zoo.errors import CheckpointError, DivergedError, MachineError, RecipeError
from zoo.recipes.schema import RunSpec
from zoo.runs.checkpoint import load_latest
from zoo.runs.directory import RunDirectory, run_path
from zoo.train.dry_run import dry_run
from zoo.train.interrupts import Interrupted
from zoo.train.prepare import Options, count_steps, prepare
from zoo.train.run import Run, train


class Kill(Exception):  # noqa: N818
    """Stands for SIGKILL within the test's process: nothing of the run gets to react."""


def train_with_kills(spec: RunSpec, options: Options, kills: list[tuple[str, int]]) -> Run:
    for stage, step in kills:
        with pytest.raises(Kill):
            train(spec, replace(options, observer=Stopper(stage, step, Kill())))
    return train(spec, options)


def test_a_content_run_leaves_everything_it_should(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    options = make_options()
    run = train(make_spec("srresnet-nobn"), options)
    assert run.directory == options.run_root / "srresnet-nobn" / "smoke" / "seed-0"
    recipe = yaml.safe_load((run.directory / "recipe.yaml").read_text())
    assert recipe["settings"]["generator"]["width"] == 8
    assert recipe["settings"]["generator"]["residual_scaling"] == 1.0
    provenance = json.loads((run.directory / "provenance.json").read_text())
    assert provenance["sessions"][0]["versions"]["torch"] == torch.__version__
    assert len(provenance["identity"]["data"]) == 64
    rows = RunDirectory(run.directory).rows()
    assert [row["step"] for row in rows if row["kind"] == "train"] == list(range(1, 13))
    assert [row["step"] for row in rows if row["kind"] == "validation"] == [0, 6, 12]
    assert run.summary["psnr_y_bicubic"] == pytest.approx(28.53, abs=0.01)
    for name in run.summary["pictures"]:
        with Image.open(run.directory / "samples" / name) as picture:
            assert picture.width > 3 * picture.height * 0.9


def test_an_adversarial_run_trains_its_pretraining_first_and_shares_it(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    notes = Notes()
    first = train(make_spec("esrgan-wgangp-novgg"), make_options(observer=notes))
    assert [started[:2] for started in notes.started] == [
        ("rrdb", "content"),
        ("esrgan-wgangp-novgg", "adversarial"),
    ]
    notes.started.clear()
    train(make_spec("esrgan-vanilla", "losses.vgg19=null"), make_options(observer=notes))
    assert notes.started == [("esrgan-vanilla", "adversarial", 0)]
    started_from = [row["psnr_y"] for row in notes.rows if row["kind"] == "validation"]
    pretrained = RunDirectory(first.directory.parents[2] / "rrdb" / "smoke" / "seed-0").summary()
    assert pretrained is not None
    assert pretrained["psnr_y"] in started_from


@pytest.mark.slow
def test_pretraining_is_found_under_another_recipes_name(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    """BatchNorm switched on by hand makes the very pretraining that `rrdb-bn` names."""
    notes = Notes()
    train(make_spec("rrdb-bn"), make_options())
    spec = make_spec("esrgan-wgangp-novgg", "generator.norm=batch")
    train(spec, make_options(observer=notes))
    assert [started[0] for started in notes.started] == ["esrgan-wgangp-novgg"]


@pytest.mark.slow
def test_other_pretraining_does_not_overwrite_a_run(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    options = make_options()
    plain = train(make_spec("rrdb"), options)
    before = (plain.directory / "weights.safetensors").read_bytes()
    train(make_spec("esrgan-wgangp-novgg", "generator.residual_scaling=0.5"), options)
    assert (plain.directory / "weights.safetensors").read_bytes() == before
    siblings = [path.name for path in plain.directory.parent.iterdir()]
    assert len(siblings) == 2
    assert any(name.startswith("seed-0-") for name in siblings)


@pytest.mark.parametrize(
    ("seed", "precision"),
    [
        (0, "float32"),
        pytest.param(1, "float32", marks=pytest.mark.slow),
        pytest.param(0, "bfloat16", marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_is_uninterrupted_to_the_bit(
    make_spec: MakeSpec, make_options: MakeOptions, seed: int, precision: str
) -> None:
    settings = ("losses.vgg19=null", "generator.norm=batch", f"runtime.precision={precision}")
    spec = make_spec("srgan-wgangp", *settings, seed=seed)
    straight = train(spec, make_options("straight"))
    kills = [("content", 3), ("content", 9), ("adversarial", 1), ("adversarial", 5)]
    killed = train_with_kills(spec, make_options("killed"), kills)
    assert_same_bits(final_state(straight.directory), final_state(killed.directory))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_loading_processes_change_nothing_even_for_a_resumed_run(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    recipe = ("srgan-wgangp", "losses.vgg19=null")
    straight = train(make_spec(*recipe), make_options("straight"))
    spec = make_spec(*recipe, "runtime.num_workers=2")
    killed = train_with_kills(spec, make_options("killed"), [("adversarial", 3)])
    assert_same_bits(final_state(straight.directory), final_state(killed.directory))


def test_an_unfinished_run_is_shown_without_being_touched(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    spec, options = make_spec("srresnet-nobn"), make_options()
    with pytest.raises(Interrupted):
        train(spec, make_options(observer=Stopper("content", 6, int(signal.SIGTERM))))
    path = run_path(spec, options.run_root)
    assert RunDirectory(path).spec() == spec
    seen = preview(path, device="cpu")
    assert (seen["steps"], seen["verdict"]) == (6, "hardly-learned")
    assert seen["psnr_y_bicubic"] == pytest.approx(28.53, abs=0.01)
    assert all((path / "samples" / name).is_file() for name in seen["pictures"])
    assert RunDirectory(path).summary() is None
    straight, resumed = train(spec, make_options("straight")), train(spec, options)
    assert_same_bits(final_state(straight.directory), final_state(resumed.directory))


def test_there_is_nothing_to_show_before_the_first_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        preview(tmp_path)


@pytest.mark.slow
def test_forgetting_the_random_state_would_be_seen(
    make_spec: MakeSpec, make_options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: the test above is able to fail."""
    spec = make_spec("srgan-wgangp", "losses.vgg19=null")
    straight = train(spec, make_options("straight"))
    monkeypatch.setattr("zoo.train.trainer.restore_random_state", lambda *_: None)
    killed = train_with_kills(spec, make_options("killed"), [("adversarial", 5)])
    with pytest.raises(AssertionError):
        assert_same_bits(final_state(straight.directory), final_state(killed.directory))


def test_rows_after_a_kill_are_those_of_the_uninterrupted_run(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    spec = make_spec("srresnet")
    straight = train(spec, make_options("straight"))
    killed = train_with_kills(spec, make_options("killed"), [("content", 7)])
    timing = ("images_per_second", "memory_bytes")
    rows = [
        [{k: v for k, v in row.items() if k not in timing} for row in RunDirectory(path).rows()]
        for path in (straight.directory, killed.directory)
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
    ids=["ctrl-c", "term", "hup"],
)
def test_a_signal_saves_and_the_run_goes_on_to_the_same_end(
    make_spec: MakeSpec,
    make_options: MakeOptions,
    small_validation: str,
    number: int,
    code: int,
) -> None:
    spec = make_spec("srresnet-nobn", small_validation)
    straight = train(spec, make_options("straight"))
    handler = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught:
        train(spec, make_options("stopped", observer=Stopper("content", 6, int(number))))
    assert signal.getsignal(number) is handler
    assert (caught.value.exit_code, caught.value.step) == (code, 6)
    notes = Notes()
    resumed = train(spec, make_options("stopped", observer=notes))
    assert notes.started == [("srresnet-nobn", "content", 6)]
    assert_same_bits(final_state(straight.directory), final_state(resumed.directory))


def test_a_signal_while_the_last_step_is_saved_is_not_forgotten(
    make_spec: MakeSpec, make_options: MakeOptions, small_validation: str
) -> None:
    """Else a pretraining would end, and the stage after it begin, as if nobody had asked."""

    class Late(Notes):
        def saved(self, path: Path, step: int) -> None:
            if step == 12:
                os.kill(os.getpid(), signal.SIGTERM)

    late, spec = Late(), make_spec("srgan", "losses.vgg19=null", small_validation)
    with pytest.raises(Interrupted) as caught:
        train(spec, make_options(observer=late))
    assert (caught.value.exit_code, caught.value.step) == (143, 12)
    assert [stage for _, stage, _ in late.started] == ["content"]
    notes = Notes()
    train(spec, make_options(observer=notes))
    assert [started[1:] for started in notes.started] == [("content", 12), ("adversarial", 0)]


def test_a_finished_run_is_not_trained_again(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    notes = Notes()
    first = train(make_spec("srresnet-nobn"), make_options())
    again = train(make_spec("srresnet-nobn"), make_options(observer=notes))
    assert notes.started == []
    assert again.summary == first.summary


@pytest.mark.slow
def test_other_settings_in_the_same_place_are_refused_with_the_difference(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    train(make_spec("srresnet-nobn"), make_options())
    other = make_spec("srresnet-nobn", "training.learning_rate=3e-4")
    with pytest.raises(RecipeError, match=r"learning_rate 0.0001 -> 0.0003.*--fresh"):
        train(other, make_options())
    run = train(other, make_options(fresh=True))
    assert run.summary["steps"] == 12


def test_how_often_it_logs_is_not_part_of_what_a_run_is(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    train(make_spec("srresnet-nobn"), make_options())
    train(make_spec("srresnet-nobn", "training.log_every=5"), make_options())


def test_a_second_process_is_told_who_holds_the_run(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    options, spec = make_options(), make_spec("srresnet-nobn")
    directory = RunDirectory(run_path(spec, options.run_root))
    with directory.lock(), pytest.raises(MachineError, match=f"process {os.getpid()} on"):
        train(spec, options)


def test_a_value_that_is_not_finite_stops_the_run_and_reaches_no_file(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    spec = make_spec("srresnet-nobn", "training.learning_rate=1e30", "training.log_every=12")
    options = make_options()
    with pytest.raises(DivergedError, match=r"loss_mse.* step \d+"):
        train(spec, options)
    for path in run_path(spec, options.run_root).glob("checkpoints/*.pt"):
        state = load_latest(path.parent)
        assert state is not None
        assert all(value.isfinite().all() for value in state["generator"].values())


def test_a_fixed_method_has_nothing_to_train(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    with pytest.raises(RecipeError, match="needs no training"):
        train(make_spec("bicubic"), make_options())


def test_epochs_count_samples_of_every_image(make_spec: MakeSpec) -> None:
    settings = make_spec(
        "srresnet-nobn",
        "training.epochs=100",
        "data.patches_per_image=19",
        "data.batch_size=16",
    ).settings
    assert count_steps(settings, 800) == 95_000


def test_a_dry_run_measures_both_stages_and_writes_nothing(
    make_spec: MakeSpec, make_options: MakeOptions, private_home: Path
) -> None:
    options = make_options()
    before = set(private_home.rglob("*"))
    content, adversarial = dry_run(make_spec("esrgan-wgangp-novgg"), options)
    assert content.discriminator_parameters == 0
    assert adversarial.discriminator_parameters > 0
    assert adversarial.step_seconds > 0
    assert adversarial.peak_memory > 1e8
    assert not options.run_root.exists()
    assert set(private_home.rglob("*")) == before


@pytest.mark.parametrize("recipe", trainable_recipes())
def test_every_recipe_builds_and_takes_a_step(
    make_spec: MakeSpec, make_options: MakeOptions, recipe: str
) -> None:
    spec = make_spec(recipe, "training.steps=1")
    assert all(stage.step_seconds > 0 for stage in dry_run(spec, make_options()))


def test_a_feature_network_that_stands_in_is_said_when_the_run_starts(
    make_spec: MakeSpec, make_options: MakeOptions, small_validation: str
) -> None:
    notes = Notes()
    train(make_spec("srgan", small_validation), make_options(observer=notes))
    said = [notice for notice in notes.notices if "replaces" in notice]
    assert said == ["srgan: efficientnet-lite0 (blocks.2) replaces vgg19"]


def test_images_are_counted_at_the_start(
    make_spec: MakeSpec, make_options: MakeOptions, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    for number in range(5):
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8)
        write_png(photos / f"{number}.png", noise)
    (photos / "dead.png").symlink_to(photos / "nothing.png")
    found = [f"{photos}: 5 images taken", f"{photos}: 1 not used as HR images: a broken link"]
    for validation, counts in (
        ("held-out", "images: 4 for training, 1 for validation"),
        ("samples", "images: 5 for training, 3 for validation"),
    ):
        heard = Notes()
        given = (f"data.source={photos}", f"data.validation={validation}")
        prepared = prepare(make_spec("srresnet-nobn", *given), make_options(observer=heard))
        assert heard.notices == [*found, counts]
        assert prepared.stream.store.num_images == int(counts[8])
