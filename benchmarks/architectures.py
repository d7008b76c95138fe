"""Every architecture of the installed spandrel through zoo: imported, upscaled, scored.

    python -m benchmarks.architectures             # writes docs/architectures.md
    python -m benchmarks.architectures --rules     # writes zoo/models/architectures.json

For each network that spandrel publishes: random weights are saved as a `.pth`, imported and written
as a model file, read again, and run on one image beside spandrel's own call on the `.pth`; then one
training step. Weights are random: the trial, which asks for trained ones, is overruled.
"""

from __future__ import annotations

import argparse
import inspect
import json
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from spandrel import ModelLoader
from torch import Tensor, nn

from zoo.errors import ZooError
from zoo.generators.spandrel import architectures, network_classes
from zoo.models.file import read_model, write_model
from zoo.models.foreign import import_model
from zoo.models.recognition import RULES, architecture_of

PAGE: Final = Path(__file__).parents[1] / "docs" / "architectures.md"
SIDES: Final = (40, 52)
PACKAGES: Final = ("srgan-zoo", "spandrel", "torch")
REQUIRED: Final = {"num_in_ch": 3, "num_out_ch": 3, "dim": 36}
"""Arguments without a default, by their names."""
SETTINGS: Final[dict[str, dict[str, Any]]] = {
    name: {"window_size": 8, "depths": [2], "num_heads": [2], "embed_dim": 24, "upscale": 2}
    | {"upsampler": "pixelshuffle"}
    for name in ("SwinIR", "Swin2SR", "DRCT", "HAT", "ATD")
}
"""Where the defaults are no network that spandrel itself can run, or are slow."""


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one network; differences are the largest, of values in [0, 1]."""

    architecture: str
    network: str
    scale: int = 0
    parameters: int = 0
    generator: str = ""
    sizes: str = ""
    named: bool = False
    difference: float = 0.0
    trains: bool = False
    seconds: float = 0.0
    problem: str = ""


def main() -> None:
    """Write the table, or the rules for names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rules", action="store_true", help="write the rules for names instead")
    parser.add_argument("--only", default="", help="architectures, separated by commas")
    given = parser.parse_args()
    if given.rules:
        RULES.write_text(rules())
        return
    rows = []
    for row in measured([name for name in given.only.split(",") if name]):
        print(row, flush=True)
        rows.append(row)
    if not given.only:
        PAGE.write_text(table(rows))


def rules() -> str:
    """Return the names by which spandrel tells architectures, in its order, as JSON."""
    lines = [
        f"  {json.dumps(one.id)}: {json.dumps(_rule(_condition(one)))}" for one in architectures()
    ]
    head = {
        "made_by": "python -m benchmarks.architectures --rules",
        "spandrel": version("spandrel"),
    }
    return json.dumps(head)[:-1] + ', "rules": {\n' + ",\n".join(lines) + "\n}}\n"


def _condition(architecture: Any) -> Any:
    return vars(architecture)["_detect"]


def _rule(condition: Any) -> Any:
    if isinstance(condition, str):
        return condition
    held = vars(condition)
    return [held["_kind"], *(_rule(each) for each in held["_keys"])]


def measured(only: list[str]) -> Iterator[Row]:
    """Yield a row for each network of each architecture."""
    for architecture in architectures():
        if only and architecture.id not in only:
            continue
        for name, cls in network_classes(architecture).items():
            since = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    values = _measure(architecture, cls, Path(folder))
                except ZooError as error:
                    values = {"problem": str(error).replace(folder + "/", "")}
                except (RuntimeError, ValueError, TypeError, AttributeError, KeyError) as error:
                    first = str(error).partition("\n")[0]
                    values = {"problem": f"in spandrel: {type(error).__name__}: {first}"}
            yield Row(architecture.id, name, **values, seconds=time.perf_counter() - since)


def _measure(architecture: Any, cls: type[nn.Module], folder: Path) -> dict[str, Any]:
    network = _random(architecture.id, cls)
    theirs = folder / "theirs.pth"
    torch.save({"params": network.state_dict()}, theirs)
    imported = import_model(theirs, force=True)
    write_model(folder / "ours.safetensors", imported.model)
    generator = read_model(folder / "ours.safetensors").build()
    descriptor = ModelLoader().load_from_file(theirs)
    image = torch.rand(1, 3, *SIDES, generator=torch.Generator().manual_seed(0))
    if descriptor.input_channels == 1:
        image = image.mean(1, keepdim=True).expand(1, 3, *SIDES)
    with torch.no_grad():
        ours = generator(image).clamp(0, 1)
    reference = descriptor(image[:, : descriptor.input_channels])
    return {
        "scale": imported.model.details.scale,
        "parameters": sum(each.numel() for each in network.parameters()),
        "generator": imported.model.details.generator_name,
        "sizes": str(getattr(generator, "sizes", "any")),
        "named": architecture_of(network.state_dict(), "") == architecture.id,
        "difference": float((ours - reference).abs().max()),
        "trains": _trains(generator, image),
    }


def _trains(generator: nn.Module, image: Tensor) -> bool:
    """Tell whether one step on two images gives gradients that are finite, and some that move."""
    try:
        generator.train()(image.repeat(2, 1, 1, 1)).square().mean().backward()
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        return False
    found = [each.grad for each in generator.parameters() if each.grad is not None]
    return bool(found) and all(bool(each.isfinite().all()) for each in found)


def _random(architecture: str, cls: type[nn.Module]) -> nn.Module:
    known = inspect.signature(cls).parameters
    required = {
        name: REQUIRED[name]
        for name, each in known.items()
        if each.default is inspect.Parameter.empty and name in REQUIRED
    }
    chosen = {k: v for k, v in SETTINGS.get(architecture, {}).items() if k in known}
    torch.manual_seed(0)
    return cls(**required, **chosen).eval()


def table(rows: list[Row]) -> str:
    """Return the rows in Markdown, with what they were made with."""
    lines = [
        "# Architectures of spandrel",
        "",
        "Zoo names no architecture: it reads, scores, runs and trains what the installed spandrel",
        "knows ([exchange](exchange.md#any-other-architecture)). For each network that spandrel",
        "publishes, random weights were saved as a `.pth`, imported with `--force` (random weights",
        "fail the trial), written as a model file and read again. `difference` is the largest",
        (
            "between zoo's output and spandrel's own call on the `.pth`, on one image of "
            f"{SIDES[1]}x{SIDES[0]}"
        ),
        "pixels in [0, 1]. `named` says whether zoo names the architecture without spandrel.",
        "`trains` says whether a step on two images gives finite gradients. Made by",
        "`python -m benchmarks.architectures`.",
        "",
        (
            "| architecture | network | generator | scale | parameters | image size | named | "
            "difference | trains | seconds |"
        ),
        "|---|---|---|---:|---:|---|---|---:|---|---:|",
    ]
    for row in rows:
        head = f"| {row.architecture} | `{row.network}` |"
        if row.problem:
            lines.append(f"{head} not: {row.problem.replace('|', '/')} |" + " |" * 7)
            continue
        lines.append(
            f"{head} `{row.generator}` | x{row.scale} | {row.parameters:,} | {row.sizes} | "
            f"{_word(row.named)} | {row.difference:.1e} | {_word(row.trains)} | {row.seconds:.1f} |"
        )
    made_with = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return "\n".join([*lines, "", f"CPU, float32; {made_with}.", ""])


def _word(value: bool) -> str:  # noqa: FBT001
    return "yes" if value else "no"


if __name__ == "__main__":
    main()
