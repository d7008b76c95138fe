"""The benchmark of scoring: where its seconds go."""

from __future__ import annotations

import time

import pytest
import torch

from benchmarks.scoring_speed import LibraryClock, main


def test_only_outermost_calls_of_networks_are_counted() -> None:
    class Slow(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            time.sleep(0.05)
            return image

    clock, nested = LibraryClock(), torch.nn.Sequential(torch.nn.Sequential(Slow()), Slow())
    with clock.running():
        nested(torch.zeros(1))
        time.sleep(0.2)
    assert 0.1 <= clock.seconds < 0.2
    nested(torch.zeros(1))
    assert clock.seconds < 0.2, "it counts while it runs"


@pytest.mark.slow
def test_it_prints_a_row_a_generator(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--generators", "bicubic", "--repeats", "1", "--device", "cpu"])
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split() == ["generator", "seconds", "network", "metrics", "own"]
    name, seconds, network, metrics, own = row.split()
    assert name == "bicubic"
    assert float(network) + float(metrics) <= float(seconds) + 0.02
    assert 0 < float(own.rstrip("%")) < 50
