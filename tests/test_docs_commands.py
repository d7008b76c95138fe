"""Every fenced shell block of the docs is run, page by page, or says why it is not.

A block that is not run has `<!-- not run: REASON -->` in the line before it, which readers do not
see. The blocks of a page are run in their order in one folder, which has what its commands name
(`SCENES`). What would take long is made small: every profile is `smoke`.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PLACES = (
    *("README.md", "CONTRIBUTING.md", "docs/*.md", "examples/*/README.md"),
    *("benchmarks/README.md", "benchmarks/results/*/README.md"),
)
PAGES = [
    path.relative_to(REPOSITORY).as_posix()
    for place in PLACES
    for path in sorted(REPOSITORY.glob(place))
]
SHELL = ("bash", "sh", "shell", "console")
FENCED = re.compile(
    r"(?:^<!-- not run: ([^\n]+) -->\n)?^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
SMALL = [
    (re.compile(r"(--profile|-p) (?:demo|short|compact|sweep|paper)\b"), r"\1 smoke"),
    (re.compile(r"/(?:demo|short|compact|sweep|paper)/"), "/smoke/"),
    (re.compile(r"(?<= )training\.steps=\d+"), "training.steps=4"),
]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and why it is not run."""

    language: str
    text: str
    reason: str | None

    @property
    def commands(self) -> list[str]:
        """Its lines, those that go on after a backslash joined."""
        return [line for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]


def blocks(page: str) -> Iterator[Block]:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    for reason, language, body in FENCED.findall(text):
        yield Block(language, body, reason or None)


def run_blocks(page: str) -> list[Block]:
    return [each for each in blocks(page) if each.language in SHELL and each.reason is None]


ELSEWHERE = ("docs/first-plugin.md",)
"""Pages whose commands are run by a test of their own (tests/examples/test_first_plugin.py)."""
WITH_COMMANDS = [page for page in PAGES if run_blocks(page) and page not in ELSEWHERE]


