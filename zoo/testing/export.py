"""A generator in onnxruntime, for the contract: exported with dynamic sizes, and run."""

from __future__ import annotations

import logging
import re
import tempfile
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from unittest import SkipTest

import torch
from torch import Tensor

from zoo.generators.base import Generator

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
INSTALL = "pip install 'srgan-zoo[onnx]'"
INPUT = "lr_image"
_FIXED_SIZE = re.compile(r"static shape of (\d+) for dimension inputs\[0\]\.shape\[([23])\]")
_SIDES = {"2": "height", "3": "width"}


def run_onnx(generator: Generator, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Export a generator with the first image, and run all of them in onnxruntime.

    Args:
        generator: in evaluation mode, on the CPU.
        inputs: `(1, 3, h, w)` images of any sizes.

    Raises:
        SkipTest: if the packages are not installed.
        AssertionError: if it cannot be exported, or the export does not take an image.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise SkipTest(f"{', '.join(missing)} not installed: {INSTALL}")
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.onnx"
        _export(generator, path, inputs[0])
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        outputs = []
        for image in inputs:
            try:
                (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
            except Exception as error:  # onnxruntime's own are plain exceptions
                size = f"{image.shape[2]}x{image.shape[3]}"
                line = str(error).strip().partition("\n")[0]
                raise AssertionError(f"the export does not take a {size} image: {line}") from error
            outputs.append(torch.from_numpy(found))
    return outputs


def _export(generator: Generator, path: Path, image: Tensor) -> None:
    """Write an ONNX file with dynamic height and width."""
    sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's exporter, about its own inside
            torch.onnx.export(
                generator,
                (image,),
                path,
                dynamo=True,
                dynamic_shapes=(sizes,),
                input_names=[INPUT],
                output_names=["sr_image"],
                verbose=False,
            )
    except Exception as error:
        raise AssertionError(f"it cannot be exported: {_cause(error)}") from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _cause(error: BaseException) -> str:
    """Return the first line of the first error of a chain: torch wraps it in advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).strip()
    fixed = _FIXED_SIZE.search(text)
    if fixed is not None:
        return (
            f"its {_SIDES[fixed[2]]} is fixed at {fixed[1]} while it is traced; compute with "
            "`image.shape` itself, without NumPy, `.item()` or an `if` about it"
        )
    return f"{type(error).__name__}: {text.partition(chr(10))[0]}"
