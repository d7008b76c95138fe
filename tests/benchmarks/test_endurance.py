"""The endurance benchmark with small counts: nothing is lost, and it would notice if it were."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from benchmarks.endurance import damage, ends, kills, processes, signals
from benchmarks.endurance.processes import Event, Place

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with processes.opened(tmp_path_factory.mktemp("endurance"), seed=1) as found:
        yield found


def test_killed_at_random_moments_every_run_resumes_and_ends_alike(place: Place) -> None:
    found = kills.kill(place, 3)
    for name in ("killed", "resumed", "equal ends"):
        assert found[name] == 3
    assert found["torn files"] == found["lost checkpoints"] == 0
    assert sum(found["by phase"].values()) == 3


def test_every_flipped_bit_is_seen_and_said(place: Place) -> None:
    found = damage.flip(place, 10)
    seen = ("checkpoint: the one before used", "checkpoint: said", "weights: refused, said")
    assert [found[name] for name in seen] == [10, 10, 10]
    assert found["ends compared"] == found["equal ends"] == 1


def test_signals_end_with_their_codes_and_lose_nothing(place: Place) -> None:
    found = signals.stop(place, 3)
    assert found["right exit codes"] == found["signals sent"] == 3
    assert found["groups left alive"] == 0
    assert found["most steps lost"] <= 1


def test_who_is_left_in_a_group_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader that ends and leaves a child behind, which ends with its standard input."""
    monkeypatch.setattr(signals, "GRACE", 0.2)
    leaves = "import subprocess; subprocess.Popen('cat')"
    with subprocess.Popen(
        [sys.executable, "-c", leaves], stdin=subprocess.PIPE, start_new_session=True
    ) as leader:
        leader.wait()
        assert signals.group_is_alive(leader.pid)
        assert leader.stdin is not None
        leader.stdin.close()
        monkeypatch.setattr(signals, "GRACE", 30.0)
        assert not signals.group_is_alive(leader.pid)


def test_a_second_process_is_told_who_holds_the_directory(place: Place) -> None:
    found = damage.share(place)
    assert found["exit code of the second"] == 5
    assert found["names the holder"]


def test_memory_and_open_files_stay_flat(place: Place) -> None:
    found = signals.last_long(place, 200)
    least, most = found["open files, least and most"]
    assert most - least <= 3, "a row, a checkpoint and a lock may be open when one looks"
    grown = found["resident MiB, most"] - found["resident MiB, first after warming up"]
    assert grown < 10


def test_a_difference_would_be_noticed() -> None:
    state = {"a": [torch.zeros(2), 1]}
    assert ends.same_bits(state, {"a": [torch.zeros(2), 1]})
    assert not ends.same_bits(state, {"a": [torch.tensor([0.0, 1e-30]), 1]})
    assert not ends.same_bits(state, {"a": [torch.zeros(2), 2]})


@pytest.mark.parametrize(
    ("kind", "step", "phase"),
    [
        ("started", 0, "training"),
        ("stepped", 1, "training"),
        ("stepped", 3, "validation"),
        ("validated", 3, "checkpoint"),
        ("saved", 3, "training"),
        ("saved", processes.STEPS, "end"),
        ("validated", 0, "training"),
    ],
)
def test_the_phase_follows_from_what_was_said_last(kind: str, step: int, phase: str) -> None:
    assert kills.phase_after(Event(kind, step, 0.0)) == phase
