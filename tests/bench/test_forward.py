"""Running a generator on images: in company as alone, or one by one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from zoo.bench import evaluate
from zoo.bench.batches import GPU_PIXELS
from zoo.bench.candidates import callable_candidate
from zoo.bench.evaluate import Scorer
from zoo.bench.forward import ALIKE, Forward
from zoo.bench.judges import create_metrics
from zoo.bench.suites import BenchImage, open_suite
from zoo.errors import DivergedError, ShapeError
from zoo.generators.bicubic import Bicubic
from zoo.generators.srresnet import SRResNet
from zoo.recipes.schema import Runtime
from zoo.runs.device import choose_device, plan_execution

CPU = plan_execution(Runtime(), choose_device("cpu"))
SCORES = 1e-4
"""What company may move a score by: a pixel or two that fall to the next 8-bit level."""


class Watched(nn.Module):
    """Bicubic interpolation that remembers how many images came at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Bicubic(scale=4)
        self.seen: list[int] = []

    def forward(self, lr_image: Tensor) -> Tensor:
        self.seen.append(len(lr_image))
        sr_image: Tensor = self.inner(lr_image)
        return sr_image


class Mixed(Watched):
    """Makes each image depend on the others."""

    def forward(self, lr_image: Tensor) -> Tensor:
        return super().forward(lr_image) + 0.01 * lr_image.std()


class Greedy(Watched):
    """Has memory for one image."""

    def forward(self, lr_image: Tensor) -> Tensor:
        if len(lr_image) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(lr_image)


class Second(Watched):
    """Fails on one image of a batch alone."""

    def forward(self, lr_image: Tensor) -> Tensor:
        sr_image = super().forward(lr_image).clone()
        sr_image[-1, 0, 0, 0] = float("nan")
        return sr_image


@pytest.fixture
def images(tiny_suite: Path, tiny_data: Path) -> list[BenchImage]:
    suite = open_suite(str(tiny_suite), data_root=tiny_data)
    return [image for dataset in suite.datasets for image in dataset]


def trained() -> nn.Module:
    torch.manual_seed(0)
    return SRResNet(width=8, num_blocks=1, interpolation_skip=True).eval()


def furthest(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True))


def test_in_company_as_alone(images: list[BenchImage]) -> None:
    network = trained()
    alone = [Forward(network, CPU).alone(image) for image in images]
    assert [len(image) for image in alone] == [3, 3, 1], "two colour images and a grey one"
    assert furthest(Forward(network, CPU)(images), alone) < ALIKE / 10


def test_a_batch_is_run_at_once_and_checked_once(images: list[BenchImage]) -> None:
    network = Watched()
    forward = Forward(network, CPU)
    forward(images)
    forward(images)
    assert network.seen == [3, 1, 3]


def test_a_network_that_mixes_images_gets_them_one_by_one(
    images: list[BenchImage], caplog: pytest.LogCaptureFixture
) -> None:
    network = Mixed()
    alone = [Forward(network, CPU).alone(image) for image in images]
    forward = Forward(network, CPU)
    assert furthest(forward(images), alone) == 0
    assert "makes another image of 0 beside others" in caplog.text
    network.seen.clear()
    forward(images)
    assert network.seen == [1, 1, 1]


def test_a_batch_that_does_not_fit_goes_one_by_one(
    images: list[BenchImage], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    network = Greedy()
    assert len(Forward(network, CPU)(images)) == 3
    assert network.seen == [1, 1, 1]
    assert "3 images at a time do not fit" in caplog.text


def test_a_function_never_sees_a_batch(images: list[BenchImage]) -> None:
    network = Watched()
    Forward(network.forward, CPU)(images)
    assert network.seen == [1, 1, 1]


def test_what_is_no_image_is_named_in_a_batch_too(images: list[BenchImage]) -> None:
    with pytest.raises(DivergedError, match=f"{images[2].name}: the generator returned NaN"):
        Forward(Second(), CPU)(images)
    with pytest.raises(ShapeError, match=r"expected \(3, 3, 64, 64\), the generator returned"):
        Forward(nn.Identity(), CPU)(images)


def test_scores_do_not_depend_on_the_company(
    tiny_suite: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "measured_cost", lambda *_, **__: {})
    suite = open_suite(str(tiny_suite), data_root=tiny_data)
    scorer = Scorer(suite, create_metrics(suite.metrics), CPU, tmp_path)
    network = Watched()
    candidates = [
        callable_candidate(name, one, scale=4) for name, one in (("a", network), ("b", trained()))
    ]
    alone = [scorer.score(candidate) for candidate in candidates]
    assert set(network.seen) == {1}
    monkeypatch.setattr(evaluate, "most_pixels", lambda _: GPU_PIXELS)
    together = [scorer.score(candidate) for candidate in candidates]
    assert 2 in network.seen
    for first, second in zip(alone, together, strict=True):
        assert [image.name for image in first.datasets[0].images] == ["0", "1"]
        assert list(first.scored) == list(second.scored)
        for image, scores in first.scored.items():
            assert second.scored[image] == pytest.approx(scores, rel=SCORES, abs=SCORES)
