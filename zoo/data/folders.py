"""Which files of a folder are used as images, and which are excluded and why.

Folders in this field often contain each image twice, in high and low resolution: `GT` and `LQ`,
`HR` and `LR_bicubic/X4`. Low-resolution images are not ground truth. They are recognised by the
name of a folder, or by another image of the same name that is a whole number of times larger.

Not here: named datasets and their held-out images (`zoo.data.sources`).
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zoo.data.images import SUFFIXES, read_size
from zoo.errors import DataError
from zoo.text import counted

MAX_LINES: Final = 8
_LOW: Final = re.compile(
    r"(?:^|[^a-z])(?:l[rq](?:bic\w*)?(?:x?\d+x?)?|low[ _-]?(?:res(?:olution)?|quality))(?![a-z])",
    re.IGNORECASE,
)
_ENLARGED: Final = re.compile(r"x[2-9]\Z", re.IGNORECASE)
_BY_NAME: Final = "low-resolution images, by the name of the folder"
_BESIDE: Final = "outside the folder HR, and zoo uses only HR"
_OTHER_JPEG: Final = (".jfif", ".jif", ".jpe")
Reasons = Counter[tuple[Path, str]]
_Series = tuple[Path, str]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found below a folder.

    Attributes:
        top: the folder.
        taken: the images, in a fixed order.
        left_out: number of files by folder and reason.
    """

    top: Path
    taken: tuple[Path, ...]
    left_out: Reasons

    def lines(self) -> list[str]:
        """Return what was taken and excluded in words, one line for each folder and reason."""
        taken = Counter(path.parent for path in self.taken)
        lines = _first([f"{at}: {counted(n, 'image')} taken" for at, n in taken.items()], "folders")
        *_, parent, name = ("", "", *self.top.resolve().parts)
        if _LOW.search(name) or (_ENLARGED.fullmatch(name) and _LOW.search(parent)):
            lines.append(
                f"{self.top}: zoo uses it as ground truth although its name means low resolution"
            )
        return [*lines, *self.left_out_lines()]

    def left_out_lines(self) -> list[str]:
        """Return what was excluded in words, one line for each folder and reason."""
        lines = [
            f"{at}: {count} not used as HR images: {why}"
            for (at, why), count in self.left_out.items()
        ]
        return _first(lines, "folders and reasons")


def find_images(directory: Path) -> Found:
    """Find the images of `directory/HR`, else all below `directory`, and say what is excluded.

    Images are recognised by their suffix. Hidden folders and links to folders are skipped.

    Raises:
        DataError: if there is none.
    """
    has_hr = (directory / "HR").is_dir()
    top, left_out = directory / "HR" if has_hr else directory, Reasons()
    if has_hr:
        others = [path for path in _files(directory, Reasons(), without="HR") if _is_image(path)]
        left_out.update((path.parent, _BESIDE) for path in others)
    taken = []
    for path in _files(top, left_out):
        reason = _reason(path, top)
        if reason is None:
            taken.append(path)
        else:
            left_out[path.parent, reason] += 1
    taken.sort(key=lambda path: path.relative_to(top).as_posix())
    for low, high in _low_series(taken).items():
        files = [path for path in taken if _series(path) == low]
        taken = [path for path in taken if _series(path) != low]
        reason = f"low-resolution: images with the same names in {high[0]} are larger"
        left_out[low[0], reason] += len(files)
    if not taken:
        told = "; ".join(["", *_first([f"{at}: {why}" for at, why in left_out], "reasons")])
        raise DataError(f"no images in {top} (accepted: {', '.join(sorted(SUFFIXES))}){told}")
    return Found(top, tuple(taken), left_out)


def _files(top: Path, left_out: Reasons, *, without: str = "") -> Iterator[Path]:
    """Yield the files below a folder, hidden ones if they are images; note links to folders."""

    def refused(error: OSError) -> None:
        left_out[Path(str(error.filename)), f"cannot be read: {error.strerror}"] += 1

    for name, folders, files in os.walk(top, onerror=refused):
        folder = Path(name)
        for inner in sorted(folders):
            is_skipped = inner.startswith(".") or (folder == top and inner == without)
            if is_skipped or (folder / inner).is_symlink():
                folders.remove(inner)
                if not is_skipped:
                    left_out[folder / inner, "a link to a folder: name that folder itself"] += 1
        paths = (folder / file for file in files)
        yield from (path for path in paths if _is_image(path) or not path.name.startswith("."))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _reason(path: Path, top: Path) -> str | None:
    """Return why a file is not taken, None if it is."""
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        return "hidden"
    if path.is_symlink() and not path.exists():
        return "a broken link"
    if suffix in _OTHER_JPEG:
        return f"suffix {suffix}: rename JPEG files to .jpg"
    if not _is_image(path):
        return f"suffix {suffix} is not an image suffix" if suffix else "no suffix"
    if any(_LOW.search(part) for part in path.relative_to(top).parts[:-1]):
        return _BY_NAME
    return None if path.is_file() else "not a file"


def _series(path: Path) -> _Series:
    """Return the folder of a file and what its name ends in: `x4` of `0001x4.png`."""
    ending = _ENLARGED.search(path.stem)
    return path.parent, ending[0].lower() if ending else ""


def _low_series(paths: Sequence[Path]) -> dict[_Series, _Series]:
    """Return each series of images that are other ones of the same names, downscaled; and those."""
    series: dict[_Series, dict[str, Path]] = defaultdict(dict)
    holders: dict[str, list[_Series]] = defaultdict(list)
    for path in paths:
        name = _ENLARGED.sub("", path.stem).lower()
        series[_series(path)][name] = path
        holders[name].append(_series(path))
    found = {}
    for low, files in series.items():
        for high in holders[next(iter(files))]:
            pairs = ((path, series[high].get(name)) for name, path in files.items())
            if high != low and _all_smaller(pairs):
                found[low] = high
                break
    return found


def _all_smaller(pairs: Iterable[tuple[Path, Path | None]]) -> bool:
    """Return whether each first image is its second one downscaled by one whole factor."""
    factors = set()
    for low, high in pairs:
        if high is None:
            return False
        try:
            (height, width), (whole, wide) = read_size(low), read_size(high)
        except DataError:
            return False
        factor = round(whole / height)
        factors.add(factor)
        sides = ((whole, height), (wide, width))
        fits = all(side in (full // factor, -(-full // factor)) for full, side in sides if factor)
        if factor < 2 or not fits or len(factors) > 1:
            return False
    return True


def _first(lines: list[str], what: str) -> list[str]:
    if len(lines) <= MAX_LINES:
        return lines
    return [*lines[:MAX_LINES], f"and {len(lines) - MAX_LINES} more {what}"]
