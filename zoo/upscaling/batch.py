"""Many images through one network: reports unreadable images and upscales the others.

Which files, and where to, is decided before (`zoo.upscaling.jobs`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from zoo.errors import DataError, MachineError, ShapeError
from zoo.upscaling.encoding import write_picture
from zoo.upscaling.enlarging import enlarge_picture
from zoo.upscaling.jobs import Job
from zoo.upscaling.pictures import read_picture
from zoo.upscaling.tiles import TiledUpscaler
from zoo.upscaling.ways import Tiling

STEPS: Final = 1000
"""Into how many steps an image's progress is divided."""
Advance = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one image.

    Attributes:
        job: which.
        status: what became of it.
        error: why it failed.
        notes: what could not be kept, each a phrase.
        seconds: reading, upscaling and writing.
        size: width and height of the output in pixels, None if there is none.
        tiling: how it was upscaled.
    """

    job: Job
    status: Literal["done", "failed"]
    error: str | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    size: tuple[int, int] | None = None
    tiling: Tiling | None = None

    def row(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        tiling = self.tiling
        return {
            "input": str(self.job.source),
            "output": str(self.job.target),
            "status": self.status,
            "error": self.error,
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
            "width": None if self.size is None else self.size[0],
            "height": None if self.size is None else self.size[1],
            "tiles": None if tiling is None else tiling.num_tiles,
            "tile_side": None if tiling is None else tiling.side,
            "context": None if tiling is None else tiling.context,
            "largest_seam": None if tiling is None else tiling.seam,
            "way": None if tiling is None else str(tiling.way),
        }


def upscale_files(
    upscaler: TiledUpscaler,
    jobs: Sequence[Job],
    advance: Advance | None = None,
    *,
    overwrite: bool = False,
    keep_grey: bool = True,
) -> Iterator[Outcome]:
    """Upscale one file after another; yield each when it is on disk or has failed.

    Args:
        upscaler: the network.
        jobs: what to read and where to write.
        advance: called with the steps done and the total.
        overwrite: whether to overwrite what is there by then; else that image fails.
        keep_grey: see `zoo.upscaling.enlarging.enlarge`.

    Raises:
        MachineError: if a result cannot be written: neither could the others.
    """
    for number, job in enumerate(jobs):
        start = time.perf_counter()
        part = _part(advance, number, len(jobs))
        upscaler.num_left = len(jobs) - number
        outcome = _upscale_file(upscaler, job, part, overwrite=overwrite, keep_grey=keep_grey)
        yield replace(outcome, seconds=time.perf_counter() - start)
        if advance is not None:
            advance((number + 1) * STEPS, len(jobs) * STEPS)


def _upscale_file(
    upscaler: TiledUpscaler,
    job: Job,
    advance: Advance | None,
    *,
    overwrite: bool,
    keep_grey: bool,
) -> Outcome:
    try:
        picture = read_picture(job.source)
        enlarged, tiling = enlarge_picture(upscaler, picture, advance, keep_grey=keep_grey)
    except DataError as error:
        return Outcome(job, "failed", str(error))
    except (MachineError, ShapeError, MemoryError) as error:  # others may be smaller
        cause = str(error) or "not enough memory"
        return Outcome(job, "failed", f"{job.source}: {cause}")
    # Since the conflicts were looked for.
    if not overwrite and os.path.exists(job.target):  # noqa: PTH110  pathlib's raises for long names
        return Outcome(job, "failed", f"{job.source}: {job.target} was created in the meantime")
    try:
        notes = (*enlarged.notes, *write_picture(job.target, enlarged))
    except DataError as error:
        return Outcome(job, "failed", str(error))
    height, width = enlarged.colours.shape[:2]
    return Outcome(job, "done", notes=notes, size=(width, height), tiling=tiling)


def _part(advance: Advance | None, number: int, total: int) -> Advance | None:
    """Return what an image tells its progress to: tiles, as a share of all images' steps."""
    if advance is None:
        return None
    whole = advance

    def tell(done: int, tiles: int) -> None:
        whole(number * STEPS + STEPS * done // (tiles + 1), total * STEPS)

    return tell
