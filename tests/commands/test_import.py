"""`zoo import`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import Result

from tests.exchange import networks
from zoo.models.file import read_model
from zoo.models.find import find_model

Zoo = Callable[..., Result]


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an ESRGAN file of 2018 in the current folder."""
    monkeypatch.chdir(tmp_path)
    network = networks.passing("rrdb", width=8, growth=4, num_blocks=1)
    torch.save(networks.esrgan_2018(network.state_dict(), 1, 2), "RRDB x4.pth")
    return Path("RRDB x4.pth")


def test_a_file_becomes_a_model(zoo: Zoo, theirs: Path) -> None:
    result = zoo("import", theirs, "--licence", "apache-2.0")
    assert result.exit_code == 0
    assert result.stdout == "written: RRDB-x4.safetensors\n"
    assert "old architecture): x4, width 8, growth 4, num_blocks 1, norm none" in result.stderr
    assert "correlation 0.99" in result.stderr
    assert "no licence" not in result.stderr
    model = find_model("RRDB-x4.safetensors")
    assert (model.details.name, model.details.licence) == ("RRDB-x4", "apache-2.0")
    assert model.build()(torch.zeros(1, 3, 2, 2)).shape == (1, 3, 8, 8)


def test_name_and_output(zoo: Zoo, theirs: Path) -> None:
    result = zoo("import", theirs, "-g", "rrdb", "--name", "mine", "-o", "to/x.safetensors")
    assert result.exit_code == 0
    assert "the model has no licence" in result.stderr
    assert read_model(Path("to/x.safetensors")).details.name == "mine"
    assert Path("to/x.safetensors.sha256").is_file()


def test_json(zoo: Zoo, theirs: Path) -> None:
    document = json.loads(zoo("import", theirs, "--json").stdout)
    assert document["schema"] == "zoo.import/1"
    assert document["model"]["generator"]["num_blocks"] == 1
    assert document["model"]["source"]["file"] == "RRDB x4.pth"
    assert 0.9 < document["correlation"] <= 1


def test_nothing_is_overwritten_unasked(zoo: Zoo, theirs: Path) -> None:
    Path("x.safetensors").write_text("precious")
    refused = zoo("import", theirs, "-o", "x.safetensors")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "x.safetensors exists already" in refused.stderr
    assert Path("x.safetensors").read_text() == "precious"
    unrelated = zoo("import", theirs, "-o", "x.safetensors", "--accept-failed-trial")
    assert unrelated.exit_code == 2
    assert zoo("import", theirs, "-o", "x.safetensors", "--overwrite").exit_code == 0
    assert read_model(Path("x.safetensors")).details.origin == "imported"


@pytest.mark.parametrize("place", ["file/x.safetensors", f"{'x' * 300}.safetensors"])
def test_a_place_that_cannot_be_written_is_said(zoo: Zoo, theirs: Path, place: str) -> None:
    Path("file").write_text("precious")
    result = zoo("import", theirs, "-o", place)
    assert result.exit_code == 5
    assert f"cannot write {place}: " in result.stderr
    assert Path("file").read_text() == "precious"


def test_a_name_is_no_path(zoo: Zoo, theirs: Path) -> None:
    assert zoo("import", theirs, "--name", "../owner/\x1b[31mnet").exit_code == 0
    assert [path.name for path in Path().glob("*.safetensors")] == ["owner-x1b-31mnet.safetensors"]


