"""A run's directory in odd states: half deleted, another run's, with lost or damaged files."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from tests.train.bits import assert_same_bits, final_state
from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.observers import Notes, Stopper
from tests.train.test_run import Kill
from zoo.errors import CheckpointError, DivergedError, IntegrityError, MachineError, RecipeError
from zoo.runs.checkpoint import latest_step
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.verdicts import judge
from zoo.train.prepare import Options
from zoo.train.run import train


def told_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a summary without the digests, which differ by the session."""
    return {k: v for k, v in summary.items() if k not in ("files", "digest_sha256")}


def test_a_kill_while_starting_over_cannot_pass_old_weights_on(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    """Half a deleted run without its provenance: its checkpoint belongs to nobody."""
    run = train(make_spec("srresnet-nobn"), make_options())
    (run.directory / "provenance.json").unlink()
    (run.directory / "summary.json").unlink()
    with pytest.raises(CheckpointError, match="another run"):
        train(make_spec("srresnet-nobn", "training.learning_rate=0.5"), make_options())


def test_other_validation_images_are_scored_not_the_old_scores_shown(
    make_spec: MakeSpec, make_options: MakeOptions, tmp_path: Path
) -> None:
    first = train(make_spec("srresnet-nobn"), make_options())
    for folder in ("a", "b"):
        (tmp_path / "other" / folder).mkdir(parents=True)
        noise = torch.randint(0, 256, (40, 48, 3), dtype=torch.uint8).numpy()
        Image.fromarray(noise).save(tmp_path / "other" / folder / "x.png")
    setting = f"data.validation={tmp_path / 'other'}"
    second = train(make_spec("srresnet-nobn", setting), make_options())
    assert list(second.summary["psnr_y_images"]) == ["a-x.png", "b-x.png"]
    assert second.summary["validation"] != first.summary["validation"]
    weights = [RunDirectory(run.directory).read_weights()[0] for run in (first, second)]
    assert_same_bits(weights[0], weights[1])


@pytest.mark.slow
def test_a_finished_run_does_not_need_its_pretraining_any_more(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    notes, spec = Notes(), make_spec("srgan", "losses.vgg19=null")
    train(spec, make_options())
    shutil.rmtree(make_options().run_root / "srresnet")
    train(spec, make_options(observer=notes))
    assert notes.started == []


def test_lost_rows_are_scored_again(make_spec: MakeSpec, make_options: MakeOptions) -> None:
    run = train(make_spec("srresnet-nobn"), make_options())
    (run.directory / "summary.json").write_text("torn")
    (run.directory / "metrics.jsonl").unlink()
    again = train(make_spec("srresnet-nobn"), make_options())
    assert again.summary["psnr_y"] == run.summary["psnr_y"]


def test_a_damaged_row_costs_itself_alone(
    make_spec: MakeSpec,
    make_options: MakeOptions,
    small_validation: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    spec = make_spec("srresnet-nobn", small_validation, "training.steps=6")
    with pytest.raises(Kill):
        train(spec, make_options(observer=Stopper("content", 6, Kill())))
    directory = RunDirectory(run_path(spec, make_options().run_root))
    file = directory.path / "metrics.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + b"\xff" + b"".join(lines[1:]) + b'{"kind": "tra')
    train(spec, make_options())
    found = [row["step"] for row in directory.rows() if row["kind"] == "train"]
    assert found == [2, 3, 4, 5, 6], "not the first; the checkpoint is of step 4"
    assert "metrics.jsonl: skipped 1 damaged lines" in caplog.text


def test_a_finished_run_is_never_trained_again_without_its_checkpoints(
    make_spec: MakeSpec, make_options: MakeOptions, tmp_path: Path
) -> None:
    run = train(make_spec("srgan", "losses.vgg19=null"), make_options())
    weights = (run.directory / "weights.safetensors").read_bytes()
    shutil.rmtree(run.directory / "checkpoints")
    (tmp_path / "other").mkdir()
    Image.fromarray(torch.zeros(40, 48, 3, dtype=torch.uint8).numpy()).save(
        tmp_path / "other/x.png"
    )
    notes = Notes()
    spec = make_spec("srgan", "losses.vgg19=null", f"data.validation={tmp_path / 'other'}")
    again = train(spec, make_options(observer=notes))
    assert notes.started == []
    assert list(again.summary["psnr_y_images"]) == ["x"]
    assert (run.directory / "weights.safetensors").read_bytes() == weights


@pytest.mark.slow
def test_a_directory_of_another_run_is_refused_before_pretraining(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    train(make_spec("srgan", "losses.vgg19=null"), make_options())
    notes = Notes()
    with pytest.raises(RecipeError, match="augment"):
        train(
            make_spec("srgan", "losses.vgg19=null", "data.augment=false"),
            make_options(observer=notes),
        )
    assert notes.started == []


def test_deleting_a_run_half_way_leaves_nothing_that_claims_to_be_finished(
    make_spec: MakeSpec, make_options: MakeOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of deletion: the summary, the checkpoints, the rest, the provenance."""
    run = train(make_spec("srresnet-nobn"), make_options())
    deleted: list[str] = []
    real_unlink, real_rmtree = Path.unlink, shutil.rmtree
    monkeypatch.setattr(
        Path, "unlink", lambda p, **k: (deleted.append(p.name), real_unlink(p, **k))[1]
    )
    monkeypatch.setattr(
        shutil, "rmtree", lambda p, **k: (deleted.append(Path(p).name), real_rmtree(p, **k))[1]
    )
    RunDirectory(run.directory).clear()
    assert deleted[:2] == ["summary.json", "checkpoints"]
    assert deleted[-1] == "provenance.json"


@pytest.mark.slow
def test_a_damaged_record_of_another_run_is_no_obstacle(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    broken = make_options().run_root / "x" / "y" / "seed-0" / "provenance.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}")
    train(make_spec("srgan", "losses.vgg19=null"), make_options())


def test_a_run_root_that_is_a_file_is_told(make_spec: MakeSpec, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot write to"):
        train(make_spec("srresnet-nobn"), Options(run_root=tmp_path / "file", device="cpu"))


@pytest.mark.parametrize(
    "settings",
    [
        ("discriminator.head=flatten", "discriminator.patch_size=96"),
        ("data.lr_patch_size=4", "data.batch_size=1"),
    ],
    ids=["head of another size", "a single value per channel"],
)
def test_a_discriminator_that_cannot_take_the_patches_is_found_before_pretraining(
    make_spec: MakeSpec, make_options: MakeOptions, settings: tuple[str, ...]
) -> None:
    notes, spec = Notes(), make_spec("srgan", "losses.vgg19=null", *settings)
    with pytest.raises(RecipeError, match="does not accept batches of"):
        train(spec, make_options(observer=notes))
    assert notes.started == []


def test_what_diverged_says_so_in_its_rows(make_spec: MakeSpec, make_options: MakeOptions) -> None:
    spec, options = make_spec("srresnet-nobn", "training.learning_rate=1e30"), make_options()
    with pytest.raises(DivergedError, match="starts a separate run"):
        train(spec, options)
    rows = RunDirectory(run_path(spec, options.run_root)).rows()
    assert rows[-1]["kind"] == "diverged"
    assert judge(rows) == "diverged"


def test_damaged_weights_are_made_again_from_the_checkpoint(
    make_spec: MakeSpec, make_options: MakeOptions, small_validation: str
) -> None:
    heard: list[str] = []
    notes, spec = Notes(), make_spec("srresnet-nobn", small_validation)
    notes.notice = heard.append  # type: ignore[method-assign]
    run = train(spec, make_options())
    directory, summary = RunDirectory(run.directory), dict(run.summary)
    content = bytearray(directory.weights.read_bytes())
    whole, _ = directory.read_weights()
    content[len(content) // 3] ^= 4
    directory.weights.write_bytes(content)
    with pytest.raises(IntegrityError, match="run the training command again"):
        directory.read_weights()
    again = train(spec, make_options(observer=notes))
    assert_same_bits(directory.read_weights()[0], whole)
    assert told_of(again.summary) == told_of(summary)
    assert any("writes it again from the checkpoint of step 12" in line for line in heard)
    assert not any(row["kind"] == "train" for row in notes.rows), "nothing was trained again"

    directory.weights.write_bytes(content)
    shutil.rmtree(directory.checkpoints)
    with pytest.raises(IntegrityError, match="there is no checkpoint to restore it from"):
        train(spec, make_options())


def test_a_full_disk_ends_a_run_that_goes_on_when_there_is_room(
    make_spec: MakeSpec, make_options: MakeOptions, small_validation: str
) -> None:
    spec = make_spec("srresnet-nobn", small_validation)
    straight = train(spec, make_options("straight"))
    with pytest.raises(Kill):
        train(spec, make_options("full", observer=Stopper("content", 6, Kill())))
    path = run_path(spec, make_options("full").run_root)
    size = max(file.stat().st_size for file in (path / "checkpoints").glob("*.pt"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - 1000, hard))
    try:
        with pytest.raises(
            MachineError, match=r"step-000000008.pt.*needs [\d,]+ bytes, [\d,]+ are"
        ):
            train(spec, make_options("full"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert latest_step(path / "checkpoints") == 4
    run = train(spec, make_options("full"))
    assert_same_bits(final_state(straight.directory), final_state(run.directory))
