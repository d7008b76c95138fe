"""The benchmark of feature networks: ratios of one turn. test_gpu_measure.py runs it."""

from __future__ import annotations

from benchmarks.feature_network_speed import NETWORKS, REFERENCE, markdown


def test_a_ratio_is_of_two_blocks_of_one_turn() -> None:
    seconds = {name: [2.0, 4.0, 6.0] for name in NETWORKS}
    seconds["VGG16, conv5_3"] = [3.0, 12.0, 12.0]
    about = {"size": "tiny", "batch_size": 8, "steps": 3, "threads": 2}
    text = markdown(about | {"seconds": seconds, "machine": "a CPU", "device": "cpu"})
    assert "| VGG16, conv5_3 | 12.00 | 2.00 (1.50 to 3.00) |" in text
    assert f"| {REFERENCE} | 4.00 | 1.00 (1.00 to 1.00) |" in text
