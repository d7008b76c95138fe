"""The check of a generator in onnxruntime, with an explanation for its author if it fails.

Not here: the export itself, and its comparison with PyTorch (`zoo.exchange.onnx`).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import SkipTest

from zoo.errors import MachineError, WeightsError
from zoo.exchange.onnx import export_onnx
from zoo.generators.base import Generator


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
        except WeightsError as error:
            raise AssertionError(str(error).replace(f"{path} was not written: ", "")) from error
