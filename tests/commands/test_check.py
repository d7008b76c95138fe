"""`zoo check`: which components it checks, what it prints, how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from zoo.testing import GeneratorContract
from zoo.testing.cost_comparison import COMPARED

Zoo = Callable[..., Result]
HEADING = "  speed and memory, compared with srresnet at its defaults, and the ratio:"

PARTS = """
import torch
from zoo import Loss, Metric, register_loss, register_metric


@register_loss("far")
class Far(Loss):
    def __init__(self, *, power: float = 1.0) -> None:
        super().__init__()
        self.power = power

    def forward(self, sr_image, hr_image):
        return (sr_image - hr_image).abs().pow(self.power).mean()


@register_metric("far")
class FarScore(Metric):
    higher_is_better = {direction}

    def __call__(self, sr_image, hr_image, *, scale):
        return float((sr_image - hr_image).abs().mean())
"""


@pytest.fixture
def parts(tmp_path: Path) -> Callable[[str], Path]:
    """Write a plugin file with a loss and a metric, both called `far`."""

    def write(direction: str = "False") -> Path:
        path = tmp_path / "parts.py"
        path.write_text(PARTS.format(direction=direction))
        return path

    return write


def test_of_a_file_every_component_is_checked(zoo: Zoo, parts: Callable[..., Path]) -> None:
    path = parts()
    result = zoo("check", path)
    lines = result.stdout.splitlines()
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles == [
        f"{kind} far (file {path}), with default arguments" for kind in ("loss", "metric")
    ]
    assert {line.split()[0] for line in lines if line.startswith(" ")} == {"ok"}
    assert result.exit_code == 0
    assert result.stderr.splitlines()[-1] == "15 checks: 0 failed, 0 skipped"


def test_a_broken_promise_ends_in_1_and_says_why(zoo: Zoo, parts: Callable[..., Path]) -> None:
    result = zoo("check", parts("True"), "--kind", "metric")
    assert result.exit_code == 1
    (failure,) = (line for line in result.stdout.splitlines() if "FAILED" in line)
    assert failure.startswith("  FAILED  No degraded image scores better than the real one: noise")
    assert result.stderr.splitlines()[-1] == "7 checks: 1 failed, 0 skipped"


def test_json_has_every_verdict(zoo: Zoo, parts: Callable[..., Path]) -> None:
    result = zoo("check", parts("True"), "--json")
    document = json.loads(result.stdout)
    assert (document["schema"], document["passed"], result.exit_code) == ("zoo.check/1", False, 1)
    loss, metric = document["components"]
    assert (loss["kind"], loss["name"], loss["arguments"], loss["cost"]) == (
        "loss",
        "far",
        {},
        None,
    )
    assert {check["status"] for check in loss["checks"]} == {"ok"}
    failed = [check for check in metric["checks"] if check["status"] == "FAILED"]
    assert [check["check"] for check in failed] == ["test_best_at_the_real_image"]
    assert failed[0].keys() == {"check", "says", "status", "detail", "place"}


def test_settings_are_read_and_checked_as_a_recipe_is(zoo: Zoo, parts: Callable[..., Path]) -> None:
    path = parts()
    result = zoo("check", path, "--kind", "losses", "--set", "power=2")
    assert result.stdout.splitlines()[0] == f"loss far (file {path}), with power=2.0"
    wrong = zoo("check", path, "--kind", "losses", "--set", "powr=2")
    assert wrong.exit_code == 2
    assert "unknown argument 'powr' of 'far'; did you mean 'power'?" in wrong.stderr
    assert zoo("check", path, "--kind", "losses", "--set", "power").exit_code == 2


def test_a_name_is_looked_up_and_may_need_its_kind(zoo: Zoo, parts: Callable[..., Path]) -> None:
    path = parts()
    several = zoo("check", "far", "--plugin", path)
    assert several.exit_code == 2
    assert "'far' is the name of several components (loss, metric): add --kind" in several.stderr
    assert zoo("check", "far", "--plugin", path, "--kind", "loss").exit_code == 0
    assert zoo("check", "mse").stdout.startswith("loss mse (built-in), with default arguments")
    unknown = zoo("check", "mze")
    assert unknown.exit_code == 2
    assert "unknown component 'mze'; did you mean 'mse'?" in unknown.stderr


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (
            "x = 1\n",
            "registers no component; decorate its class, for example with @register_generator",
        ),
        ("import acme_absent\n", "failed: ModuleNotFoundError: No module named 'acme_absent'"),
    ],
)
def test_a_file_that_is_no_plugin_is_an_error(
    zoo: Zoo, tmp_path: Path, code: str, cause: str
) -> None:
    path = tmp_path / "nothing.py"
    path.write_text(code)
    result = zoo("check", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert cause in result.stderr
    assert zoo("check", tmp_path / "absent.py").exit_code == 2


def test_a_bug_has_its_line_and_its_traceback_where_asked(
    zoo: Zoo, parts: Callable[..., Path], tmp_path: Path
) -> None:
    path = tmp_path / "bug.py"
    path.write_text(parts().read_text().replace(".pow(self.power)", ".pow(self.pwr)"))
    result = zoo("check", path, "--kind", "loss")
    failures = [line for line in result.stdout.splitlines() if "FAILED" in line]
    assert "'Far' object has no attribute 'pwr' (bug.py:13)" in failures[0]
    assert "Traceback" not in result.output
    assert "Traceback" in zoo("--verbose", "check", path, "--kind", "loss").stderr


@pytest.mark.parametrize("page", ["plugins.md", "first-plugin.md"])
def test_the_pages_show_the_checks_there_are(page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    (shown,) = re.findall(r"^\$ zoo check my_net\.py\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    checks = [line.removeprefix("  ok      ") for line in shown.splitlines() if "  ok " in line]
    methods = [getattr(GeneratorContract, name) for name in GeneratorContract.checks()]
    said = [" ".join(str(method.__doc__).split()).rstrip(".") for method in methods]
    assert len(checks) == len(said)
    assert all(line.startswith(each) for line, each in zip(checks, said, strict=True))
    costs = [line.strip() for line in shown.splitlines() if line.startswith("    ")]
    assert len(costs) == len(COMPARED)
    assert all(line.startswith(label) for line, label in zip(costs, COMPARED.values(), strict=True))
    assert f"{HEADING}\n" in shown


@pytest.mark.slow
def test_a_generator_is_compared_with_the_reference(zoo: Zoo, plugin_file: Path) -> None:
    result = zoo("check", plugin_file)
    assert result.exit_code == 0, result.output
    assert f"{HEADING}\n" in result.stdout
    cost = json.loads(zoo("check", plugin_file, "--json").stdout)["components"][0]["cost"]
    assert cost["parameters"]["reference"] == 1_549_462
    assert cost["parameters"]["own"] == 3 * 4 * 9 + 4 + 4 * 48 * 9 + 48
    assert 0 < cost["ms_per_megapixel"]["own"] < cost["ms_per_megapixel"]["reference"]
