"""`zoo upscale` as a user runs it: files and folders, what is refused, what is survived."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from typer.testing import Result

from zoo.errors import MachineError
from zoo.models.details import Details
from zoo.models.file import write_model
from zoo.models.find import find_model
from zoo.models.model import Model

Zoo = Callable[..., Result]
BICUBIC = ("--model", "bicubic", "--device", "cpu")
CLI = Path(__file__).resolve().parents[2] / "cli.py"


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (6, 8)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    PillowImage.fromarray(pixels).save(path)
    return path


def size_of(path: Path) -> tuple[int, int]:
    with PillowImage.open(path) as opened:
        return opened.size


def test_a_picture_beside_itself(zoo: Zoo, tmp_path: Path) -> None:
    source = picture(tmp_path / "photo.png")
    result = zoo("upscale", source, *BICUBIC)
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'photo-x4.png'}\n"
    assert result.stderr.startswith("model bicubic: x4")
    assert size_of(tmp_path / "photo-x4.png") == (32, 24)


def test_a_grey_picture_in_colour_stays_grey_unless_that_is_not_wanted(
    zoo: Zoo, tmp_path: Path
) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (12, 12), np.uint8)
    PillowImage.fromarray(np.stack([grey] * 3, axis=2)).save(tmp_path / "photo.png")
    spreads = []
    for words in ((), ("--no-keep-grey", "--force")):
        assert zoo("upscale", tmp_path / "photo.png", "--device", "cpu", *words).exit_code == 0
        with PillowImage.open(tmp_path / "photo-x4.png") as opened:
            spreads.append(np.ptp(np.asarray(opened), axis=2).max())
    assert spreads[0] == 0 < spreads[1]


def test_a_folder_survives_what_cannot_be_read(zoo: Zoo, tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / "in" / "sub" / f"{number}.png", number)
    (tmp_path / "in" / "corrupt.png").write_bytes(b"no picture")
    (tmp_path / "in" / "empty.jpg").touch()
    (tmp_path / "in" / "notes.txt").touch()
    result = zoo("upscale", tmp_path / "in", "-o", tmp_path / "out", "--recursive", *BICUBIC)
    assert result.exit_code == 3
    written = sorted(path.relative_to(tmp_path) for path in (tmp_path / "out").rglob("*.*"))
    assert written == [Path(f"out/sub/{number}.png") for number in range(3)]
    assert "skipped: 1, without an image file name" in result.stderr
    for name, cause in (("corrupt.png", "not an image"), ("empty.jpg", "the file is empty")):
        line = next(line for line in result.stderr.splitlines() if name in line)
        assert line.startswith("failed: ")
        assert cause in line
    assert "2 of 5 images failed" in result.stderr


def test_conflicts_are_told_before_any_work(zoo: Zoo, tmp_path: Path) -> None:
    first, second = picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    (tmp_path / "b-x4.png").touch()
    result = zoo("upscale", first, second, *BICUBIC)
    assert result.exit_code == 2
    assert "b-x4.png exists already" in result.stderr
    assert not (tmp_path / "a-x4.png").exists()
    assert zoo("upscale", first, second, "--skip-existing", *BICUBIC).exit_code == 0
    assert (tmp_path / "b-x4.png").stat().st_size == 0
    assert zoo("upscale", first, second, "--force", *BICUBIC).exit_code == 0
    assert size_of(tmp_path / "b-x4.png") == (32, 24)
    assert zoo("upscale", first, "--force", "--skip-existing", *BICUBIC).exit_code == 2


def test_json_tells_how_each_picture_was_made(zoo: Zoo, tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png", size=(100, 70))
    (tmp_path / "b.png").touch()
    result = zoo(
        "upscale", source, tmp_path / "b.png", "--tile", "64", "--format", "tiff", "--json",
        *BICUBIC,
    )  # fmt: skip
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert told["schema"] == "zoo.upscale/1"
    assert told["model"]["name"] == "bicubic"
    assert told["choice"]["source"] == "default"
    assert told["choice"]["way"] == told["images"][0]["way"] == "channels_last, float32, eager"
    good, bad = told["images"]
    assert (good["status"], good["width"], good["height"]) == ("done", 280, 400)
    assert good["output"].endswith("a-x4.tiff")
    assert good["tiles"] > 1
    assert good["largest_seam"] < 1 / 255
    assert (bad["status"], bad["width"]) == ("failed", None)
    assert "the file is empty" in bad["error"]


def test_the_precision_can_be_asked_for(zoo: Zoo, tmp_path: Path) -> None:
    source = picture(tmp_path / "a.png")
    for word, precision in (("--bf16", "bfloat16"), ("--no-bf16", "float32")):
        told = json.loads(zoo("upscale", source, word, "--force", "--json", *BICUBIC).stdout)
        assert told["choice"]["source"] == "set by user"
        assert told["images"][0]["way"] == f"channels_last, {precision}, eager"


def test_the_model_of_a_run_tells_its_size_and_its_data(
    zoo: Zoo, tmp_path: Path, run_root: Path
) -> None:
    run = run_root / "srresnet" / "smoke" / "seed-0"
    result = zoo("upscale", picture(tmp_path / "a.png"), "--model", run, "--device", "cpu")
    assert result.exit_code == 0
    parameters = sum(one.numel() for one in find_model(run).build().parameters())
    assert f"a small network of {parameters:,} parameters, trained on" in result.stderr
    named = ("--model", "srresnet-nobn", "--run-root", run_root, "--device", "cpu")
    assert zoo("upscale", tmp_path / "a.png", *named, "--force").exit_code == 0


def test_a_plugins_model_needs_its_plugin(zoo: Zoo, tmp_path: Path, plugin_file: Path) -> None:
    shapes = {"0.weight": (4, 3, 3, 3), "0.bias": (4,), "1.weight": (48, 4, 3, 3), "1.bias": (48,)}
    tensors = {f"body.{name}": torch.full(shape, 0.01) for name, shape in shapes.items()}
    details = Details(name="mine", generator={"name": "plugged-net"}, scale=4, origin="imported")
    model = tmp_path / "plugged.safetensors"
    write_model(model, Model(details, tensors))
    words = ("upscale", picture(tmp_path / "a.png"), "--model", model, "--device", "cpu")
    refused = zoo(*words)
    assert refused.exit_code == 2
    assert "unknown generator 'plugged-net' (see: zoo list generators)" in refused.stderr
    origin = {"generator plugged-net": f"file {plugin_file}"}
    write_model(model, Model(details.model_copy(update={"plugins": origin}), tensors))
    refused = zoo(*words)
    assert refused.exit_code == 2
    assert f"name this file with --plugin {plugin_file}" in " ".join(refused.stderr.split())
    assert zoo(*words, "--plugin", plugin_file).exit_code == 0
    assert size_of(tmp_path / "a-x4.png") == (32, 24)


def test_what_is_done_is_told_when_the_disk_is_full(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = picture(tmp_path / "a.png"), picture(tmp_path / "b.png")

    def write(path: Path, content: bytes) -> None:
        if path.name == "b-x4.png":
            raise MachineError(f"cannot write {path}: the disk is full")
        path.write_bytes(content)

    monkeypatch.setattr("zoo.upscaling.encoding.write_atomically", write)
    result = zoo("upscale", first, second, *BICUBIC)
    assert result.exit_code == 5
    assert result.stdout == f"{tmp_path / 'a-x4.png'}\n"
    assert "the disk is full" in result.stderr


def test_what_is_not_there_is_said_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from zoo.commands.app import app\n"
        f"result = CliRunner().invoke(app, ['upscale', {str(tmp_path / 'none.png')!r}])\n"
        "sys.exit(10 * ('torch' in sys.modules) + result.exit_code)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"]
)
def test_a_stop_leaves_whole_files_and_goes_on(
    tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    for index in range(60):
        picture(tmp_path / "in" / f"{index:02}.png", index, (150, 150))
    out = tmp_path / "out"
    command = [sys.executable, CLI, "upscale", tmp_path / "in", "-o", out, *BICUBIC]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    while not (out.is_dir() and any(out.glob("*.png"))):
        assert started.poll() is None
        time.sleep(0.05)
    started.send_signal(number)
    _, said = started.communicate()
    done = sorted(out.iterdir())
    assert started.returncode == exit_code
    assert 0 < len(done) < 60
    assert all(path.suffix == ".png" and size_of(path) == (600, 600) for path in done)
    assert "of 60 images; run the same command with --skip-existing to resume" in said
    again = subprocess.run([*command, "--skip-existing"], env=environment, check=False)
    assert again.returncode == 0
    assert len(list(out.iterdir())) == 60
