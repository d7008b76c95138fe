"""Every architecture of the installed spandrel through zoo: imported, scored, upscaled, trained.

    python -m benchmarks.architectures --only SPAN,SwinIR   # measures these; all where left out
    python -m benchmarks.architectures --page               # writes docs/architectures.md
    python -m benchmarks.architectures --rules              # writes zoo/models/architectures.json

For each network that spandrel publishes: random weights are saved as a `.pth`, imported and written
as a model file, read again, and run on a photograph beside spandrel's own call on the `.pth`,
untiled, tiled and as a benchmark does; then one training step. Weights are random: the trial, which
asks for trained ones, is overruled. What was measured is kept in
benchmarks/results/architectures.json.
"""

from __future__ import annotations

import argparse
import inspect
import json
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from skimage.data import astronaut
from spandrel import ModelLoader
from torch import Tensor, nn

import zoo
from zoo.bench.candidates import foreign_candidate
from zoo.bench.forward import Forward, to_tensor
from zoo.bench.suites import BenchImage
from zoo.data.images import Image
from zoo.data.resize import downscale
from zoo.errors import ZooError
from zoo.generators.base import Generator
from zoo.generators.spandrel import architectures, network_classes
from zoo.metrics.fidelity import PSNRY
from zoo.models.file import read_model, write_model
from zoo.models.foreign import import_model
from zoo.models.recognition import RULES, architecture_of
from zoo.recipes.schema import Runtime
from zoo.runs.device import plan_execution
from zoo.runs.provenance import processor

RESULTS: Final = Path(__file__).parent / "results" / "architectures.json"
PAGE: Final = Path(__file__).parents[1] / "docs" / "architectures.md"
HEIGHT, WIDTH, TILE, SIDE = 48, 96, 64, 32
"""Of the low-resolution photograph, the longest side of a tile, the side of a patch, in pixels."""
PACKAGES: Final = ("srgan-zoo", "spandrel", "torch")
REQUIRED: Final = {"num_in_ch": 3, "num_out_ch": 3, "dim": 36}
"""Arguments without a default, by their names."""
SETTINGS: Final[dict[str, dict[str, Any]]] = {
    name: {"window_size": 8, "depths": [2], "num_heads": [2], "embed_dim": 24, "upscale": 2}
    | {"upsampler": "pixelshuffle"}
    for name in ("SwinIR", "Swin2SR", "DRCT", "ATD")
} | {
    "HAT": {"window_size": 8, "depths": [2], "num_heads": [2], "embed_dim": 24, "upscale": 2}
    | {"img_size": 32, "compress_ratio": 3, "squeeze_factor": 12},
    "DRUNet": {"in_nc": 4, "out_nc": 3},
    "NAFNet": {"width": 16, "enc_blk_nums": [1, 1, 1, 2], "dec_blk_nums": [1, 1, 1, 1]},
    "AuraSR": {"dim": 8, "image_size": 256, "input_image_size": 64, "attn_depths": (1, 1, 1, 1, 1)}
    | {"style_network": {"dim_in": 16, "dim_out": 64, "depth": 2}, "mid_attn_depth": 1},
}
"""Where the defaults are no network that spandrel itself can run, or are slow."""
WHY_NOT: Final = {
    "GFPGAN": "one row takes more than 25 minutes on one core",
    "FFTformer": "not finished after several minutes on one core",
    "IPT": "one row takes 16 minutes on one core",
}
"""Why an architecture was not measured, as far as there is a reason."""


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one network; differences are the largest, of values in [0, 1].

    Attributes:
        difference: between zoo's output on the whole picture and spandrel's own call.
        tiled: the same of zoo's output in tiles; why there is none otherwise.
        score: between PSNR_Y of zoo's benchmark and of spandrel's output, in dB.
    """

    architecture: str
    network: str
    scale: int = 0
    parameters: int = 0
    generator: str = ""
    sizes: str = ""
    named: bool = False
    difference: float = 0.0
    tiled: float | str = 0.0
    score: float = 0.0
    trains: bool = False
    seconds: float = 0.0
    problem: str = ""


def main() -> None:
    """Measure networks, or write the page or the rules for names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rules", action="store_true", help="write the rules for names")
    parser.add_argument("--page", action="store_true", help="write the page")
    parser.add_argument("--only", default="", help="architectures, separated by commas")
    given = parser.parse_args()
    if given.rules:
        RULES.write_text(rules())
    elif given.page:
        PAGE.write_text(table(_kept()))
    else:
        for row in measured([name for name in given.only.split(",") if name]):
            print(row, flush=True)
            _keep(row)


