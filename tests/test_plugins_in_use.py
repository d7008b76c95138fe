"""Everything a built-in can do, a plugin can: train, be killed, resume, bench, claims, report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from zoo.records.record import read_records

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LIMIT = 240
CODE = """
import torch.nn.functional as F
from torch import nn

from zoo import (
    Adversary, Degradation, Discriminator, Generator, Loss, Metric, register_adversary,
    register_degradation, register_discriminator, register_generator, register_loss,
    register_metric,
)


@register_generator("acme-net")
class AcmeNet(Generator):
    def __init__(self, *, scale: int = 4, width: int = 4) -> None:
        super().__init__(scale=scale)
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.Conv2d(width, 3 * scale**2, 3, padding=1),
            nn.PixelShuffle(scale),
        )

    def forward(self, lr_image):
        return self.body(lr_image)


@register_discriminator("acme-judge")
class AcmeJudge(Discriminator):
    def __init__(self, *, width: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 4, 4), nn.LeakyReLU(), nn.Conv2d(width, 1, 1))

    def forward(self, image):
        return self.body(image)


@register_adversary("acme-duel")
class AcmeDuel(Adversary):
    def discriminator_loss(self, discriminator, real, fake):
        true, false = discriminator(real).float(), discriminator(fake).float()
        total = F.softplus(-true).mean() + F.softplus(false).mean()
        return {"total": total, "d_real": true.detach().mean(), "d_fake": false.detach().mean()}

    def generator_loss(self, discriminator, real, fake):
        return {"total": F.softplus(-discriminator(fake).float()).mean()}


@register_loss("acme-far")
class AcmeFar(Loss):
    def __init__(self) -> None:
        super().__init__()

    def forward(self, sr_image, hr_image):
        return (sr_image - hr_image).abs().mean()


@register_metric("acme-error")
class AcmeError(Metric):
    label, unit, higher_is_better, value_range = "ACME", "%", False, (0.0, 100.0)

    def __call__(self, sr_image, hr_image, *, scale):
        return float(100 * (sr_image.clamp(0, 1) - hr_image).abs().mean())


@register_degradation("acme-camera")
class AcmeCamera(Degradation):
    def __init__(self, *, most: int = 20) -> None:
        super().__init__()
        self.most = most

    def __call__(self, hr_image, *, scale, rng):
        low = hr_image[::scale, ::scale]
        return (low * (1 - self.most / 255) + rng.integers(0, self.most, low.shape)).astype("uint8")
"""
RECIPES = """
version: 1
recipes:
  acme:
    summary: content
    generator: acme-net
    losses: {acme-far: 1}
    data: {degradation: acme-camera}
  acme-wide: {extends: acme, summary: wider, generator: {width: 8}}
  acme-gan:
    extends: acme
    summary: adversarial
    pretrained: acme
    discriminator: acme-judge
    adversary: {name: acme-duel, weight: 0.01}
claims:
  acme-width:
    statement: A wider network has a smaller error
    source: this test
    contrast: {changed: acme-wide, reference: acme, field: generator.width}
    metric: acme-error
    direction: lower
    smallest_effect: 0.01
"""


@dataclass(frozen=True)
class Place:
    """A folder to work in, and how a command finds the plugin there."""

    folder: Path
    options: tuple[str, ...]
    packages: str

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = "from zoo.commands.app import main; main()"
        root = str(Path(__file__).resolve().parents[1])
        return subprocess.Popen(
            [sys.executable, "-c", command, *arguments, *self.options],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([self.packages, root])},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def zoo(self, *arguments: str) -> str:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, output
        return output


@pytest.fixture(params=["file", "package"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return a folder with the plugin as a file, or with it as an installed package."""
    work, site = tmp_path / "work", tmp_path / "site"
    work.mkdir()
    site.mkdir()
    if request.param == "file":
        (work / "acme.py").write_text(CODE)
        (work / "acme.yaml").write_text(RECIPES)
        return Place(work, ("--plugin", "acme.py", "--registry", "acme.yaml"), str(site))
    package, info = site / "zoo_acme", site / "zoo_acme-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("")
    (package / "parts.py").write_text(CODE)
    (package / "registry.yaml").write_text(RECIPES)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[zoo.registries]\nacme = zoo_acme\n"
        "[zoo.generators]\nacme-net = zoo_acme.parts:AcmeNet\n"
        "[zoo.discriminators]\nacme-judge = zoo_acme.parts:AcmeJudge\n"
        "[zoo.adversaries]\nacme-duel = zoo_acme.parts:AcmeDuel\n"
        "[zoo.losses]\nacme-far = zoo_acme.parts:AcmeFar\n"
        "[zoo.metrics]\nacme-error = zoo_acme.parts:AcmeError\n"
        "[zoo.degradations]\nacme-camera = zoo_acme.parts:AcmeCamera\n"
    )
    return Place(work, (), str(site))


def test_a_plugin_trains_resumes_is_benched_claimed_and_reported(place: Place) -> None:
    run = place.folder / "runs" / "acme-gan" / "smoke+training.steps=600" / "seed-0"
    train = ("train", "acme-gan", "--profile", "smoke", "--set", "training.steps=600")
    process = place.start(*train)
    deadline = time.monotonic() + LIMIT
    while not list(run.glob("checkpoints/*.pt")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (run / "summary.json").exists(), "it was killed before its end"
    assert "acme-gan (adversarial) resumes at step" in place.zoo(*train)
    assert json.loads((run / "summary.json").read_text())["steps"] == 600

    suite = place.folder / "small.yaml"
    suite.write_text("version: 1\nsummary: small\nscale: 4\ndatasets: [Tiny]\nmetrics: [psnr-y]\n")
    write_images(place.folder / "data" / "Tiny" / "HR")
    scored = place.zoo(
        "bench", "acme", "acme-wide", "--profile", "smoke", "--train", "--seeds", "1",
        "--suite", "small.yaml", "--data-root", "data",
    )  # fmt: skip
    assert "ACME (%)" in scored
    assert "acme-width  not enough data" in scored
    records = read_records(place.folder / "runs" / "records")
    assert {"acme", "acme-wide"} <= {record.target.recipe for record in records}
    place.zoo("report")
    page = (place.folder / "runs" / "report" / "index.html").read_text()
    assert "A wider network has a smaller error" in page
    require_told_what_is_missing(place, str(run.relative_to(place.folder)))


def require_told_what_is_missing(place: Place, run: str) -> None:
    """Without the plugin, what uses a run says which one that was and how to give it."""
    is_file = bool(place.options)
    told = f"--plugin {place.folder / 'acme.py'}" if is_file else "pip install zoo-acme==1.0"
    without = replace(place, options=(), packages="")
    for words in (("export", run, "-o", "net"), ("bench", run, "--profile", "smoke")):
        process = without.start(*words)
        output, _ = process.communicate(timeout=LIMIT)
        assert process.returncode in (2, 3), output
        assert "unknown generator 'acme-net'" in output
        assert told in " ".join(output.split())


def write_images(folder: Path) -> None:
    import numpy as np

    from zoo.data.images import write_png

    folder.mkdir(parents=True)
    noise = np.random.default_rng(0)
    for name in ("a", "b"):
        write_png(folder / f"{name}.png", noise.integers(0, 256, (48, 64, 3), dtype=np.uint8))
