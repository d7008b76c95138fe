"""Whatever the files of a run or a record hold: an error that names them, or the true scores.

Each file is changed in many ways, one at a time, and commands that read it are run. They end with
an exit code of an error that is the user's, without a traceback; where they end with 0, scores and
pictures are those of the files as they were.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from typer.testing import Result

from tests.bad_input.mutations import mutated
from zoo.bench import evaluate
from zoo.commands import options as command_options
from zoo.data.images import Image, read_image
from zoo.recipes import checks
from zoo.recipes.book import load_book

Zoo = Callable[..., Result]
FILES = ("recipe.yaml", "provenance.json", "metrics.jsonl", "summary.json")
ENDS = {0, 2, 3, 4, 5}
FEW = 1
MANY = int(os.environ.get("ZOO_FUZZ_CHANGES", "5"))
"""Changes of each file in the slow tests: 500 take an hour, see CONTRIBUTING.md."""
SUITE = "version: 1\nsummary: small\nscale: 4\ndatasets: [Tiny]\nmetrics: [psnr-y]\n"
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Place:
    """A run of two seeds with their records.

    Attributes:
        root: folder of runs.
        suite: options of `zoo bench` and `zoo report` for the suite and its data.
        photo: a small picture.
        scores: true mean PSNR_Y by seed, in dB, and of both under None.
        held_out: PSNR_Y of the first seed on what it was validated on, in dB.
        upscaled: what the first seed makes of the picture.
    """

    root: Path
    suite: tuple[str, ...]
    photo: Path
    scores: dict[int | None, float]
    held_out: float
    upscaled: Image

    @property
    def run(self) -> Path:
        """The run whose files are changed."""
        return self.root / "srresnet" / "smoke" / "seed-0"

    @property
    def record(self) -> Path:
        """Its record."""
        (found,) = (self.root / "records" / "fuzz").glob("srresnet-smoke-seed-0-*.json")
        return found


@pytest.fixture
def place(
    run_root: Path,
    data_root: Path,
    zoo: Zoo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """Score two seeds; the registry, which nothing here changes, is read and checked once."""
    suite = tmp_path / "fuzz.yaml"
    suite.write_text(SUITE)
    photo = next((data_root / "Tiny" / "HR").iterdir())
    options = ("--suite", str(suite), "--data-root", str(data_root), "--run-root", str(run_root))
    book = load_book()
    monkeypatch.setattr(command_options, "load_book", lambda *_, **__: book)
    monkeypatch.setattr(checks, "check_book", lambda *_, **__: None)
    monkeypatch.setattr(evaluate, "measured_cost", lambda *_, **__: {})
    shutil.rmtree(run_root / "srresnet-nobn")
    scores: dict[int | None, float] = {}
    for seed in (0, 1):
        done = zoo("bench", run_root / "srresnet" / "smoke" / f"seed-{seed}", "--json", *options)
        scores[seed] = _benched(done.stdout)[0]
    scores[None] = fmean(scores.values())
    held_out = json.loads((run_root / "srresnet/smoke/seed-0/summary.json").read_text())["psnr_y"]
    zoo("upscale", photo, "--model", run_root / "srresnet/smoke/seed-0", "-o", tmp_path / "true")
    upscaled = next((tmp_path / "true").iterdir())
    return Place(run_root, options, photo, scores, held_out, read_image(upscaled))


def _benched(printed: str) -> list[float]:
    """Return the scores of what is no baseline in a JSON table."""
    rows = json.loads(printed)
    return [row["psnr_y"]["mean"] for row in rows if row["recipe"] != "bicubic"]


def _tabled(text: str) -> list[str]:
    """Return the PSNR_Y of what is no baseline in Markdown tables, as it is written."""
    found = []
    for head, table in re.findall(r"^(\|.*PSNR-Y.*)\n\|[-:| ]+\n((?:\|.*\n)*)", text, re.MULTILINE):
        column = next(i for i, cell in enumerate(head.split("|")) if "PSNR-Y" in cell)
        cells = [row.split("|")[column] for row in table.splitlines() if "bicubic" not in row]
        found += [re.sub(r"<[^>]*>|\*", "", cell).strip() for cell in cells]
    return [cell.partition(" ")[0] for cell in found]


def _bench(place: Place, zoo: Zoo, scratch: Path) -> Result:
    done = zoo("bench", place.run, "--json", *place.suite)
    if done.exit_code == 0:
        assert _benched(done.stdout) == [pytest.approx(place.scores[0], abs=TOLERANCE)]
    return done


def _report(place: Place, zoo: Zoo, scratch: Path) -> Result:
    done = zoo("report", "--markdown", "-o", scratch, *place.suite)
    if done.exit_code == 0:
        tables = (scratch / "tables.md").read_text()
        assert _tabled(tables) == [f"{place.scores[None]:.2f}"]
    return done


def _card(place: Place, zoo: Zoo, scratch: Path) -> Result:
    done = zoo("card", place.run, "--run-root", place.root)
    if done.exit_code == 0:
        assert set(_tabled(done.stdout)) <= {f"{place.scores[0]:.2f}"}
    return done


def _upscale(place: Place, zoo: Zoo, scratch: Path) -> Result:
    done = zoo("upscale", place.photo, "--model", place.run, "-o", scratch)
    if done.exit_code == 0:
        assert np.array_equal(read_image(next(scratch.iterdir())), place.upscaled)
    return done


def _export(place: Place, zoo: Zoo, scratch: Path) -> Result:
    return zoo("export", place.run, "-o", scratch / "exported", "--run-root", place.root)


def _train(place: Place, zoo: Zoo, scratch: Path) -> Result:
    done = zoo("train", "srresnet", "-p", "smoke", "--run-root", place.root, "--device", "cpu")
    if done.exit_code == 0:
        assert re.findall(r"PSNR_Y ([0-9.-]+) dB", done.stdout) == [f"{place.held_out:.2f}"]
    return done


Command = Callable[[Place, Zoo, Path], Result]
READERS_OF_RUNS: tuple[Command, ...] = (_upscale, _card, _export, _train)


def _problem(command: Command, place: Place, zoo: Zoo, scratch: Path) -> str | None:
    """Run a command; return what is wrong with its end or with the scores it shows."""
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        done = command(place, zoo, scratch)
    except BaseException as error:  # noqa: BLE001  any is a traceback, or a wrong score
        return f"{command.__name__}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if done.exit_code not in ENDS:
        return f"{command.__name__}: exit {done.exit_code}"
    if "Traceback" in done.output:
        return f"{command.__name__}: a traceback: {done.output[-300:]}"
    return None


def _fuzz(path: Path, numbers: range, check: Callable[[int], Iterator[str | None]]) -> list[str]:
    """Change a file in so many ways, one at a time; return what went wrong, with the number."""
    content, found = path.read_bytes(), []
    for number in numbers:
        path.write_bytes(mutated(content, path.suffix, number))
        found += [f"{path.name} {number}: {one}" for one in check(number) if one is not None]
    path.write_bytes(content)
    return found


def fuzz_run(place: Place, zoo: Zoo, scratch: Path, name: str, numbers: range) -> list[str]:
    """Change a file of a run; everything else is as it was each time."""
    pristine = shutil.copytree(place.root, scratch / "pristine")

    def check(number: int) -> Iterator[str | None]:
        changed = (place.run / name).read_bytes()
        other = READERS_OF_RUNS[(number + FILES.index(name)) % len(READERS_OF_RUNS)]
        for command in (_bench, other):
            (place.run / name).write_bytes(changed)
            yield _problem(command, place, zoo, scratch / "out")
            shutil.rmtree(place.root)
            shutil.copytree(pristine, place.root)

    return _fuzz(place.run / name, numbers, check)


def fuzz_record(place: Place, zoo: Zoo, scratch: Path, numbers: range) -> list[str]:
    """Change the record of one of two seeds."""
    path = place.record

    def check(number: int) -> Iterator[str | None]:
        changed = path.read_bytes()
        for command in (_report, _card if number % 2 else _bench):
            path.write_bytes(changed)
            yield _problem(command, place, zoo, scratch / "out")

    return _fuzz(path, numbers, check)


def test_a_few_changes_of_each_file(place: Place, zoo: Zoo, tmp_path: Path) -> None:
    found = [fuzz_run(place, zoo, tmp_path / name, name, range(FEW)) for name in FILES]
    found.append(fuzz_record(place, zoo, tmp_path / "record", range(FEW)))
    assert found == [[]] * (len(FILES) + 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", FILES)
def test_many_changes_of_a_file_of_a_run(place: Place, zoo: Zoo, tmp_path: Path, name: str) -> None:
    assert fuzz_run(place, zoo, tmp_path, name, range(MANY)) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_changes_of_a_record(place: Place, zoo: Zoo, tmp_path: Path) -> None:
    assert fuzz_record(place, zoo, tmp_path, range(MANY)) == []
