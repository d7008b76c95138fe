"""A small model and records of it, made up: nothing is trained or scored."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from zoo.models.details import Details, Pretraining, TrainingFacts
from zoo.models.model import Model
from zoo.records.record import Column, DatasetScores, ImageScores, Record, Target

GENERATOR: dict[str, Any] = {"name": "srresnet", "width": 4, "num_blocks": 1, "norm": "none"}
IDENTITY = hashlib.sha256(b"identity").hexdigest()
WEIGHTS = hashlib.sha256(b"weights").hexdigest()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_training(*, adversarial: bool = False, **changes: Any) -> TrainingFacts:
    settings = {
        "scale": 4,
        "generator": GENERATOR,
        "adversary": {"name": "wgan-gp", "weight": 0.005} if adversarial else None,
        "losses": {"l1": {"name": "l1", "weight": 1.0}},
        "training": {"steps": 120, "learning_rate": 0.0002, "betas": [0.9, 0.999]},
        "data": {"source": "BSDS400", "augment": True},
    }
    pretraining = Pretraining(
        recipe="srresnet-nobn",
        identity_sha256=digest("pretraining"),
        command="zoo train srresnet-nobn --profile tiny --seed 3",
    )
    known: dict[str, Any] = {
        "recipe": "esrgan-wgangp" if adversarial else "srresnet-nobn",
        "profile": "tiny",
        "seed": 3,
        "command": "zoo train srresnet-nobn --profile tiny --seed 3 --set training.steps=120",
        "steps": 120,
        "seconds": 61.4,
        "verdict": "stable",
        "identity_sha256": IDENTITY,
        "data": "BSDS400",
        "data_sha256": digest("pixels"),
        "settings": settings,
        "pretraining": pretraining if adversarial else None,
        "components": {"vgg19": {"network": "vgg19", "sha256": digest("vgg19")}},
        "versions": {"python": "3.11.7", "torch": "2.14.1"},
        "device": "CPU, 2 threads",
        "git": {"commit": "abc123", "dirty": False},
    }
    return TrainingFacts(**(known | changes))


def make_details(**changes: Any) -> Details:
    known: dict[str, Any] = {
        "name": "small-net",
        "summary": "a small network",
        "generator": GENERATOR,
        "scale": 4,
        "origin": "trained",
        "training": make_training(),
        "licence": "Apache-2.0",
    }
    return Details(**(known | changes))


def make_model(details: Details | None = None, *, sha256: str | None = WEIGHTS) -> Model:
    """Return a model whose tensors are drawn under a seed, as if read from a run."""
    from zoo.generators.srresnet import SRResNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator = SRResNet(scale=4, width=4, num_blocks=1, norm="none")
    return Model(details or make_details(), generator.state_dict(), None, sha256)


def make_record(
    *,
    name: str = "srresnet-nobn",
    kind: str = "run",
    suite: str = "small-x4",
    psnr: tuple[float, ...] = (30.0, 32.0),
    created: str = "2026-11-23T08:00:00+00:00",
    pixels: str = "suite",
    protocol: int = 1,
    **target: Any,
) -> Record:
    """Return a record with one dataset, two images by default, and two metrics."""
    own = {"recipe": name, "profile": "tiny", "seed": 3} if kind == "run" else {}
    hashes = {"weights_sha256": WEIGHTS, "identity_sha256": IDENTITY} if kind == "run" else {}
    images = tuple(
        ImageScores(
            name=f"image-{number}",
            height=64,
            width=48,
            hr_sha256=digest(f"hr {number}"),
            lr_sha256=digest(f"lr {number}"),
            scores={"psnr_y": value, "ms_gmsd": value / 1000},
        )
        for number, value in enumerate(psnr)
    )
    content = (name, kind, suite, psnr, created, pixels, protocol, sorted(target.items()))
    return Record(
        key=digest(repr(content)),
        protocol=protocol,
        suite=suite,
        suite_sha256=digest(pixels),
        scale=4,
        target=Target(**({"name": name, "kind": kind} | own | hashes | target)),
        columns={
            "psnr_y": Column(label="PSNR-Y", unit="dB", value_range=(0, 80)),
            "ms_gmsd": Column(label="MS-GMSD", higher_is_better=False, value_range=(0, 1)),
        },
        datasets=(DatasetScores(name="Set5", images=images),),
        provenance={"created": created, "device": "cpu", "versions": {"torch": "2.14.1"}},
    )


def make_baseline(**changes: Any) -> Record:
    return make_record(**({"name": "bicubic", "kind": "baseline", "psnr": (28.0, 29.0)} | changes))
