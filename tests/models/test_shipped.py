"""The models that come with zoo: what was promised of them holds for the files themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import zoo
from zoo.exchange.bundle import read_bundle
from zoo.exchange.cards import card
from zoo.exchange.records import records_in
from zoo.models.file import read_details
from zoo.models.find import find_model
from zoo.models.store import SHIPPED, default_model
from zoo.records.record import Record
from zoo.sweep.api import bench

CONTENT, ADVERSARIAL = "srresnet-nobn-compact", "srgan-nobn-compact"
NAMES = (CONTENT, ADVERSARIAL)
PERCEPTUAL = {"haarpsi": 1, "lite1_distance": -1, "ms_gmsd": -1}
"""The perceptual metrics that can be had without a download, with the sign of better."""


def scores(record: Record, dataset: str, metric: str) -> np.ndarray:
    """Return the scores of the images of a dataset."""
    (found,) = [each for each in record.datasets if each.name == dataset]
    return np.array([image.scores[metric] for image in found.images])


def test_the_default_is_the_one_that_invents_least() -> None:
    assert default_model() == CONTENT
    assert set(NAMES) <= set(zoo.list("models"))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_whole_and_says_how_it_was_made(name: str) -> None:
    path = SHIPPED / name / "model.safetensors"
    assert path.stat().st_size <= 3_000_000
    details = read_bundle(path.parent).model.details  # raises if a hash does not match
    assert (details.name, details.scale, details.precision) == (name, 4, "float16")
    assert details.generator["norm"] == "none"
    training = details.training
    assert training is not None
    assert (training.data, training.profile, training.seed) == ("BSDS400", "compact", 0)
    assert training.git is not None
    assert not training.git["dirty"]


@pytest.mark.parametrize("name", NAMES)
def test_its_card_is_the_one_that_its_file_and_records_make(name: str) -> None:
    bundle = read_bundle(SHIPPED / name)
    assert (SHIPPED / name / "README.md").read_text() == card(bundle.model, bundle.records)


def test_one_was_tuned_from_the_other() -> None:
    content, tuned = (read_details(SHIPPED / name / "model.safetensors") for name in NAMES)
    assert content.training is not None
    assert tuned.training is not None
    assert tuned.training.pretraining is not None
    assert tuned.training.pretraining.identity_sha256 == content.training.identity_sha256
    assert content.generator == tuned.generator


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dataset", ["Set5", "Set14"])
def test_its_records_have_it_better_than_bicubic(name: str, dataset: str) -> None:
    require_better(read_bundle(SHIPPED / name).records, name, dataset)


@pytest.mark.slow
def test_scored_again_they_are_what_their_records_say(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bench(*NAMES, "bicubic", suite="classical-x4", data_root=shared_data, records="records")
    again = records_in(Path("records"))
    for name in NAMES:
        kept = read_bundle(SHIPPED / name).records
        for dataset in ("Set5", "Set14"):
            require_better(again, name, dataset)
            for metric in ("psnr_y", *PERCEPTUAL):
                now = scores(of(again, name), dataset, metric)
                then = scores(of(kept, name), dataset, metric)
                # Another order of sums moves a few pixels by one level of 255.
                assert now == pytest.approx(then, rel=1e-3), (name, dataset, metric)


def test_upscaling_needs_nothing_but_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "none"))
    assert find_model(None).details.name == CONTENT
    sr_image = zoo.upscale(np.full((6, 5, 3), 128, np.uint8))
    assert sr_image.shape == (24, 20, 3)
    assert np.abs(sr_image.astype(int) - 128).max() <= 2
    assert not list(tmp_path.iterdir())


def require_better(records: list[Record], name: str, dataset: str) -> None:
    """Require of a model what the issue of models promises over bicubic."""

    def gain(metric: str) -> float:
        ours, theirs = (scores(of(records, each), dataset, metric) for each in (name, "bicubic"))
        return float(ours.mean() - theirs.mean())

    assert gain("psnr_y") >= (1.5 if name == CONTENT else 0)
    for metric, sign in PERCEPTUAL.items():
        assert sign * gain(metric) > 0, metric


def of(records: list[Record], name: str) -> Record:
    """Return the record of a model."""
    (found,) = [record for record in records if record.target.name == name]
    return found
