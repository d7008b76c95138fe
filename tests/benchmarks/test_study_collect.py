"""What the repository keeps of the study."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from benchmarks.study_collect import SUITE, collect
from benchmarks.study_power import STUDY
from zoo.data.images import read_image, write_png
from zoo.records.record import read_record

RECORDS = sorted((STUDY / "records" / SUITE).glob("*.json"))


def test_a_record_its_picture_and_its_weights_are_kept(tmp_path: Path) -> None:
    record = next(path for path in RECORDS if path.name.startswith("esrgan-study-seed-0"))
    root, kept = tmp_path / "runs", tmp_path / "kept"
    copy = root / "records" / SUITE / record.name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(record.read_bytes())
    image = np.arange(256 * 256 * 3, dtype=np.uint8).reshape(256, 256, 3)
    write_png(copy.with_suffix("") / "Set5-003.png", image)
    run = root / "esrgan" / "study" / "seed-0"
    run.mkdir(parents=True)
    weights = {"weight": torch.full((3,), 1 / 3)}
    safetensors.torch.save_file(weights, run / "weights.safetensors")
    assert collect(root, kept) == 1
    assert (kept / "records" / SUITE / record.name).read_bytes() == record.read_bytes()
    picture = read_image(kept / "pictures" / "esrgan-seed-0.png")
    np.testing.assert_array_equal(picture, image[64:192, 64:192])
    half = safetensors.torch.load_file(kept / "weights" / "esrgan.safetensors")
    assert half["weight"].dtype == torch.float16


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_published_record_is_intact_and_of_the_study(path: Path) -> None:
    record = read_record(path)
    assert record.target.kind == "baseline" or record.target.profile == "study"
    assert record.suite_sha256 == json.loads(RECORDS[0].read_bytes())["suite_sha256"]
    assert record.error is None
