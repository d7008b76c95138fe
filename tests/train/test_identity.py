"""What makes another run of a run, and what does not."""

from __future__ import annotations

import numpy as np
import PIL
import pytest
import scipy

from tests.train.conftest import MakeOptions, MakeSpec
from zoo.recipes.schema import MONITORING, Runtime
from zoo.recipes.variants import SHAPES_NOTHING
from zoo.runs.provenance import identity_hash
from zoo.train.identity import EXECUTION, run_identity
from zoo.train.prepare import prepare


def hash_of(make_spec: MakeSpec, make_options: MakeOptions, *settings: str, seed: int = 0) -> str:
    spec = make_spec("srgan-wgangp", "losses.vgg19=null", *settings, seed=seed)
    return identity_hash(run_identity(spec, prepare(spec, make_options()), "pretraining"))


@pytest.mark.parametrize(
    "setting",
    [
        "generator.width=12",
        "generator.interpolation_skip=true",
        "discriminator.norm=none",
        "adversary.penalty_weight=1",
        "adversary.weight=1e-2",
        "losses.mse=2",
        "losses.l1=1",
        "training.steps=9",
        "training.learning_rate=2e-4",
        "training.betas=[0.5, 0.9]",
        "training.ema_decay=0.9",
        "training.schedule.kind=cosine",
        "data.source=samples-reversed",
        "data.sampling=fixed",
        "data.batch_size=3",
        "data.lr_patch_size=9",
        "data.augment=false",
        "data.degradation=noise",
        "runtime.precision=bfloat16",
        "runtime.channels_last=false",
        "scale=2",
    ],
)
def test_what_shapes_the_numbers_makes_another_run(
    make_spec: MakeSpec,
    make_options: MakeOptions,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
) -> None:
    from zoo.data import sources

    def reversed_samples(root: object) -> sources.Source:
        found = sources.BUILT_IN["samples"](root)  # type: ignore[arg-type]
        images = tuple(reversed(found.training_paths))
        return sources.Source("", "", "", images, found.validation_paths)

    monkeypatch.setitem(sources.BUILT_IN, "samples-reversed", reversed_samples)
    assert hash_of(make_spec, make_options) != hash_of(make_spec, make_options, setting)


def test_so_does_the_seed(make_spec: MakeSpec, make_options: MakeOptions) -> None:
    assert hash_of(make_spec, make_options) != hash_of(make_spec, make_options, seed=1)


@pytest.mark.parametrize(
    "setting",
    [
        "training.log_every=3",
        "training.validate_every=3",
        "training.checkpoint_every=3",
        "runtime.num_workers=1",
        "runtime.precision=float32",
        "losses.l1.weight=0",
        "data.degradation=bicubic",
    ],
)
def test_what_does_not_is_no_part_of_it(
    make_spec: MakeSpec, make_options: MakeOptions, setting: str
) -> None:
    assert hash_of(make_spec, make_options) == hash_of(make_spec, make_options, setting)


def test_what_draws_degradations_is_part_of_it_where_they_are_drawn(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    def packages(*settings: str) -> dict[str, str]:
        spec = make_spec("srresnet", *settings)
        found: dict[str, str] = run_identity(spec, prepare(spec, make_options()), None)["packages"]
        return found

    drawn = {"numpy": np.__version__, "scipy": scipy.__version__, "pillow": PIL.__version__}
    assert packages("data.degradation=noise") == drawn
    made_once = ("data.degradation=blur", "data.degradation.sigma=[1, 1]")
    assert packages() == packages(*made_once) == {}


def test_where_weights_lie_is_no_part_of_it_but_their_values_are(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    def hash_with(weights: str) -> str:
        spec = make_spec("srgan", f"losses.vgg19.weights={weights}")
        return identity_hash(run_identity(spec, prepare(spec, make_options()), "pretraining"))

    assert hash_with("auto") == hash_with("package")
    assert hash_with("auto") != hash_with("random")


def test_an_argument_that_a_loss_is_not_given_is_no_part_of_it(
    make_spec: MakeSpec, make_options: MakeOptions
) -> None:
    """A loss that learns a new argument, None by default, makes no other runs of those before."""
    spec = make_spec("srgan")
    assert spec.settings.losses["vgg19"].arguments["layers"] is None
    identity = run_identity(spec, prepare(spec, make_options()), "pretraining")
    assert identity["settings"]["losses"] == {
        "mse": {"name": "mse", "weight": 1.0},
        "vgg19": {
            "name": "perceptual",
            "weight": 1.0,
            "network": "efficientnet-lite0",
            "layer": "blocks.2",
            "criterion": "mse",
            "feature_scale": 0.01,
        },
    }
    named = make_spec("srgan", "losses.vgg19.layers.conv_stem=1")
    found = run_identity(named, prepare(named, make_options()), "pretraining")
    assert identity_hash(found) != identity_hash(identity)


def test_what_makes_no_other_identity_makes_no_other_name_and_directory() -> None:
    idle = {section: set[str]() for section in ("training", "runtime")}
    for section, name in SHAPES_NOTHING:
        idle[str(section)].add(str(name))
    assert idle["training"] == set(MONITORING)
    assert Runtime.model_fields.keys() - idle["runtime"] == set(EXECUTION) - {"device"}
