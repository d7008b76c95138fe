"""Fine-tunes networks of spandrel from a file, resumes them, and scores them beside their start.

    python -m benchmarks.fine_tuning

SwinIR-light and SPAN are saved as `.pth` after some training from nothing, since no trained weights
come from a package index. Each file is then fine-tuned with `--init`, once straight and once
stopped by Ctrl-C in mid-run and resumed by the same command; the weights of both must be equal bit
for bit. Start and end are scored on zoo's sample images. The results are in
benchmarks/results/fine_tuning.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file

import zoo
from zoo.files import write_atomically
from zoo.runs.provenance import processor
from zoo.train.interrupts import Interrupted
from zoo.train.observer import Observer

RESULTS: Final = Path(__file__).parent / "results"
SUITE: Final = "samples-x4"
ARCHITECTURES: Final[dict[str, dict[str, Any]]] = {
    "SPAN": {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 48, "upscale": 4},
    "SwinIR": {
        "upscale": 4,
        "window_size": 8,
        "img_range": 1.0,
        "depths": [6, 6, 6, 6],
        "embed_dim": 60,
        "num_heads": [6, 6, 6, 6],
        "mlp_ratio": 2,
        "upsampler": "pixelshuffledirect",
        "resi_connection": "1conv",
    },
}
"""Hyper-parameters of the authors: SwinIR's are those of its light network."""
FIRST_STEPS: Final = 100
STEPS: Final = 50
STOPPED_AT: Final = 23
SETTINGS: Final[dict[str, Any]] = {
    "data.batch_size": 4,
    "training.ema_decay": 0.9,
    "training.validate_every": 1000,
    "training.checkpoint_every": 20,
}
COMMON: Final[dict[str, Any]] = {"profile": "demo", "device": "cpu"}


class Stopper(Observer):
    """Presses Ctrl-C after a step."""

    def stepped(self, step: int, num_images: int) -> None:  # noqa: ARG002  Observer's
        """Stop the training."""
        if step == STOPPED_AT:
            raise KeyboardInterrupt


def recipe(name: str, generator: Mapping[str, Any], folder: Path) -> Path:
    """Write a registry with one recipe of this name; return its file."""
    path = folder / f"{name}.yaml"
    content = {"summary": f"{name} on the absolute error", "generator": generator}
    content["losses"] = {"l1": 1}
    path.write_text(json.dumps({"version": 1, "recipes": {name: content}}), encoding="utf-8")
    return path


def checkpoint(architecture: str, folder: Path) -> Path:
    """Train a network from nothing for `FIRST_STEPS` steps; return its weights as a `.pth`."""
    generator: dict[str, Any] = {"name": "spandrel", "architecture": architecture}
    generator |= {"hyperparameters": ARCHITECTURES[architecture]}
    steps = {"training.steps": FIRST_STEPS, "training.learning_rate": 5e-4}
    run = zoo.train(
        "from-nothing",
        registry=[recipe("from-nothing", generator, folder)],
        run_root=folder / "first",
        **COMMON | {"settings": SETTINGS | steps},
    )
    path = folder / f"4x-{architecture.lower()}.pth"
    torch.save({"params": zoo.load(run.directory).state_dict()}, path)
    return path


def fine_tune(architecture: str, folder: Path) -> dict[str, Any]:
    """Fine-tune one architecture straight and stopped; return what was measured.

    Args:
        architecture: a name of `ARCHITECTURES`.
        folder: where all files go.
    """
    start, name = checkpoint(architecture, folder), f"{architecture.lower()}-tuned"
    tuned = recipe(name, {"name": "spandrel", "architecture": architecture}, folder)
    steps = {"training.steps": STEPS, "training.learning_rate": 1e-4}
    options: dict[str, Any] = COMMON | {"settings": SETTINGS | steps, "init": start}
    options["registry"] = [tuned]
    begun = time.perf_counter()
    straight = zoo.train(name, run_root=folder / "straight", **options)
    seconds = time.perf_counter() - begun
    with suppress(KeyboardInterrupt, Interrupted):
        zoo.train(name, run_root=folder / "stopped", observer=Stopper(), **options)
        raise RuntimeError("the training was not stopped")
    resumed = zoo.train(name, run_root=folder / "stopped", **options)
    one, other = (load_file(run.directory / "weights.safetensors") for run in (straight, resumed))
    targets = ("bicubic", start, straight.directory)
    table = zoo.bench(*targets, suite=SUITE, metrics="psnr-y,ssim-y", records=folder / "records")
    scores = table[["psnr_y", "ssim_y"]].to_numpy(float)[-len(targets) :]  # of all images
    return {
        "values": sum(tensor.numel() for tensor in one.values()),
        "seconds": seconds,
        "equal": all(torch.equal(value, other[key]) for key, value in one.items()),
        "scores": scores.tolist(),
    }


def as_markdown(document: Mapping[str, Any]) -> str:
    """Return the page of a document."""
    rows = [
        f"| {name} | {one['values']:,} | {one['seconds'] / STEPS:.2f} | "
        f"{'yes' if one['equal'] else 'NO'} | "
        + " | ".join(f"{psnr:.2f} / {ssim:.4f}" for psnr, ssim in one["scores"])
        + " |"
        for name, one in document["networks"].items()
    ]
    return (
        "# Fine-tuning networks of spandrel from a file\n\n"
        f"`python -m benchmarks.fine_tuning`: {document['where']}. Start: {FIRST_STEPS} steps from "
        f"nothing, saved as a `.pth`. Then {STEPS} steps with `--init`, batches of 4; once more, "
        f"stopped after step {STOPPED_AT} and resumed. Scores are PSNR_Y (dB) / SSIM_Y on {SUITE}; "
        "the training images are other samples of scikit-image. So little training says nothing "
        "about the architectures.\n\n"
        "| network | values | s/step | resumed weights equal | bicubic | start | fine-tuned |\n"
        "| --- | ---: | ---: | --- | ---: | ---: | ---: |\n" + "\n".join(rows) + "\n"
    )


def main() -> None:
    """Measure, and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name in ARCHITECTURES:
        with tempfile.TemporaryDirectory() as folder:
            found[name] = fine_tune(name, Path(folder))
    where = f"{processor()}, 1 thread; torch {torch.__version__}, spandrel {version('spandrel')}"
    document = {"where": where, "steps": STEPS, "networks": found}
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_atomically(
        arguments.output / "fine_tuning.json", f"{json.dumps(document, indent=1)}\n".encode()
    )
    write_atomically(arguments.output / "fine_tuning.md", as_markdown(document).encode())


if __name__ == "__main__":
    main()
