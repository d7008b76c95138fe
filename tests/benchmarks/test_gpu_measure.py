"""All GPU measurements in one go: what is done, cut or missing is said, and one page holds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import gpu_measure
from benchmarks.gpu_measure import FAMILIES, KINDS, Part, main, parse, parts
from benchmarks.gpu_session import DONE, FAILED, GPU_TESTS, STOPPED

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.sh"
RESULT = {"device": "a device", "machine": "a machine", "versions": {"torch": "2"}}


def part(out: Path, name: str, code: str = "", seconds: float = 30.0) -> Part:
    """Return a part that prints `page of NAME`, writes its result and then runs `code`."""
    result = out / "parts" / f"{name}.json"
    content = json.dumps(RESULT | {"ratio": {name.removeprefix("speed-"): {"median": 2.0}}})
    script = f"open({str(result)!r}, 'w').write({content!r}); print('page of {name}'); {code}"
    return Part(name, [sys.executable, "-S", "-c", script], result, seconds)


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Part]:
    """Return the parts that are run instead of the real ones, by name; they may be exchanged."""
    chosen = {name: part(tmp_path, name) for name in ("speed-srgan", "profile")}

    def instead(_: Namespace) -> Iterator[Part]:
        yield from chosen.values()

    monkeypatch.setattr(gpu_measure, "parts", instead)
    return chosen


def document(out: Path) -> dict[str, dict[str, dict[str, object]]]:
    content: dict[str, dict[str, dict[str, object]]] = json.loads((out / "gpu.json").read_text())
    return content


def test_one_document_and_one_page_hold_all_parts(
    measured: dict[str, Part], tmp_path: Path
) -> None:
    assert main([str(tmp_path), "--size", "smoke"]) == DONE
    found = document(tmp_path)
    assert found["ratio"] == {"srgan": {"median": 2.0}}
    assert set(found["results"]) == set(measured)
    assert found["device"] == "a device"
    page = (tmp_path / "gpu.md").read_text()
    assert "# Measured on a device" in page
    assert "a machine; torch 2." in page
    for name in measured:
        assert f"## {name}\n\npage of {name}\n" in page


@pytest.mark.slow
def test_a_part_that_overruns_is_cut_and_the_rest_goes_on(
    measured: dict[str, Part], tmp_path: Path
) -> None:
    slow = part(tmp_path, "speed-srgan", "import sys, time; sys.stdout.flush(); time.sleep(60)", 2)
    measured["speed-srgan"] = slow
    assert main([str(tmp_path)]) == STOPPED
    page = (tmp_path / "gpu.md").read_text()
    assert "| speed-srgan | cut: it overran its limit | 2 | 2 |" in page
    assert "| profile | done |" in page


def test_half_a_result_is_none(measured: dict[str, Part], tmp_path: Path) -> None:
    torn = "open(__import__('sys').argv[1], 'w').write('{'); raise SystemExit(1)"
    one = part(tmp_path, "speed-srgan", torn)
    measured["speed-srgan"] = replace(one, command=[*one.command, str(one.result)])
    assert main([str(tmp_path)]) == FAILED
    assert one.result.read_text() == "{"
    assert set(document(tmp_path)["results"]) == {"profile"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu.json", "gpu.md", "parts"]


def test_without_time_nothing_is_begun_and_that_is_said(
    measured: dict[str, Part], tmp_path: Path
) -> None:
    measured["speed-srgan"] = part(tmp_path, "speed-srgan", "import time; time.sleep(60)")
    assert main([str(tmp_path), "--minutes", "0.03"]) == STOPPED
    assert "| profile | not begun: no time was left |" in (tmp_path / "gpu.md").read_text()


def test_the_same_command_does_what_is_missing(
    measured: dict[str, Part], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = measured["profile"]
    measured["profile"] = part(tmp_path, "profile", "print('why'); raise SystemExit(1)")
    assert main([str(tmp_path)]) == FAILED
    assert "why" in capsys.readouterr().out
    measured["profile"] = whole
    assert main([str(tmp_path)]) == DONE
    assert "speed-srgan: done before" in capsys.readouterr().out
    assert main([str(tmp_path), "--again"]) == DONE
    assert main([str(tmp_path), "--size", "tiny"]) == DONE
    assert "done before" not in capsys.readouterr().out


def test_limits_of_the_first_parts_are_what_a_session_has(tmp_path: Path) -> None:
    options = parse([str(tmp_path)])
    chosen = list(parts(options))
    names = [one.name for one in chosen]
    first = chosen[: names.index("scoring") + 1]
    assert sum(one.seconds for one in first) == 60 * options.minutes
    assert names[:2] == ["tests", "speed-srresnet"]
    assert all(name.startswith(KINDS) for name in names)
    assert names[len(first) :] == [*(f"ablation-{family}" for family in FAMILIES), "features"]
    assert all(one.seconds < 60 * options.minutes for one in chosen)


def test_settings_reach_all_trainings_and_nothing_measured_otherwise_is_kept(
    measured: dict[str, Part], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [str(tmp_path), "--set", "runtime.compile=true", "--set", "data.batch_size=4"]
    for one in parts(parse(options)):
        passed = "--set runtime.compile=true --set data.batch_size=4" in " ".join(one.command)
        assert passed == one.name.startswith(("speed", "profile", "ablation"))
    assert main([str(tmp_path)]) == DONE
    assert main(options) == DONE
    assert "done before" not in capsys.readouterr().out
    assert (
        "Size paper, runtime.compile=true, data.batch_size=4;" in (tmp_path / "gpu.md").read_text()
    )
    assert set(document(tmp_path)["parts"]) == set(measured)


def test_every_test_that_needs_a_gpu_is_run() -> None:
    root, this = SCRIPT.parents[1], Path(__file__)
    marked = [
        path.relative_to(root).as_posix()
        for path in (root / "tests").rglob("*.py")
        if path != this and "pytest.mark.gpu" in path.read_text()
    ]
    assert len(marked) > 1
    assert all(any(name.startswith(place) for place in GPU_TESTS) for name in marked)


def test_wrong_usage_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "--minutes", "0"])
    assert "above 0" in capsys.readouterr().err


@pytest.mark.slow
def test_every_part_runs_on_the_cpu(tmp_path: Path) -> None:
    command = [SCRIPT, "measure", tmp_path, "--size", "smoke", "--device", "cpu"]
    kinds = ("--parts", *(kind for kind in KINDS if kind != "ablation"))  # test_speed.py has that
    ended = subprocess.run(
        [*map(str, command), "--families", "srresnet", "--limit", "3", *kinds],
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert ended.returncode == DONE, ended.stdout + ended.stderr
    found = document(tmp_path)
    assert set(found["parts"]) == {"tests", "speed-srresnet", "profile", "scoring", "features"}
    assert set(found["ratio"]) == {"srresnet"}
    rows = found["results"]["profile"]["rows"]
    assert isinstance(rows, list)
    shares = [row["share"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert 0.5 < sum(shares) <= 1
    page = (tmp_path / "gpu.md").read_text()
    assert "One step of esrgan-wgangp at size smoke on cpu" in page
    assert "| kernel | calls | ms | share |" in page
    assert "| bicubic |" in page
    assert "| VGG16, conv5_3 | " in page
