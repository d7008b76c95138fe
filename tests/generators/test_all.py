"""What every registered generator must do, built in or not."""

from __future__ import annotations

import inspect

import pytest
import torch

from zoo.errors import RecipeError
from zoo.generators.base import Generator
from zoo.recipes.arguments import parameters
from zoo.registry import GENERATORS
from zoo.testing import GeneratorContract

TINY = {"width": 8, "num_blocks": 1, "growth": 4}
NAMES = [
    name
    for name in GENERATORS.names()
    if not any(one.required for one in parameters(GENERATORS.get(name)).values())
]
"""Those that can be built from nothing; another has a test of its own."""
TRAINABLE = [name for name in NAMES if GENERATORS.get(name).trainable]


def takes(name: str, *parameters: str) -> bool:
    return set(parameters) <= inspect.signature(GENERATORS.get(name)).parameters.keys()


def small(name: str) -> dict[str, int]:
    return {key: value for key, value in TINY.items() if takes(name, key)}


def build(name: str, **settings: object) -> Generator:
    torch.manual_seed(0)
    return GENERATORS.get(name)(**(small(name) | settings))


@pytest.mark.parametrize("name", NAMES)
class TestEveryGenerator(GeneratorContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name: str) -> None:
        self.component, self.arguments = GENERATORS.get(name), small(name)

    @pytest.mark.slow
    def test_compile(self) -> None:
        super().test_compile()

    @pytest.mark.slow
    def test_onnx(self) -> None:
        super().test_onnx()


@pytest.mark.parametrize("name", NAMES)
def test_refuses_another_scale(name: str) -> None:
    known = ", ".join(str(scale) for scale in sorted(GENERATORS.get(name).scales))
    with pytest.raises(RecipeError, match=rf"no scale 5 \(it has {known}\)"):
        build(name, scale=5)


@pytest.mark.parametrize("name", [name for name in TRAINABLE if takes(name, "norm")])
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("interpolation_skip", [False, True])
def test_gradient_reaches_every_parameter(
    name: str, norm: str, *, interpolation_skip: bool
) -> None:
    if interpolation_skip and not takes(name, "interpolation_skip"):
        pytest.skip("it has no interpolation skip")
    skip = {"interpolation_skip": True} if interpolation_skip else {}
    generator = build(name, norm=norm, **skip)
    generator(torch.rand(2, 3, 6, 5)).square().mean().backward()
    for key, parameter in generator.named_parameters():
        assert parameter.grad is not None, key
        # Batch norm subtracts a bias in front of it: its gradient is zero but for rounding.
        if norm == "none" or not key.endswith("bias"):
            assert parameter.grad.any(), key


@pytest.mark.parametrize(
    "name", [name for name in TRAINABLE if takes(name, "norm", "interpolation_skip")]
)
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_untrained_with_interpolation_skip_is_bicubic(name: str, scale: int, norm: str) -> None:
    settings = {"width": 32, "num_blocks": 2} | ({"growth": 32} if takes(name, "growth") else {})
    generator = build(name, **settings, scale=scale, norm=norm, interpolation_skip=True)
    image = torch.rand(2, 3, 8, 9)
    with torch.no_grad():
        difference = generator(image) - build("bicubic", scale=scale)(image)
    assert difference.abs().max() < 1 / 255
