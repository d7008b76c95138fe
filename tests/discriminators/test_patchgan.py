from __future__ import annotations

import pytest
import torch

from zoo.discriminators.patchgan import PatchDiscriminator
from zoo.errors import ShapeError


def test_parameter_count() -> None:
    network = PatchDiscriminator()
    assert sum(each.numel() for each in network.parameters()) == 2_765_633


@pytest.mark.parametrize(("num_strided", "side"), [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_as_many_pixels_as_in_the_paper(num_strided: int, side: int) -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(width=2, num_strided=num_strided, norm="none")
    image = torch.rand(1, 3, 160, 160, requires_grad=True)
    logits = network(image)
    middle = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], image)
    rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == side


def test_small_images_are_refused() -> None:
    network = PatchDiscriminator(width=2, norm="instance")
    assert network(torch.rand(2, 3, 24, 24)).shape == (2, 1, 1, 1)
    with pytest.raises(ShapeError, match="24x24 pixels, not 23x40; reduce num_strided"):
        network(torch.rand(2, 3, 23, 40))
