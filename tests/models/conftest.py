"""Tiny models, and a finished run made without training."""

from __future__ import annotations

import pytest
import torch

from zoo.models.details import Details
from zoo.models.model import Model
from zoo.registry import GENERATORS

GENERATOR = {"name": "srresnet", "width": 8, "num_blocks": 1, "norm": "none"}


def make_model(name: str = "tiny", *, seed: int = 0, scale: int = 2) -> Model:
    arguments = {key: value for key, value in GENERATOR.items() if key != "name"}
    torch.manual_seed(seed)
    generator = GENERATORS.get("srresnet")(scale=scale, **arguments)
    details = Details(
        name=name, summary="made in a test", generator=GENERATOR, scale=scale, origin="imported"
    )
    return Model(details, generator.state_dict())


@pytest.fixture
def tiny() -> Model:
    return make_model()
