"""Pages of results are what their documents say, and prose says what the pages do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from benchmarks import (
    architectures,
    feature_network_speed,
    fine_tuning,
    memory_prediction,
    precision,
    scoring_speed,
    statistics_simulation,
    step_profile,
    upscaling_speed,
    verdict_simulation,
)
from benchmarks.endurance import page as endurance
from benchmarks.peers import page as peers
from benchmarks.speed import page as speed

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks" / "results"
OTHERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "endurance": lambda found: endurance.document(
        {name: part for name, part in found.items() if name not in ("machine", "versions", "seed")}
    ),
    "fine_tuning": fine_tuning.as_markdown,
    "memory": memory_prediction.to_markdown,
    "scoring_speed": scoring_speed.markdown,
    "statistics": statistics_simulation.markdown,
    "peers": peers.as_markdown,
    "precision": precision.as_markdown,
    "upscaling_speed": upscaling_speed.as_markdown,
    "verdicts": verdict_simulation.markdown,
    "speed/feature-networks": feature_network_speed.markdown,
    "speed/tiny-cpu-profile-esrgan-wgangp": step_profile.markdown,
    "speed/tiny-cpu-profile-srgan": step_profile.markdown,
}
TESTED_ELSEWHERE = {"patch_store", "architectures"}
PROFILED = ("srgan", "esrgan-wgangp")


def documents() -> list[str]:
    found = [*RESULTS.glob("*.json"), *(RESULTS / "speed").glob("*.json")]
    names = {path.relative_to(RESULTS).with_suffix("").as_posix() for path in found}
    return sorted(names - TESTED_ELSEWHERE)


def result(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return document


def test_the_page_of_architectures_is_written_from_its_document() -> None:
    assert architectures.PAGE.read_text(encoding="utf-8") == architectures.table(
        result("architectures")
    )


def prose(name: str) -> str:
    return " ".join((REPOSITORY / name).read_text(encoding="utf-8").split())


@pytest.mark.parametrize("name", documents())
def test_a_page_is_written_from_its_document(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = result(name)
    monkeypatch.setattr(endurance, "machine", lambda: document["machine"])
    page = (RESULTS / f"{name}.md").read_text(encoding="utf-8")
    assert OTHERS.get(name, speed.as_markdown)(document) == page


def test_the_counts_of_endurance() -> None:
    found, text = result("endurance"), prose("docs/training.md")
    assert f"kills trainings at {found['kill -9']['killed']} random moments" in text
    bits = found["one flipped bit"]
    checkpoints, weights = (bits[f"{what}: bits flipped"] for what in ("checkpoint", "weights"))
    assert f"flips {checkpoints} bits of a checkpoint and {weights} of weights" in text
    assert f"sends {found['signals']['signals sent']} signals" in text
    for page in ("docs/training.md", "benchmarks/README.md"):
        assert f"{found['long run']['steps']:,} steps" in prose(page)
    text, cost = prose("docs/decisions/0009-checkpoints-in-the-foreground.md"), found["cost"]
    shares = [
        [100 * cost[recipe][f"share of {what}"] for recipe in ("srresnet", "srgan-wgangp")]
        for what in ("checkpoint", "validation")
    ]
    (first, second), (third, fourth) = shares
    assert f"checkpoints {first:.1f} % of `srresnet` and {second:.1f} % of `srgan-wgangp`" in text
    assert f"validations {third:.1f} % and {fourth:.1f} %" in text


def test_what_bfloat16_costs_without_amx() -> None:
    found, text = result("precision"), prose("docs/speed.md")
    assert "amx_bf16" not in found["flags"]
    assert "avx512_bf16" in found["flags"]
    first, second, third = found["speed"]
    ratios = [found["speed"][name]["ratio"]["median"] for name in (first, second, third)]
    assert (
        f"{ratios[0]:.2f} times as many for `{first}`, {ratios[1]:.2f} for `{second}` and "
        f"{ratios[2]:.2f} for `{third}`" in text
    )
    differences = [one for told in found["scores"].values() for one in told["metrics"].values()]
    assert len(differences) == 9
    assert all(one["low"] < 0 < one["high"] for one in differences)
    assert any(abs(one["difference"]) > 0.03 for one in differences)


def coverages(of: str, rows: Iterator[Mapping[str, Any]]) -> tuple[float, float]:
    values = [100 * row[of] for row in rows]
    return min(values), max(values)


def test_the_error_rates_of_the_statistics() -> None:
    found, text = result("statistics"), prose("docs/statistics.md")
    normal = [row for row in found["coverage"] if row["shape"] == "normal"]
    varied = [row for row in normal if row["variances"].count(0) < 2]
    still = [row for row in normal if row["variances"].count(0) == 2]
    low, high = coverages("expected", iter(varied))
    counted = coverages("coverage", iter(varied))
    assert f"Each setting has {found['simulations']} simulations" in text
    assert f"The counted coverages are {counted[0]:.1f} to {counted[1]:.1f} %" in text
    assert f"Without the random error of counting, they are {low:.1f} to {high:.1f} %" in text
    assert f"The interval used here has a coverage of {low:.0f} to {high:.0f} %" in text
    lowest, highest = coverages("expected", iter(still))
    assert f"the interval is conservative: {lowest:.0f} to {highest:.0f} %" in text
    skewed = [r for r in found["coverage"] if r["shape"] == "skewed" and r["seeds"] == 3]
    worst = min(100 * row["coverage"] for row in skewed)
    assert f"skewed and there are 3 seeds and many images, expect about {worst:.0f} %" in text
    naive = fmean(100 * row["coverage"] for row in found["naive"] if row["seeds"] == 3)
    assert f"a coverage of about {naive:.0f} % with 3 seeds" in text
    power = {row["seeds"]: row for row in found["power"] if row["effect"] == 4}
    tenths = {seeds: round(10 * row["among_claims"]) for seeds, row in power.items()}
    assert f"found in {round(10 * power[3]['alone'])} of 10 cases when it is tested alone" in text
    assert f"With 5 seeds the second is {tenths[5]} of 10" in text
    assert power[3]["among_claims"] == pytest.approx(1 / 4, abs=0.04)
    assert "in 1 of 4 as one of 12 claims" in text


def test_the_speed_of_training() -> None:
    found, text = result("speed/tiny-cpu"), prose("docs/speed.md")
    *ratios, last = (f"{ratio:.2f}" for ratio in found["ratio"].values())
    assert f"| {', '.join(ratios)} and {last} |" in text
    families = list(found["families"].values())
    own, best = (
        [100 * family["zoo"]["share"][of] for family in families]
        for of in ("own convolutions", "best convolution")
    )
    *shares, last = (f"{share:.0f}" for share in own)
    assert f"own convolutions: {', '.join(shares)} and {last} %" in text
    assert f"of any width: {min(best):.0f} to {max(best):.0f} %" in text
    small, large = (result(f"speed/{name}-cpu-data")["data"] for name in ("tiny", "paper"))
    crops = [f"{median(part['ratio']):.0f} at {part['hr_patch_size']}" for part in (small, large)]
    assert f"{crops[0]}x96; {crops[1]}x384" in text


def test_where_a_step_spends_its_time() -> None:
    profiles = {name: result(f"speed/tiny-cpu-profile-{name}") for name in PROFILED}

    def share(name: str, *operators: str) -> str:
        rows = profiles[name]["rows"]
        parts = [row["share"] for row in rows if row["name"].startswith(operators)]
        return f"{100 * sum(parts):.0f} %"

    convolutions = ("aten::convolution_backward", "aten::mkldnn_convolution")
    norms = ("aten::native_batch_norm",)
    calls = {row["name"]: row["calls"] for row in profiles["esrgan-wgangp"]["rows"]}
    text = prose("docs/speed.md")
    srgan, wgan = (share(name, *convolutions) for name in PROFILED)
    assert f"Convolutions take {srgan} of the SRGAN step and {wgan} of the WGAN-GP step" in text
    assert f"batch normalisation takes {share('srgan', *norms)}" in text
    assert f"PReLU's backward pass {share('srgan', 'aten::_prelu_kernel_backward')}" in text
    assert f"{calls['aten::mul']:,} multiplications and {calls['aten::copy_']:,} copies" in text


def test_the_memory_that_is_foretold() -> None:
    errors = [abs(row["error"]) for row in result("memory")["rows"]]
    largest = 100 * max(errors)
    said = f"within {largest:.0f} % in {len(errors)} of {len(errors)} runs"
    assert said in prose("docs/speed.md")


def test_what_a_feature_network_costs() -> None:
    seconds = result("speed/feature-networks")["seconds"]
    lite, vgg = (
        median(seconds[name]) for name in ("EfficientNet-Lite0, blocks.2", "VGG16, conv5_3")
    )
    assert round(vgg / lite) == 2
    said = "VGG16 takes about twice as long as one with EfficientNet-Lite0"
    assert said in prose("docs/speed.md")


def protocol_table() -> dict[str, list[str]]:
    lines = (RESULTS / "protocol.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    return {row[0]: row[1:] for row in rows}


def rounded(cell: str) -> str:
    psnr, ssim = map(float, cell.split(" / "))
    return f"{psnr:.2f} / {ssim:.3f}"


def test_the_protocol_on_bicubic() -> None:
    """That the page is what the script prints is tests/benchmarks/test_protocol_pitfalls.py's."""
    table = protocol_table()
    (set5, set14), published = map(rounded, table["zoo"]), [*map(rounded, table["published"])]
    front, text = prose("README.md"), prose("benchmarks/README.md")
    assert f"Set5 {set5} and Set14 {set14}, published {published[0]} and {published[1]}" in front
    for number, name in enumerate(("Set5", "Set14")):
        assert f"| {name} | {table['published'][number]} | {table['zoo'][number]} |" in text


SLIPS = {
    "piq's own greyscale": "the same, `piq.psnr(..., convert_to_greyscale=True)`",
    "all channels instead of luma": "RGB instead of luma",
    "LR without antialiasing": "LR without antialiasing",
    "LR by averaging 4x4 blocks": "LR by averaging 4x4 blocks",
    "piq's default SSIM": "SSIM of shrunk images, the rest right",
    "Set14's grey image": "a grey image taken for RGB",
    "border not cut": "border not cut",
    "luma not rounded": "luma not rounded to 8 bits",
}


def test_the_slips_of_the_protocol() -> None:
    text = (REPOSITORY / "benchmarks" / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text[text.index("| slip |") :].splitlines()[2:10]]
    assert len(rows) == len(SLIPS)
    for slip, told, _ in rows:
        (page,) = [page for start, page in SLIPS.items() if slip.strip().startswith(start)]
        dataset, *numbers = told.replace("dB", "").replace("/", " ").split()
        shown = protocol_table()[page][dataset == "Set14"].split(" / ")
        for number in numbers:
            decimals = len(number.partition(".")[2])
            assert number in {f"{float(value):.{decimals}f}" for value in shown}