def picture(path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(list(path.name.encode()))  # copies of one image are one image
    pixels = drawn.integers(0, 256, (160, 176, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def photos(*places: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        for place in places:
            picture(folder / place)

    return make


@functools.cache
def trained(recipe: str) -> tempfile.TemporaryDirectory[str]:
    """Train a recipe at smoke size, once for all pages."""
    folder = tempfile.TemporaryDirectory()
    (Path(folder.name) / "home").mkdir()
    run(f"zoo train {recipe} --profile smoke --device cpu", Path(folder.name))
    return folder


def runs(*recipes: str) -> Callable[[Path], None]:
    """Put in the runs of recipes, trained at smoke size."""

    def make(folder: Path) -> None:
        for recipe in recipes:
            kept = Path(trained(recipe).name) / "runs"
            shutil.copytree(kept, folder / "runs", symlinks=True, dirs_exist_ok=True)
        (folder / "runs" / "records").mkdir(exist_ok=True)

    return make


def esrgan_file(folder: Path) -> None:
    import torch

    from tests.exchange import networks

    network = networks.passing("rrdb", width=8, growth=4, num_blocks=1)
    state = networks.esrgan_2018(network.state_dict(), 1, 2)
    torch.save(state, folder / "RRDB_ESRGAN_x4.pth")


def collection(folder: Path) -> None:
    """Put in checkpoints of other tools, with random weights."""
    import torch

    from zoo.generators.spandrel import SpandrelNetwork

    (folder / "collection").mkdir()
    for width in (4, 8):
        sizes = {"num_feat": width, "num_conv": 1, "upscale": 4}
        network = SpandrelNetwork(architecture="Compact", hyperparameters=sizes)
        torch.save(network.state_dict(), folder / "collection" / f"4x-{width}.pth")


def week(folder: Path) -> None:
    """Put in images, pairs of which one LR image has a wrong name, and images to score on."""
    from PIL import Image

    photos(*(f"images/{n}.png" for n in range(4)), "photo.png")(folder)
    photos(*(f"data/Mine/HR/{n}.png" for n in range(2)))(folder)
    for name, low in (("a", "a"), ("b", "bx4"), ("c", "cc")):
        picture(folder / f"scans/gt/{name}.png")
        (folder / "scans/lq").mkdir(exist_ok=True)
        Image.open(folder / f"scans/gt/{name}.png").resize((44, 40)).save(
            folder / f"scans/lq/{low}.png"
        )
    (text,) = [each.text for each in blocks("docs/first-week.md") if each.language == "yaml"]
    (folder / "mine.yaml").write_text(text, encoding="utf-8")


SCENES: dict[str, list[Callable[[Path], None]]] = {
    "README.md": [
        photos("photo.png", "photos/a.png"),
        runs("esrgan-wgangp"),
        esrgan_file,
    ],
    "docs/bench.md": [runs("srgan")],
    "docs/community.md": [collection],
    "docs/data.md": [photos(*(f"photos/{n}.png" for n in range(4)))],
    "docs/exchange.md": [photos("photo.png"), esrgan_file, runs("rrdb", "esrgan")],
    "docs/first-week.md": [week],
    "docs/models.md": [runs("srresnet-nobn", "esrgan-wgangp")],
    "docs/training.md": [
        photos(
            "photo.png", *(f"{at}/{n}.png" for at in ("home/photos", "photos") for n in range(4))
        )
    ],
    "docs/upscale.md": [
        photos("photo.png", "photo.jpg", "holiday/a.png", "holiday/b/c.png", "scans/page.tif"),
        runs("esrgan"),
    ],
}
APART = ("docs/training.md",)
"""Pages whose blocks train the same recipes under profiles that are one here: each begins anew."""
NAMES = {
    "MODEL": "srgan-nobn-compact",
    "NAME": "srresnet-nobn-compact",
    "A": "srresnet-nobn-compact",
    "B": "srgan-nobn-compact",
}
"""What stands for the reader's own choice."""


def small(command: str) -> str:
    """Return a command as it is run: small, on the CPU, with names in the place of NAME."""
    command = re.sub(r"\s#.*$", "", command)
    for pattern, replacement in SMALL:
        command = pattern.sub(replacement, command)
    for word, name in NAMES.items():
        command = re.sub(rf"(?<!\S){word}(?!\S)", name, command)
    command = command.replace("--device cuda", "--device cpu")
    trains = re.match(r"zoo (train|bench) ", command) is not None
    profile = " --profile smoke" if trains and not re.search(r" (--profile|-p) ", command) else ""
    device = " --device cpu" if trains and " --device " not in command else ""
    return f"{command}{profile}{device}"


def run(command: str, folder: Path, *, code: int = 0) -> str:
    """Run a command in a folder with a home of its own; return what it prints."""
    binary = Path(sys.executable).parent
    environment = {
        **os.environ,
        "HOME": str(folder / "home"),
        "PATH": f"{binary}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "ZOO_OFFLINE": "1",
    }
    done = subprocess.run(
        ["/bin/sh", "-c", command],  # as a reader types it
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout if code == 0 else done.stderr


def test_every_shell_block_is_run_or_says_why_not() -> None:
    told = [each for page in PAGES for each in blocks(page) if each.language in SHELL]
    assert len(told) > 30
    assert all(len(each.reason) > 10 for each in told if each.reason is not None)
    text = "".join((REPOSITORY / page).read_text(encoding="utf-8") for page in PAGES)
    assert text.count("<!-- not run:") == sum(each.reason is not None for each in told)
    assert SCENES.keys() <= set(WITH_COMMANDS)


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS)
@pytest.mark.timeout(3600)
def test_the_commands_of_a_page_run(page: str, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    for make in SCENES.get(page, ()):
        make(tmp_path)
    for block in blocks(page):
        named = re.match(r"# (\w+\.(?:py|yaml))\n", block.text)
        if named is not None:
            (tmp_path / named[1]).write_text(block.text)
        elif block.language == "yaml" and "recipes:" in block.text:
            version = "" if "version:" in block.text else "version: 1\n"
            (tmp_path / "mine.yaml").write_text(version + block.text)
        if block.language in SHELL and block.reason is None:
            if page in APART:
                shutil.rmtree(tmp_path / "runs", ignore_errors=True)
            for command in block.commands:
                run(small(command), tmp_path)


@pytest.mark.slow
def test_the_pairs_of_the_first_week_are_named_as_the_page_says(tmp_path: Path) -> None:
    (shown,) = [each.text for each in blocks("docs/first-week.md") if each.language == "text"]
    command, _, output = shown.removeprefix("$ ").partition("\n")
    week(tmp_path)
    assert run(command, tmp_path, code=2).split() == output.split()