def _kept() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": []}
    return document


def _keep(row: Row) -> None:
    """Put a row in the place of an older one of the same network, in the order of spandrel."""
    rows = {(each["architecture"], each["network"]): each for each in _kept()["rows"]}
    rows[row.architecture, row.network] = asdict(row)
    order = [one.id for one in architectures()]
    ordered = sorted(rows.values(), key=lambda each: order.index(each["architecture"]))
    made_with = {package: version(package) for package in PACKAGES}
    processors = dict.fromkeys([*_kept().get("processors", []), processor()])
    document = {"made_with": made_with, "processors": [*processors], "rows": ordered}
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


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
                    values = {"problem": f"failed: {type(error).__name__}: {first}"}
            yield Row(architecture.id, name, **values, seconds=time.perf_counter() - since)


def _measure(architecture: Any, cls: type[nn.Module], folder: Path) -> dict[str, Any]:
    network = _random(architecture.id, cls)
    theirs = folder / "theirs.pth"
    torch.save({"params": network.state_dict()}, theirs)
    imported = import_model(theirs, accept=True)
    write_model(folder / "ours.safetensors", imported.model)
    generator = read_model(folder / "ours.safetensors").build()
    descriptor = ModelLoader().load_from_file(theirs)
    picture = _picture(descriptor.scale, descriptor.input_channels)
    # noise that a network draws follows the order of the pixels in memory
    given = to_tensor(picture.lr_image)[None].contiguous()
    image = given.expand(1, 3, HEIGHT, WIDTH).contiguous()
    torch.manual_seed(0)  # some networks draw noise
    reference = descriptor(given)
    torch.manual_seed(0)
    with torch.no_grad():
        ours = generator(image).clamp(0, 1)
    return {
        "scale": imported.model.details.scale,
        "parameters": sum(each.numel() for each in network.parameters()),
        "generator": imported.model.details.generator_name,
        "sizes": str(getattr(generator, "sizes", "any")),
        "named": architecture_of(network.state_dict(), "") == architecture.id,
        "difference": float((ours - reference).abs().max()),
        "tiled": _tiled(generator, image, reference),
        "score": _score(theirs, picture, reference),
        "trains": _trains(generator, image[..., :SIDE, :SIDE]),
    }


def _picture(scale: int, channels: int) -> BenchImage:
    """Return a part of a photograph, with one channel where a network has one."""
    photograph: Image = astronaut()  # type: ignore[no-untyped-call]
    wide = np.concatenate([photograph, photograph[:, ::-1]], axis=1)
    photograph = wide[: HEIGHT * scale, : WIDTH * scale]
    hr_image = photograph if channels != 1 else photograph[:, :, 1].copy()
    lr_image = downscale(hr_image, scale)
    return BenchImage("astronaut", hr_image, lr_image, "", "")


def _tiled(generator: Generator, image: Tensor, reference: Tensor) -> float | str:
    try:
        tiled = zoo.upscale(image, model=generator, tile=TILE, device="cpu", keep_grey=False)
    except ZooError:  # the context that it needs fills such a tile
        return "larger tiles"
    except RuntimeError:
        return "fails"
    return float((tiled - reference).abs().max())


def _score(path: Path, picture: BenchImage, reference: Tensor) -> float:
    """Return how far a benchmark's PSNR_Y is from that of spandrel's output, in dB."""
    candidate = foreign_candidate(path)
    execution = plan_execution(Runtime(), torch.device("cpu"))
    (sr_image,) = Forward(candidate.load(), execution)([picture])
    hr_image, psnr = to_tensor(picture.hr_image), PSNRY()
    ours, theirs = (
        psnr(one, hr_image, scale=candidate.scale) for one in (sr_image.clamp(0, 1), reference[0])
    )
    return float(abs(ours - theirs))


