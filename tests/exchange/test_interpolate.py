from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.exchange.made_up import digest, make_training
from tests.exchange.networks import passing
from zoo.errors import RecipeError, WeightsError
from zoo.exchange.interpolate import interpolate, trained_apart
from zoo.models.details import Details, TrainingFacts
from zoo.models.model import Model

GENERATOR = {"name": "srresnet", "width": 4, "num_blocks": 1}


def model(name: str, tensors: dict[str, Tensor], *, scale: int = 4, **details: object) -> Model:
    generator = GENERATOR | dict(details.pop("generator", {}))
    described = Details(name=name, generator=generator, scale=scale, origin="imported", **details)
    return Model(described, tensors, sha256="0" * 64 if name == "a" else "1" * 64)


def weights(value: float, steps: int = 1) -> dict[str, Tensor]:
    return {"w": torch.tensor([value, 2 * value]), "num_batches_tracked": torch.tensor(steps)}


def test_weights_are_the_mean_with_alpha_on_b() -> None:
    mixed = interpolate(model("a", weights(1.0)), model("b", weights(5.0)), 0.25)
    assert torch.equal(mixed.tensors["w"], torch.tensor([2.0, 4.0]))


@pytest.mark.parametrize(("alpha", "end"), [(0.0, 0), (1.0, 1)])
def test_the_ends_are_the_models_themselves_bit_by_bit(alpha: float, end: int) -> None:
    torch.manual_seed(0)
    ends = [{"w": torch.randn(1000)}, {"w": torch.randn(1000)}]
    mixed = interpolate(model("a", ends[0]), model("b", ends[1]), alpha)
    assert torch.equal(mixed.tensors["w"], ends[end]["w"])


@pytest.mark.parametrize(("alpha", "steps"), [(0.2, 10), (0.5, 10), (0.8, 30)])
def test_counters_are_those_of_the_nearer_model(alpha: float, steps: int) -> None:
    mixed = interpolate(model("a", weights(1.0, 10)), model("b", weights(2.0, 30)), alpha)
    counter = mixed.tensors["num_batches_tracked"]
    assert counter.dtype == torch.int64
    assert counter.item() == steps


def test_a_mixed_network_runs() -> None:
    network = passing("srresnet", width=4, num_blocks=1)
    one = {name: value.clone() for name, value in network.state_dict().items()}
    other = {name: 1.01 * value if value.ndim else value for name, value in one.items()}
    mixed = interpolate(model("a", one), model("b", other), 0.5)
    image = torch.rand(1, 3, 6, 5)
    with torch.no_grad():
        assert mixed.build()(image).shape == (1, 3, 24, 20)


def test_what_the_mixture_says_of_itself() -> None:
    first = model("a", weights(1.0), licence="mit")
    details = interpolate(first, model("owner/b", weights(2.0), licence="mit"), 0.2).details
    assert (details.name, details.origin, details.licence) == ("a-b-0.2", "interpolated", "mit")
    assert details.source == {
        "a": "a",
        "a_sha256": "0" * 64,
        "b": "owner/b",
        "b_sha256": "1" * 64,
        "alpha": "0.2",
    }
    assert details.summary == "0.8 x a + 0.2 x owner/b"


def test_two_licences_make_none() -> None:
    first, second = model("a", weights(1), licence="mit"), model("b", weights(2), licence="x")
    assert interpolate(first, second, 0.5).details.licence is None


@pytest.mark.parametrize("alpha", [-0.1, 1.1, math.nan, math.inf])
def test_alpha_goes_from_0_to_1(alpha: float) -> None:
    with pytest.raises(RecipeError, match="it must be between 0"):
        interpolate(model("a", weights(1.0)), model("b", weights(2.0)), alpha)


@pytest.mark.parametrize(
    ("second", "told"),
    [
        (model("b", weights(1), scale=2), "scale is 4 and 2"),
        (model("b", weights(1), generator={"width": 8}), "width is 4 and 8"),
        (model("b", weights(1), generator={"norm": "none"}), "norm is None and 'none'"),
        (model("b", {"w": torch.zeros(3)}), r"num_batches_tracked is \(\) and absent; w is \(2,\)"),
    ],
)
def test_different_networks_are_refused_with_the_difference(second: Model, told: str) -> None:
    with pytest.raises(WeightsError, match=f"a and b are not the same network: {told}"):
        interpolate(model("a", weights(1)), second, 0.5)


def test_methods_without_weights_are_refused() -> None:
    with pytest.raises(WeightsError, match="no weights to interpolate"):
        interpolate(model("a", {}), model("b", {}), 0.5)


def test_alphas_that_are_close_have_two_names() -> None:
    first, second = model("a" * 128, weights(1.0)), model("b" * 128, weights(2.0))
    names = {interpolate(first, second, alpha).details.name for alpha in (0.1234567, 0.12345671)}
    assert len(names) == 2


def test_networks_trained_apart_are_told() -> None:
    content = make_training(identity_sha256=digest("pretraining"))
    tuned = make_training(adversarial=True)
    other = make_training(identity_sha256=digest("other seed"))

    def trained(training: TrainingFacts) -> Model:
        return model("a", weights(1.0), training=training)

    assert not trained_apart(trained(content), trained(tuned))
    assert not trained_apart(trained(tuned), trained(tuned))
    assert trained_apart(trained(other), trained(tuned))
    assert not trained_apart(model("a", weights(1.0)), trained(tuned))
