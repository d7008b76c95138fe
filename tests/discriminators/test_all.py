"""What every registered discriminator must do, built in or not."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.registry import DISCRIMINATORS
from zoo.testing import DiscriminatorContract

NORMS = ("batch", "layer", "instance", "none")
SMALL: dict[str, list[dict[str, Any]]] = {
    "vgg": [{"width": 4, "hidden": 8, "norm": norm} for norm in NORMS],
    "vgg-sn": [{"width": 4, "hidden": 8}],
    "patchgan": [{"width": 4, "norm": norm} for norm in NORMS],
    "unet-sn": [{"width": 4}],
}
VARIANTS = [(name, each) for name in DISCRIMINATORS.names() for each in SMALL.get(name, [{}])]
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
