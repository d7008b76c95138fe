"""The self-test of LPIPS, with a metric that gives what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from zoo.bench import selftest_lpips
from zoo.bench.selftest import SelfTestError
from zoo.bench.selftest_lpips import PUBLISHED, TOLERANCE, check_lpips
from zoo.bench.session import self_test
from zoo.bench.suites import open_suite
from zoo.generators.bicubic import Bicubic
from zoo.metrics.base import Metric
from zoo.metrics.learned import LPIPSAlex


class Told(Metric):
    """Gives one score, and keeps what it was shown."""

    label = "LPIPS-Alex"
    needs = ("alexnet", "lpips")

    def __init__(self, score: float) -> None:
        self.value = score
        self.seen: list[tuple[Tensor, Tensor, int]] = []

    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        self.seen.append((sr_image, hr_image, scale))
        return self.value

    def provenance(self) -> dict[str, str]:
        return {"sha256": "abc" * 20}


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setitem(PUBLISHED, ("Colour", 4), 0.4)
    return 0.4


def test_a_published_value_that_is_hit_is_told(
    tiny_suite: Path, tiny_data: Path, published: float
) -> None:
    dataset = open_suite(str(tiny_suite), data_root=tiny_data).datasets[0]
    metric = Told(published + 0.9 * TOLERANCE)
    assert check_lpips("Colour", 4, dataset, metric) == (
        "LPIPS-Alex on whole images 0.4009, published 0.4000"
    )
    assert check_lpips("Grey", 4, dataset, metric) == ""
    assert len(metric.seen) == len(dataset)
    for (sr_image, hr_image, border), image in zip(metric.seen, dataset, strict=True):
        lr_image = torch.from_numpy(image.lr_image.copy()).permute(2, 0, 1) / 255
        assert torch.equal(sr_image, Bicubic(scale=4)(lr_image[None])[0])
        assert hr_image.shape == sr_image.shape, "nothing is cut"
        assert border == 0


def test_one_that_is_missed_stops_the_bench_and_names_the_weights(
    tiny_suite: Path, tiny_data: Path, published: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = open_suite(str(tiny_suite), data_root=tiny_data)
    monkeypatch.setattr("zoo.bench.session.why_unchecked", lambda *_: None)
    monkeypatch.setattr("zoo.bench.session.check_bicubic", lambda *_: None)
    scores = selftest_lpips.PUBLISHED.keys()
    monkeypatch.setattr("zoo.bench.session.PUBLISHED", dict.fromkeys(
        [*scores, ("Colour", 4), ("Grey", 4)], type("Scores", (), {"psnr": 1.0, "ssim": 1.0})
    ))  # fmt: skip
    found = self_test(suite, Told(published))
    assert "LPIPS-Alex on whole images 0.4000" in found["Colour"]
    assert "LPIPS" not in found["Grey"]
    with pytest.raises(SelfTestError) as caught:
        self_test(suite, Told(published + 1.1 * TOLERANCE))
    assert caught.value.link == "LPIPS"
    for word in ("0.4011", "0.4000", "sha256 abcabcabcabc", "zoo weights get alexnet lpips"):
        assert word in str(caught.value)
    assert "LPIPS" not in self_test(suite)["Colour"], "without weights there is nothing to test"


@pytest.mark.slow
def test_bicubic_has_the_published_lpips(
    shared_data: Path, real_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(real_weights.parent))
    suite = open_suite("classical-x4", data_root=shared_data)
    found = self_test(suite, LPIPSAlex())
    assert "LPIPS-Alex on whole images 0.3406, published 0.3407" in found["Set5"]
    assert "LPIPS-Alex on whole images 0.4401, published 0.4393" in found["Set14"]
