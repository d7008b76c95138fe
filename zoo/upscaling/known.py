"""The context that a model's network needs, kept: it is looked for once for each file of weights.

It is a property of the network, found on one image; the seams of every image are measured all the
same, and more context is taken and kept where one shows. `zoo import` puts it into the model file.

Not here: how it is found (`zoo.upscaling.context`).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import torch

from zoo.data.images import read_image
from zoo.data.paths import cache_dir
from zoo.data.sources import open_source
from zoo.errors import MachineError
from zoo.files import read_hashed, write_hashed
from zoo.fingerprints import scoring_hash
from zoo.generators.base import Generator
from zoo.models.model import Model
from zoo.registry import GENERATORS
from zoo.runs.provenance import identity_hash
from zoo.upscaling.context import find_context, reach, shows

logger = logging.getLogger(__name__)
REACH: Final = "receptive_field"
CONTEXT: Final = "context"
"""Keys of `Details.source`: numbers of pixels on each side, or `whole image`."""
UNMEASURED: Final = "zoo could not measure how far the network sees"
_WHOLE: Final = "whole image"
_FORMAT: Final = 2
_SIDE: Final = 160
_TIMED: Final = 64
"""Sides of the image on which an imported model is measured, and of a part of it, in pixels."""
_SLOW: Final = 4.0
"""Seconds for that part, above which nothing is measured."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was found of a network, in pixels of the input on each side.

    Attributes:
        reach: how far an output pixel depends on the input at most; None for the whole image.
        context: how much of that tiles need; None if tiles of any context leave seams.
    """

    reach: int | None
    context: int | None

    def texts(self) -> dict[str, str]:
        """Return it as entries of `Details.source`."""
        found = {REACH: self.reach, CONTEXT: self.context}
        return {key: _WHOLE if value is None else str(value) for key, value in found.items()}

    @classmethod
    def of_texts(cls, source: Mapping[str, str]) -> Self | None:
        """Return what entries of `Details.source` say, None if they say nothing of it."""
        texts = [source.get(key) for key in (REACH, CONTEXT)]
        if not all(text == _WHOLE or (text or "").isdecimal() for text in texts):
            return None
        numbers = [None if text == _WHOLE else int(str(text)) for text in texts]
        return cls(*numbers)


@dataclass(frozen=True, slots=True)
class KeptContext:
    """The file in zoo's cache that keeps what was found of one model.

    Attributes:
        path: the file.
        told: what the model file says, until something else is found.
    """

    path: Path
    told: Known | None = None

    @classmethod
    def of(cls, model: Model) -> Self:
        """Return it for a model with a file: weights, arguments and code decide."""
        details = model.details
        key = {
            "format": _FORMAT,
            "weights": model.sha256,
            "generator": details.generator,
            "scale": details.scale,
            "code": scoring_hash(GENERATORS.get(details.generator_name)),
        }
        path = cache_dir() / "contexts" / f"{identity_hash(key)}.json"
        return cls(path, Known.of_texts(details.source))

    def read(self) -> Known | None:
        """Return what is known; a damaged file counts as none."""
        if not self.path.exists():
            return self.told
        try:
            kept = json.loads(read_hashed(self.path) or "{}")
            return Known(_number(kept[REACH]), _number(kept[CONTEXT]))
        except (ValueError, LookupError, TypeError, RecursionError):
            logger.warning("%s is damaged: zoo measures the context again", self.path)
            return self.told

    def write(self, known: Known) -> None:
        """Keep what was found; without room for it, a warning is all."""
        if known == self.read():
            return
        text = json.dumps({REACH: known.reach, CONTEXT: known.context})
        try:
            write_hashed(self.path, text.encode())
        except MachineError as error:
            logger.warning("the context that the network needs is not kept: %s", error)


def measured(generator: Generator) -> Known | None:
    """Measure a network on a part of a photograph; see `zoo.upscaling.context`.

    Args:
        generator: in evaluation mode, on the CPU.

    Returns:
        What was found; None for a network that is so slow that it would take more than a minute,
        that sees too far for this part of a photograph, or that could not be measured.
    """
    pixels = read_image(open_source("samples").training_paths[0])[:_SIDE, :_SIDE]
    image, scale = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255, generator.scale
    with torch.inference_mode():
        since = time.perf_counter()
        generator(image[..., :_TIMED, :_TIMED])
        if time.perf_counter() - since > _SLOW:
            return None
        takes_strips = getattr(generator, "takes_strips", True)
        try:
            found = reach(generator, scale, torch.device("cpu")) if takes_strips else None
        except RuntimeError as error:
            logger.warning("%s: %s", UNMEASURED, error)
            return None
        if found is None:
            return Known(None, None)
        context = find_context(generator, image, scale, found, _SIDE**2)
        return Known(found, context) if shows(image, context, found) else None


def _number(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError
