"""Which images are scored together, and decoding them ahead of their turn."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import torch

from zoo.bench.batches import GPU_PIXELS, decoded, most_pixels, plan_batches
from zoo.bench.suites import open_suite
from zoo.data.prefetch import MOST_WORKERS
from zoo.errors import IntegrityError


def test_images_of_one_size_go_together_within_the_limit() -> None:
    sizes = [(8, 8), (8, 16), (8, 8), (16, 8), (8, 8), (8, 16)]
    assert plan_batches(sizes, 128) == [[0, 2], [1], [3], [4], [5]]
    assert plan_batches(sizes, 256) == [[0, 2, 4], [1, 5], [3]]


def test_a_large_image_is_alone_and_without_room_all_are_in_order() -> None:
    assert plan_batches([(99, 99), (99, 99)], 100) == [[0], [1]]
    assert plan_batches([(8, 8)] * 3, 0) == [[0], [1], [2]]


def test_a_cpu_gets_one_image_at_a_time_and_a_gpu_less_than_one_of_div2k() -> None:
    assert most_pixels(torch.device("cpu")) == 0
    assert most_pixels(torch.device("cuda", 1)) == GPU_PIXELS < 510 * 339


class Counted:
    """Stands for a dataset: remembers what was asked for, and by whom."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.threads: set[str] = set()

    def __getitem__(self, number: int) -> int:
        self.asked.append(number)
        self.threads.add(threading.current_thread().name)
        return number


def test_images_come_in_the_plans_order_and_few_are_decoded_ahead() -> None:
    images, plan = Counted(), [[0, 2], [1], *([number] for number in range(3, 40))]
    batches = decoded(images, plan)  # type: ignore[arg-type]
    assert next(batches) == [0, 2]
    assert len(images.asked) <= 2 + MOST_WORKERS
    assert list(batches) == plan[1:]
    assert sorted(images.asked) == list(range(40))
    assert all(name.startswith("prefetch") for name in images.threads)


def test_an_image_that_changed_is_still_named(
    tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted((tiny_data / "Colour" / "HR").glob("*.png"))
    folder = tmp_path / "Colour" / "HR"
    folder.mkdir(parents=True)
    for file in files:
        (folder / file.name).write_bytes(file.read_bytes())
    suite = tmp_path / "one.yaml"
    suite.write_text("version: 1\nsummary: one\nscale: 4\ndatasets: [Colour]\n")
    monkeypatch.setattr("zoo.bench.suites.KEPT_BYTES", 0)
    (dataset,) = open_suite(str(suite), data_root=tmp_path).datasets
    (folder / "1.png").write_bytes(files[0].read_bytes())
    batches = decoded(dataset, [[0], [1]])
    assert next(batches)[0].name == "0"
    with pytest.raises(IntegrityError, match=r"1\.png changed"):
        next(batches)
