"""The contract of generators: each way of breaking it is found, and said in words."""

from __future__ import annotations

import re
import shutil
import threading
from unittest import SkipTest

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo.generators.base import Generator
from zoo.testing import GeneratorContract


class Sound(Generator):
    """Two convolutions, the second to the sub-pixels."""

    def __init__(self, *, scale: int = 4, width: int = 4) -> None:
        super().__init__(scale=scale)
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.tail = nn.Conv2d(width, 3 * scale**2, 3, padding=1)

    def forward(self, lr_image: Tensor) -> Tensor:
        features = torch.relu(self.head(lr_image))
        return nn.functional.pixel_shuffle(self.tail(features), self.scale)


class WrongSize(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        return super().forward(lr_image)[..., :-1]


class NotFinite(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        return super().forward(lr_image) / (lr_image.shape[2] - 1)


class Unused(Sound):
    def __init__(self, *, scale: int = 4, width: int = 4) -> None:
        super().__init__(scale=scale, width=width)
        self.extra = nn.Conv2d(width, width, 1)


class Detached(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        features = torch.relu(self.head(lr_image)).detach()
        return nn.functional.pixel_shuffle(self.tail(features), self.scale)


class InPlace(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        return super().forward(lr_image.sub_(0.5))


class SetsTheSeed(Sound):
    def __init__(self, *, scale: int = 4, width: int = 4) -> None:
        torch.manual_seed(0)
        super().__init__(scale=scale, width=width)


class SetsNumPysSeed(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        np.random.seed(0)  # noqa: NPY002
        return super().forward(lr_image)


class DrawsElsewhere(Sound):
    def __init__(self, *, scale: int = 4, width: int = 4) -> None:
        super().__init__(scale=scale, width=width)
        nn.init.constant_(self.tail.weight, np.random.rand())  # noqa: NPY002


class Random(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        sr_image = super().forward(lr_image)
        return sr_image + torch.rand_like(sr_image)


class Forgets(Sound):
    def __init__(self, *, scale: int = 4, width: int = 4) -> None:
        super().__init__(scale=scale, width=width)
        self.offset = torch.rand(3, 1, 1)

    def forward(self, lr_image: Tensor) -> Tensor:
        return super().forward(lr_image) + self.offset


class Tied(Sound):
    def __init__(self, *, scale: int = 4, width: int = 4) -> None:
        super().__init__(scale=scale, width=width)
        self.again = self.head


class SmallInTraining(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        sr_image = super().forward(lr_image)
        return sr_image[..., :-1] if self.training else sr_image


class Uncopied(Sound):
    def __init__(self, *, scale: int = 4, width: int = 4) -> None:
        super().__init__(scale=scale, width=width)
        self.lock = threading.Lock()


class Coupled(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        return super().forward(lr_image - lr_image.mean())


class Layout(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        return super().forward(lr_image) + float(lr_image.is_contiguous())


class Rounds(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        return 1000 * super().forward(lr_image) - 999 * super().forward(lr_image).float()


class Untyped(Sound):
    def __init__(self, *, scale: int = 4, width=4, when: object = frozenset()) -> None:  # noqa: ANN001
        super().__init__(scale=scale, width=width)


class OtherDefault(Sound):
    def __init__(self, *, scale: int = 4, width: int = 4, sizes: tuple[int, ...] = (1.5,)) -> None:
        super().__init__(scale=scale, width=width)


class NumPySizes(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        height = int(np.array(lr_image.shape[2]))
        return super().forward(lr_image) + torch.linspace(0, 1, height).mean()


class Gated(Sound):
    """A residual branch that starts at zero: the gradient is, too, and nothing is wrong."""

    def __init__(self, *, scale: int = 4, width: int = 4) -> None:
        super().__init__(scale=scale, width=width)
        self.branch = nn.Conv2d(3, 3 * scale**2, 1)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, lr_image: Tensor) -> Tensor:
        branch = nn.functional.pixel_shuffle(self.branch(lr_image), self.scale)
        return super().forward(lr_image) + self.gate * branch


class Merges(Sound):
    """In evaluation it computes with copies of its weights, as SPAN does."""

    def forward(self, lr_image: Tensor) -> Tensor:
        sr_image = super().forward(lr_image)
        return sr_image if self.training else sr_image.detach()


class Silent(Sound):
    def forward(self, lr_image: Tensor) -> Tensor:
        return super().forward(lr_image).detach()


def contract(component: type[Generator]) -> GeneratorContract:
    found = GeneratorContract()
    found.component, found.arguments = component, {}
    return found


BROKEN = [
    (
        SmallInTraining,
        "images_of_any_size",
        " in training, the output for (2, 3, 16, 9) has the shape (2, 3, ",
    ),
    (
        WrongSize,
        "images_of_any_size",
        "at scale 2, the output for (2, 3, 1, 1) has the shape (2, 3, 2, 1), not",
    ),
    (NotFinite, "images_of_any_size", "the output for (2, 3, 1, 1) has values that are not finite"),
    (
        Unused,
        "gradient_reaches_every_parameter",
        "2 of 6 have no gradient: extra.bias, extra.weight",
    ),
    (
        Detached,
        "gradient_reaches_every_parameter",
        "2 of 4 have no gradient: head.bias, head.weight",
    ),
    (Silent, "gradient_reaches_every_parameter", "the output has no gradient"),
    (InPlace, "input_is_left_alone", "the input is changed in place"),
    (SetsTheSeed, "random_numbers_are_left_to_others", "building it sets the global seed of torch"),
    (
        SetsNumPysSeed,
        "random_numbers_are_left_to_others",
        "running it sets the global seed of NumPy",
    ),
    (
        DrawsElsewhere,
        "seed_decides_the_weights",
        "two networks built with one seed differ in tail.weight",
    ),
    (Random, "same_input_gives_the_same_output", "two passes over one image differ"),
    (Forgets, "state_dict_round_trip", "something that affects it is not in the state dict"),
    (Tied, "state_dict_round_trip", "cannot be saved as safetensors: Some tensors share memory"),
    (Coupled, "images_do_not_affect_each_other", "an image differs by up to"),
    (Layout, "channels_last", "the output differs by up to 1; the limit is"),
    (Rounds, "bfloat16", "the output differs by up to"),
    (Untyped, "constructor", "'width' has no type annotation, so a recipe could contain any value"),
    (Untyped, "constructor", "the default of 'when', frozenset(), cannot be written as JSON"),
    (OtherDefault, "constructor", "the default of 'sizes', (1.5,), is not of its type"),
]


@pytest.mark.parametrize(("component", "check", "cause"), BROKEN)
def test_a_broken_promise_is_found(component: type[Generator], check: str, cause: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(cause)):
        getattr(contract(component), f"test_{check}")()


def test_what_cannot_be_copied_is_found() -> None:
    with pytest.raises(TypeError, match="cannot pickle"):
        contract(Uncopied).test_copies()


@pytest.mark.parametrize("component", [Sound, Gated, Merges])
@pytest.mark.parametrize(
    "check", [c for c in GeneratorContract.checks() if c not in ("test_compile", "test_onnx")]
)
def test_a_sound_generator_keeps_every_promise(component: type[Generator], check: str) -> None:
    before = torch.get_rng_state()
    getattr(contract(component), check)()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_fixed_method_has_no_gradient_to_reach_anything() -> None:
    class Nearest(Generator):
        def forward(self, lr_image: Tensor) -> Tensor:
            return nn.functional.interpolate(lr_image, scale_factor=self.scale)

    with pytest.raises(SkipTest, match="it has no parameters"):
        contract(Nearest).test_gradient_reaches_every_parameter()


def test_without_a_compiler_there_is_nothing_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_APART", "1")  # in this process, where the compiler is hidden
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SkipTest, match=r"needs a C\+\+ compiler"):
        contract(Sound).test_compile()


def test_without_the_extra_nothing_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_APART", "1")
    monkeypatch.setattr("zoo.exchange.onnx.PACKAGES", ("acme_runtime",))
    with pytest.raises(SkipTest, match=r"pip install 'srgan-zoo\[onnx\]'"):
        contract(Sound).test_onnx()


@pytest.mark.slow
def test_sizes_that_are_fixed_while_tracing_are_found() -> None:
    contract(Sound).test_onnx()
    with pytest.raises(
        AssertionError, match=r"becomes constant in the trace; compute with `image\.shap"
    ):
        contract(NumPySizes).test_onnx()
