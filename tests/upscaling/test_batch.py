"""One file after another: failures of one picture, and of the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.upscaling.networks import Blur, Greedy
from zoo.errors import MachineError
from zoo.upscaling import batch
from zoo.upscaling.batch import STEPS, upscale_files
from zoo.upscaling.jobs import Job, existing, find_inputs, plan_jobs
from zoo.upscaling.pictures import Pixels
from zoo.upscaling.tiles import TiledUpscaler

Save = Callable[..., Path]


@pytest.fixture
def jobs(save: Save, colours: Pixels, tmp_path: Path) -> list[Job]:
    """Return three jobs, the second of a larger picture."""
    sizes = (1, 10, 1)
    sources = [
        save(f"{number}.png", np.tile(colours, (size, size, 1)))
        for number, size in enumerate(sizes)
    ]
    return [Job(source, tmp_path / "out" / source.name) for source in sources]


def test_a_picture_without_memory_for_it_costs_itself(jobs: list[Job]) -> None:
    upscaler = TiledUpscaler(Greedy(most=1000, error=MemoryError()), tile=0)
    outcomes = list(upscale_files(upscaler, jobs))
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"]
    assert "1.png: 160x120 pixels do not fit into the memory" in (outcomes[1].error or "")
    assert all(outcome.seconds > 0 for outcome in outcomes)


LONG = ("a" * 251, "a" * 250 + "b", "é" * 125 + "x", "写" * 83, "a" * 238)


@pytest.mark.parametrize("beside", [True, False])
def test_names_as_long_as_there_are_get_outputs_of_their_own(
    *, save: Save, colours: Pixels, tmp_path: Path, beside: bool
) -> None:
    for name in LONG:
        save(f"in/{name}.png", colours)
    found = find_inputs([str(tmp_path / "in")], recursive=False)
    output = None if beside else tmp_path / "out"
    jobs, _ = plan_jobs(found, output, form="tiff", scale=2)
    assert existing(jobs) == []
    outcomes = list(upscale_files(TiledUpscaler(Blur()), jobs))
    assert [outcome.error for outcome in outcomes] == [None] * len(LONG)
    assert len(existing(jobs)) == len({job.target for job in jobs}) == len(LONG)


@pytest.mark.parametrize("name", ["b" * 300 + ".png", "c" * 300 + "/x.png"])
def test_a_name_that_the_file_system_refuses_costs_its_picture(
    jobs: list[Job], tmp_path: Path, name: str
) -> None:
    """As others than ours do of shorter names."""
    jobs[1] = Job(jobs[1].source, tmp_path / "out" / name)
    assert existing(jobs) == []
    outcomes = list(upscale_files(TiledUpscaler(Blur()), jobs))
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done"]
    assert "File name too long: choose another name" in (outcomes[1].error or "")


def test_what_came_into_being_meanwhile_is_left_alone(jobs: list[Job]) -> None:
    going = upscale_files(TiledUpscaler(Blur()), jobs)
    assert next(going).status == "done"
    jobs[1].target.write_text("mine")
    second = next(going)
    assert second.status == "failed"
    assert "out/1.png was created in the meantime" in (second.error or "")
    assert jobs[1].target.read_text() == "mine"
    again = list(upscale_files(TiledUpscaler(Blur()), jobs, overwrite=True))
    assert [outcome.status for outcome in again] == ["done"] * 3


def test_a_result_that_cannot_be_written_stops_the_rest(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> tuple[str, ...]:
        raise MachineError("the disk is full")

    going = upscale_files(TiledUpscaler(Blur()), jobs)
    assert next(going).status == "done"
    monkeypatch.setattr(batch, "write_picture", full)
    with pytest.raises(MachineError, match="the disk is full"):
        next(going)


def test_progress_counts_pictures_and_their_tiles(jobs: list[Job]) -> None:
    told: list[tuple[int, int]] = []
    upscaler = TiledUpscaler(Blur(), tile=64)
    list(upscale_files(upscaler, jobs, lambda done, total: told.append((done, total))))
    done = [step for step, _ in told]
    assert done == sorted(done)
    assert len({step for step in done if STEPS < step < 2 * STEPS}) > 3, "the larger one's tiles"
    assert told[-1] == (3 * STEPS, 3 * STEPS)
    assert {total for _, total in told} == {3 * STEPS}
