"""Expected times: one step is tried for all runs that cost the same, and kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from zoo.data.images import write_png
from zoo.data.paths import cache_dir
from zoo.recipes.schema import RunSpec
from zoo.sweep import estimate
from zoo.sweep.estimate import Estimator, cost_of_a_step
from zoo.sweep.plan import plan_runs, with_seconds
from zoo.train.prepare import Options

MakeSpec = Callable[..., RunSpec]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Return the recipes of which a step is tried; each takes half a second."""
    recipes: list[str] = []

    def dry_run_stage(spec: RunSpec, *_: object) -> SimpleNamespace:
        recipes.append(spec.recipe)
        return SimpleNamespace(step_seconds=0.5)

    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(estimate, "dry_run_stage", dry_run_stage)
    return recipes


def options(tmp_path: Path) -> Options:
    return Options(tmp_path / "runs", None, "cpu")


def renamed(spec: RunSpec, name: str) -> RunSpec:
    return spec.model_copy(update={"recipe": name})


def test_a_step_is_tried_once_a_distinct_cost(
    make_spec: MakeSpec, tmp_path: Path, tried: list[str]
) -> None:
    same = [
        renamed(make_spec("srresnet", f"training.learning_rate={number}e-5"), f"own-{number}")
        for number in range(1, 300)
    ]
    longer = renamed(make_spec("srresnet", "training.steps=24"), "longer")
    wider = renamed(make_spec("srresnet", "generator.width=12"), "wider")
    planned = plan_runs([*same, longer, wider], tmp_path / "runs")
    found = list(with_seconds(planned, Estimator(options(tmp_path))))
    assert tried == ["own-1", "wider"]
    assert [runs[0].seconds for runs in found] == [*[6.0] * 299, 12.0, 6.0]


def test_epochs_are_of_the_images_that_are_trained_on(
    make_spec: MakeSpec, tmp_path: Path, tried: list[str]
) -> None:
    """What a folder is validated on decides how many of its images are."""
    photos = tmp_path / "photos"
    for number in range(8):
        write_png(photos / f"{number}.png", np.full((64, 64, 3), number, np.uint8))
    epochs = ("training.epochs=8", "data.patches_per_image=2", "data.batch_size=2")
    estimator = Estimator(options(tmp_path))
    for validation, steps in (("held-out", 56), ("samples", 64)):
        images = (f"data.source={photos}", f"data.validation={validation}")
        assert estimator(make_spec("srresnet", *epochs, *images)) == [steps / 2]
    assert len(tried) == 1


def test_what_was_tried_is_kept(make_spec: MakeSpec, tmp_path: Path, tried: list[str]) -> None:
    spec = make_spec("srresnet")
    assert Estimator(options(tmp_path))(spec) == Estimator(options(tmp_path))(spec) == [6.0]
    assert len(tried) == 1
    (kept,) = (cache_dir() / "estimates").glob("*.json")
    for damage in ("{", "[]", '{"step_seconds": -1}', '{"step_seconds": null}'):
        kept.write_text(damage)
        assert Estimator(options(tmp_path))(spec) == [6.0]
    assert len(tried) == 5, "what is damaged is tried again"


def test_a_cache_that_cannot_be_written_costs_nothing_but_itself(
    make_spec: MakeSpec, tmp_path: Path, tried: list[str]
) -> None:
    (tmp_path / "home").write_text("a file")
    estimator = Estimator(options(tmp_path))
    assert estimator(make_spec("srresnet")) == [6.0]
    assert estimator(make_spec("srresnet")) == [6.0]
    assert len(tried) == 1


def test_stages_are_tried_apart(make_spec: MakeSpec, tmp_path: Path, tried: list[str]) -> None:
    estimator = Estimator(options(tmp_path))
    assert len(estimator(make_spec("esrgan-wgangp"))) == 2
    estimator(make_spec("rrdb"))
    assert tried == ["rrdb", "esrgan-wgangp"]


@pytest.mark.parametrize(
    "setting",
    [
        "training.learning_rate=0.5",
        "adversary.weight=0.5",
        "adversary.discriminator_learning_rate=0.5",
        "adversary.discriminator_betas=[0.5, 0.9]",
        "training.ema_decay=0.5",
        "data.augment=false",
    ],
)
def test_what_changes_no_cost(make_spec: MakeSpec, setting: str) -> None:
    usual, other = make_spec("esrgan-wgangp"), make_spec("esrgan-wgangp", setting)
    assert usual != other
    assert cost_of_a_step(usual.settings) == cost_of_a_step(other.settings)


@pytest.mark.parametrize(
    "setting",
    [
        "adversary.discriminator_steps=1",
        "generator.num_blocks=5",
        "generator.residual_scaling=0.5",
        "data.batch_size=3",
        "data.lr_patch_size=12",
        "runtime.threads=1",
        "scale=2",
        "adversary=vanilla",
        "losses.mse.weight=0",  # it is not built
    ],
)
def test_what_changes_the_cost(make_spec: MakeSpec, setting: str) -> None:
    usual, other = make_spec("esrgan-wgangp"), make_spec("esrgan-wgangp", setting)
    assert cost_of_a_step(usual.settings) != cost_of_a_step(other.settings)
