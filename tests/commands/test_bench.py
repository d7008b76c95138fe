"""`zoo bench`: from what is asked for to tables, at smoke size on a suite of three small images."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import Result

import zoo as package
from tests.exchange import networks
from zoo.bench import selftest
from zoo.data.images import read_image
from zoo.data.resize import downscale
from zoo.files import file_sha256
from zoo.generators.bicubic import Bicubic
from zoo.generators.srresnet import SRResNet
from zoo.models.details import Details
from zoo.models.file import read_model, write_model
from zoo.models.find import find_model
from zoo.models.model import Model
from zoo.models.store import MODEL_FILE, store_path
from zoo.records.record import read_record, read_records

Zoo = Callable[..., Result]
Bench = Callable[..., Result]


def rows_of(result: Result) -> dict[str, dict[str, Any]]:
    """Return the rows of the dataset by recipe; those of the suite's mean say the same here."""
    rows = json.loads(result.stdout)
    return {row["recipe"]: row for row in rows if row["dataset"] == "Tiny"}


def test_every_seed_is_scored_beside_the_baseline(bench: Bench) -> None:
    result = bench("srresnet", "--seeds", "2", "--json")
    assert result.exit_code == 0, result.stderr
    rows = rows_of(result)
    assert list(rows) == ["bicubic", "srresnet"]
    ours = rows["srresnet"]
    assert (ours["profile"], ours["suite"], ours["dataset"]) == ("smoke", "tiny", "Tiny")
    assert (ours["seeds"], ours["n"]) == (2, 3)
    assert ours["psnr_y"]["low"] < ours["psnr_y"]["mean"] < ours["psnr_y"]["high"]
    assert rows["bicubic"]["psnr_y"]["mean"] > ours["psnr_y"]["mean"], "12 steps learn nothing"
    assert ours["cost"]["parameters"] > 0


def test_a_baseline_scores_what_its_images_say(bench: Bench, data_root: Path) -> None:
    from zoo.metrics.fidelity import PSNRY

    scores = []
    for path in sorted((data_root / "Tiny" / "HR").glob("*.png")):
        pair = (downscale(read_image(path), 4), read_image(path))
        lr, hr = (torch.from_numpy(image.copy()).permute(2, 0, 1) / 255 for image in pair)
        scores.append(PSNRY()(Bicubic(scale=4)(lr.unsqueeze(0))[0], hr, scale=4))
    row = rows_of(bench("bicubic", "--json"))["bicubic"]
    assert row["psnr_y"]["mean"] == pytest.approx(sum(scores) / 3)


def test_missing_runs_are_listed_with_the_command_that_makes_them(
    bench: Bench, data_root: Path, run_root: Path
) -> None:
    result = bench("srresnet-nobn", "--seeds", "2", "--json")
    assert result.exit_code == 0
    given = f"--data-root {data_root} --run-root {run_root}"
    made_by = f"zoo train srresnet-nobn --profile smoke --seed 1 {given}   # not trained"
    assert made_by in result.stderr
    assert rows_of(result)["srresnet-nobn"]["seeds"] == 1


def test_runs_with_other_settings_are_not_taken_for_these(bench: Bench) -> None:
    changed = ("srresnet", "--seeds", "1", "--set", "training.learning_rate=0.5")
    result = bench(*changed)
    assert "zoo train srresnet --profile smoke --seed 0 --set training.learning_rate=0.5" in (
        result.stderr
    )
    assert "# not trained" in result.stderr


def test_missing_weights_of_a_metric_leave_its_cell_empty_and_say_why(bench: Bench) -> None:
    assert rows_of(bench("bicubic", "--json"))["bicubic"]["lpips"] is None
    assert "zoo weights get vgg16 lpips" in bench("bicubic").stdout


