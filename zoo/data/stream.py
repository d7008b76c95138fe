"""Training batches as tensors: the one module of `zoo.data` that imports torch.

Batch b of stream s is made of samples b * batch_size to (b + 1) * batch_size - 1 of that stream,
whoever makes it: a run that resumes at batch b, or loads with another number of workers, sees the
same pixels. Images stay uint8 until they are on the device; `to_float` converts them there.

Not here: which patch a sample is (`zoo.data.sampling`), the pixels (`zoo.data.patches`).
"""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from collections.abc import Generator, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from zoo.data.augment import copy_image, dihedral
from zoo.data.degrading import Degrading, Window
from zoo.data.patches import PatchStore
from zoo.data.sampling import WHOLE, Crops, PatchSampler, SamplingPlan, Share, sample_generator
from zoo.signals import ENDING

Pair = tuple[Tensor, Tensor]
GRACE_SECONDS = 60
"""How long a loading process outlives a SIGTERM: the parent finishes a step and saves meanwhile."""


class PatchDataset(Dataset[Pair]):
    """All samples of one stream, by number; there is no last one.

    Args:
        store: the images.
        plan: how samples are drawn.
        stream: which of the independent sequences.
        degrading: draws the low-resolution patch of each sample; None to take it from the store.
    """

    def __init__(
        self,
        store: PatchStore,
        *,
        plan: SamplingPlan,
        stream: int = 0,
        degrading: Degrading | None = None,
    ) -> None:
        self.store = store
        self.plan = plan
        self.stream = stream
        self.degrading = degrading
        self._sampler = PatchSampler(
            plan, sizes=store.lr_sizes, texture=store.textures, names=store.names
        )

    def __getitem__(self, number: int) -> Pair:
        """Return one sample: `lr_image` `(3, p, p)` and `hr_image` `(3, sp, sp)`, uint8 RGB."""
        lr_image, hr_image = self.batch(number, 1)
        return lr_image[0], hr_image[0]

    def batch(self, start: int, count: int) -> Pair:
        """Return consecutive samples.

        Args:
            start: number of the first.
            count: how many.

        Returns:
            `lr_image` `(N, 3, p, p)` and `hr_image` `(N, 3, sp, sp)`: uint8 RGB in 0..255, in
            channels_last memory order, as images are stored and as convolutions like them best.
        """
        crops = self._sampler.draw(start, count, stream=self.stream)
        low, high = self.plan.lr_patch_size, self.plan.lr_patch_size * self.store.scale
        lr_pixels = np.empty((count, low, low, 3), dtype=np.uint8)
        hr_pixels = np.empty((count, high, high, 3), dtype=np.uint8)
        for position in range(count):
            self._cut(crops, start, position, lr_pixels[position], hr_pixels[position])
        return _channels_first(lr_pixels), _channels_first(hr_pixels)

    def _cut(
        self,
        crops: Crops,
        start: int,
        position: int,
        lr_patch: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
        hr_patch: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    ) -> None:
        image, top, left = (
            int(values[position]) for values in (crops.image, crops.top, crops.left)
        )
        flip, turns = bool(crops.flip[position]), int(crops.quarter_turns[position])
        patch, scale = self.plan.lr_patch_size, self.store.scale
        if self.degrading is None:
            lr_cut = self.store.lr(image)[top : top + patch, left : left + patch]
        else:
            rng = sample_generator(self.plan.seed, self.stream, start + position)
            window = Window(top, left, patch)
            lr_cut = self.degrading.patch(self.store.hr(image), window, scale, rng)
        hr_cut = self.store.hr(image)[
            top * scale : (top + patch) * scale, left * scale : (left + patch) * scale
        ]
        copy_image(dihedral(lr_cut, flip=flip, quarter_turns=turns), lr_patch)
        copy_image(dihedral(hr_cut, flip=flip, quarter_turns=turns), hr_patch)


