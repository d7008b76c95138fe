"""Every public name as typed code of a user has it: checked by mypy, never executed."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

import zoo
from zoo import (
    Adversary,
    Degradation,
    Discriminator,
    Generator,
    Loss,
    Metric,
    Model,
    Run,
    ZooError,
    register_adversary,
    register_degradation,
    register_discriminator,
    register_generator,
    register_loss,
    register_metric,
)
from zoo.adversaries.base import Critic
from zoo.testing import (
    AdversaryContract,
    DegradationContract,
    DiscriminatorContract,
    GeneratorContract,
    LossContract,
    MetricContract,
)


@register_generator("my-net")
class MyNet(Generator):
    def __init__(self, *, scale: int = 4, width: int = 8) -> None:
        super().__init__(scale=scale)
        self.body = nn.Conv2d(3, width, 3)

    def forward(self, lr_image: Tensor) -> Tensor:
        return nn.functional.interpolate(lr_image, scale_factor=self.scale)


@register_discriminator("my-critic")
class MyCritic(Discriminator):
    def forward(self, image: Tensor) -> Tensor:
        return image.mean((1, 2, 3))


@register_adversary("my-game")
class MyGame(Adversary):
    def discriminator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        return {"total": discriminator(fake).mean() - discriminator(real).mean()}

    def generator_loss(
        self, discriminator: Critic, real: Tensor, fake: Tensor
    ) -> dict[str, Tensor]:
        return {"total": -discriminator(fake).mean()}


@register_loss("my-loss")
class MyLoss(Loss):
    def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        return (sr_image - hr_image).abs().mean()


@register_metric("my-score")
class MyScore(Metric):
    label, unit, higher_is_better, value_range = "Mine", "", False, (0.0, 1.0)

    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        return 0.0


@register_degradation("my-camera")
class MyCamera(Degradation):
    per_sample = False

    def __call__(
        self, hr_image: npt.NDArray[np.uint8], *, scale: int, rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        return hr_image[::scale, ::scale].copy()


class TestMyNet(GeneratorContract):
    component = MyNet
    arguments = {"width": 4}


class TestMyCritic(DiscriminatorContract):
    component = MyCritic
    sizes = ((96, 96),)


class TestMyGame(AdversaryContract):
    component = MyGame


class TestMyLoss(LossContract):
    component = MyLoss


class TestMyScore(MetricContract):
    component = MyScore


class TestMyCamera(DegradationContract):
    component = MyCamera


assert_type(MyNet, type[MyNet])
assert_type(zoo.__version__, str)
assert_type(zoo.list("generators", "*esr*"), list[str])
assert_type(zoo.list("recipes", registry=["mine.yaml", Path("other.yaml")]), list[str])
assert_type(zoo.create("rrdb"), Generator)
assert_type(zoo.create("rrdb", scale=4, num_blocks=3), Generator)
assert_type(zoo.create("rrdb", kind="generators", scale=4), Generator)
assert_type(zoo.create("vgg", kind="discriminators", norm="layer"), Discriminator)
assert_type(zoo.create("wgan-gp", kind="adversary"), Adversary)
assert_type(zoo.create("mse", kind="losses"), Loss)
assert_type(zoo.create("psnr-y", kind="metrics"), Metric)
assert_type(zoo.create("jpeg", kind="degradations", quality=[30, 40]), Degradation)
assert_type(zoo.load(), Generator)
assert_type(zoo.load("runs/my-net", plugins=["my_net.py"], run_root="runs"), Generator)
run = zoo.train(
    "my-net",
    profile="smoke",
    settings={"training.steps": 2},
    plugins=["my_net.py"],
    registry=["my_net.yaml"],
    run_root="runs",
    data_root="data",
)
assert_type(run, Run)
assert_type(run.metrics, pd.DataFrame)
assert_type(run.generator(), Generator)
assert_type(run.directory, Path)
table = zoo.bench(
    "my-net",
    run.directory,
    run.generator(),
    profile="smoke",
    settings=["training.steps=2"],
    registry=["my_net.yaml"],
    run_root="runs",
    records="records",
    data_root="data",
    train=True,
)
assert_type(table, pd.DataFrame)
picture: Image.Image = zoo.upscale("photo.png")
again: Image.Image = zoo.upscale(picture, model=run.generator())
array: npt.NDArray[np.uint8] = zoo.upscale(np.zeros((3, 3, 3), np.uint8))
tensor: Tensor = zoo.upscale(torch.zeros(3, 3, 3))
model: Model | None = None
try:
    zoo.load("nothing")
except ZooError as error:
    assert_type(error.exit_code, int)
