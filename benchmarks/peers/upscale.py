"""Upscaling one picture: zoo, spandrel's call, onnxruntime, and the tiled loop of realesrgan.

spandrel is called on the whole picture and on each tile into which zoo cuts it. All take an 8-bit
RGB picture and return one, in float32 on the CPU with the same number of threads, and take turns in
one process. Peak memory is that of a fresh process for each way. Networks: the shipped model, and
an RRDBNet of the paper's size, whose weights are drawn so that each matters and the output is an
image (`benchmarks.parity`).
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import torch

from benchmarks.peers import machine, packages
from benchmarks.speed.measure import spread
from benchmarks.upscaling_speed import answer_of, photograph
from zoo.data.images import Image
from zoo.generators.base import Generator
from zoo.models.details import Details
from zoo.models.file import read_model, write_model
from zoo.models.find import find_model
from zoo.models.model import Model
from zoo.runs.device import peak_memory
from zoo.upscaling.enlarging import enlarge
from zoo.upscaling.layout import Tile
from zoo.upscaling.tiles import TiledUpscaler

NETWORKS: Final = {"shipped": "the shipped model", "rrdb": "RRDBNet 64/23"}
ZOO: Final = "zoo"
Call = Callable[[Image], Image]
Network = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to upscale.

    Attributes:
        package: what it needs; empty for zoo's own.
        about: what it is, for the page.
        open: from a model file, a generator and the side of a tile to a call.
    """

    package: str
    about: str
    open: Callable[[Path, Generator, int], Call]


def _zoo(_file: Path, generator: Generator, _tile: int) -> Call:
    upscaler = TiledUpscaler(generator)
    return lambda picture: enlarge(upscaler, picture)[0]


def _spandrel(file: Path, _generator: Generator, _tile: int) -> Call:
    model = _spandrels(file)
    return lambda picture: _from_numbers(model(torch.from_numpy(_to_numbers(picture))).numpy())


def _spandrel_in_tiles(file: Path, generator: Generator, _tile: int) -> Call:
    """Call spandrel on the very tiles into which zoo cuts a picture; zoo plans them once."""
    model, upscaler, scale = _spandrels(file), TiledUpscaler(generator), generator.scale
    plans: dict[tuple[int, ...], list[Tile]] = {}

    def call(picture: Image) -> Image:
        image = torch.from_numpy(_to_numbers(picture))
        if picture.shape not in plans:
            with torch.inference_mode():
                plans[picture.shape], _ = upscaler.plan(image)
        result = np.empty((1, 3, *(side * scale for side in picture.shape[:2])), np.float32)
        for down, across in plans[picture.shape]:
            answer = model(image[..., down.start : down.stop, across.start : across.stop])
            rows, columns = (
                slice(span.first * scale, span.last * scale) for span in (down, across)
            )
            result[..., rows, columns] = answer[..., down.own(scale), across.own(scale)]
        return _from_numbers(result)

    return call


def _spandrels(file: Path) -> Network:
    from spandrel import MAIN_REGISTRY, ModelLoader

    from zoo.exchange.spandrel import install

    registry = MAIN_REGISTRY.copy()
    install(registry)
    model: Network = ModelLoader("cpu", registry=registry).load_from_file(file).eval()
    return model


def _onnxruntime(_file: Path, generator: Generator, _tile: int) -> Call:
    import onnxruntime

    from zoo.exchange.onnx import INPUT, export_onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with TemporaryDirectory() as folder:
        exported = export_onnx(generator, Path(folder) / "model.onnx").path
        session = onnxruntime.InferenceSession(
            exported, options, providers=["CPUExecutionProvider"]
        )
    return lambda picture: _from_numbers(session.run(None, {INPUT: _to_numbers(picture)})[0])


def _realesrgan(_file: Path, generator: Generator, tile: int) -> Call:
    from realesrgan import RealESRGANer

    network, source = _as_basicsr(generator)
    with TemporaryDirectory() as folder:
        weights = Path(folder) / "model.pth"
        torch.save({"params": source}, weights)
        enhancer = RealESRGANer(
            generator.scale, str(weights), model=network, tile=tile, device=torch.device("cpu")
        )

    def call(picture: Image) -> Image:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a line a tile
            result = enhancer.enhance(np.ascontiguousarray(picture[:, :, ::-1]))[0]
        return np.ascontiguousarray(result[:, :, ::-1])

    return call


def _as_basicsr(generator: Generator) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """Return BasicSR's own RRDBNet for zoo's, and its weights; any other network as it is."""
    from basicsr.archs.rrdbnet_arch import RRDBNet as Theirs

    from zoo.generators.rrdb import RRDBNet

    if not isinstance(generator, RRDBNet):
        return generator, generator.state_dict()
    width = generator.conv_first.out_channels
    network: torch.nn.Module = Theirs(3, 3, generator.scale, width, len(generator.body))
    names = zip(network.state_dict(), generator.state_dict().values(), strict=True)
    return network, dict(names)


