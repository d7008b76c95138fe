"""Which patch sample number n is: a pure function of the seed, the stream and n.

Random words come from Philox 4x64-10, used as a function of a key and a counter (J. Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011). There is no state to save, restore or
share: any worker, on any machine, after any restart, draws the same sample n. Positions use only
raw words, whose values numpy guarantees. A degradation gets a generator of numpy with
distributions, which another version of numpy may change.

Not here: reading pixels (`zoo.data.stream`), rotating them (`zoo.data.augment`).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from zoo.errors import DataError
from zoo.text import few

Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Weighting = Literal["uniform", "area", "texture"]

# Uses of random words; each has its own Philox key, so that none repeats another's.
_UNIFORM, _POSITIONS, _ORDER, _VISITS, _DEGRADATION = range(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingPlan:
    """How patches are drawn. Has no defaults: those of training live in the recipe schema.

    Attributes:
        seed: from 0 to 2**64 - 1.
        lr_patch_size: side of the low-resolution patch in pixels.
        sampling: `uniform`: a fresh random position for each sample. `fixed`: the article's,
            `patches_per_image` positions an image drawn once, each visited once an epoch.
        weighting: how `uniform` chooses the image: all alike, by number of pixels, or by texture
            (mean luma gradient), which spends fewer samples on skies. `fixed` ignores it.
        patches_per_image: positions an image for `fixed` (the article: 19).
        augment: whether samples are mirrored and turned, all eight ways alike.
    """

    seed: int
    lr_patch_size: int
    sampling: Literal["uniform", "fixed"]
    weighting: Weighting
    patches_per_image: int
    augment: bool


@dataclass(frozen=True, slots=True)
class Crops:
    """Where samples lie: arrays of equal length, one entry a sample, in low-resolution pixels.

    Attributes:
        image: index of the image.
        top: first row of the patch.
        left: first column of the patch.
        flip: 1 where the patch is mirrored.
        quarter_turns: 0 to 3, counter-clockwise, after mirroring.
    """

    image: Integers
    top: Integers
    left: Integers
    flip: Integers
    quarter_turns: Integers

    def __len__(self) -> int:
        return len(self.image)


class PatchSampler:
    """Draws samples under a plan from images of known sizes.

    Args:
        plan: how to draw.
        sizes: `(N, 2)`, height and width of each low-resolution image.
        texture: `(N,)`, texture of each image, for the weighting of that name.
        names: the images' names, for messages.

    Raises:
        DataError: if an image is smaller than the patch, or there is none.
    """

    def __init__(
        self,
        plan: SamplingPlan,
        *,
        sizes: Integers,
        texture: npt.NDArray[np.float64],
        names: Sequence[str],
    ) -> None:
        _check(plan, sizes, names)
        self.plan = plan
        self._room = sizes - plan.lr_patch_size + 1
        self._cumulative = np.cumsum(_image_weights(plan.weighting, sizes, texture))

    @property
    def num_fixed(self) -> int:
        """Number of samples in an epoch of `fixed` sampling."""
        return len(self._room) * self.plan.patches_per_image

    def draw(self, start: int, count: int, *, stream: int = 0) -> Crops:
        """Return samples `start` to `start + count - 1` of a stream.

        Args:
            start: number of the first sample, from 0.
            count: how many.
            stream: independent sequences of samples under one seed, from 0.
        """
        if self.plan.sampling == "uniform":
            words = self._words(_UNIFORM, start, count, stream=stream)
            chosen = np.searchsorted(self._cumulative, to_unit(words[:, 0]), side="right")
            # Rounding may leave the last sum a hair below 1, and the choice one past the end.
            image = np.minimum(chosen, len(self._room) - 1).astype(np.int64)
            top, left = self._positions(image, words)
        else:
            words = self._words(_VISITS, start, count, stream=stream)
            image, top, left = self._fixed(start, count, stream)
        flip, turns = _symmetry(words[:, 3]) if self.plan.augment else _no_symmetry(count)
        return Crops(image, top, left, flip, turns)

    def _fixed(self, start: int, count: int, stream: int) -> tuple[Integers, Integers, Integers]:
        numbers = np.arange(start, start + count)
        epochs, ranks = np.divmod(numbers, self.num_fixed)
        place = np.empty(count, dtype=np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            order = epoch_order(self.plan.seed, self.num_fixed, stream=stream, epoch=int(epoch))
            place[here] = order[ranks[here]]
        image = place // self.plan.patches_per_image
        # Position j of the set is the same in each stream and epoch: it depends on the seed alone.
        words = self._fixed_words[place]
        top, left = self._positions(image, words)
        return image, top, left

    @functools.cached_property
    def _fixed_words(self) -> Words:
        return self._words(_POSITIONS, 0, self.num_fixed, stream=0)

    def _positions(self, image: Integers, words: Words) -> tuple[Integers, Integers]:
        room = self._room[image]
        top = (to_unit(words[:, 1]) * room[:, 0]).astype(np.int64)
        left = (to_unit(words[:, 2]) * room[:, 1]).astype(np.int64)
        return top, left

    def _words(self, use: int, start: int, count: int, *, stream: int) -> Words:
        return philox_words(self.plan.seed, use << 32 | stream, start, count)


@dataclass(frozen=True, slots=True)
class Share:
    """Which samples of every batch are this process's, where several train one run.

    A batch is computed in parts, one after another, and each process has a piece of every part. So
    a part consists of the same samples for any number of processes.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
        parts: parts of a batch (`training.accumulate`).
    """

    rank: int = 0
    size: int = 1
    parts: int = 1

    def pieces(self, number: int, batch_size: int) -> list[tuple[int, int]]:
        """Return number of the first sample and count of each piece of a batch.

        Args:
            number: of the batch.
            batch_size: samples a batch, of all processes; a multiple of `size * parts`.
        """
        start = number * batch_size
        if self.size == 1:
            return [(start, batch_size)]
        count = batch_size // (self.size * self.parts)
        return [
            (start + (part * self.size + self.rank) * count, count) for part in range(self.parts)
        ]


WHOLE = Share()


@functools.lru_cache(maxsize=8)
def epoch_order(seed: int, num_places: int, *, stream: int, epoch: int) -> Integers:
    """Return a permutation of `num_places` places, by sorting one random word for each.

    Args:
        seed: the plan's seed.
        num_places: places to put in order.
        stream: streams have different orders.
        epoch: so have epochs.
    """
    words = philox_words(seed, _ORDER << 32 | stream, 0, num_places, epoch=epoch)
    order = np.argsort(words[:, 0], kind="stable").astype(np.int64)
    order.setflags(write=False)
    return order


def philox_words(seed: int, domain: int, start: int, count: int, *, epoch: int = 0) -> Words:
    """Return four random words for each of `count` consecutive counters.

    Args:
        seed: first half of the key.
        domain: second half of the key.
        start: the first counter.
        count: how many counters.
        epoch: second word of the counter.

    Returns:
        `(count, 4)`; row i depends on `start + i`, the key and the epoch alone.
    """
    key = np.array([seed, domain], dtype=np.uint64)
    counter = np.array([start, epoch, 0, 0], dtype=np.uint64)
    bits = np.random.Philox(key=key, counter=counter)
    return np.asarray(bits.random_raw(4 * count), dtype=np.uint64).reshape(count, 4)


def sample_generator(seed: int, stream: int, number: int) -> np.random.Generator:
    """Return the generator of what is drawn to degrade one sample.

    Args:
        seed: the plan's seed.
        stream: of samples.
        number: of the sample in its stream.
    """
    key = np.array([seed, _DEGRADATION << 32 | stream], dtype=np.uint64)
    # each sample has 2**128 counters of its own
    counter = np.array([0, 0, number, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def image_generator(sha256: str) -> np.random.Generator:
    """Return the generator of what is drawn to degrade a whole image, given its pixels' hash."""
    key = np.array([int(sha256[:16], 16), int(sha256[16:32], 16)], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def to_unit(words: Words) -> npt.NDArray[np.float64]:
    """Map words to [0, 1) by their upper 53 bits, all that a float64 holds."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _symmetry(words: Words) -> tuple[Integers, Integers]:
    bits = words.astype(np.int64)
    return bits & 1, bits >> 1 & 3


def _no_symmetry(count: int) -> tuple[Integers, Integers]:
    return np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)


def _image_weights(
    weighting: Weighting, sizes: Integers, texture: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the probability of each image, `(N,)`, summing to 1."""
    weights = {
        "uniform": np.ones(len(sizes)),
        "area": sizes.prod(axis=1).astype(np.float64),
        "texture": texture.astype(np.float64),
    }[weighting]
    total = weights.sum()
    # Without any texture at all (tests, synthetic flats) every image is as good as another.
    return weights / total if total > 0 else np.full(len(sizes), 1 / len(sizes))


def _check(plan: SamplingPlan, sizes: Integers, names: Sequence[str]) -> None:
    if not len(sizes):
        raise DataError("there are no images to draw patches from")
    patch = plan.lr_patch_size
    if patch < 1 or plan.patches_per_image < 1 or not 0 <= plan.seed < 2**64:
        raise DataError(
            f"lr_patch_size ({patch}) and patches_per_image ({plan.patches_per_image}) must be "
            f"at least 1, and the seed ({plan.seed}) from 0 to 2**64 - 1"
        )
    small = np.flatnonzero((sizes < patch).any(axis=1))
    if len(small):
        shown = few([f"{names[i]} ({sizes[i, 0]}x{sizes[i, 1]})" for i in small.tolist()], 5)
        raise DataError(
            f"at low resolution, {len(small)} of {len(sizes)} images are smaller than the patch of "
            f"{patch}x{patch} pixels: {shown}; use a smaller patch, or remove them"
        )
