"""`import zoo`: names, networks and weights from Python."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pandas import DataFrame

import zoo
from zoo.errors import RecipeError, UnknownNameError
from zoo.registry import GENERATORS


def test_names_are_listed_by_kind_and_glob() -> None:
    assert zoo.list("generators", "rr*") == ["rrdb"]
    assert zoo.list() == zoo.list("generator") == zoo.list("generators")
    assert {"esrgan", "srgan"} <= set(zoo.list("recipes", "*gan"))
    assert zoo.list("recipes", "esrgan-over-*") == []  # recipes made from a matrix are not listed
    assert "smoke" in zoo.list("profiles")
    assert "samples-x4" in zoo.list("suites")
    assert zoo.list("adversaries", "wgan*") == ["wgan", "wgan-gp"]
    with pytest.raises(UnknownNameError, match="did you mean 'generators'"):
        zoo.list("generatos")


def test_names_of_a_registry_of_ones_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("version: 1\nrecipes:\n  mine: {extends: srresnet}\n")
    assert zoo.list("recipes", "mine", registry=[mine]) == ["mine"]


def test_a_generator_is_made_as_timm_makes_models() -> None:
    torch.manual_seed(3)
    generator = zoo.create("rrdb", scale=2, width=8, growth=4, num_blocks=1)
    assert isinstance(generator, zoo.Generator)
    assert generator(torch.rand(1, 3, 4, 5)).shape == (1, 3, 8, 10)
    torch.manual_seed(3)
    again = zoo.create("rrdb", scale=2, width=8, growth=4, num_blocks=1)
    assert torch.equal(generator.conv_first.weight, again.conv_first.weight)


def test_components_of_other_kinds() -> None:
    assert isinstance(zoo.create("vgg", kind="discriminators", width=4), zoo.Discriminator)
    assert isinstance(zoo.create("wgan-gp", kind="adversary"), zoo.Adversary)
    assert isinstance(zoo.create("mse", kind="losses"), zoo.Loss)
    assert isinstance(zoo.create("psnr-y", kind="metrics"), zoo.Metric)


def test_mistakes_are_told() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'rrdb'"):
        zoo.create("rrbd")
    with pytest.raises(RecipeError, match="did you mean 'num_blocks'"):
        zoo.create("rrdb", num_block=3)
    with pytest.raises(RecipeError, match="no scale 5"):
        zoo.create("rrdb", scale=5)
    with pytest.raises(UnknownNameError):
        zoo.create("esrgan", kind="recipes")


def test_a_method_without_weights_is_loaded_by_its_name() -> None:
    generator = zoo.load("bicubic")
    assert generator(torch.rand(1, 3, 3, 3)).shape == (1, 3, 12, 12)


def test_training_returns_a_run(tmp_path: Path) -> None:
    run = zoo.train("srresnet-nobn", profile="smoke", seed=1, run_root=tmp_path, device="cpu")
    assert isinstance(run, zoo.Run)
    assert run.directory == tmp_path / "srresnet-nobn" / "smoke" / "seed-1"
    steps = run.metrics.query("kind == 'train'")
    assert list(steps["step"]) == list(range(1, 13))
    assert steps["loss_total"].notna().all()
    assert run.metrics.query("kind == 'validation'")["psnr_y"].notna().all()
    assert all(picture.is_file() for picture in run.pictures)

    trained, loaded = run.generator(), zoo.load(run.directory)
    by_recipe = zoo.load("srresnet-nobn", run_root=str(tmp_path))
    image = torch.rand(1, 3, 6, 7)
    with torch.no_grad():
        assert torch.equal(trained(image), loaded(image))
        assert torch.equal(trained(image), by_recipe(image))
    again = zoo.train(
        "srresnet-nobn", profile="smoke", seed=1, run_root=str(tmp_path), device="cpu"
    )
    assert again.summary == run.summary


SESSION = """
from torch import nn
from zoo import Generator, register_generator

GAIN = {gain}

@register_generator("session-net")
class SessionNet(Generator):
    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale)
        self.body = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4))

    def forward(self, lr_image):
        return GAIN * self.body(lr_image)
"""


@pytest.mark.slow
def test_a_class_of_the_session_is_trained_scored_and_redefined(tmp_path: Path) -> None:
    """As cells of a notebook: the class that was changed is another, the old runs are its own."""
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "version: 1\nrecipes: {mine: {summary: s, generator: session-net, losses: {l1: 1}}}\n"
    )
    registry, run_root = [str(mine)], str(tmp_path)
    before = GENERATORS.snapshot()

    def cell(gain: int) -> None:
        code = compile(SESSION.format(gain=gain), "<cell>", "exec")
        exec(code, {"__name__": "a_notebook"})  # noqa: S102

    def score() -> DataFrame:
        return zoo.bench("mine", profile="smoke", seeds=1, registry=registry, run_root=run_root)

    try:
        cell(1)
        run = zoo.train("mine", profile="smoke", registry=registry, run_root=run_root, device="cpu")
        assert str(GENERATORS.origin("session-net")) == "session a_notebook"
        assert score().attrs["missing"] == []
        cell(2)
        (missing,) = score().attrs["missing"]
        assert "other code of generator session-net" in missing["reason"]
        with pytest.raises(RecipeError, match="plugin_sha256"):
            zoo.train("mine", profile="smoke", registry=registry, run_root=run_root, device="cpu")
        cell(1)
        assert score().attrs["missing"] == []
        again = zoo.train(
            "mine", profile="smoke", registry=registry, run_root=run_root, device="cpu"
        )
        assert again.summary == run.summary
    finally:
        GENERATORS.restore(before)