class PatchStream:
    """Endless training batches from a store, the same ones for any number of workers.

    Args:
        store: the images.
        plan: how samples are drawn.
        batch_size: samples a batch, of all processes that train together.
        num_workers: processes that prepare batches ahead; 0 prepares them here.
        pin_memory: whether batches are in page-locked memory, for copies to a GPU that overlap.
        degrading: as of `PatchDataset`.
        share: which samples of a batch are this process's.
    """

    def __init__(
        self,
        store: PatchStore,
        *,
        plan: SamplingPlan,
        batch_size: int,
        num_workers: int = 0,
        pin_memory: bool = False,
        degrading: Degrading | None = None,
        share: Share = WHOLE,
    ) -> None:
        self.store = store
        self.plan = plan
        self.batch_size = batch_size
        self.share = share
        self._degrading = degrading
        self._num_workers = num_workers
        self._pin_memory = pin_memory
        self.dataset(0)  # small images and wrong plans are found before training starts

    def dataset(self, stream: int) -> PatchDataset:
        """Return the samples of one stream, by number."""
        return PatchDataset(self.store, plan=self.plan, stream=stream, degrading=self._degrading)

    def batches(self, start: int = 0, stream: int = 0) -> Generator[Pair, None, None]:
        """Yield `(lr_image, hr_image)` for ever, as `PatchDataset.batch` describes them.

        Close the generator when done, so that its workers end.

        Args:
            start: number of the first batch: how many this stream has given in all so far.
            stream: independent sequences of samples; the trainer takes one for each player.
        """
        dataset = self.dataset(stream)
        if self._num_workers == 0:
            return self._here(dataset, start)
        loader = DataLoader(
            _Batches(dataset, self.batch_size, self.share),
            batch_size=None,
            sampler=_CountFrom(start),
            num_workers=self._num_workers,
            pin_memory=self._pin_memory,
            # a loader draws a seed for its workers: not from the generator that training draws from
            generator=torch.Generator(),
            worker_init_fn=_leave_signals_to_the_parent,
        )
        return _drawn(loader)

    def _here(self, dataset: PatchDataset, start: int) -> Generator[Pair, None, None]:
        batches = _Batches(dataset, self.batch_size, self.share)
        for number in itertools.count(start):
            lr_image, hr_image = batches[number]
            if self._pin_memory:
                lr_image, hr_image = lr_image.pin_memory(), hr_image.pin_memory()
            yield lr_image, hr_image


class _Batches(Dataset[Pair]):
    """Batches by number: a worker makes one in one go, without collating samples."""

    def __init__(self, samples: PatchDataset, batch_size: int, share: Share) -> None:
        self._samples = samples
        self._batch_size = batch_size
        self._share = share

    def __getitem__(self, number: int) -> Pair:
        pieces = self._share.pieces(number, self._batch_size)
        return joined(self._samples.batch(start, count) for start, count in pieces)


class _CountFrom(Sampler[int]):
    def __init__(self, start: int) -> None:
        self._start = start

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self._start)


def _drawn(loader: DataLoader[Pair]) -> Generator[Pair, None, None]:
    """Yield from a loader; its workers end when this generator is closed, not some time later.

    torch asks them to end, waits five seconds for each, and sends SIGTERM, which they outlive. One
    that hangs would be waited for at the end of the program; there is nothing in it to be saved.
    """
    others = set(multiprocessing.active_children())
    batches = iter(loader)
    workers = set(multiprocessing.active_children()) - others
    try:
        yield from batches
    except GeneratorExit:
        del batches
        for worker in workers:
            worker.kill()
            worker.join()
        raise


def _leave_signals_to_the_parent(_worker: int) -> None:
    """Let a worker outlive Ctrl-C, SIGTERM and its like, which are sent to all of a job.

    The parent stops it when it has saved, and torch when the parent dies. Should neither happen,
    it ends by itself some time after such a signal, so that no process waits for it forever.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in ENDING:
        signal.signal(number, lambda _number, _frame: signal.alarm(GRACE_SECONDS))


def joined(pieces: Iterable[Pair]) -> Pair:
    """Return the samples of several pieces as one batch; a single piece as it is."""
    pairs = list(pieces)
    if len(pairs) == 1:
        return pairs[0]
    lr_images, hr_images = zip(*pairs, strict=True)
    return torch.cat(lr_images), torch.cat(hr_images)


def to_float(image: Tensor) -> Tensor:
    """Convert 8-bit pixels to numbers, on the device they are on.

    Args:
        image: `(..., H, W)` uint8 in 0..255.

    Returns:
        float32 in [0, 1], same shape and memory order.
    """
    return image.to(torch.float32).div_(255.0)


def _channels_first(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)
