"""`zoo interpolate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import Result

from tests.exchange.networks import passing
from zoo.data.images import read_image, write_png
from zoo.models.details import Details
from zoo.models.file import read_model, write_model
from zoo.models.model import Model

Zoo = Callable[..., Result]
SIZES = {"width": 6, "num_blocks": 1, "norm": "none"}


@pytest.fixture(autouse=True)
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write `a.safetensors`, and `b.safetensors` whose output is darker by 0.5."""
    monkeypatch.chdir(tmp_path)
    network = passing("srresnet", scale=2, **SIZES)
    for name in ("a", "b"):
        details = Details(
            name=name, generator={"name": "srresnet", **SIZES}, scale=2, origin="imported"
        )
        write_model(Path(f"{name}.safetensors"), Model(details, network.state_dict()))
        with torch.no_grad():
            network.tail.bias.sub_(0.5)


def output(path: str) -> torch.Tensor:
    with torch.no_grad():
        return read_model(Path(path)).build()(torch.full((1, 3, 4, 4), 0.6))


def test_one_alpha_one_file(zoo: Zoo) -> None:
    result = zoo("interpolate", "a.safetensors", "b.safetensors", "--alpha", "0.2")
    assert (result.exit_code, result.stdout) == (0, "written: a-b-0.2.safetensors\n")
    assert "(1 - alpha) a + alpha b" in result.stderr
    darker = output("a.safetensors") - output("a-b-0.2.safetensors")
    torch.testing.assert_close(darker, torch.full_like(darker, 0.1))


def test_several_alphas_and_a_sheet(zoo: Zoo) -> None:
    write_png("photo.png", np.full((8, 9, 3), 150, np.uint8))
    options = ("--alpha", "0,0.5", "--alpha", "1", "-o", "mixed", "--sheet", "photo.png")
    result = zoo("interpolate", "a.safetensors", "b.safetensors", *options, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    files = [f"mixed/a-b-{alpha}.safetensors" for alpha in ("0", "0.5", "1")]
    assert [row["file"] for row in document["models"]] == files
    assert torch.equal(output(files[0]), output("a.safetensors"))
    assert torch.equal(output(files[2]), output("b.safetensors"))
    sheet = read_image(document["sheet"])
    assert sheet.shape[1] == 4 * (18 + 8) + 8
    centres = [sheet[24 + 8, 8 + index * 26 + 9].mean() for index in range(4)]
    assert centres[0] == pytest.approx(centres[1], abs=12)
    assert centres[1] > centres[2] > centres[3]


def test_nothing_is_overwritten_unasked(zoo: Zoo) -> None:
    command = ("interpolate", "a.safetensors", "b.safetensors", "--alpha", "0.2")
    assert zoo(*command).exit_code == 0
    refused = zoo(*command)
    assert refused.exit_code == 2
    assert "exists already" in refused.stderr
    assert zoo(*command, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--alpha", "1.5"), "alpha is 1.5; it must be between 0 (only A) and 1 (only B)"),
        (("--alpha", "nan"), "alpha is nan; it must be between 0"),
        (("--alpha", "some"), "--alpha 'some' is not a number"),
        (("--alpha", "0,1", "-o", "x.safetensors"), "one file, but there are 2 alphas"),
        (("--alpha", "0.5", "--sheet", "absent.png"), "absent.png"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_said(zoo: Zoo, options: tuple[str, ...], told: str) -> None:
    result = zoo("interpolate", "a.safetensors", "b.safetensors", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert {path.name for path in Path().glob("*.safetensors")} == {
        "a.safetensors",
        "b.safetensors",
    }
