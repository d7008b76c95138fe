"""The benchmark of parity with other tools."""

from __future__ import annotations

import pytest
import torch

from benchmarks.parity import SMALL, Row, difference, least_effect, main, random_network, table
from zoo.generators.bicubic import Bicubic, bicubic_upscale
from zoo.models.trial import try_generator


class Lighter(Bicubic):
    """Bicubic, lighter by a quarter."""

    def forward(self, lr_image: torch.Tensor) -> torch.Tensor:
        return bicubic_upscale(lr_image, self.scale) + 0.25


def test_a_difference_is_the_largest_absolute_one() -> None:
    assert difference(Bicubic(), Lighter()) == pytest.approx(0.25)


@pytest.mark.parametrize("name", SMALL)
def test_random_networks_make_images(name: str) -> None:
    assert try_generator(random_network(name, 4, SMALL[name])).passed


@pytest.mark.parametrize("name", SMALL)
def test_a_wrong_weight_would_show(name: str) -> None:
    network = random_network(name, 4, SMALL[name])
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert least_effect(network) > 2e-5
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_row_of_the_table() -> None:
    text = table([Row("net x4", 1234, "ESRGAN", 5e-4, 1.2e-7, 0.0, 3.4e-6)])
    row = "| net x4 | 1,234 | ESRGAN | 5.0e-04 | 1.2e-07 | 0.0e+00 | 3.4e-06 |"
    assert row in text.splitlines()


@pytest.mark.slow
def test_small_networks_agree(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--small"])
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if " x4, " in line]
    assert len(rows) == len(SMALL)
    for row in rows:
        least, *differences = map(float, row[4:8])
        assert max(differences) < 1e-5 < least
