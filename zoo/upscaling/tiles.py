"""A generator made ready to upscale images of any size, whole or in tiles that leave no seam.

An image that fits in memory is upscaled whole. Any other is cut into equal windows with as much
context as the generator was found to need (`zoo.upscaling.context`); the step at every seam is
measured, and the image is done again with more context where it is too large. When memory runs
out all the same, tiles are halved.

Not here: image files (`zoo.upscaling.pictures`), other kinds of images (`zoo.upscaling.api`), the
choice of layout and precision (`zoo.upscaling.ways`).
"""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final

import torch
from torch import Tensor

from zoo.errors import MachineError, RecipeError, WeightsError
from zoo.generators.base import Generator
from zoo.runs.device import Execution
from zoo.text import WORTH_SAYING
from zoo.upscaling.context import GREY_LEVEL, find_context, reach, shows
from zoo.upscaling.known import UNMEASURED, KeptContext, Known
from zoo.upscaling.layout import ALIGNMENT, Tile, aligned, computed, smallest_side, squares
from zoo.upscaling.memory import Cost, is_out_of_memory, kept_memory
from zoo.upscaling.seams import SeamGauge
from zoo.upscaling.ways import (
    Choice,
    Tiling,
    Way,
    blocks_to_compare,
    choose,
    difference,
    is_near,
    run,
)

logger = logging.getLogger(__name__)

SEAM_TOLERANCE: Final = GREY_LEVEL / 2
CONTEXT_OF_THE_WHOLE: Final = 64
"""Pixels around a tile of a generator that would need the whole image, in want of memory."""
SEARCH_SHARE: Final = 0.1
"""Of an image's pixels, those that the search for the context may upscale."""

Write = Callable[[Tensor, int, int], None]
"""Takes `(1, 3, H, W)` around [0, 1] and the row and column of the output where it belongs."""
Advance = Callable[[int, int], None]


