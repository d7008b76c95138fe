"""`zoo show`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.runs.made_up import SUMMARY, begin_run
from zoo.recipes.book import load_book
from zoo.recipes.build import build_generator
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import Training
from zoo.registry import REGISTRIES
from zoo.runs.directory import RunDirectory

Zoo = Callable[..., Result]


def settings_of(document: dict[str, Any], stage: int = -1) -> dict[str, dict[str, Any]]:
    return {row["path"]: row for row in document["stages"][stage]["settings"]}


def test_a_recipe_has_every_value_with_its_origin(zoo: Zoo) -> None:
    result = zoo("show", "esrgan-wgangp", "-p", "smoke", "--set", "training.steps=3", "--json")
    document = json.loads(result.stdout)
    assert document["schema"] == "zoo.show/1"
    assert [stage["stage"] for stage in document["stages"]] == ["pretraining", "training"]
    rows = settings_of(document)
    assert rows["training.steps"]["value"] == 3
    assert rows["training.steps"]["origin"] == "--set training.steps=3"
    assert rows["generator.residual_scaling"]["origin"] == "default of rrdb"
    assert rows["adversary.name"]["origin"].startswith("registry.yaml:")
    assert rows["data.pairs"] == {"path": "data.pairs", "value": False, "origin": "default"}
    assert {f"training.{key}" for key in Training.model_fields if key != "schedule"} <= {*rows}
    assert rows["runtime.tf32"] == {"path": "runtime.tf32", "value": True, "origin": "default"}


def test_a_required_value_says_who_requires_it(zoo: Zoo) -> None:
    arguments = ("show", "esrgan", "-p", "smoke", "--set", "adversary=wgan-gp", "--json")
    norm = settings_of(json.loads(zoo(*arguments).stdout))["discriminator.norm"]
    assert (norm["value"], norm["origin"]) == ("layer", "required by wgan-gp")


def test_the_article_scale_generators_have_the_published_sizes(zoo: Zoo) -> None:
    networks = json.loads(zoo("show", "srgan", "-p", "paper", "--json").stdout)["stages"][1]
    generator, discriminator = networks["networks"]
    assert generator["parameters"] == 1_549_462
    assert generator["input_shape"] == [1, 3, 96, 96]
    assert discriminator["input_shape"] == [1, 3, 384, 384]
    assert generator["flops"] == 2 * generator["macs"]
    assert generator["macs_per_input_pixel"] == generator["macs"] / 96**2


def test_a_recipe_that_starts_from_a_run_has_the_network_of_the_run(
    zoo: Zoo, tmp_path: Path
) -> None:
    wide = ["generator.width=12"]
    spec = complete(resolve(load_book(), "srresnet", "smoke", seed=0, settings=wide)).spec
    directory = RunDirectory(tmp_path / "wide")
    identity = begin_run(directory, spec)
    tensors = build_generator(spec.settings.generator, spec.settings.scale, seed=0).state_dict()
    directory.write_weights(tensors, {"identity_sha256": identity, "step": "12"})
    directory.write_summary(SUMMARY, identity)
    registry = tmp_path / "mine.yaml"
    registry.write_text(
        "version: 1\nrecipes:\n  tuned: {extends: srresnet, summary: x, pretrained: "
        f"{{run: '{directory.path}'}}}}\n"
    )
    result = zoo("show", "tuned", "--registry", str(registry), "-p", "smoke", "--json")
    assert result.exit_code == 0, result.stderr
    assert settings_of(json.loads(result.stdout))["generator.width"]["value"] == 12


def test_the_text_has_the_same_values(zoo: Zoo) -> None:
    text = zoo("show", "srresnet", "-p", "smoke").stdout
    lines = [line.split() for line in text.splitlines()]
    assert ["generator.width", "8", *_origin_of(text, "generator.width")] in lines
    assert ["training.learning_rate", "0.0001"] in [line[:2] for line in lines]
    assert "MACs per input pixel" in text


def test_the_default_profile_is_said_with_its_reason(zoo: Zoo) -> None:
    torch = pytest.importorskip("torch")
    expected = "paper" if torch.cuda.is_available() else "demo"
    assert f"profile: {expected} (the default on " in zoo("show", "srresnet").stdout


@pytest.mark.slow
def test_every_recipe_can_be_shown(zoo: Zoo) -> None:
    for name in load_book().recipes:
        assert zoo("show", name, "--profile", "smoke", "--json").exit_code == 0, name


@pytest.mark.parametrize("folder", REGISTRIES)
def test_every_component_can_be_shown(zoo: Zoo, folder: str) -> None:
    for name in REGISTRIES[folder].names():
        document = json.loads(zoo("show", folder, name, "--json").stdout)
        assert document["name"] == name
        assert document["origin"] == "built-in"
        assert document["summary"], name


def test_a_component_has_types_and_defaults_as_written(zoo: Zoo) -> None:
    lines = zoo("show", "generator", "rrdb").stdout.splitlines()
    cells = [tuple(cell.strip() for cell in line.split("  ") if cell.strip()) for line in lines]
    meaning = "normalisation after each convolution of the dense blocks."
    assert ("num_blocks", "int > 0", "23", "residual-in-residual dense blocks.") in cells
    assert ("norm", "'batch' | 'none'", "'none'", meaning) in cells


def test_a_bare_name_may_be_a_component_or_a_profile(zoo: Zoo) -> None:
    assert zoo("show", "wgan-gp").stdout.startswith("adversary wgan-gp (built-in)\n")
    assert zoo("show", "smoke").stdout.startswith("smoke: ")


def test_a_bare_name_of_both_is_the_recipe(zoo: Zoo) -> None:
    assert zoo("show", "rrdb", "-p", "smoke").stdout.startswith("rrdb: RRDBNet")


def test_a_bare_name_of_two_components_must_be_told_apart(zoo: Zoo, tmp_path: Path) -> None:
    clash = tmp_path / "clash.py"
    clash.write_text(
        "from zoo.losses.base import Loss\nfrom zoo.registry import register_loss\n\n\n"
        "@register_loss('vgg')\nclass VGG(Loss):\n    '''A loss.'''\n\n"
        "    def __init__(self):\n        super().__init__()\n\n"
        "    def forward(self, sr_image, hr_image):\n        return sr_image.sum()\n"
    )
    result = zoo("show", "vgg", "--plugin", clash)
    assert result.exit_code == 2
    assert "`zoo show discriminators vgg` or `zoo show losses vgg`" in result.stderr


def test_a_profile_has_its_values_and_their_lines(zoo: Zoo) -> None:
    rows = json.loads(zoo("show", "profile", "smoke", "--json").stdout)["settings"]
    batch_size = next(row for row in rows if row["path"] == "data.batch_size")
    assert batch_size["value"] == 2
    assert batch_size["origin"].startswith("registry.yaml:")


def test_settings_of_a_component_are_refused(zoo: Zoo) -> None:
    result = zoo("show", "generator", "rrdb", "--set", "width=3")
    assert result.exit_code == 2
    assert "apply only to recipes" in result.stderr


def test_a_plugin_shows_its_file(zoo: Zoo, plugin_file: Path) -> None:
    text = zoo("show", "plugged-net", "--plugin", plugin_file).stdout
    assert text.startswith(f"generator plugged-net (file {plugin_file})\n")


def _origin_of(text: str, path: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"{path} "))
    return line.split()[2:]


def test_a_claim_is_shown_with_what_is_compared(zoo: Zoo) -> None:
    document = json.loads(zoo("show", "bn-removal-fidelity", "--json").stdout)
    assert (document["kind"], document["changed"]) == ("claim", "srresnet-nobn")
    assert (document["reference"], document["field"]) == ("srresnet", "generator.norm")
    text = zoo("show", "claim", "mse-over-smooths").stdout
    assert "source: Ledig 2017" in text
    assert "reference        ground-truth" in text


def test_a_matrix_is_shown_cell_by_cell(zoo: Zoo) -> None:
    document = json.loads(zoo("show", "matrix", "esrgan-over-srgan", "--json").stdout)
    assert (document["kind"], document["base"]) == ("matrix", "esrgan-wgangp")
    assert len(document["cells"]) == 16
    lines = zoo("show", "esrgan-over-srgan").stdout.splitlines()
    assert lines[-1].split() == ["rrdb", "none", "wgan-gp", "with", "esrgan-wgangp"]


def test_a_cell_is_shown_as_the_recipe_it_is(zoo: Zoo) -> None:
    name = "esrgan-over-srgan-srresnet-batch-vanilla-without"
    rows = settings_of(json.loads(zoo("show", name, "-p", "smoke", "--json").stdout))
    assert rows["generator.norm"]["value"] == "batch"
    assert rows["generator.norm"]["origin"].startswith("registry.yaml:")


@pytest.mark.parametrize("kind", ["claim", "matrix"])
def test_an_unknown_claim_or_matrix_is_an_error(zoo: Zoo, kind: str) -> None:
    result = zoo("show", kind, "nothing")
    assert result.exit_code == 2
    assert f"unknown {kind} 'nothing'" in result.stderr


def test_a_suite(zoo: Zoo) -> None:
    done = zoo("show", "classical-x4")
    assert done.exit_code == 0
    assert "Set5, Set14, BSD100, Urban100" in done.stdout
    document = json.loads(zoo("show", "suite", "classical-x4", "--json").stdout)
    assert (document["kind"], document["scale"]) == ("suite", 4)
    assert "psnr-y" in document["metrics"]
