from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tests.generators.test_all import NAMES
from zoo.errors import MachineError, WeightsError
from zoo.exchange import onnx as module
from zoo.exchange.onnx import OnnxReport, export_onnx
from zoo.generators.base import Generator
from zoo.registry import GENERATORS

SMALL: dict[str, dict[str, object]] = {
    "rrdb": {"width": 4, "growth": 2, "num_blocks": 1, "interpolation_skip": True},
    "srresnet": {"width": 4, "num_blocks": 1, "interpolation_skip": True},
    "srresnet-tanh": {"width": 4, "num_blocks": 1},
    "msrresnet": {"width": 4, "num_blocks": 1},
    "edsr": {"width": 4, "num_blocks": 1, "interpolation_skip": True},
}


def build(name: str, scale: int) -> Generator:
    torch.manual_seed(0)
    network = GENERATORS.get(name)(scale=scale, **SMALL.get(name, {})).eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):  # some start near zero, which hides mistakes
            nn.init.normal_(layer.weight, std=0.1)
    return network


def run(path: Path, image: Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["sr_image"], {"lr_image": image.numpy()})[0]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Generator, OnnxReport]:
    network = build("edsr", 2).train()
    network.tail.eval()
    path = tmp_path_factory.mktemp("onnx") / "deep" / "edsr.onnx"
    return network, export_onnx(network, path, metadata={"name": "mine", "licence": "mit"})


def test_any_size_and_batch(written: tuple[Generator, OnnxReport]) -> None:
    network, report = written
    for shape in [(1, 3, 1, 1), (3, 3, 2, 9), (1, 3, 40, 13)]:
        image = torch.rand(shape)
        with torch.no_grad():
            expected = network(image).numpy()
        np.testing.assert_allclose(run(report.path, image), expected, atol=1e-5)


def test_the_report_is_of_the_file(written: tuple[Generator, OnnxReport]) -> None:
    _, report = written
    content = report.path.read_bytes()
    assert report.sha256 == hashlib.sha256(content).hexdigest()
    assert report.path.with_name("edsr.onnx.sha256").read_text().startswith(report.sha256)
    assert 0 < report.difference < 1e-5
    assert sorted(path.name for path in report.path.parent.iterdir()) == [
        "edsr.onnx",
        "edsr.onnx.sha256",
    ]


def test_what_the_file_says_of_itself(written: tuple[Generator, OnnxReport]) -> None:
    _, report = written
    model = onnx.load(report.path)
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert (said["name"], said["licence"], said["scale"]) == ("mine", "mit", "2")
    assert '"range": [0, 1]' in said["input"]
    dimensions = [
        one.dim_param or one.dim_value for one in model.graph.input[0].type.tensor_type.shape.dim
    ]
    assert dimensions == ["batch", 3, "height", "width"]
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert [one.version for one in model.opset_import if one.domain == ""] == [report.opset]


@pytest.mark.slow
def test_another_opset(tmp_path: Path) -> None:
    assert export_onnx(build("edsr", 2), tmp_path / "x.onnx", opset=18).opset == 18


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", NAMES)
def test_every_built_in_generator(tmp_path: Path, name: str, scale: int) -> None:
    assert export_onnx(build(name, scale), tmp_path / "x.onnx").difference < 1e-4


def test_the_network_is_left_as_it_was(written: tuple[Generator, OnnxReport]) -> None:
    network, _ = written
    assert network.training
    assert network.body.training
    assert not network.tail.training


class Unfree(Generator):
    """Asks the image for its values, which no graph can hold."""

    def forward(self, lr_image: Tensor) -> Tensor:
        if float(lr_image.mean()) > 0:
            return lr_image.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)
        return lr_image


def test_what_cannot_be_expressed_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="Unfree cannot be expressed in ONNX"):
        export_onnx(Unfree(scale=2), tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


class Frozen(Unfree):
    """Makes plain numbers of height and width."""

    def forward(self, lr_image: Tensor) -> Tensor:
        height, width = int(lr_image.shape[2]), int(lr_image.shape[3])
        return lr_image.repeat_interleave(self.scale, 2).repeat_interleave(self.scale, 3)[
            :, :, : self.scale * height, : self.scale * width
        ]


class Padded(Unfree):
    """Reflects a border that small images do not have."""

    def forward(self, lr_image: Tensor) -> Tensor:
        return nn.functional.pad(lr_image, (4, 4, 4, 4), mode="reflect")


class Broken(Unfree):
    """Gives no numbers."""

    def forward(self, lr_image: Tensor) -> Tensor:
        return nn.functional.interpolate(lr_image, scale_factor=self.scale) / 0 * 0


@pytest.mark.parametrize(
    ("generator", "told"),
    [
        pytest.param(
            Frozen,
            "Frozen cannot .* height or width becomes constant in the trace",
            marks=pytest.mark.slow,
        ),
        (Padded, "Padded itself, before the export, cannot upscale an image of 1x3x1x1"),
        (Broken, "Broken gives NaN or infinite values for 1x3x1x1"),
    ],
)
def test_what_fails_when_it_is_run_is_refused_in_words(
    tmp_path: Path, generator: type[Generator], told: str
) -> None:
    with pytest.raises(WeightsError, match=told) as caught:
        export_onnx(generator(scale=2), tmp_path / "x.onnx")
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_computes_something_else_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_translated", lambda *_: (b"", 20))
    monkeypatch.setattr(module, "_difference", lambda *_: 0.5)
    with pytest.raises(WeightsError, match=r"differs from the generator by 0\.5"):
        export_onnx(build("bicubic", 2), tmp_path / "x.onnx")
    assert list(tmp_path.iterdir()) == []


def test_too_large_for_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", 1_000)
    with pytest.raises(WeightsError, match="the limit of an ONNX file is 1,000"):
        export_onnx(build("edsr", 2), tmp_path / "x.onnx")


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MachineError, match=r"onnxruntime: pip install 'srgan-zoo\[onnx\]'"):
        export_onnx(build("bicubic", 2), tmp_path / "x.onnx")
