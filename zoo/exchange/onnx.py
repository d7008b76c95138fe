"""Exports a generator as an ONNX file, then reads it back and runs it.

Height, width and batch size stay free. The export runs in its own process, because torch may end it
with a segmentation fault. The extra `onnx` installs exporter and runtime.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import math
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo.apart import TORCH_CRASHED, CrashError, call_apart, found, reference
from zoo.errors import MachineError, WeightsError
from zoo.files import write_hashed
from zoo.generators.base import Generator
from zoo.models.file import read_model, write_model
from zoo.models.model import Model
from zoo.models.store import MODEL_FILE
from zoo.plugins import plugin_file_of
from zoo.registry import GENERATORS
from zoo.text import plain

INPUT, OUTPUT = "lr_image", "sr_image"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
INSTALL = "pip install 'srgan-zoo[onnx]'"
SIZES = ((1, 1, 1), (1, 5, 7), (2, 31, 8), (1, 48, 33))
"""Batch, height and width that a written file is tried with; none is the size it was traced at."""

TOLERANCE = 1e-3
_TRACED = (2, 3, 17, 19)
_SHOWN = 200  # characters of an error of theirs
_FATAL = 4  # of the runtime's levels of severity
_FIXED = re.compile(r"static shape of|[Cc]onstraints violated|Got invalid dimensions for input")
_MAX_BYTES = 2_000_000_000
_WORD = 4

_FORM = {
    "input": json.dumps({"name": INPUT, "layout": "NCHW", "channels": "RGB", "range": [0, 1]}),
    "output": json.dumps({"name": OUTPUT, "layout": "NCHW", "channels": "RGB", "clamped": False}),
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OnnxReport:
    """What was written, and how it compares with the network it was made from.

    Attributes:
        path: the file.
        sha256: of the file, also in the `.sha256` beside it.
        opset: version of the operators.
        difference: largest absolute difference from PyTorch's output, images in [0, 1].
        sizes: batch, height and width of the inputs compared.
    """

    path: Path
    sha256: str
    opset: int
    difference: float
    sizes: tuple[tuple[int, int, int], ...]


def export_onnx(
    generator: Generator,
    path: Path,
    *,
    opset: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> OnnxReport:
    """Write a generator as ONNX and compare what the file computes with the generator.

    Args:
        generator: any generator; it is left as it was, its training mode included.
        path: where to; its folder is made if necessary.
        opset: version of the operators; by default the exporter's own.
        metadata: put into the file beside the scale, such as name, licence and sha256.

    Raises:
        MachineError: if the extra `onnx` is missing, or the file cannot be written.
        WeightsError: if the generator cannot be expressed with free sizes, is too large for one
            file, or the file computes something else; nothing is written then.
    """
    _require_packages()
    num_bytes = _WORD * sum(value.numel() for value in generator.state_dict().values())
    if num_bytes > _MAX_BYTES:
        raise WeightsError(
            f"the network has {num_bytes:,} bytes of weights, but the limit of an ONNX file is "
            f"{_MAX_BYTES:,}"
        )
    with _evaluating(generator):
        pairs = _examples(generator)
        content, version = _translated(generator, opset, dict(metadata or {}))
    difference = _difference(generator, content, pairs)
    if not difference <= TOLERANCE:
        raise WeightsError(
            f"{path} was not written: the ONNX network differs from the generator by "
            f"{difference:.3g}, more than {TOLERANCE:g}"
        )
    return OnnxReport(path, write_hashed(path, content), version, difference, SIZES)


def export_model(model: Model, path: Path, *, metadata: Mapping[str, str]) -> OnnxReport:
    """Write a model as ONNX by `export_onnx`, in a process of its own where that can build it.

    A generator of a notebook or a function is in this process alone, and translated in it.

    Raises:
        WeightsError: as `export_onnx`, and if that process crashes; the message says how.
        MachineError: as `export_onnx`.
    """
    component = GENERATORS.get(model.details.generator_name)
    place, file = reference(component), plugin_file_of(component)
    if place is None:
        return export_onnx(model.build(), path, metadata=metadata)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / MODEL_FILE
        write_model(source, model)
        arguments = {"component": place, "source": str(source), "path": str(path)}
        try:
            told = call_apart(
                f"{__name__}:told",
                {**arguments, "metadata": dict(metadata)},
                [] if file is None else [file],
            )
        except CrashError as error:
            raise WeightsError(
                f"{path.name} was not written: {error} while zoo translated {component.__name__} "
                f"to ONNX: {TORCH_CRASHED}"
            ) from error
    sizes = tuple((batch, height, width) for batch, height, width in told["sizes"])
    return OnnxReport(path, told["sha256"], told["opset"], told["difference"], sizes)


def told(component: str, source: str, path: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Export a model file and return the report as JSON data; what `export_model` has done apart.

    Args:
        component: where the class of its generator is found, `module:name`.
        source: the model file.
        path: where to.
        metadata: put into the file.
    """
    found(component)  # registers it, where no entry point does
    report = export_onnx(read_model(Path(source)).build(), Path(path), metadata=metadata)
    return {**asdict(report), "path": path}


