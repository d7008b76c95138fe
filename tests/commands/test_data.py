"""`zoo data`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from zoo.data import Progress
from zoo.data.datasets import Dataset
from zoo.data.images import write_png

Zoo = Callable[..., Result]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a data root with one dataset of three images, `Tiny`."""
    for number in range(3):
        image = np.full((32, 32, 3), 40 * number, dtype=np.uint8)
        write_png(tmp_path / "Tiny" / "HR" / f"{number}.png", image)
    return tmp_path


def test_lists_what_is_here_and_what_can_be_had(zoo: Zoo, root: Path) -> None:
    document = json.loads(zoo("data", "list", "--data-root", root, "--json").stdout)
    assert document["data_root"] == str(root)
    rows = {row["name"]: row for row in document["datasets"]}
    assert (rows["samples"]["here"], rows["Tiny"]["images"]) == (True, 3)
    assert rows["div2k"]["here"] is False
    assert rows["div2k"]["rights"]
    assert "no (zoo data get div2k)" in zoo("data", "list", "--data-root", root).stdout


def test_knows_the_images_that_papers_score_on(zoo: Zoo, root: Path) -> None:
    for name, count in (("Set5", 5), ("Set14", 14), ("BSD100", 100), ("Urban100", 100)):
        for number in range(count):
            write_png(root / name / "HR" / f"{number}.png", np.zeros((4, 4), np.uint8))
    rows = json.loads(zoo("data", "list", "--data-root", root, "--json").stdout)["datasets"]
    (row,) = (row for row in rows if row["name"] == "benchmark")
    assert (row["here"], row["images"]) == (True, 219)
    result = zoo("data", "verify", "benchmark", "--data-root", root)
    assert (result.exit_code, result.stdout) == (0, "benchmark: all 219 images are intact\n")


def test_get_says_no_size_where_none_is_known(zoo: Zoo, root: Path) -> None:
    result = zoo("data", "get", "benchmark", "--data-root", root)
    assert result.exit_code == 2
    assert "of most papers; from https://" in result.stderr


def test_one_damaged_image_costs_its_own_line(zoo: Zoo, root: Path) -> None:
    """Nothing is held out, and so nothing hashed, to look at a dataset."""
    with (root / "Tiny" / "HR" / "hole.png").open("wb") as file:
        file.truncate(300_000_000_000)
    (root / "Tiny" / "HR" / "text.png").write_text("no image")
    write_png(root / "One" / "HR" / "0.png", np.zeros((4, 4), np.uint8))
    (root / "None" / "HR").mkdir(parents=True)
    rows = json.loads(zoo("data", "list", "--data-root", root, "--json").stdout)["datasets"]
    images = {row["name"]: row["images"] for row in rows}
    assert (images["Tiny"], images["One"], images["None"]) == (5, 1, 0)
    assert f"no (no images in {root}/None/HR" in zoo("data", "list", "--data-root", root).stdout
    result = zoo("data", "verify", "Tiny", "--data-root", root)
    assert result.exit_code == 4
    assert "Tiny: 2 of 5 images are damaged: " in result.stderr
    assert "hole.png: it has 300,000,000,000 bytes" in result.stderr
    assert "text.png: not an image" in result.stderr


def test_verifies_a_dataset(zoo: Zoo, root: Path) -> None:
    result = zoo("data", "verify", "Tiny", "--data-root", root)
    assert (result.exit_code, result.stdout) == (0, "Tiny: all 3 images are intact\n")


def test_a_damaged_image_is_an_integrity_error(zoo: Zoo, root: Path) -> None:
    whole = root / "Tiny" / "HR" / "1.png"
    whole.write_bytes(whole.read_bytes()[:60])
    result = zoo("data", "verify", "Tiny", "--data-root", root)
    assert result.exit_code == 4
    assert "1 of 3 images are damaged" in result.stderr
    assert str(whole) in result.stderr


def test_get_shows_rights_and_size_and_asks_nobody_without_a_terminal(zoo: Zoo, root: Path) -> None:
    result = zoo("data", "get", "div2k", "--data-root", root)
    assert result.exit_code == 2
    assert "rights: academic research use only" in result.stderr
    assert "4.0 GB" in result.stderr
    assert "zoo data get div2k --yes" in result.stderr


def test_get_prints_the_folders(zoo: Zoo, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def get_dataset(
        dataset: Dataset, *, data_root: Path, progress: Progress, **_options: object
    ) -> tuple[Path, ...]:
        progress(1, 1)
        return tuple(data_root / part.target for part in dataset.parts)

    monkeypatch.setattr("zoo.data.install.get_dataset", get_dataset)
    result = zoo("data", "get", "div2k", "--yes", "--data-root", root)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        str(root / "DIV2K_train" / "HR"),
        str(root / "DIV2K_valid" / "HR"),
    ]


def test_offline_is_an_error_of_the_machine(
    zoo: Zoo, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setattr("zoo.data.install.check_disk", lambda *_arguments: None)
    result = zoo("data", "get", "div2k", "--yes", "--data-root", root)
    assert result.exit_code == 5
    assert "ZOO_OFFLINE" in result.stderr


def test_preview_writes_a_picture_once(zoo: Zoo, root: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(2):
        pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        write_png(root / "Mine" / "HR" / f"{number}.png", pixels)
    words = ("data", "preview", "srresnet", "--profile", "smoke", "--data", "Mine")
    words += ("--data-root", str(root), "--output", str(root / "sheet.png"))
    result = zoo(*words, "--set", "data.degradation=jpeg")
    assert (result.exit_code, result.stdout) == (0, f"{root / 'sheet.png'}\n")
    assert "images: 1 for training, 1 for validation" in result.stderr
    again = zoo(*words)
    assert again.exit_code == 2
    assert "overwrite with --force" in again.stderr


def test_a_folder_is_prepared(zoo: Zoo, root: Path, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    source = tmp_path / "photos"
    write_png(source / "a.png", draw.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    write_png(source / "b.png", np.zeros((64, 64, 3), dtype=np.uint8))
    size = ("--size", 64, "--step", 32)
    told = zoo("data", "prepare", source, tmp_path / "one", *size)
    assert told.stdout.strip() == str(tmp_path / "one")
    assert "2 sub-images written" in told.stderr
    assert "b.png at x 0, y 0: texture 0.00" in told.stderr
    again = zoo("data", "prepare", source, tmp_path / "two", *size, "--json")
    document = json.loads(again.stdout)
    assert document["written"] == ["a_s001.png", "a_s002.png"]
    assert [each["reason"] for each in document["dropped"]] == ["flat"]
    (source / "c.png").write_bytes(b"no image")
    assert zoo("data", "prepare", source, tmp_path / "three", *size).exit_code == 3
