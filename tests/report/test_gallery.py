"""Galleries: the right pixels, at the right place, from files that are what they were."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo.report.gallery as module
from tests.report.synthetic import IMAGES, make_record, make_records, upscaled
from zoo.bench.suites import GalleryPicture, Suite, open_suite
from zoo.data.images import write_png
from zoo.records.record import DatasetScores, ImageScores, Record, RecordedImage, record_path
from zoo.report.gallery import GROUND_TRUTH, LOW_RESOLUTION, gallery
from zoo.report.selection import select


def pixels_of(uri: str) -> np.ndarray[Any, Any]:
    kind, _, data = uri.partition(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.fixture
def groups(tmp_path: Path) -> dict[str, list[Record]]:
    make_records(tmp_path, recipes=["bicubic", "srgan"], seeds=2)
    return select(tmp_path).groups


def test_each_shot_is_the_middle_of_its_picture(
    groups: dict[str, list[Record]], tmp_path: Path
) -> None:
    found = gallery(groups, tmp_path, None)
    assert found
    assert [image.image for image in found.images] == ["astronaut", "chelsea", "brick"]
    assert found.methods == ("bicubic", "srgan")
    assert found.seeds == ("0", "1")
    for image in found.images:
        for exhibit, seeds in zip(image.exhibits, ([""], ["0", "1"]), strict=True):
            assert [shot.seed for shot in exhibit.shots] == seeds
            for shot in exhibit.shots:
                whole = upscaled(image.image, exhibit.name, int(shot.seed) if shot.seed else None)
                expected = np.asarray(whole.convert("RGB"))[32:160, 32:160]
                assert np.array_equal(pixels_of(shot.source), expected)


def test_captions_have_the_scores_of_the_image(
    groups: dict[str, list[Record]], tmp_path: Path
) -> None:
    found = gallery(groups, tmp_path, None)
    assert found
    scores = groups["srgan"][1].scored["samples", "chelsea"]
    caption = found.images[1].exhibits[1].shots[1].caption
    assert caption.startswith(f"PSNR-Y {scores['psnr_y']:.2f} dB")
    assert f"{scores['lite1_distance']:.4f}" in caption


def test_crops_that_would_be_too_large_are_compressed_and_it_is_said(
    groups: dict[str, list[Record]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gallery(groups, tmp_path, None)
    assert whole
    assert "lossless" in whole.note
    monkeypatch.setattr(module, "BUDGET_BYTES", 60_000)
    small = gallery(groups, tmp_path, None)
    assert small
    assert "quality" in small.note
    sizes = [
        sum(len(shot.source) for image in g.images for e in image.exhibits for shot in e.shots)
        for g in (whole, small)
    ]
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("damage", ["changed", "missing", "outside"])
def test_a_picture_that_is_not_what_was_kept_is_left_out(
    damage: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "records"
    (record,) = make_records(root, recipes=["bicubic"])
    file = record_path(root, record).parent / record.pictures[0].file
    groups = {"bicubic": [record]}
    if damage == "changed":
        Image.new("RGB", (192, 192)).save(file)
    elif damage == "missing":
        file.unlink()
    else:
        outside = tmp_path / "outside.png"
        file.rename(outside)
        picture = record.pictures[0].model_copy(update={"file": "../../outside.png"})
        kept = (picture, *record.pictures[1:])
        groups = {"bicubic": [record.model_copy(update={"pictures": kept})]}
    with caplog.at_level(logging.WARNING, logger="zoo"):
        found = gallery(groups, root, None)
    assert found
    assert [image.image for image in found.images] == ["chelsea", "brick"]
    assert len(caplog.records) == 1


def test_without_pictures_there_is_no_gallery(tmp_path: Path) -> None:
    make_records(tmp_path, recipes=["bicubic"], pictures=False)
    assert gallery(select(tmp_path).groups, tmp_path, None) is None


@pytest.fixture(scope="module")
def suite() -> Suite:
    return open_suite("samples-x4")


def scored_on(suite: Suite, root: Path) -> dict[str, list[Record]]:
    """Return a record of a `perfect` method on the suite: its pictures are the ground truth."""
    record = make_record("bicubic", None)
    folder = record_path(root, record).with_suffix("")
    pictures, datasets = [], []
    for dataset in suite.datasets:
        images = []
        for image in dataset:
            images.append(
                ImageScores(
                    name=image.name,
                    height=image.hr_image.shape[0],
                    width=image.hr_image.shape[1],
                    hr_sha256=image.hr_sha256,
                    lr_sha256=image.lr_sha256,
                    scores={"psnr_y": 40.0},
                )
            )
            file = folder / f"{image.name}.png"
            write_png(file, image.hr_image)
            pictures.append(
                RecordedImage(
                    dataset=dataset.name,
                    image=image.name,
                    file=f"{folder.name}/{file.name}",
                    sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
                )
            )
        datasets.append(DatasetScores(name=dataset.name, images=tuple(images)))
    update = {"pictures": tuple(pictures), "datasets": tuple(datasets)}
    return {"bicubic": [record.model_copy(update=update)]}


def test_the_suite_gives_crop_input_and_ground_truth(suite: Suite, tmp_path: Path) -> None:
    found = gallery(scored_on(suite, tmp_path), tmp_path, suite)
    assert found
    assert [(image.dataset, image.image) for image in found.images] == [
        (entry.dataset, entry.image) for entry in suite.gallery
    ]
    assert found.methods == (LOW_RESOLUTION, "bicubic", GROUND_TRUTH)
    assert (found.left, found.right) == ("bicubic", GROUND_TRUTH)
    for image, entry in zip(found.images, suite.gallery, strict=True):
        low, made, truth = (pixels_of(exhibit.shots[0].source) for exhibit in image.exhibits)
        _, _, width, height = entry.crop
        assert truth.shape[:2] == (height, width)
        assert np.array_equal(made, truth)
        assert low.shape[:2] == (height // suite.scale, width // suite.scale)
        blocks = truth.reshape(low.shape[0], suite.scale, low.shape[1], suite.scale, 3)
        assert np.abs(blocks.mean(axis=(1, 3)) - low).mean() < 8  # the same place, only smaller


def test_other_pixels_than_were_scored_are_not_shown(
    suite: Suite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    groups = scored_on(suite, tmp_path)
    (record,) = groups["bicubic"]
    changed = tuple(
        dataset.model_copy(
            update={
                "images": tuple(
                    image.model_copy(update={"hr_sha256": "0" * 64}) for image in dataset.images
                )
            }
        )
        for dataset in record.datasets
    )
    groups = {"bicubic": [record.model_copy(update={"datasets": changed})]}
    with caplog.at_level(logging.WARNING, logger="zoo"):
        found = gallery(groups, tmp_path, suite)
    assert found
    assert found.methods == ("bicubic",)
    assert "not the image that was scored" in caplog.text


def test_a_crop_outside_the_picture_is_left_out(
    suite: Suite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_records(tmp_path, recipes=["bicubic"])
    (name, *_) = IMAGES["samples"]
    far = replace(suite, gallery=(GalleryPicture("samples", name, (400, 0, 64, 64)),))
    with caplog.at_level(logging.WARNING, logger="zoo"):
        assert gallery(select(tmp_path).groups, tmp_path, far) is None
    assert "outside the image" in caplog.text
