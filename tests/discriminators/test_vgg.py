from __future__ import annotations

import pytest
import torch
from torch import nn

from zoo.discriminators.vgg import DiscriminatorNorm, VGGDiscriminator
from zoo.errors import RecipeError, ShapeError

NORMS: list[DiscriminatorNorm] = ["batch", "layer", "instance", "none"]


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_of_the_paper() -> None:
    with torch.device("meta"):
        paper = VGGDiscriminator(head="flatten", patch_size=96)
        pooled = VGGDiscriminator()
        plain = VGGDiscriminator(norm="none")
    assert count(paper) == 23_565_505
    assert count(plain.trunk) == 4_685_376
    assert count(plain) == 5_211_713
    assert count(pooled) - count(plain) == 2 * (64 + 2 * 128 + 2 * 256 + 2 * 512)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("size", [(17, 17), (24, 40), (33, 96)])
def test_pool_head_scores_any_size(norm: DiscriminatorNorm, size: tuple[int, int]) -> None:
    discriminator = VGGDiscriminator(width=4, norm=norm, hidden=8)
    logits = discriminator(torch.rand(2, 3, *size))
    assert logits.shape == (2, 1)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in discriminator.parameters())


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_sixteen_pixels_are_enough(norm: DiscriminatorNorm) -> None:
    assert VGGDiscriminator(width=4, norm=norm, hidden=8)(torch.rand(2, 3, 16, 16)).shape == (2, 1)


def test_instance_norm_needs_more_than_one_value() -> None:
    with pytest.raises(ShapeError, match="16x16"):
        VGGDiscriminator(width=4, norm="instance", hidden=8)(torch.rand(2, 3, 16, 16))


@pytest.mark.parametrize(
    ("norm", "layer"),
    [("batch", nn.BatchNorm2d), ("layer", nn.GroupNorm), ("instance", nn.InstanceNorm2d)],
)
def test_norm_after_all_but_the_first(norm: DiscriminatorNorm, layer: type[nn.Module]) -> None:
    trunk = list(VGGDiscriminator(width=4, norm=norm).trunk)
    assert [type(item) for item in trunk[:2]] == [nn.Conv2d, nn.LeakyReLU]
    norms = [item for item in trunk if isinstance(item, layer)]
    assert len(norms) == 7
    assert all(item.weight is not None for item in norms)


def test_layer_norm_is_over_channels_height_and_width_of_one_image() -> None:
    norm = VGGDiscriminator(width=4, norm="layer").trunk[3]
    normalised = norm(torch.randn(3, 4, 6, 5) * 7 + 2)
    torch.testing.assert_close(normalised.mean((1, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        normalised.var((1, 2, 3), correction=0), torch.ones(3), atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("norm", ["layer", "instance", "none"])
def test_images_of_a_batch_are_scored_independently(norm: DiscriminatorNorm) -> None:
    discriminator = VGGDiscriminator(width=4, norm=norm, hidden=8)
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(discriminator(images)[:1], discriminator(images[:1]))


@pytest.mark.parametrize("patch_size", [32, 40])
def test_flatten_head_takes_its_patch_size_alone(patch_size: int) -> None:
    discriminator = VGGDiscriminator(width=4, head="flatten", patch_size=patch_size, hidden=8)
    assert discriminator(torch.rand(2, 3, patch_size, patch_size)).shape == (2, 1)
    with pytest.raises(ShapeError, match=f"images of {patch_size}x{patch_size}, not 32x48"):
        discriminator(torch.rand(2, 3, 32, 48))


def test_flatten_head_needs_a_patch_size() -> None:
    with pytest.raises(RecipeError, match="patch_size"):
        VGGDiscriminator(head="flatten")
