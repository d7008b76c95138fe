"""What every registered discriminator must do, built in or not."""

from __future__ import annotations

import pytest

from zoo.registry import DISCRIMINATORS
from zoo.testing import DiscriminatorContract

VARIANTS = [
    (name, {"width": 4, "hidden": 8, "norm": norm})
    for name in DISCRIMINATORS.names()
    for norm in ("batch", "layer", "instance", "none")
]
FLATTEN = {"width": 4, "hidden": 8, "head": "flatten", "patch_size": 48}


@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=str)
class TestEveryDiscriminator(DiscriminatorContract):
    sizes = ((32, 32), (24, 40), (33, 47))

    @pytest.fixture(autouse=True)
    def _choose(self, name: str, settings: dict[str, object]) -> None:
        self.component, self.arguments = DISCRIMINATORS.get(name), settings


class TestOneSize(DiscriminatorContract):
    component = DISCRIMINATORS.get("vgg")
    arguments = FLATTEN
    sizes = ((32, 32), (48, 48))
