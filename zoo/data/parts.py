"""Parts of a dataset, so that one folder of images can be used for training and for scoring.

`NAME-test60` is 60 images of the dataset NAME, `NAME-rest60` are all others. Which they are depends
on the content of the images alone: names and places do not matter, and copies stay together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zoo.data.images import hash_file
from zoo.errors import DataError

_PART: Final = re.compile(r"(?P<whole>.+)-(?P<part>test|rest)(?P<count>[1-9][0-9]{0,5})\Z")


def whole_name(name: str) -> str:
    """Return the dataset that a name is a part of; the name itself where it is of no part."""
    match = _PART.match(name)
    return name if match is None else match["whole"]


def part_of(name: str, paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the images of a part, in their order; all of them where the name is of no part.

    Args:
        name: of a dataset, or of a part of one.
        paths: all images of the dataset.

    Raises:
        DataError: if the dataset has no more images than the part is to have.
    """
    match = _PART.match(name)
    if match is None:
        return tuple(paths)
    hashes = {path: hash_file(path) for path in paths}
    distinct, count = sorted(set(hashes.values())), int(match["count"])
    if count >= len(distinct):
        raise DataError(f"{name}: {match['whole']} has {len(distinct)} different images")
    tested = set(distinct[-count:])
    is_test = match["part"] == "test"
    return tuple(path for path in paths if (hashes[path] in tested) == is_test)