class TiledUpscaler:
    """A generator on its device, with the measurements of it.

    Args:
        generator: taken over: it is moved, laid out anew and put in evaluation mode.
        device: where to run.
        tile: longest side in pixels of the input that the network sees at once; 0 for the whole
            image in any case, None for what memory allows.
        wanted: if `tile` is None, the longest side whatever the memory; tiles are larger if the
            context requires it.
        bfloat16: whether to compute in bfloat16, which is coarser than 8 bits in places; None lets
            a measurement choose precision, layout and compilation where there is enough to do, and
            compute in bfloat16 only what comes out nearly as in float32.
        kept: where the context that the network needs is kept; None looks for it anew.

    Attributes:
        device: where it runs.
        scale: upscaling factor.
        tile: as given.
        choice: how it runs, and why.
        num_left: images that are still to be upscaled, the next one included, all of about its
            size: set by who knows.
        num_parameters: the generator's, those that are trained.

    Raises:
        RecipeError: if `tile` is negative.
    """

    def __init__(
        self,
        generator: Generator,
        *,
        device: torch.device | None = None,
        tile: int | None = None,
        wanted: int | None = None,
        bfloat16: bool | None = False,
        kept: KeptContext | None = None,
    ) -> None:
        if tile is not None and tile < 0:
            raise RecipeError(f"the side of a tile is 0 (no tiles) or at least 1 pixel, not {tile}")
        self.device = device or torch.device("cpu")
        self.scale = generator.scale
        self.tile = tile
        self._wanted = wanted
        trained = (one for one in generator.parameters() if one.requires_grad)
        self.num_parameters = sum(parameter.numel() for parameter in trained)
        self._is_free = bfloat16 is None
        way = Way(bfloat16=bool(bfloat16))
        self.choice = Choice(way, "default" if bfloat16 is None else "set by user", "not measured")
        self.num_left = 1
        self._execution = Execution(
            self.device,
            bfloat16=False,
            channels_last=True,
            compile=False,
            tf32=False,
            num_workers=0,
        )
        self._generator = generator.eval()
        self._execution.place(self._generator)
        self._network: Callable[[Tensor], Tensor] = self._generator  # in the layout chosen
        self._is_coarse = way.bfloat16  # the picture at hand
        self._whole: str | None = None  # why it cannot be tiled
        self._limit: int | None = None  # side of a tile, since memory ran out
        self._tried = 0  # side of the last attempt
        self._reach: int | None = None
        self._reaches_over = 0  # where the reach is not known, what it is more than
        self._context: int | None = None
        self._kept = kept
        self._cost = Cost(self._generator, self.device)

    def upscale(self, image: Tensor, write: Write, advance: Advance | None = None) -> Tiling:
        """Upscale one image, piece by piece.

        Args:
            image: `(1, 3, h, w)`, RGB in [0, 1].
            write: takes each piece; called again for the same places if the image has to be
                done again.
            advance: called with the tiles done and the total.

        Raises:
            MachineError: if the smallest tile does not fit in memory.
            RecipeError: if the side asked for leaves no room beside the context.
            WeightsError: if the network's output is not finite.
        """
        with self._execution.scoring(), kept_memory(self.device):
            self._settle(image)
            while True:
                tiling = self._attempt(image, write, advance)
                if tiling is None:
                    self._shrink(image)
                elif self._is_seamless(tiling):
                    return tiling
                else:
                    self._widen(tiling)

    def _settle(self, image: Tensor) -> None:
        """Choose how to upscale, once there is enough to do, and whether this image bears it."""
        if not self._is_free:
            return
        size, chosen = image.shape[-2] * image.shape[-1], False
        if self.choice.source == "default":
            self.choice = choose(self._generator, image.to(self.device), size * self.num_left)
            chosen = self.choice.source == "measured"
        if chosen:
            logger.info("upscaling in %s", self.choice.describe())
            if self.choice.way != Way():
                self._network = self.choice.way.place(self._generator)
        num_blocks = blocks_to_compare(size)
        self._is_coarse = (
            self.choice.way.bfloat16
            and num_blocks > 0
            and (chosen or self._bears_bfloat16(image, num_blocks))
        )

    def _bears_bfloat16(self, image: Tensor, num_blocks: int) -> bool:
        share, most = difference(self._generator, image.to(self.device), num_blocks)
        if not is_near(share, most):
            logger.info(
                "using float32 for an image: with bfloat16 it would differ by up to %.2f/255",
                most / GREY_LEVEL,
            )
        return is_near(share, most)

    def _attempt(self, image: Tensor, write: Write, advance: Advance | None) -> Tiling | None:
        """Upscale, or return None if memory ran out: by then all of it is given back."""
        self._tried = max(image.shape[-2:])
        try:
            tiles, context = self.plan(image)
            return self._tiled(image, tiles, context, write, advance)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def plan(self, image: Tensor) -> tuple[list[Tile], int]:
        """Return the tiles of an image, one if it is upscaled whole, and their context."""
        height, width = image.shape[-2:]
        longest = max(height, width)
        whole = squares(height, width, longest, 0)
        side = self._side(longest)
        if side is None and self._gains_nothing_from_tiles(image):
            return whole, 0
        if side is not None and side >= longest:
            return whole, 0
        self._tried = longest if side is None else side
        context = self._needed_context(image)
        if self._whole is not None and self._limit is None:
            self._tried = longest
            return whole, 0
        if side is None:
            tiles = self._cost.tiles(image, context)
            self._tried = max(smallest_side(context), math.isqrt(computed(tiles) // len(tiles)))
            return tiles, context
        self._tried = self._checked(side, context)
        return squares(height, width, self._tried, context), context

    def _gains_nothing_from_tiles(self, image: Tensor) -> bool:
        """Return whether the whole image fits, and small tiles would compute much of it twice."""
        if len(self._cost.tiles(image, ALIGNMENT)) == 1:
            return True
        self._recall()
        if self._context is not None or not self._cost.fits(image):
            return False
        # Of a network that sees further than this, tiles of any size would: the context that it
        # needs is not looked for, which takes long.
        enough = 2 * ALIGNMENT
        while len(self._cost.tiles(image, enough)) > 1:
            enough *= 2
        if self._reach is None and self._reaches_over < enough:
            self._measure_reach(enough)
            self._reaches_over = enough
        return self._reach is None or self._reach > enough

    def _tiled(
        self,
        image: Tensor,
        tiles: list[Tile],
        context: int,
        write: Write,
        advance: Advance | None,
    ) -> Tiling:
        gauge = SeamGauge(self.scale)
        self._say_if_long("upscaling this image", computed(tiles), len(tiles))
        for number, (down, across) in enumerate(tiles, start=1):
            window = image[..., down.start : down.stop, across.start : across.stop]
            answer = self._answer(window)
            if len(tiles) > 1:
                gauge.see(answer, down, across)
            top, left = down.first * self.scale, across.first * self.scale
            write(answer[..., down.own(self.scale), across.own(self.scale)], top, left)
            if advance is not None:
                advance(number, len(tiles))
            if gauge.largest > SEAM_TOLERANCE and self._may_have_better_seams:
                break  # the picture is done again: the other tiles would be in vain
        seen = max(
            max(down.stop - down.start, across.stop - across.start) for down, across in tiles
        )
        way = replace(self.choice.way, bfloat16=self._is_coarse)
        return Tiling(len(tiles), seen, context if len(tiles) > 1 else 0, gauge.largest, way)

    def _answer(self, window: Tensor) -> Tensor:
        answer = run(self._network, window.to(self.device), bfloat16=self._is_coarse)
        if not bool(torch.isfinite(answer).all()):
            raise WeightsError(
                "the network's output is not finite: its weights are damaged, or its training "
                "diverged"
            )
        return answer

    def _side(self, longest: int) -> int | None:
        """Return the longest side of a tile, None if memory decides."""
        if self._limit is not None:
            return self._limit
        if self.tile is not None:
            return self.tile or longest
        return self._wanted

    def _say_if_long(self, what: str, num_pixels: int, num_pieces: int = 1) -> None:
        """Name the work if there would be no message for long."""
        measured = self.choice.seconds_per_megapixel.get(str(self.choice.way))
        rate = self._cost.seconds_per_pixel if measured is None else measured / 1e6
        if num_pixels * rate / num_pieces >= WORTH_SAYING:
            logger.info("%s: about %s", what, timedelta(seconds=round(num_pixels * rate)))

    def _checked(self, side: int, context: int) -> int:
        """Return the side of tiles that leave something beside their context."""
        least = smallest_side(context)
        if side < least and self.tile is not None and self._limit is None:
            raise RecipeError(
                f"tiles of {side} pixels are too small: this network needs {context} pixels of "
                f"context on each side; use at least {least}, or 0 for no tiles"
            )
        return max(side, least)

    def _needed_context(self, image: Tensor) -> int:
        """Return the context that leaves no seam, found on the first image that needs tiles."""
        self._recall()
        if self._context is None:
            most = int(SEARCH_SHARE * image.shape[-2] * image.shape[-1])
            self._say_if_long("measuring the context that the network needs, at most", most)
            if self._reach is None and getattr(self._generator, "takes_strips", True):
                self._measure_reach()
            logger.debug("receptive field: %s pixels to each side", self._reach)
            self._set_context(self._found_context(image, most), image)
        return CONTEXT_OF_THE_WHOLE if self._context is None else self._context

    def _measure_reach(self, *most: int) -> None:
        try:
            self._reach = reach(self._generator, self.scale, self.device, *most)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            logger.warning("%s, so it gets whole images: %s", UNMEASURED, error)
            self._reach = self._kept = None  # another attempt may find more

    def _recall(self) -> None:
        """Take the context that was found before, if there is one."""
        known = None if self._context is not None or self._kept is None else self._kept.read()
        if known is not None:
            self._reach = known.reach
            self._set_context(known.context)

    def _set_context(self, found: int | None, image: Tensor | None = None) -> None:
        self._context = found
        if self._kept is not None and (image is None or shows(image, found, self._reach)):
            self._kept.write(Known(self._reach, found))
        if found is None and self._whole is None:
            self._whole = (
                "each pixel depends on the whole image"
                if self._reach is None
                else "its output at a position depends on the coordinates of that position"
            )
            self._context = CONTEXT_OF_THE_WHOLE
            logger.warning("this network needs whole images: %s", self._whole)

    def _is_seamless(self, tiling: Tiling) -> bool:
        """Return whether the seams are good enough, or no better ones can be obtained."""
        if self._whole is not None and tiling.num_tiles > 1:
            logger.warning(
                "the tiles are visible: at their borders, the image differs by up to %.2f/255, "
                "because %s and the whole image does not fit into memory",
                tiling.seam / GREY_LEVEL,
                self._whole,
            )
            return True
        return tiling.seam <= SEAM_TOLERANCE or not self._may_have_better_seams

    @property
    def _may_have_better_seams(self) -> bool:
        """Whether more context is tried where a seam shows."""
        return self._whole is None and not self._is_coarse

    def _widen(self, tiling: Tiling) -> None:
        """Take more context, where the blocks that were tried before did not show the need."""
        bound = aligned(self._reach or 0)
        logger.info(
            "seams of %.2f/255 with a context of %d pixels: upscaling the image again with more "
            "context",
            tiling.seam / GREY_LEVEL,
            tiling.context,
        )
        if tiling.context >= bound:
            self._set_context(None)
            return
        self._set_context(min(max(2 * tiling.context, ALIGNMENT), bound))

    def _found_context(self, image: Tensor, most: int) -> int | None:
        if self._reach is None:
            return None
        try:
            largest = self._cost.most_pixels(image)
            return find_context(
                self._generator, image.to(self.device), self.scale, self._reach, most, largest
            )
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        return aligned(self._reach)  # more than can be tried out is never needed

    def _shrink(self, image: Tensor) -> None:
        """Halve the tiles after memory ran out."""
        height, width = image.shape[-2:]
        if self.tile == 0:
            raise MachineError(
                f"{width}x{height} pixels do not fit into the memory of {self.device} at once; "
                "allow tiles (without --tile 0)"
            )
        least = smallest_side(self._context or 0)
        if self._tried <= least or self._limit == least:
            raise MachineError(
                f"not enough memory on {self.device} for tiles of {self._tried} pixels, the "
                "smallest that this network allows; free some memory or use a smaller network"
            )
        self._limit = max(least, aligned(self._tried // 2))
        logger.warning(
            "not enough memory for tiles of %d pixels; continuing with tiles of %d",
            self._tried,
            self._limit,
        )