WAYS: Final[Mapping[str, Way]] = {
    ZOO: Way("", "`zoo.upscale`'s upscaler, tiles as memory allows", _zoo),
    "spandrel": Way("spandrel", "its call on the whole picture", _spandrel),
    "spandrel, tiles": Way("spandrel", "its call on each of zoo's tiles", _spandrel_in_tiles),
    "onnxruntime": Way("onnxruntime", "on zoo's export, the whole picture", _onnxruntime),
    "realesrgan": Way("realesrgan", "its loop in tiles, on BasicSR's network", _realesrgan),
    "realesrgan, whole": Way(
        "realesrgan",
        "its loop without tiles",
        lambda file, generator, _tile: _realesrgan(file, generator, 0),
    ),
}


def measure(
    names: Sequence[str],
    *,
    clock: str,
    megapixels: float,
    tile: int,
    repeats: int,
    site: Path | None,
) -> dict[str, Any]:
    """Time every network by every way that is there.

    Args:
        names: keys of `NETWORKS`.
        clock: a key of `CLOCKS`.
        megapixels: of the picture that is upscaled.
        tile: side of realesrgan's tiles, in pixels of the picture.
        repeats: timed calls of each way.
        site: folder of the peers' packages, for the processes that measure memory.
    """
    missing = {
        way.package: reason
        for way in WAYS.values()
        if way.package and (reason := packages.why_missing(way.package)) is not None
    }
    present = {name: way for name, way in WAYS.items() if way.package not in missing}
    document = machine.provenance(
        dict.fromkeys(way.package for way in present.values() if way.package), clock
    ) | {
        "missing": missing,
        "megapixels": megapixels,
        "tile": tile,
        "repeats": repeats,
        "about": {name: way.about for name, way in present.items()},
        "networks": {},
    }
    for name in names:
        with TemporaryDirectory() as folder:
            file = write_network(name, Path(folder))
            found = time_ways(
                present,
                file,
                clock=machine.CLOCKS[clock],
                megapixels=megapixels,
                tile=tile,
                repeats=repeats,
            )
            for way, row in found["rows"].items():
                row["memory"] = _memory(way, file, megapixels, tile, site)
        document["networks"][name] = {"title": NETWORKS[name], **found}
    return document


def write_network(name: str, folder: Path) -> Path:
    """Write the model file of a network and return its path."""
    path = folder / "model.safetensors"
    if name == "shipped":
        write_model(path, find_model())
        return path
    from benchmarks.parity import random_network

    network = random_network("rrdb", 4, {})
    details = Details(
        name="rrdb", generator={"name": "rrdb"}, scale=network.scale, origin="imported"
    )
    write_model(path, Model(details, network.state_dict()))
    return path


def time_ways(
    ways: Mapping[str, Way],
    file: Path,
    *,
    clock: machine.Clock,
    megapixels: float,
    tile: int,
    repeats: int,
) -> dict[str, Any]:
    """Time ways in turns; differences are in levels of 8 bits, from zoo's picture.

    Args:
        ways: by name, `zoo` among them.
        file: the model.
        clock: what seconds are read from.
        megapixels: of the picture.
        tile: side of realesrgan's tiles.
        repeats: timed calls of each.
    """
    model = read_model(file)
    generator = model.build()
    picture = photograph(megapixels * generator.scale**2, generator.scale)
    calls = {name: way.open(file, model.build(), tile) for name, way in ways.items()}
    results = {name: call(picture) for name, call in calls.items()}  # warms up, too
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name in ways if repeat % 2 == 0 else reversed(list(ways)):
            since = clock()
            calls[name](picture)
            seconds[name].append(clock() - since)
    size = results[ZOO].shape[0] * results[ZOO].shape[1] / 1e6
    return {
        "input": list(picture.shape[:2]),
        "parameters": sum(value.numel() for value in generator.parameters()),
        "name": model.details.name,
        "rows": {
            name: {
                "megapixels_per_second": spread([size / each for each in times]),
                "ratio": spread(
                    [theirs / own for theirs, own in zip(times, seconds[ZOO], strict=True)]
                ),
                "largest_difference": largest_difference(results[ZOO], results[name]),
            }
            for name, times in seconds.items()
        },
    }


def largest_difference(first: Image, second: Image) -> int:
    """Return the largest difference of two 8-bit pictures, in levels."""
    return int(np.abs(first.astype(np.int16) - second.astype(np.int16)).max())


def memory_point(way: str, file: Path, megapixels: float, tile: int) -> dict[str, int]:
    """Upscale one picture in this process; return its peak memory before and after, in bytes."""
    device = torch.device("cpu")
    generator = read_model(file).build()
    call = WAYS[way].open(file, generator, tile)
    call(photograph(0.01, generator.scale))  # loads the libraries
    picture = photograph(megapixels * generator.scale**2, generator.scale)
    before = peak_memory(device)
    call(picture)
    return {"before": before, "peak": peak_memory(device)}


def _memory(
    way: str, file: Path, megapixels: float, tile: int, site: Path | None
) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.peers", "upscale"]
    command += ["--point", way, str(file), "--megapixels", str(megapixels), "--tile", str(tile)]
    command += ["--threads", str(torch.get_num_threads())]
    return answer_of([*command, *([] if site is None else ["--site", str(site)])])


def _to_numbers(picture: Image) -> Any:
    """Return `(1, 3, h, w)` float32 in [0, 1]."""
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
    return planes[None].astype(np.float32) / 255


def _from_numbers(planes: Any) -> Image:
    """Return `(h, w, 3)` uint8, rounded."""
    levels: Image = (planes[0].clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))