def _require_packages() -> None:
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MachineError(f"ONNX needs {name}: {INSTALL}") from error


@contextlib.contextmanager
def _evaluating(generator: Generator) -> Iterator[None]:
    """Switch every part to evaluation on the CPU, and back to what each was."""
    modes = {module: module.training for module in generator.modules()}
    place = next((value.device for value in generator.state_dict().values()), torch.device("cpu"))
    generator.eval().cpu()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        generator.to(place)


def _translated(
    generator: Generator, opset: int | None, metadata: dict[str, str]
) -> tuple[bytes, int]:
    """Return the file's content and its opset."""
    free = {0: torch.export.Dim("batch"), 2: torch.export.Dim("height")}
    free[3] = torch.export.Dim("width")
    with _messages_logged():
        try:
            program = torch.onnx.export(
                generator,
                (torch.rand(_TRACED),),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(free,),
                opset_version=opset,
                verbose=False,
            )
        except Exception as error:  # the exporter's errors have no common base
            raise _inexpressible(generator, error) from error
    if program is None:
        raise WeightsError(f"the exporter returned nothing for {type(generator).__name__}")
    proto = program.model_proto
    version = next(one.version for one in proto.opset_import if one.domain == "")
    for key, value in {**metadata, "scale": str(generator.scale), **_FORM}.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    _check(proto)
    return proto.SerializeToString(), version


def _inexpressible(generator: Generator, error: BaseException) -> WeightsError:
    """Return why, by the beginning of the first error of a chain: torch wraps it in advice."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    text = str(first).strip()
    reason = f"{type(first).__name__}: {plain(text)[:_SHOWN]}"
    if _FIXED.search(text):
        reason = (
            "batch size, height or width becomes constant in the trace; compute with "
            "`image.shape` directly, without NumPy, `int()`, `.item()`, or an `if` on it"
        )
    return WeightsError(
        f"{type(generator).__name__} cannot be expressed in ONNX with free batch, height and "
        f"width: {reason}"
    )


def _check(proto: Any) -> None:
    import onnx

    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise WeightsError(f"the exporter wrote an invalid ONNX network: {error}") from error


@contextlib.contextmanager
def _messages_logged() -> Iterator[None]:
    """Send what the exporter prints and warns of to the log: library code prints nothing."""
    printed = io.StringIO()
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(printed),
    ):
        warnings.simplefilter("always")
        yield
    for warning in caught:
        logger.debug("warning of the ONNX exporter: %s", warning.message)
    if printed.getvalue().strip():
        logger.debug("message of the ONNX exporter: %s", printed.getvalue().strip())


@torch.no_grad()
def _examples(generator: Generator) -> list[tuple[Tensor, Tensor]]:
    """Return images of several sizes with what the generator makes of them."""
    random = torch.Generator().manual_seed(0)
    images = [
        torch.rand(batch, 3, height, width, generator=random) for batch, height, width in SIZES
    ]
    return [(image, _output(generator, image)) for image in images]


def _difference(
    generator: Generator, content: bytes, pairs: Sequence[tuple[Tensor, Tensor]]
) -> float:
    """Return the largest difference between the file's and the generator's outputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _FATAL  # its errors are raised, too
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        outputs = [session.run([OUTPUT], {INPUT: image.numpy()})[0] for image, _ in pairs]
    except Exception as error:  # the runtime's errors have no common base
        raise _inexpressible(generator, error) from error
    return max(
        _largest(torch.from_numpy(actual), expected)
        for actual, (_, expected) in zip(outputs, pairs, strict=True)
    )


def _output(generator: Generator, image: Tensor) -> Tensor:
    size = "x".join(map(str, image.shape))
    try:
        output: Tensor = generator(image)
    except RuntimeError as error:
        told = plain(str(error))
        raise WeightsError(
            f"{type(generator).__name__} itself, before the export, cannot upscale an image of "
            f"{size}: {told}"
        ) from error
    if not bool(output.isfinite().all()):
        raise WeightsError(f"{type(generator).__name__} gives NaN or infinite values for {size}")
    return output


def _largest(actual: Tensor, expected: Tensor) -> float:
    if actual.shape != expected.shape:
        raise WeightsError(
            f"the ONNX network returns {tuple(actual.shape)}, the generator {tuple(expected.shape)}"
        )
    return float((actual - expected).abs().nan_to_num(math.inf).max())