def test_the_file_that_is_read_is_never_replaced(zoo: Zoo, theirs: Path) -> None:
    from safetensors.torch import save_file

    save_file(torch.load(theirs, weights_only=True), "theirs.safetensors")
    result = zoo("import", "theirs.safetensors", "--force")
    assert result.exit_code == 2
    assert "is the input file" in result.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("-o", "x.pth"), "x.pth: the name of a model file must end in .safetensors"),
        (("--scale", "2"), "the shapes fit x4, not x2"),
        (("--key", "params"), "no weights under 'params'"),
        (("--set", "width"), "write NAME=VALUE"),
        (("--set", "widht=3"), "unknown argument 'widht'"),
        (("-g", "rrbd"), "did you mean 'rrdb'"),
        (("--name", "x" * 129), "it should have at most 128 characters"),
        (("--name", ""), "name is ''; it should have at least 1 character"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_said_in_one_paragraph(
    zoo: Zoo, theirs: Path, options: tuple[str, ...], told: str
) -> None:
    result = zoo("import", theirs, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert not list(Path().glob("*.safetensors*"))


def test_a_plugins_generator(zoo: Zoo, plugin_file: Path, theirs: Path) -> None:
    from zoo.plugins import load_plugin_file
    from zoo.registry import GENERATORS

    load_plugin_file(plugin_file)
    network = GENERATORS.get("plugged-net")(scale=2, width=12)
    with torch.no_grad():  # pixel shuffle of four copies of the image
        for layer in network.body[:2]:
            layer.weight.zero_()
            layer.bias.zero_()
        for output in range(12):
            network.body[0].weight[output, output // 4, 1, 1] = 1
            network.body[1].weight[output, output, 1, 1] = 1
    torch.save(network.state_dict(), "plugged.pth")
    options = ("--generator", "plugged-net", "--plugin", plugin_file, "--scale", 2)
    result = zoo("import", "plugged.pth", *options, "--set", "width=12")
    assert result.exit_code == 0, result.stderr
    details = read_model(Path("plugged.safetensors")).details
    assert details.generator == {"name": "plugged-net", "width": 12}
    assert details.plugins == {"generator plugged-net": f"file {plugin_file}"}
    card = zoo("card", "plugged.safetensors", "--plugin", plugin_file).stdout
    assert "--model plugged.safetensors --plugin plugged.py" in card
    assert "use it only if you trust" in card


def test_options_and_counters_beside_the_weights_are_no_hindrance(zoo: Zoo, theirs: Path) -> None:
    weights = torch.load(theirs, weights_only=True)
    counted = {f"module.{name}": value for name, value in weights.items()}
    counted |= {"module.model.0.total_ops": torch.zeros(1), "module.total_params": torch.zeros(1)}
    options = argparse.Namespace(scale=4, psnr=np.float64(28.5))
    torch.save({"state_dict": counted, "options": options, "best": np.arange(3)}, theirs)
    result = zoo("import", theirs, "--licence", "apache-2.0")
    assert result.exit_code == 0, result.stderr
    assert "ignored 2 counters of thop" in result.stderr
    assert "ignored: best, options" in result.stderr


def test_what_is_no_checkpoint_ends_in_2_and_a_sentence(zoo: Zoo, tmp_path: Path) -> None:
    path = tmp_path / "RealESRGAN.pth"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 67010245\n")
    result = zoo("import", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "it is a Git LFS pointer" in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_known_of_the_weights_is_kept_and_a_failed_trial_is_overruled(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state = networks.compact().state_dict()
    torch.save(
        {name: 30 * value if value.ndim == 4 else value for name, value in state.items()}, "x.pth"
    )
    refused = zoo("import", "x.pth")
    assert refused.exit_code == 2
    assert "minimum 0.9" in refused.stderr
    assert "--accept-failed-trial accepts it" in " ".join(refused.stderr.split())
    assert zoo("import", "x.pth", "--overwrite").exit_code == 2
    told = ("--author", "A. Nobody", "--source", "https://example.org/x", "--trained-as", "GAN")
    result = zoo("import", "x.pth", "--accept-failed-trial", *told, "--licence", "MIT License")
    assert result.exit_code == 0
    assert "accepted all the same" in result.stderr
    card = zoo("card", "x.safetensors").stdout
    for text in ("license: mit", "A. Nobody", "example", "correlation of its output"):
        assert text in card


def test_a_file_is_shown_with_its_network(zoo: Zoo, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save(networks.compact().state_dict(), path)
    shown = json.loads(zoo("show", path, "--json").stdout)
    assert shown["generator"]["architecture"] == "Compact"
    assert shown["scale"] == 4
    assert shown["network"]["parameters"] == sum(p.numel() for p in networks.compact().parameters())
    assert shown["network"]["macs"] > 0
    assert (shown["network"]["sizes"], shown["network"]["float16"]) == ("any", True)
    assert "bfloat16" in zoo("show", path).stdout