def test_metrics_that_are_named_are_shown_and_no_others(bench: Bench, run_root: Path) -> None:
    asked = bench("bicubic", "--json", "--metrics", "haarpsi, psnr-y", "--metrics", "lpips-alex")
    assert asked.exit_code == 0, asked.stderr
    row = rows_of(asked)["bicubic"]
    assert {"psnr_y", "haarpsi", "lpips_alex"} <= row.keys()
    assert not {"ssim_y", "lpips", "statistics_gap"} & row.keys()
    assert row["haarpsi"]["mean"] > 0
    (record,) = read_records(run_root / "records")
    assert "ssim_y" in record.columns, "records keep what the suite asks for"
    panel = rows_of(bench("bicubic", "--json", "--metrics", "perceptual"))["bicubic"]
    assert {"lpips", "lpips_alex", "dists", "niqe", "lite1_distance", "haarpsi", "lr_psnr"} <= (
        panel.keys()
    )
    unknown = bench("bicubic", "--metrics", "lipps")
    assert unknown.exit_code == 2
    assert "unknown metric 'lipps'; did you mean 'lpips'?" in unknown.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sort", "ssim-y", "--metrics", "psnr-y"], "the table does not show this metric"),
        (["--sort", "niqe"], "add it with --metrics"),
        (["--sort", "lpips"], "zoo weights get vgg16 lpips"),
        (["--sort", "psnr-z"], "unknown metric or cost 'psnr-z'"),
    ],
)
def test_rows_are_not_ranked_by_what_has_no_score_and_nothing_is_scored(
    bench: Bench, run_root: Path, words: list[str], said: str
) -> None:
    result = bench("bicubic", *words)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
    assert not (run_root / "records").exists()


