"""Networks of spandrel as generators. The architectures here are examples: zoo names none."""

from __future__ import annotations

from typing import Any

import pytest
import spandrel
import torch

from zoo.errors import RecipeError, UnknownNameError
from zoo.generators.spandrel import Sizes, SpandrelNetwork, architectures, find_architecture
from zoo.testing import GeneratorContract

COMPACT = {
    "architecture": "Compact",
    "hyperparameters": {"num_feat": 8, "num_conv": 2, "upscale": 4},
}
SWIN = {
    "architecture": "SwinIR",
    "hyperparameters": {
        "img_size": 16,
        "window_size": 8,
        "depths": [2],
        "num_heads": [2],
        "embed_dim": 16,
        "upscale": 2,
        "upsampler": "pixelshuffle",
    },
}
DENOISER = {"architecture": "DnCNN", "hyperparameters": {"nc": 8, "nb": 17}}


class OfOneScale(SpandrelNetwork):
    """These arguments make one scale; another needs others."""

    scales = frozenset({4})


class TestContract(GeneratorContract):
    component, arguments = OfOneScale, COMPACT

    @pytest.mark.slow
    def test_compile(self) -> None:
        super().test_compile()

    @pytest.mark.slow
    def test_onnx(self) -> None:
        super().test_onnx()


def build(scale: int, arguments: dict[str, Any]) -> SpandrelNetwork:
    torch.manual_seed(0)
    return SpandrelNetwork(scale=scale, **arguments).eval()


@pytest.mark.parametrize(("scale", "arguments"), [(4, COMPACT), (2, SWIN)])
def test_it_gives_what_spandrels_own_call_gives(scale: int, arguments: dict[str, Any]) -> None:
    generator = build(scale, arguments)
    state = generator.state_dict()
    theirs = spandrel.ModelLoader().load_from_state_dict(dict(state))
    image = torch.rand(2, 3, 13, 21, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = generator(image).clamp(0, 1)
    assert torch.equal(ours, torch.cat([theirs(one[None]) for one in image]))


def test_its_weights_have_the_names_that_other_tools_read() -> None:
    generator = build(4, COMPACT)
    assert generator.state_dict().keys() == generator.network.state_dict().keys()
    average = torch.optim.swa_utils.AveragedModel(generator, use_buffers=True)
    average.load_state_dict(average.state_dict())


def test_a_network_of_one_channel_sees_luma_and_leaves_the_colours() -> None:
    generator = build(1, DENOISER)
    assert generator.channels == 1
    grey = torch.rand(1, 1, 9, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        enlarged = generator(grey.expand(1, 3, 9, 7))
        alone = generator.run(grey)
        shifted = generator(grey + torch.tensor([0.1, 0.0, -0.0299 / 0.114])[:, None, None])
    torch.testing.assert_close(enlarged, alone.expand(1, 3, 9, 7))
    torch.testing.assert_close(shifted[:, 0] - shifted[:, 1], torch.full((1, 9, 7), 0.1))


@pytest.mark.parametrize(
    ("sizes", "side", "expected"),
    [
        (Sizes(), (3, 5), (3, 5)),
        (Sizes(minimum=16), (3, 20), (16, 20)),
        (Sizes(multiple=8), (9, 16), (16, 16)),
        (Sizes(multiple=4, square=True), (3, 9), (12, 12)),
        (Sizes(minimum=10, multiple=4), (1, 1), (12, 12)),
    ],
)
def test_an_image_is_padded_to_what_is_asked_for(
    sizes: Sizes, side: tuple[int, int], expected: tuple[int, int]
) -> None:
    image = torch.rand(1, 3, *side)
    padded = sizes.padded(image)
    assert padded.shape[-2:] == expected
    assert torch.equal(padded[..., : side[0], : side[1]], image)
    if side[1] > 1 and expected[1] > side[1]:
        assert torch.equal(padded[..., : side[0], side[1]], image[..., -2])


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"architecture": "SwinIRR"}, UnknownNameError, "did you mean 'SwinIR'"),
        ({"architecture": "PLKSR"}, RecipeError, r"has several networks.*RealPLKSR"),
        ({"architecture": "PLKSR", "network": "x"}, UnknownNameError, "unknown network 'x'"),
        (
            {"architecture": "Compact", "hyperparameters": {"upscal": 4}},
            RecipeError,
            "it has no argument 'upscal'; did you mean 'upscale'",
        ),
        (
            {"architecture": "Compact", "hyperparameters": {"upscale": 2}},
            RecipeError,
            "enlarges 2 times, not 4",
        ),
        ({"architecture": "LaMa"}, RecipeError, "needs a mask"),
    ],
)
def test_what_cannot_be_built_says_why(
    arguments: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        build(4, arguments)


def test_zoos_own_networks_in_spandrels_registry_are_not_spandrels() -> None:
    from zoo.exchange.spandrel import install

    install()
    assert not [one.id for one in architectures() if one.id.startswith("zoo-")]
    assert find_architecture("Compact").id == "Compact"


def test_a_network_that_changes_its_input_leaves_the_image_as_it_was() -> None:
    generator = build(4, COMPACT)
    call = generator._call
    generator._call = lambda network, image: call(network, image.mul_(0.5))
    image = torch.rand(1, 3, 8, 8)
    before = image.clone()
    first = generator(image)
    assert torch.equal(image, before)
    assert torch.equal(generator(image), first)


@pytest.mark.parametrize(
    ("sizes", "allowed"),
    [
        (Sizes(16, 8), True),
        (Sizes(0, 128), False),
        (Sizes(512), False),
        (Sizes(square=True), False),
    ],
)
def test_strips_are_for_networks_that_do_not_pad_them_to_pictures(
    sizes: Sizes,
    allowed: bool,  # noqa: FBT001
) -> None:
    assert sizes.allow_strips == allowed
