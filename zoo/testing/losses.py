"""The contract of losses: `LossContract`."""

from __future__ import annotations

from unittest import SkipTest

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.losses.base import SOURCE, Loss
from zoo.losses.consistency import downscaled
from zoo.losses.kinds import Regulariser, Seen, StepLoss
from zoo.testing.contract import Contract, images, require, require_untouched

RELATIVE = 1e-3
"""Relative change of a loss that rounding may cause."""
STEP = 1e-3
"""Root mean square of a step against the gradient, relative to the range of an image."""
SIDES = 48, 40
"""Height and width of the images, in pixels, if the loss accepts them."""
SCALE = 4


class LossContract(Contract):
    """A distance between generated and real images, from which the generator learns."""

    kind = "losses"
    component: type[Loss]

    def real(self, batch: int = 2) -> Tensor:
        """Return images that serve as real ones: smooth, in [0, 1], of 48x40 pixels or more."""
        coarse = images(batch, 3, 6, 5, seed=1)
        least = -(-self.build().min_side // SCALE) * SCALE
        size = tuple(max(side, least) for side in SIDES)
        return F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)

    def generated(self, batch: int = 2) -> Tensor:
        """Return images similar to the real ones, but not equal."""
        real = self.real(batch)
        return real + 0.05 * (images(*real.shape, seed=2) - 0.5)

    def value(self, loss: Loss, sr_image: Tensor, hr_image: Tensor) -> Tensor:
        """Return the loss; one of a whole step also gets an input, and a better generated image."""
        if not isinstance(loss, StepLoss):
            value: Tensor = loss(sr_image, hr_image)
            return value
        noise = images(1, *hr_image.shape[1:], seed=4) - 0.5
        seen = Seen(downscaled(hr_image, SCALE), lambda: hr_image + 0.01 * noise)
        return loss.forward(sr_image, hr_image, seen)

    def test_finite_scalar(self) -> None:
        """It is a finite scalar and does not change the images."""
        loss, sr_image, hr_image = self.build(), self.generated(), self.real()
        before = sr_image.clone(), hr_image.clone()
        value = self.value(loss, sr_image, hr_image)
        require(isinstance(value, Tensor) and value.shape == (), "it is not a scalar tensor")
        require(bool(value.isfinite()), f"it is {float(value.detach())}")
        require_untouched(sr_image, before[0], "the generated image")
        require_untouched(hr_image, before[1], "the real image")
        self.measured = (
            f"{float(value.detach()):.3g} for images {_rms(sr_image, hr_image):.3f} apart"
        )

    def test_generator_learns_from_it(self) -> None:
        """A gradient reaches every generated image, and a step against it reduces the loss."""
        loss, sr_image = self.build(), self.generated().requires_grad_()
        value = self.value(loss, sr_image, self.real())
        value.backward()
        gradient = sr_image.grad
        if gradient is None:
            raise AssertionError("no gradient reaches the generated images")
        reached = [bool(each.any()) for each in gradient]
        require(
            all(reached), f"no gradient reaches {reached.count(False)} of {len(reached)} images"
        )
        with torch.no_grad():
            step = STEP * gradient / gradient.square().mean().sqrt()
            later = self.value(loss, sr_image - step, self.real())
        said = f"{float(value.detach()):.4g} before a step against the gradient"
        require(bool(later < value), f"it is {said}, {float(later):.4g} after it")

    def test_smallest_at_the_real_image(self) -> None:
        """No image has a smaller loss than the real one: not noise, not blur, not a shift."""
        loss, hr_image = self.build(), self.real()
        if isinstance(loss, Regulariser):
            raise SkipTest("it is a term of the generated image alone")
        with torch.no_grad():
            least = float(self.value(loss, hr_image, hr_image))
            values = {
                name: float(self.value(loss, each, hr_image))
                for name, each in _worse(hr_image).items()
            }
        most = max(values.values())
        for name, value in values.items():
            no_less = value >= least - RELATIVE * abs(most)
            require(no_less, f"{name} costs {value:.3g}, the real image {least:.3g}")
        require(most > least, f"all of them cost {least:.3g}")
        self.measured = f"{least:.2g}; " + ", ".join(f"{n} {v:.2g}" for n, v in values.items())

    def test_mean_over_the_batch(self) -> None:
        """The loss of a batch is the mean over its images."""
        loss, sr_image, hr_image = self.build(), self.generated(3), self.real(3)
        with torch.no_grad():
            together = float(self.value(loss, sr_image, hr_image))
            alone = [
                float(self.value(loss, sr_image[i : i + 1], hr_image[i : i + 1]))
                for i in range(len(sr_image))
            ]
        mean = sum(alone) / len(alone)
        fits = abs(together - mean) <= RELATIVE * max(abs(together), abs(mean))
        require(
            fits, f"it is {together:.4g} for a batch, but the mean over its images is {mean:.4g}"
        )

    def test_same_images_give_the_same_value(self) -> None:
        """The same images give the same value to the last bit."""
        loss = self.build()
        with torch.no_grad():
            first, second = (
                float(self.value(loss, self.generated(), self.real())) for _ in range(2)
            )
        require(first == second, f"{first!r} and then {second!r}")

    def test_parameters_are_frozen(self) -> None:
        """Its parameters are frozen, and it states their source."""
        loss: Loss = self.build()
        trained = [name for name, p in loss.named_parameters() if p.requires_grad]
        require(
            not trained, f"{', '.join(trained[:3])} would be trained together with the generator"
        )
        said = loss.provenance()
        text = all(isinstance(k, str) and isinstance(v, str) for k, v in said.items())
        require(text, "provenance() contains values that are not text")
        held = sum(p.numel() for p in loss.parameters())
        told = not held or SOURCE in said
        require(told, f"provenance() lacks {SOURCE!r}, the source of its {held:,} weights")
        self.measured = said.get(SOURCE, "it has none")

    def test_bfloat16(self) -> None:
        """Under bfloat16 autocast it is float32 and finite, with a finite gradient."""
        loss, sr_image = self.build(), self.generated().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            value = self.value(loss, sr_image.bfloat16(), self.real())  # as a network gives it
        require(value.dtype == torch.float32, f"it is {value.dtype}")
        require(bool(value.isfinite()), f"it is {float(value.detach())}")
        (gradient,) = torch.autograd.grad(value, sr_image)
        require(bool(gradient.isfinite().all()), "its gradient is not finite everywhere")


def _worse(image: Tensor) -> dict[str, Tensor]:
    """Return degraded versions of `(N, 3, H, W)` images."""
    return {
        "noise": image + 0.1 * (images(*image.shape, seed=3) - 0.5),
        "blur": F.avg_pool2d(F.pad(image, (3, 3, 3, 3), mode="replicate"), 7, stride=1),
        "a shift": image.roll(4, dims=3),
    }


def _rms(first: Tensor, second: Tensor) -> float:
    return float((first - second).square().mean().sqrt())