def test_unchanged_work_is_not_scored_again(
    bench: Bench, run_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench("srresnet", "--seeds", "2", "--json")
    assert len(read_records(run_root / "records")) == 3
    with monkeypatch.context() as patch:
        patch.setattr("zoo.bench.evaluate.Scorer.score", None)  # would fail if it were called
        again = bench("srresnet", "--seeds", "2", "--json")
    assert again.stdout == first.stdout
    monkeypatch.setattr("zoo.bench.evaluate.PROTOCOL_VERSION", 99)
    bench("srresnet", "--seeds", "2", "--json")
    assert len(read_records(run_root / "records")) == 6


def test_one_damaged_run_costs_one_row(bench: Bench, run_root: Path) -> None:
    weights = run_root / "srresnet-nobn" / "smoke" / "seed-0" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    result = bench("srresnet", "srresnet-nobn", "--seeds", "1", "--json")
    assert result.exit_code == 3
    rows = rows_of(result)
    assert "missing or damaged" in rows["srresnet-nobn"]["error"]
    assert rows["srresnet"]["psnr_y"]["mean"] > 0


def test_a_missed_published_value_stops_before_any_table(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(selftest.PUBLISHED, ("Tiny", 4), selftest.Scores(99.0, 0.5))
    monkeypatch.setitem(
        selftest.KNOWN_SETS, "Tiny", selftest.KNOWN_SETS["Set5"].__class__(3, "", ("Tiny",))
    )
    result = bench("srresnet", "--seeds", "1")
    assert result.exit_code == 4
    assert result.stdout == ""
    assert "self-test of Tiny x4: bicubic scores" in result.stderr


def test_the_self_test_does_not_depend_on_the_metrics_or_on_old_records(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench("bicubic", "--json").exit_code == 0
    text = (tmp_path / "tiny.yaml").read_text()
    (tmp_path / "blind.yaml").write_text(text.replace("[psnr-y, ssim-y, lpips]", "[haarpsi]"))
    monkeypatch.setitem(selftest.PUBLISHED, ("Tiny", 4), selftest.Scores(99.0, 0.5))
    monkeypatch.setitem(
        selftest.KNOWN_SETS, "Tiny", selftest.KNOWN_SETS["Set5"].__class__(3, "", ("Tiny",))
    )
    assert bench("bicubic", "--suite", tmp_path / "blind.yaml").exit_code == 4
    # what passed once counts only for the very software it passed with
    monkeypatch.setattr("zoo.bench.session.versions", lambda: {"torch": "another"})
    assert bench("bicubic", "--json").exit_code == 4


def test_a_record_says_whether_its_dataset_was_self_tested(bench: Bench, run_root: Path) -> None:
    bench("bicubic")
    (record,) = read_records(run_root / "records")
    assert record.provenance["self_test"]["Tiny"].startswith("not tested: Tiny is not a public")
    assert "cores" in record.provenance["machine"]


BROKEN = """
import torch
from zoo import Generator, register_generator


@register_generator("broken-net")
class BrokenNet(Generator):
    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, lr_image):
        raise RuntimeError("a bug of mine")
"""


def test_a_bug_of_one_generator_costs_one_row(bench: Bench, tmp_path: Path) -> None:
    plugin, weights = tmp_path / "broken.py", tmp_path / "broken.pt"
    plugin.write_text(BROKEN)
    torch.save({"weight": torch.zeros(1)}, weights)
    options = ("--plugin", plugin, "--generator", "broken-net", "--json")
    result = bench(weights, "srresnet", "--seeds", "1", *options)
    assert result.exit_code == 3
    rows = rows_of(result)
    assert rows["broken"]["error"] == "RuntimeError: a bug of mine"
    assert rows["srresnet"]["psnr_y"]["mean"] > 0


def test_a_run_directory_and_a_file_of_weights_are_scored(bench: Bench, run_root: Path) -> None:
    run = run_root / "srresnet-nobn" / "smoke" / "seed-0"
    named = "{name: srresnet, norm: none, width: 8, num_blocks: 1, kernel_size: 3}"
    result = bench(run, run / "weights.safetensors", "--generator", named, "--json")
    assert result.exit_code == 0, result.stderr
    rows = rows_of(result)
    assert rows["weights"]["psnr_y"]["mean"] == rows["srresnet-nobn"]["psnr_y"]["mean"]


def test_from_python(bench: Bench, data_root: Path, run_root: Path, tmp_path: Path) -> None:
    bench("bicubic")  # writes the suite
    frame = package.bench(
        "srresnet",
        Bicubic(scale=4),
        suite=str(tmp_path / "tiny.yaml"),
        profile="smoke",
        seeds=2,
        data_root=data_root,
        run_root=run_root,
        device="cpu",
    )
    assert frame.attrs["missing"] == []
    scores = dict(zip(frame["target"], frame["psnr_y"], strict=True))
    assert set(scores) == {"bicubic", "srresnet", "Bicubic"}
    assert scores["Bicubic"] == scores["bicubic"]


METRIC = """
from zoo import Metric, register_metric


@register_metric("mean-error")
class MeanError(Metric):
    label = "Mean error"
    higher_is_better = False

    def __call__(self, sr_image, hr_image, *, scale):
        return float((sr_image - hr_image).abs().mean())
"""


def test_a_metric_of_a_plugin_file_has_a_column(bench: Bench, tmp_path: Path) -> None:
    plugin = tmp_path / "my_metric.py"
    plugin.write_text(METRIC)
    row = rows_of(bench("bicubic", "--json", "--plugin", plugin))["bicubic"]
    assert 0 < row["mean_error"]["mean"] < 0.1
    assert "Mean error" in bench("bicubic", "--plugin", plugin).stdout


@pytest.mark.parametrize(
    ("form", "sign"), [("--markdown", "| "), ("--latex", r"\toprule"), ("--csv", "psnr_y")]
)
def test_other_forms(bench: Bench, form: str, sign: str) -> None:
    result = bench("srresnet", "--seeds", "2", form)
    assert result.exit_code == 0
    assert sign in result.stdout
    if form == "--csv":
        rows = list(csv.DictReader(result.stdout.splitlines()))
        assert {row["target"] for row in rows} == {"bicubic", "srresnet"}


def test_claims_of_what_was_scored_are_judged(bench: Bench) -> None:
    result = bench("srresnet", "srresnet-nobn", "--seeds", "2")
    assert "bn-removal-memory" in result.stdout
    assert "counted, not estimated" in result.stdout
    assert "rrdb-fidelity" not in result.stdout, "its recipes were not asked for"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to score"),
        (("srresnte",), "did you mean 'srresnet'"),
        (("runs/nowhere",), "there is no run directory or weights file of this name"),
        (("--all", "--json", "--csv"), "choose one of --json, --csv"),
        (("--matrix", "esrgan-over-srgn"), "did you mean 'esrgan-over-srgan'"),
        (("srresnet", "--suite", "samples-x5"), "unknown suite"),
    ],
)
def test_mistakes_end_with_status_2(
    zoo: Zoo, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = zoo("bench", *arguments, "--run-root", tmp_path, "--device", "cpu")
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_weights_of_a_run_say_how(bench: Bench, run_root: Path) -> None:
    run = run_root / "srresnet" / "smoke" / "seed-0"
    result = bench(run / "weights.safetensors", "--json")
    assert result.exit_code == 3
    assert f"name {run} instead" in rows_of(result)[str(run / "weights.safetensors")]["error"]


@pytest.mark.slow
def test_train_trains_what_is_missing_and_no_more(bench: Bench, run_root: Path) -> None:
    plan = bench("srresnet-nobn", "--seeds", "2", "--plan")
    assert "2 runs: 1 finished, 1 to train" in plan.stderr
    assert plan.stdout == ""
    result = bench("srresnet-nobn", "--seeds", "2", "--train", "--json")
    assert result.exit_code == 0, result.stderr
    assert "1 of 1: srresnet-nobn seed 1 finished" in result.stderr
    assert rows_of(result)["srresnet-nobn"]["seeds"] == 2
    again = bench("srresnet-nobn", "--seeds", "2", "--train", "--json")
    assert "2 runs: 2 finished, 0 to train" in again.stderr


@pytest.fixture
def model_file(run_root: Path, tmp_path: Path) -> Path:
    """Return the model of a finished run as a file in a folder of its own."""
    path = tmp_path / "exported" / MODEL_FILE
    write_model(path, find_model(run_root / "srresnet" / "smoke" / "seed-0"))
    return path


@pytest.mark.slow
def test_a_model_by_its_name_its_folder_and_its_file(
    bench: Bench, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    write_model(store_path("someone/net") / MODEL_FILE, read_model(model_file))
    run = rows_of(bench("srresnet", "--seeds", "1", "--json"))["srresnet"]
    for target in (model_file, model_file.parent, "someone/net"):
        result = bench(target, "--json")
        assert result.exit_code == 0, result.stderr
        row = rows_of(result)["srresnet-smoke"]
        assert row["psnr_y"]["mean"] == run["psnr_y"]["mean"]
        assert row["cost"]["parameters"] == run["cost"]["parameters"]


def test_a_model_of_another_scale_than_the_suite_costs_its_row(
    bench: Bench, model_file: Path, tmp_path: Path
) -> None:
    arguments = {"width": 4, "num_blocks": 1}
    details = Details(
        name="twice", generator={"name": "srresnet", **arguments}, scale=2, origin="imported"
    )
    network = SRResNet(scale=2, **arguments)
    twice = tmp_path / "twice.safetensors"
    write_model(twice, Model(details, network.state_dict()))
    result = bench(twice, model_file, "--json")
    assert result.exit_code == 3
    rows = rows_of(result)
    assert "twice upscales x2, but suite tiny is x4" in rows["twice"]["error"]
    assert rows["srresnet-smoke"]["psnr_y"]["mean"] > 0


@pytest.mark.parametrize("place", [30, -1])
def test_a_damaged_model_costs_its_row(bench: Bench, model_file: Path, place: int) -> None:
    content = bytearray(model_file.read_bytes())
    content[place] ^= 1
    model_file.write_bytes(content)
    result = bench("srresnet", model_file, "--seeds", "1", "--json")
    assert result.exit_code == 3
    rows = rows_of(result)
    assert "is damaged" in rows["srresnet-smoke" if place < 0 else str(model_file)]["error"]
    assert rows["srresnet"]["psnr_y"]["mean"] > 0


def test_a_file_that_nobody_knows_costs_its_row(bench: Bench, tmp_path: Path) -> None:
    foreign = tmp_path / "net.safetensors"
    save_file({"a": torch.zeros(2)}, foreign)
    result = bench(foreign, "--json")
    assert result.exit_code == 3
    rows = rows_of(result)
    assert "the layout of" in rows[str(foreign)]["error"]
    assert rows["bicubic"]["psnr_y"]["mean"] > 0


def test_a_checkpoint_of_another_tool_is_scored_as_it_is(bench: Bench, tmp_path: Path) -> None:
    """The record says by which version of spandrel."""
    theirs = tmp_path / "theirs.pth"
    torch.save({"params": networks.compact().state_dict()}, theirs)
    result = bench(theirs, "--json")
    assert result.exit_code == 0, result.stderr
    rows = rows_of(result)
    assert rows["theirs"]["psnr_y"]["mean"] > 10
    (path,) = tmp_path.rglob("theirs-*.json")
    record = read_record(path)
    assert record.target.generator["architecture"] == "Compact"
    assert record.target.weights_sha256 == file_sha256(theirs)
    assert record.provenance["versions"]["spandrel"] == version("spandrel")
