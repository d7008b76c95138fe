"""What every registered generator must do, built in or not."""

from __future__ import annotations

import pytest
import torch

from zoo.errors import RecipeError
from zoo.generators.base import Generator
from zoo.registry import GENERATORS

SMALL: dict[str, dict[str, object]] = {
    "srresnet": {"width": 8, "num_blocks": 2},
    "rrdb": {"width": 8, "growth": 4, "num_blocks": 1},
}
NAMES = GENERATORS.names()
TRAINABLE = [name for name in NAMES if GENERATORS.get(name).trainable]


def build(name: str, **settings: object) -> Generator:
    torch.manual_seed(0)
    return GENERATORS.get(name)(**(SMALL.get(name, {}) | settings))


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (8, 3)])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("name", NAMES)
def test_enlarges_any_image(name: str, scale: int, size: tuple[int, int]) -> None:
    generator = build(name, scale=scale).eval()
    with torch.no_grad():
        sr_image = generator(torch.rand(2, 3, *size))
    assert sr_image.shape == (2, 3, scale * size[0], scale * size[1])
    assert sr_image.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_refuses_another_scale(name: str) -> None:
    with pytest.raises(RecipeError, match=r"no scale 5 \(it has 2, 3, 4, 8\)"):
        build(name, scale=5)


@pytest.mark.parametrize("name", TRAINABLE)
@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("interpolation_skip", [False, True])
def test_gradient_reaches_every_parameter(
    name: str, norm: str, *, interpolation_skip: bool
) -> None:
    generator = build(name, norm=norm, interpolation_skip=interpolation_skip)
    generator(torch.rand(2, 3, 6, 5)).square().mean().backward()
    for key, parameter in generator.named_parameters():
        assert parameter.grad is not None, key
        # Batch norm subtracts a bias in front of it: its gradient is zero but for rounding.
        if norm == "none" or not key.endswith("bias"):
            assert parameter.grad.any(), key


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_round_trip(name: str) -> None:
    first, second = build(name).eval(), GENERATORS.get(name)(**SMALL.get(name, {})).eval()
    second.load_state_dict(first.state_dict())
    image = torch.rand(1, 3, 4, 5)
    with torch.no_grad():
        assert torch.equal(first(image), second(image))


@pytest.mark.parametrize("name", TRAINABLE)
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_untrained_with_interpolation_skip_is_bicubic(name: str, scale: int, norm: str) -> None:
    settings = {"width": 32, "num_blocks": 2} | ({"growth": 32} if name == "rrdb" else {})
    generator = build(name, **settings, scale=scale, norm=norm, interpolation_skip=True)
    image = torch.rand(2, 3, 8, 9)
    with torch.no_grad():
        difference = generator(image) - build("bicubic", scale=scale)(image)
    assert difference.abs().max() < 1 / 255


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_autocast_and_channels_last(name: str) -> None:
    generator = build(name, scale=2).to(memory_format=torch.channels_last).eval()
    image = torch.rand(1, 3, 6, 5).to(memory_format=torch.channels_last)
    with torch.no_grad():
        exact = generator(image)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = generator(image)
    torch.testing.assert_close(rounded.float(), exact, atol=0.03, rtol=0.03)
