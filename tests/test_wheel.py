"""The wheel alone, far from the checkout: what is in it, that it trains, scores and reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]
RUN = "import sys; from zoo.commands.app import main; sys.argv[0] = 'zoo'; main()"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the installed hatchling, so that no network is needed."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    subprocess.run([*command, REPOSITORY], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel into a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*command, "--target", folder, wheel], check=True, capture_output=True)
    return folder


def zoo(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "ZOO_HOME": str(cwd / "home")}
    command = [sys.executable, "-c", RUN, *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=True
    )


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"zoo"}
    assert "zoo/registry.yaml" in names
    assert "zoo/py.typed" in names
    sources = {
        path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "zoo").rglob("*.py")
    }
    assert sources <= set(names)


def test_it_holds_suites_models_and_what_pages_are_made_of(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    several = [f"{name}-x{scale}" for name in ("samples", "classical") for scale in (2, 3, 4, 8)]
    suites = {f"zoo/suites/{name}.yaml" for name in (*several, "div2k-x4", "study-x4")}
    assert suites == {name for name in names if name.startswith("zoo/suites/")}
    report = REPOSITORY / "zoo" / "report"
    files = [path for path in report.rglob("*") if path.suffix in (".j2", ".css", ".js")]
    assert {path.suffix for path in files} == {".j2", ".css", ".js"}
    files += [path for path in (REPOSITORY / "zoo/models/shipped").rglob("*") if path.is_file()]
    assert {path.relative_to(REPOSITORY).as_posix() for path in files} <= names


def test_it_upscales_with_a_model_of_its_own(installed: Path, tmp_path: Path) -> None:
    Image.new("RGB", (12, 8), "teal").save(tmp_path / "photo.png")
    done = zoo(installed, tmp_path, "upscale", "photo.png")
    assert "photo-x4.png" in done.stdout
    with Image.open(tmp_path / "photo-x4.png") as large:
        assert large.size == (48, 32)
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png", "photo-x4.png"}


def test_it_is_itself_that_runs(installed: Path, tmp_path: Path) -> None:
    code = "import zoo; print(zoo.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(installed / "zoo" / "__init__.py")


def test_the_console_script_is_there(installed: Path) -> None:
    assert (installed / "bin" / "zoo").is_file()


def test_it_lists_and_shows(installed: Path, tmp_path: Path) -> None:
    listed = json.loads(zoo(installed, tmp_path, "list", "--json").stdout)
    assert "esrgan-wgangp" in [row["name"] for row in listed["recipes"]]
    shown = zoo(installed, tmp_path, "show", "esrgan-wgangp", "--profile", "smoke").stdout
    assert "discriminator.norm" in shown


def test_it_trains(installed: Path, tmp_path: Path) -> None:
    done = zoo(installed, tmp_path, "train", "srresnet", "--profile", "smoke", "--device", "cpu")
    directory = Path("runs") / "srresnet" / "smoke" / "seed-0"
    assert f"run: {directory}" in done.stdout.splitlines()
    assert (tmp_path / directory / "weights.safetensors").is_file()


def test_it_scores_and_reports(installed: Path, tmp_path: Path) -> None:
    rows = json.loads(zoo(installed, tmp_path, "bench", "bicubic", "--json").stdout)
    assert {row["suite"] for row in rows} == {"samples-x4"}
    assert {row["recipe"] for row in rows} == {"bicubic"}
    zoo(installed, tmp_path, "report")
    page = (tmp_path / "runs" / "report" / "index.html").read_text(encoding="utf-8")
    assert "<style" in page
    assert "<script" in page
    assert "bicubic" in page
