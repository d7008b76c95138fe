"""The contract of generators: `GeneratorContract`."""

from __future__ import annotations

from collections.abc import Callable
from unittest import SkipTest

import torch
from torch import Tensor

from zoo.generators.base import Generator
from zoo.recipes.arguments import SCALE
from zoo.runs.device import has_cpp_compiler
from zoo.testing.apart import apart
from zoo.testing.contract import images, require, require_close
from zoo.testing.export import onnx_difference
from zoo.testing.networks import FLOAT32_TOLERANCE, NetworkContract, through

SIZES = ((1, 1), (1, 6), (5, 7), (8, 3), (16, 9))
"""Heights and widths in pixels: tiny, odd, not square."""


class GeneratorContract(NetworkContract):
    """An image in, an image `scale` times larger out, for any size."""

    kind = "generators"
    example_shape = (1, 3, 16, 16)
    component: type[Generator]

    def example(self, *, batch: int = 2, seed: int = 0) -> Tensor:
        """Return `(N, 3, 12, 10)` images in [0, 1]."""
        return images(batch, 3, 12, 10, seed=seed)

    def test_images_of_any_size(self) -> None:
        """Any image is upscaled with finite values, at every scale it declares."""
        scales = sorted(self.component.scales)
        for scale in scales:
            generator = self.network(**{SCALE: scale})
            for height, width in SIZES:
                _require_enlarged(generator, scale, height, width)
        _require_enlarged(generator.train(), scale, *SIZES[-1])
        self.measured = f"1x1 to 16x9 pixels at {', '.join(f'x{scale}' for scale in scales)}"

    def test_images_do_not_affect_each_other(self) -> None:
        """In evaluation, an image gives the same output alone and in a batch."""
        generator, batch = self.network(), self.example(batch=3)
        together = self.output(generator, batch)
        alone = torch.cat([self.output(generator, batch[i : i + 1]) for i in range(3)])
        self.measured = require_close(alone, together, tolerance=FLOAT32_TOLERANCE, what="an image")

    @apart
    def test_compile(self) -> None:
        """Compiled by `torch.compile`, it gives the same output."""
        _require_compiler()
        generator, image = self.network(), self.example()
        expected = self.output(generator, image)
        compiled: Callable[[Tensor], Tensor] = torch.compile(generator)
        with torch.no_grad():
            actual = compiled(image)
        self.measured = require_close(
            actual, expected, tolerance=FLOAT32_TOLERANCE, what="the output"
        )

    @apart
    def test_onnx(self) -> None:
        """Exported to ONNX with any height and width, it gives the same output in onnxruntime."""
        found = onnx_difference(self.network())
        self.measured = f"largest difference {found:.1g}"


def _require_enlarged(generator: Generator, scale: int, height: int, width: int) -> None:
    sr_image = through(generator, images(2, 3, height, width), f" at scale {scale}")
    found, expected = tuple(sr_image.shape), (2, 3, scale * height, scale * width)
    training = " in training" if generator.training else ""
    said = f"at scale {scale}{training}, the output for (2, 3, {height}, {width}) has"
    require(found == expected, f"{said} the shape {found}, not {expected}")
    require(bool(sr_image.isfinite().all()), f"{said} values that are not finite")


def _require_compiler() -> None:
    if not has_cpp_compiler():
        raise SkipTest("torch.compile needs a C++ compiler, and none is on the PATH")
