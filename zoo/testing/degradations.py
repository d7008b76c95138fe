"""The contract of degradations: `DegradationContract`."""

from __future__ import annotations

import pickle
from unittest import SkipTest

import numpy as np

from zoo.degradations.base import Degradation, Image
from zoo.testing.contract import Contract, require
from zoo.testing.randomness import reset_sources, states

SCALES = (1, 2, 3, 4, 8)
SIZES = ((96, 120), (24, 48), (24, 24))
"""Sizes of high-resolution images: multiples of every scale."""


class DegradationContract(Contract):
    """A function of an image and of the generator it is given: the way from HR to LR."""

    kind = "degradations"
    component: type[Degradation]

    def image(self, height: int = 96, width: int = 120) -> Image:
        """Return an `(H, W, 3)` image with smooth areas, edges and texture."""
        rng = np.random.default_rng(7)
        coarse = rng.integers(0, 256, (-(-height // 24), -(-width // 24), 3))
        whole = coarse.repeat(24, axis=0).repeat(24, axis=1)[:height, :width]
        noisy = np.clip(whole + rng.integers(-20, 21, whole.shape), 0, 255)
        return np.asarray(noisy, dtype=np.uint8)

    def degraded(self, image: Image, *, scale: int = 4, seed: int = 0) -> Image:
        """Build it anew and degrade an image under a seed."""
        degradation: Degradation = self.build()
        return degradation(image, scale=scale, rng=np.random.default_rng(seed))

    def test_declared_facts(self) -> None:
        """It declares whether it is drawn for each sample, and how much context it needs."""
        degradation: Degradation = self.build()
        require(isinstance(degradation.per_sample, bool), "`per_sample` is neither True nor False")
        context = degradation.context
        whole = isinstance(context, int) and context >= 0
        require(whole, f"`context` is {context!r}, not a number of pixels")
        way = "for each sample" if degradation.per_sample else "once for a whole image"
        self.measured = f"applied {way}"

    def test_images_of_any_size(self) -> None:
        """At every scale, the result is `(H/scale, W/scale, 3)` uint8, and HR keeps its pixels."""
        degradation: Degradation = self.build()
        for scale in SCALES:
            for seed, (height, width) in enumerate(SIZES):
                image = self.image(height, width)
                before = image.copy()
                image.flags.writeable = False  # as a stored image is
                made = degradation(image, scale=scale, rng=np.random.default_rng(seed))
                expected = (height // scale, width // scale, 3)
                known = isinstance(made, np.ndarray) and made.dtype == np.uint8
                require(known, f"x{scale}: it is {getattr(made, 'dtype', type(made))}, not uint8")
                told = f"x{scale}: {height}x{width} pixels become {made.shape}, not {expected}"
                require(made.shape == expected, told)
                require(np.array_equal(image, before), "the image is changed in place; copy it")
        self.measured = f"scales {', '.join(map(str, SCALES))}"

    def test_generator_decides_everything(self) -> None:
        """The same generator gives the same pixels, and nothing else is drawn from or seeded."""
        image = self.image()
        first, second = self.degraded(image), self.degraded(image)
        require(np.array_equal(first, second), "two calls with equal generators differ")
        used = self.build()
        used(image, scale=4, rng=np.random.default_rng(1))
        third = used(image, scale=4, rng=np.random.default_rng(0))
        require(np.array_equal(first, third), "an earlier call changes the result")
        before = states()
        self.degraded(image)
        drawn = [name for name, state in states().items() if state != before[name]]
        require(not drawn, f"it draws from the global generator of {', '.join(drawn)}; use `rng`")
        seeded = reset_sources(lambda: self.degraded(image))
        require(not seeded, f"it seeds the global generator of {', '.join(seeded)}")

    def test_draws_differ(self) -> None:
        """A degradation for each sample gives different pixels for different generators."""
        if not self.build().per_sample:
            raise SkipTest("it is applied once to a whole image")
        image = self.image()
        kinds = {self.degraded(image, seed=seed).tobytes() for seed in range(8)}
        require(len(kinds) > 1, "eight generators give the same pixels: set `per_sample = False`")
        self.measured = f"{len(kinds)} results for 8 generators"

    def test_shows_the_same_picture(self) -> None:
        """The result resembles the image: each colour keeps its mean, and nothing is moved."""
        image = self.image()
        small = image.reshape(24, 4, 30, 4, 3).mean(axis=(1, 3))
        made = np.mean([self.degraded(image, seed=seed) for seed in range(4)], axis=0)
        shift = float(np.abs(made.mean(axis=(0, 1)) - small.mean(axis=(0, 1))).max())
        require(shift < 32, f"the mean of a colour changes by {shift:.0f} levels of 255")
        alike = float(np.corrcoef(made.ravel(), small.ravel())[0, 1])
        require(alike > 0.5, f"the correlation with the downscaled image is only {alike:.2f}")
        self.measured = f"correlation {alike:.2f} with the downscaled image"

    def test_other_processes(self) -> None:
        """It can be sent to the processes that load samples."""
        degradation, image = self.build(), self.image()
        sent: Degradation = pickle.loads(pickle.dumps(degradation))  # noqa: S301  made right here
        own = degradation(image, scale=4, rng=np.random.default_rng(0))
        other = sent(image, scale=4, rng=np.random.default_rng(0))
        require(np.array_equal(own, other), "a copy in another process gives other pixels")
