"""Whole runs on a device: both precisions, interrupted and resumed, compiled."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.gpu.conftest import EXACT, MakeSpec, relative_distance
from tests.train.observers import Stopper
from zoo.recipes.build import build_generator
from zoo.recipes.schema import RunSpec
from zoo.runs.directory import RunDirectory
from zoo.train.interrupts import Interrupted
from zoo.train.observer import Observer
from zoo.train.prepare import Options
from zoo.train.run import Run, train

RESUMED = 0.05
"""Of the way the generator went: a GPU may sum in another order after it starts again."""
COMPILED = 0.05
"""The same for compiled networks, whose kernels are others."""
OF_OTHERS = [
    "ignore:This process .* is multi-threaded:DeprecationWarning",  # loading processes, Python 3.12
    "ignore:.*TensorFloat32:UserWarning",  # the compiler's advice where TF32 is off
]
pytestmark = [pytest.mark.filterwarnings(*OF_OTHERS)]


def options(root: Path, device: torch.device, observer: Observer | None = None) -> Options:
    return Options(run_root=root, device=str(device), observer=observer or Observer())


def weights(run: Run) -> Mapping[str, Tensor]:
    return RunDirectory(run.directory).read_weights()[0]


def start(spec: RunSpec) -> Mapping[str, Tensor]:
    return build_generator(
        spec.settings.generator, spec.settings.scale, seed=spec.seed
    ).state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_stages_train_with_finite_values(
    make_spec: MakeSpec, device: torch.device, precision: str, tmp_path: Path
) -> None:
    loaded = ("runtime.num_workers=2", "runtime.store=host")
    spec = make_spec("esrgan-wgangp", f"runtime.precision={precision}", *loaded)
    run = train(spec, options(tmp_path, device))
    directory = RunDirectory(run.directory)
    rows = [row for row in directory.rows() if row["kind"] == "train"]
    assert len(rows) == run.summary["steps"] == spec.settings.training.steps
    for row in rows:
        assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
        assert row["memory_bytes"] > 0
        assert row["discriminator_penalty"] > 0
    assert all(tensor.dtype == torch.float32 for tensor in weights(run).values())
    provenance = directory.provenance()
    assert provenance is not None
    assert provenance["identity"]["execution"]["precision"] == precision


def test_a_run_goes_on_where_it_was_stopped(
    make_spec: MakeSpec, device: torch.device, tmp_path: Path
) -> None:
    spec = make_spec("srgan-nobn", "losses.vgg19=null", "discriminator.norm=layer", *EXACT)
    straight = train(spec, options(tmp_path / "straight", device))
    stopper = Stopper("adversarial", 3, int(signal.SIGTERM))
    with pytest.raises(Interrupted):
        train(spec, options(tmp_path / "stopped", device, stopper))
    resumed = train(spec, options(tmp_path / "stopped", device))
    assert resumed.summary["steps"] == straight.summary["steps"]
    assert resumed.summary["psnr_y"] == pytest.approx(straight.summary["psnr_y"], abs=0.05)
    ends = weights(resumed), weights(straight)
    assert relative_distance(*ends, start(spec)) < RESUMED


@pytest.mark.slow
def test_compiled_training_is_eager_training(
    make_spec: MakeSpec, device: torch.device, tmp_path: Path
) -> None:
    runs = []
    for compiled in ("false", "true"):
        spec = make_spec("srresnet-nobn", f"runtime.compile={compiled}", *EXACT)
        runs.append(train(spec, options(tmp_path / compiled, device)))
    eager, compiled_run = runs
    assert compiled_run.summary["psnr_y"] == pytest.approx(eager.summary["psnr_y"], abs=0.01)
    assert relative_distance(weights(compiled_run), weights(eager), start(spec)) < COMPILED
