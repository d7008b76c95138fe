"""The contract of discriminators: `DiscriminatorContract`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from zoo.discriminators.base import Discriminator
from zoo.errors import ShapeError
from zoo.testing.contract import images, require, require_close
from zoo.testing.networks import FLOAT32_TOLERANCE, NetworkContract

DRAWS = 16
"""Number of networks whose logits are checked; all of them positive by chance is unlikely."""


class DiscriminatorContract(NetworkContract):
    """An image in, logits out, and a gradient back to the image.

    Attributes:
        sizes: heights and widths in pixels for the checks. It may refuse some of them with a
            `ShapeError`, but not all.
    """

    kind = "discriminators"
    example_shape = (2, 3, 64, 64)
    component: type[Discriminator]
    sizes: Sequence[tuple[int, int]] = ((64, 64), (48, 80), (33, 47), (96, 96))

    def example(self, *, batch: int = 2, seed: int = 0) -> Tensor:
        """Return `(N, 3, H, W)` images in [0, 1] of the first accepted size."""
        return images(batch, 3, *self._taken()[0], seed=seed)

    def test_logits_of_any_size(self) -> None:
        """Images of several sizes, square and not, get finite logits."""
        discriminator, taken = self.network(), self._taken()
        for height, width in taken:
            with torch.no_grad():
                logits = discriminator(images(2, 3, height, width))
            said = f"(2, 3, {height}, {width}) is scored with"
            shape = tuple(logits.shape)
            one, patches = shape == (2, 1), len(shape) == 4 and shape[:2] == (2, 1)
            require(one or patches, f"{said} {shape}, not (2, 1) or (2, 1, H', W')")
            require(bool(logits.isfinite().all()), f"{said} logits that are not finite")
        refused = [size for size in self.sizes if size not in taken]
        words = [f"takes {_listed(taken)}", *([f"refuses {_listed(refused)}"] if refused else [])]
        self.measured = "; ".join(words)

    def test_gradient_reaches_the_image(self) -> None:
        """A gradient reaches every image, so that the generator can learn."""
        discriminator, image = self.network(), self.example().requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator(image).double().sum(), image)
        reached = [bool(each.any()) for each in gradient]
        require(
            all(reached), f"no gradient reaches {reached.count(False)} of {len(reached)} images"
        )

    def test_gradient_penalty(self) -> None:
        """The gradient at the image can be differentiated again, as a gradient penalty does."""
        discriminator, image = self.network(), self.example().requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator(image).sum(), image, create_graph=True)
        require(gradient.requires_grad, "the gradient does not depend on the parameters")
        gradient.square().sum().backward()
        found = [p.grad for p in discriminator.parameters() if p.grad is not None]
        require(
            found and any(bool(each.any()) for each in found), "the gradient reaches no parameter"
        )
        require(all(bool(each.isfinite().all()) for each in found), "it is not finite everywhere")

    def test_images_do_not_affect_each_other(self) -> None:
        """Without batch norm, an image scores the same alone and in a batch, also in training."""
        discriminator, batch = self.network(), self.example(batch=3)
        coupled = any(isinstance(layer, _BatchNorm) for layer in discriminator.modules())
        untrue = coupled and discriminator.scores_images_apart
        require(not untrue, "scores_images_apart is true, but it has batch norm")
        together = self.output(discriminator, batch)
        alone = torch.cat([self.output(discriminator, batch[i : i + 1]) for i in range(3)])
        what = "in evaluation a score"
        found = require_close(alone, together, tolerance=FLOAT32_TOLERANCE, what=what)
        if not coupled:
            _require_uncoupled(discriminator.train(), batch)
        only = "; evaluation only: it has batch norm" if coupled else ""
        self.measured = f"{found}{only}"

    def test_logits_are_not_probabilities(self) -> None:
        """Its logits are unbounded: a sigmoid belongs to the adversary."""
        for seed in range(DRAWS):
            logits = self.output(self.network(seed=seed), self.example())
            if bool(((logits <= 0) | (logits >= 1)).any()):
                return
        said = f"every logit of {DRAWS} networks is between 0 and 1"
        raise AssertionError(f"{said}: is there a sigmoid in it?")

    def _taken(self) -> list[tuple[int, int]]:
        """Return the accepted sizes; there must be one."""
        discriminator, taken, refusal = self.network(), [], ""
        for height, width in self.sizes:
            try:
                with torch.no_grad():
                    discriminator(images(2, 3, height, width))
            except ShapeError as error:
                refusal = str(error)
            else:
                taken.append((height, width))
        require(taken, f"it accepts none of {_listed(self.sizes)}: {refusal}")
        return taken


def _require_uncoupled(discriminator: Discriminator, batch: Tensor) -> None:
    """Check gradients, because values in training also differ by dropout and power iteration."""
    image = batch.clone().requires_grad_()
    score = discriminator(image)[0].double().sum()
    (gradient,) = torch.autograd.grad(score, image)
    require(not gradient[1:].any(), "in training a score depends on the other images of the batch")


def _listed(sizes: Sequence[tuple[int, int]]) -> str:
    return ", ".join(f"{height}x{width}" for height, width in sizes)
