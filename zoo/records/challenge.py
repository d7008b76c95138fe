"""Costs by the conventions of the NTIRE challenges on efficient super-resolution.

The challenge counts a multiplication and an addition as one FLOP, on an input of 256x256, and as
activations the elements of the outputs of convolutions. Papers since CARN count multi-adds for an
output of 1280x720. Records that older versions made have none of these. Not here: counting
(`zoo.cost.challenge`).
"""

from __future__ import annotations

from typing import Final

from zoo.records.record import Column

SIDE: Final = 256
WIDE: Final = (720, 1280)
FLOPS, ACTIVATIONS, MULTI_ADDS = "challenge_flops", "challenge_activations", "multi_adds_720p"
CHALLENGE_COLUMNS: Final[dict[str, Column]] = {
    FLOPS: Column(label=f"FLOPs at {SIDE}x{SIDE} (NTIRE)", unit="MAC", higher_is_better=False),
    ACTIVATIONS: Column(label=f"Activations at {SIDE}x{SIDE} (NTIRE)", higher_is_better=False),
    MULTI_ADDS: Column(
        label=f"Multi-adds for {WIDE[1]}x{WIDE[0]}", unit="MAC", higher_is_better=False
    ),
}
