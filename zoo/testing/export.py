"""A generator in onnxruntime, for the contract: what stops it, said in words an author can use.

Not here: the export itself, and its comparison with PyTorch (`zoo.exchange.onnx`).
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from unittest import SkipTest

from zoo.errors import MachineError, WeightsError
from zoo.exchange.onnx import export_onnx
from zoo.generators.base import Generator

_FIXED = re.compile(r"static shape of|[Cc]onstraints violated|Got invalid dimensions for input")


def onnx_difference(generator: Generator) -> float:
    """Export a generator with free batch, height and width; return its largest difference.

    Raises:
        SkipTest: if the packages are not installed.
        AssertionError: if it cannot be exported, or computes something else.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.onnx"
        try:
            return export_onnx(generator, path).difference
        except MachineError as error:
            raise SkipTest(str(error)) from error
        except Exception as error:  # exporter and runtime have no common base
            raise AssertionError(_cause(error).replace(f"{path} was not written: ", "")) from error


def _cause(error: BaseException) -> str:
    """Return the first line of the first error of a chain: torch wraps it in advice."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    text = str(first).strip()
    if _FIXED.search(text):
        return (
            "batch size, height or width is fixed while it is traced; compute with `image.shape` "
            "itself, without NumPy, `.item()`, or an `if` about it"
        )
    line = text.partition("\n")[0]
    return line if isinstance(first, WeightsError) else f"{type(first).__name__}: {line}"
