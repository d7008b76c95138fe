"""Trackers: what they receive, what they write, and that they never stop a training."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from zoo.data.images import write_png
from zoo.errors import MachineError, UnknownNameError
from zoo.tracking import create_trackers
from zoo.tracking.base import Tracker, tracked
from zoo.train.observer import Observer

ROW = {"kind": "train", "step": 5, "loss_total": 0.25, "note": "no number"}
VALIDATION = {"kind": "validation", "step": 5, "psnr_y": 30.0, "psnr_y_images": {"a": 30.0}}


class Said(Observer):
    """Keeps the notices and the rows."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.rows: list[Mapping[str, object]] = []

    def notice(self, message: str) -> None:
        self.notices.append(message)

    def logged(self, row: Mapping[str, object]) -> None:
        self.rows.append(row)


class Broken(Tracker):
    """Fails where it is told to."""

    name: ClassVar[str] = "broken"

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.calls: list[str] = []
        self.texts: dict[str, str] = {}

    def _call(self, what: str) -> None:
        self.calls.append(what)
        if what == self.where:
            raise OSError("the server is gone")

    def begin(self, directory: Path, key: str, step: int) -> None:
        self._call("begin")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        self._call("scalars")

    def picture(self, path: Path, step: int) -> None:
        self._call("picture")

    def text(self, name: str, content: str) -> None:
        self._call("text")
        self.texts[name] = content

    def end(self) -> None:
        self._call("end")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a run directory with a recipe and a picture."""
    path = tmp_path / "srgan" / "smoke" / "seed-0"
    (path / "samples").mkdir(parents=True)
    (path / "recipe.yaml").write_text("recipe: srgan\nseed: 0\n")
    write_png(path / "samples" / "one.png", np.full((8, 8, 3), 200, np.uint8))
    return path


def run(observer: Observer, directory: Path, *, step: int = 0) -> None:
    observer.opened(directory)
    observer.stage_started("srgan", "adversarial", step, 10)
    observer.logged(ROW | {"step": step + 5})
    observer.logged(VALIDATION | {"step": step + 5})
    observer.stage_finished(
        directory, {"steps": step + 5, "pictures": ["one.png"], "verdict": "stable"}
    )


@pytest.mark.parametrize("where", ["begin", "scalars", "picture", "text", "end"])
def test_a_tracker_that_fails_is_named_once_and_stops_nothing(directory: Path, where: str) -> None:
    said, broken = Said(), Broken(where)
    with tracked(said, [broken]) as observer:
        run(observer, directory)
        run(observer, directory)
    (notice,) = said.notices
    assert "tracking with broken failed" in notice
    assert "the server is gone" in notice
    assert len(said.rows) == 4
    assert broken.calls.count(where) == 1


def test_a_training_that_stops_early_ends_the_run(directory: Path) -> None:
    whole = Broken("nowhere")

    def stop() -> None:
        with tracked(Said(), [whole]) as observer:
            observer.opened(directory)
            observer.stage_started("srgan", "content", 0, 10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert whole.calls == ["begin", "text", "end"]


def test_a_training_that_diverges_has_its_verdict(directory: Path) -> None:
    whole = Broken("nowhere")
    with tracked(Said(), [whole]) as observer:
        observer.opened(directory)
        observer.stage_started("srgan", "content", 0, 10)
        observer.logged({"kind": "diverged", "step": 3, "message": "NaN"})
    assert whole.texts["verdict"] == "diverged"
    assert whole.calls[-1] == "end"


def test_without_trackers_the_observer_is_itself() -> None:
    said = Said()
    with tracked(said, []) as observer:
        assert observer is said


def test_an_unknown_name_and_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'wandb'"):
        create_trackers(["wandbb"])

    def missing(_name: str) -> None:
        raise ModuleNotFoundError("No module named 'mlflow'")

    monkeypatch.setattr("zoo.tracking.importlib.import_module", missing)
    with pytest.raises(MachineError, match=r"pip install 'srgan-zoo\[mlflow\]'"):
        create_trackers(["mlflow"])


def test_tensorboard_reads_back_what_was_logged(directory: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with tracked(Said(), create_trackers(["tensorboard"])) as observer:
        run(observer, directory)
        run(observer, directory, step=2)  # resumed at step 2: what was logged at step 5 is gone
    found = EventAccumulator(str(directory / "tensorboard"))
    found.Reload()
    tags = found.Tags()
    assert {"train/loss_total", "validation/psnr_y"} <= {*tags["scalars"]}
    assert tags["images"] == ["validation/one"]
    losses = [(event.step, event.value) for event in found.Scalars("train/loss_total")]
    assert losses == [(7, 0.25)]
    texts = {tag: found.Tensors(tag)[0].tensor_proto.string_val[0] for tag in tags["tensors"]}
    assert b"recipe: srgan" in texts["recipe/text_summary"]
    assert b"stable" in texts["verdict/text_summary"]


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is not installed")
def test_wandb_keeps_an_offline_run(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    said = Said()
    with tracked(said, create_trackers(["wandb"])) as observer:
        run(observer, directory)
    assert said.notices == []
    (folder,) = (directory / "wandb").glob("offline-run-*")
    (log,) = folder.glob("*.wandb")
    content = log.read_bytes()
    assert b"train/loss_total" in content
    assert b"recipe: srgan" in content


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="MLflow is not installed")
def test_mlflow_goes_on_with_the_run_of_a_directory(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    said = Said()
    with tracked(said, create_trackers(["mlflow"])) as observer:
        run(observer, directory)
        run(observer, directory, step=2)
    assert said.notices == []
    from mlflow import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("zoo")
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.data.metrics["train/loss_total"] == 0.25
    assert logged.data.tags["zoo.verdict"] == "stable"
    history = client.get_metric_history(logged.info.run_id, "validation/psnr_y")
    assert [one.step for one in history] == [5, 7]
    names = {one.path for one in client.list_artifacts(logged.info.run_id)}
    assert names == {"recipe.yaml", "verdict.txt", "validation"}
    assert json.dumps(logged.data.tags)