def _trains(generator: nn.Module, image: Tensor) -> bool:
    """Tell whether a step of Adam on two images has finite gradients and a finite output after."""
    optimizer = torch.optim.Adam(generator.parameters(), lr=1e-4)
    batch = image.repeat(2, 1, 1, 1)
    try:
        generator.train()(batch).square().mean().backward()
        found = [each.grad for each in generator.parameters() if each.grad is not None]
        optimizer.step()
        with torch.no_grad():
            after = generator(batch)
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        return False
    return bool(found) and all(bool(each.isfinite().all()) for each in [*found, after])


def _random(architecture: str, cls: type[nn.Module]) -> nn.Module:
    known = inspect.signature(cls).parameters
    required = {
        name: REQUIRED[name]
        for name, each in known.items()
        if each.default is inspect.Parameter.empty and name in REQUIRED
    }
    chosen = {k: v for k, v in SETTINGS.get(architecture, {}).items() if k in known}
    torch.manual_seed(0)
    return cls(**required | chosen).eval()


def table(kept: dict[str, Any]) -> str:
    """Return the rows in Markdown, with what they were made with."""
    rows = [Row(**row) for row in kept["rows"]]
    lines = [
        "# Architectures of spandrel",
        "",
        "Zoo names no architecture: it reads, scores, runs and trains what the installed spandrel",
        "knows ([exchange](exchange.md#any-other-architecture)). For each network that spandrel",
        "publishes, random weights were saved as a `.pth`, imported with `--accept-failed-trial`",
        "(random weights fail the trial), written as a model file and read again. The columns:",
        "",
        "- `untiled` and `tiled`: the largest difference between zoo's output and spandrel's own",
        (
            f"  call on the `.pth`, on a photograph of {WIDTH}x{HEIGHT} pixels, for values in "
            f"[0, 1]; tiles have {TILE}"
        ),
        "  pixels. 1/255 is 3.9e-3. With random weights, tiles may be further apart than with",
        "  trained ones: nothing keeps the influence of distant pixels small. `larger tiles`: the",
        "  context that the network needs fills such a tile, so zoo refuses the size.",
        "- `PSNR_Y`: the difference between the score in a benchmark and that of spandrel's",
        "  output, in dB. AuraSR adds new noise of 0.001 to its input each time.",
        "- `trains`: whether a step of Adam on two images gives finite gradients and, after it, a",
        "  finite output.",
        "- `named`: whether zoo names the architecture without spandrel.",
        "- `seconds`: for the whole row; not a measurement of speed.",
        "",
        "Made by `python -m benchmarks.architectures`, then `--page`.",
        "",
        (
            "| architecture | network | generator | scale | parameters | image size | untiled | "
            "tiled | PSNR_Y | trains | named | seconds |"
        ),
        "|---|---|---|---:|---:|---|---:|---:|---:|---|---|---:|",
    ]
    for row in rows:
        head = f"| {row.architecture} | `{row.network}` |"
        if row.problem:
            lines.append(f"{head} not: {row.problem.replace('|', '/')} |" + " |" * 9)
            continue
        lines.append(
            f"{head} `{row.generator}` | x{row.scale} | {row.parameters:,} | {row.sizes} | "
            f"{row.difference:.1e} | {_number(row.tiled)} | {row.score:.1e} | "
            f"{_word(row.trains)} | {_word(row.named)} | {row.seconds:.0f} |"
        )
    measured_here = {row.architecture for row in rows}
    lacking = [one.id for one in architectures() if one.id not in measured_here]
    told = [f"{name} ({WHY_NOT[name]})" if name in WHY_NOT else name for name in lacking]
    lines += ["", f"Not measured: {', '.join(told)}."] if told else []
    packages = ", ".join(f"{name} {number}" for name, number in kept["made_with"].items())
    return "\n".join([*lines, "", f"{' and '.join(kept['processors'])}, float32; {packages}.", ""])


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1e}"


def _word(value: bool) -> str:  # noqa: FBT001
    return "yes" if value else "no"


if __name__ == "__main__":
    main()
