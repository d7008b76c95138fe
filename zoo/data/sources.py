"""Named sources of images, and the split into training and held-out images.

A spec is one of

- `samples`: images inside scikit-image's wheel, so that everything can be tried offline;
- `div2k`: the field's training set, at its place under the data root;
- `<Name>`: any dataset laid out as `<data root>/<Name>/HR/*`, or a part of it (`zoo.data.parts`);
- a directory: its images, or those of its `HR` folder;
- several of these, joined by `+`: `div2k+Flickr2K` is DF2K.

Not here: which files of a folder are images to train on (`zoo.data.folders`), downloading
(`zoo.data.download`), decoding (`zoo.data.images`).
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zoo.data import BUILT_IN_SOURCES, paths
from zoo.data.folders import Found, find_images
from zoo.data.images import hash_file
from zoo.data.parts import part_of, whole_name
from zoo.errors import DataError, did_you_mean
from zoo.files import from_home
from zoo.text import counted

# Natural colour photographs of the wheel, seen one by one. Left out: retina and ihc (medical),
# hubble_deep_field (black sky), color, logo and others (not photographs), all grey ones.
SAMPLES_TRAINING = ("motorcycle_left.png", "motorcycle_right.png", "rocket.jpg")
SAMPLES_VALIDATION = ("astronaut.png", "chelsea.png", "coffee.png")
# Natural grey ones, to score on alone. Left out: cell, clock_motion, page, text and drawings.
SAMPLES_GREY = ("camera.png", "coins.png", "moon.png", "brick.png", "grass.png", "gravel.png")
DIV2K_TRAINING = tuple(f"{number:04d}.png" for number in range(1, 801))
DIV2K_VALIDATION = tuple(f"{number:04d}.png" for number in range(801, 901))
HELD_OUT = "held-out"
HELD_OUT_SHARE = 0.05
HELD_OUT_MOST = 8
JOIN = "+"


@dataclass(frozen=True, slots=True)
class Source:
    """Images to train on, and others held out to validate on.

    Attributes:
        name: the spec it was opened by.
        description: one line for tables.
        licence: the rights, as far as they are known.
        training_paths: image files in a fixed order.
        validation_paths: image files in a fixed order, none of them in training.
        found: what was taken and excluded, one line for each folder and reason; empty of a built-in
            source.
    """

    name: str
    description: str
    licence: str
    training_paths: tuple[Path, ...]
    validation_paths: tuple[Path, ...]
    found: tuple[str, ...] = ()

    def counts(self) -> str:
        """Return how many images there are to train and to validate on, in words."""
        training, validation = len(self.training_paths), len(self.validation_paths)
        return f"images: {training} for training, {validation} for validation"


def open_source(
    spec: str, *, validation: str = HELD_OUT, data_root: str | os.PathLike[str] | None = None
) -> Source:
    """Find the images of a source; decodes none.

    Args:
        spec: a name or a directory, see the module.
        validation: `held-out` to hold some images of a directory out; else what is validated on,
            see `validation_images`: all images of the source are trained on then, but for those.
        data_root: folder of datasets; by default `zoo.data.paths.data_root()`.

    Raises:
        DataError: if the source is not there, is incomplete, or has too few images.
    """
    root = paths.data_root(data_root)
    holds_out = validation == HELD_OUT
    opened = [_open_one(each, root, holds_out=holds_out) for each in _joined(spec, root)]
    source = opened[0] if len(opened) == 1 else _join(spec, opened)
    if holds_out:
        return source
    return _validated_on(source, validation, validation_images(validation, data_root=root))


def validation_images(
    spec: str, *, data_root: str | os.PathLike[str] | None = None
) -> tuple[Path, ...]:
    """Return the images to validate on: the held-out part of a built-in source, or all of another.

    Args:
        spec: a name or a directory, see the module; `Set5` means all five images, and
            `samples-grey` the single-channel images inside scikit-image's wheel.
        data_root: folder of datasets; by default `zoo.data.paths.data_root()`.

    Raises:
        DataError: if there is no such dataset or no image in it.
    """
    root = paths.data_root(data_root)
    found = [_validation_images(each, root) for each in _joined(spec, root)]
    return tuple(path for images in found for path in images)


def list_images(directory: Path) -> tuple[Path, ...]:
    """Return the images that `zoo.data.folders.find_images` takes."""
    return find_images(directory).taken


def dataset_names(root: Path) -> list[str]:
    """Return the names of the datasets under a data root: folders that hold an `HR` folder."""
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if (path / "HR").is_dir())


def dataset_directory(name: str, root: Path) -> Path | None:
    """Return the folder of a dataset under the data root, or None if it has none.

    Raises:
        DataError: if the name is not a plain name, so that it could leave the root.
    """
    if not name or name.startswith(".") or any(mark in name for mark in "/\\\0"):
        raise DataError(f"{name!r} is not the name of a dataset: use letters, digits, '-' and '_'")
    directory = root / name
    return directory if (directory / "HR").is_dir() else None


def find_directory(spec: str, root: Path) -> Path:
    """Return the folder of a dataset under the data root, or the folder that is named.

    Raises:
        DataError: if there is none.
    """
    if _is_path(spec):
        directory = from_home(spec)
        if directory.is_dir():
            return directory
        raise DataError(f"the folder {directory} does not exist; --data needs a folder of images")
    found = dataset_directory(spec, root)
    if found is not None:
        return found
    if Path(spec).is_dir():
        return Path(spec)
    known = sorted({*BUILT_IN, *dataset_names(root)})
    raise DataError(
        f"no dataset {spec!r}: searched for {root / spec / 'HR'} and the folder "
        f"{Path.cwd() / spec}{did_you_mean(spec, known)} (known names: {', '.join(known)}). Put "
        "its images there, choose another data root with ZOO_DATA, or give a folder: --data DIR"
    )


def _find_part(spec: str, root: Path) -> Found:
    """Return the images of a dataset or a directory, or of a part of a dataset."""
    is_whole = _is_path(spec) or dataset_directory(spec, root) is not None or Path(spec).is_dir()
    name = spec if is_whole else whole_name(spec)
    found = find_images(find_directory(name, root))
    return found if name == spec else replace(found, taken=part_of(spec, found.taken))


def _joined(spec: str, root: Path) -> list[str]:
    """Return the sources that a spec joins; the spec itself if it names one source."""
    if from_home(spec).is_dir() or (not _is_path(spec) and (root / spec).is_dir()):
        return [spec]
    names = [name.strip() for name in spec.split(JOIN)]
    if len(names) > 1 and not all(names):
        raise DataError(f"{spec!r} joins nothing: write the names of datasets as in A{JOIN}B")
    return names


def _open_one(spec: str, root: Path, *, holds_out: bool) -> Source:
    if spec in BUILT_IN:
        return BUILT_IN[spec](root)
    return _open_folder(spec, _find_part(spec, root), holds_out=holds_out)


def _validation_images(spec: str, root: Path) -> tuple[Path, ...]:
    if spec in BUILT_IN:
        return BUILT_IN[spec](root).validation_paths
    if spec == "samples-grey":
        return _sample_paths(SAMPLES_GREY)
    return _find_part(spec, root).taken


def _is_path(spec: str) -> bool:
    return "/" in spec or os.sep in spec or spec in {".", ".."} or spec.startswith("~")


def _hold_out(spec: str, paths: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Split images by the order of their content hashes: names and folders do not matter."""
    hashes = {path: hash_file(path) for path in paths}
    distinct = sorted(set(hashes.values()))
    if len(distinct) < 2:
        copies = f"its {len(paths)} files are copies of one image, and " if len(paths) > 1 else ""
        raise DataError(
            f"{spec}: {copies}one image is not enough: one is held out for validation, and one "
            "must remain for training"
        )
    num_held_out = max(1, min(HELD_OUT_MOST, int(HELD_OUT_SHARE * len(distinct))))
    # By content, not by file: a second copy of a held-out image must not be trained on.
    held_out = set(distinct[:num_held_out])
    training = tuple(path for path in paths if hashes[path] not in held_out)
    validation = tuple(path for path in paths if hashes[path] in held_out)
    return training, validation


def _open_folder(spec: str, found: Found, *, holds_out: bool) -> Source:
    training, validation = _hold_out(spec, found.taken) if holds_out else (found.taken, ())
    about = f"images of {found.top}"
    return Source(spec, about, "depend on the images", training, validation, tuple(found.lines()))


def _join(spec: str, sources: Sequence[Source]) -> Source:
    """Return the images of several sources as one, each once; none held out is trained on."""
    held_out = [path for each in sources for path in each.validation_paths]
    given = [path for each in sources for path in each.training_paths]
    validation = _distinct(held_out)
    hashes = {hash_file(path) for path in validation}
    training = _distinct(path for path in given if hash_file(path) not in hashes)
    found = [line for each in sources for line in each.found]
    left_out = len(given) + len(held_out) - len(training) - len(validation)
    if left_out:
        found.append(f"{spec}: {counted(left_out, 'copy', 'copies')} of other images left out")
    return Source(
        spec,
        "; ".join(each.description for each in sources),
        "; ".join(each.licence for each in sources),
        training,
        validation,
        tuple(found),
    )


def _distinct(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the first file of each content."""
    return tuple({hash_file(path): path for path in reversed([*paths])}.values())[::-1]


def _validated_on(source: Source, spec: str, paths: tuple[Path, ...]) -> Source:
    """Return a source that is validated on other images; none of those is trained on."""
    hashes = {hash_file(path) for path in paths}
    training = tuple(path for path in source.training_paths if hash_file(path) not in hashes)
    count = len(source.training_paths) - len(training)
    if not training:
        raise DataError(
            f"{source.name}: no training images remain, because data.validation={spec} contains "
            "all of them; without that setting, zoo holds some of them out"
        )
    told = (
        f"{source.name}: {count} not used for training, because data.validation={spec} contains "
        "them"
    )
    found = (*source.found, told) if count else source.found
    return replace(source, training_paths=training, validation_paths=paths, found=found)


def _sample_paths(names: Sequence[str]) -> tuple[Path, ...]:
    """Find images inside scikit-image's wheel."""
    # find_spec does not import: skimage takes a second to import, and only its files are wanted.
    package = importlib.util.find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        raise DataError("the samples are part of scikit-image: pip install scikit-image")
    folder = Path(package.submodule_search_locations[0]) / "data"
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"scikit-image at {folder} lacks {', '.join(missing)}: install scikit-image>=0.25"
        )
    return tuple(folder / name for name in names)


def _open_samples(_root: Path) -> Source:
    return Source(
        "samples",
        "images in scikit-image's wheel",
        "public domain (NASA, SpaceX) and CC0; motorcycles: Middlebury 2014 stereo benchmark",
        _sample_paths(SAMPLES_TRAINING),
        _sample_paths(SAMPLES_VALIDATION),
    )


def _open_div2k(root: Path) -> Source:
    return Source(
        "div2k",
        "DIV2K: 800 training and 100 validation images of about 2K pixels",
        "academic research use only; the photographers keep their rights",
        _numbered(root, "DIV2K_train", DIV2K_TRAINING),
        _numbered(root, "DIV2K_valid", DIV2K_VALIDATION),
    )


def _numbered(root: Path, name: str, files: Sequence[str]) -> tuple[Path, ...]:
    """Find one part of DIV2K: as we lay it out, or as its own archive unpacks."""
    candidates = (root / name / "HR", root / f"{name}_HR", root / "DIV2K" / f"{name}_HR")
    folder = next((path for path in candidates if path.is_dir()), None)
    if folder is None:
        raise DataError(
            f"DIV2K is not installed: searched for {', '.join(map(str, candidates))}. Get it with "
            "`zoo data get div2k`, choose another data root with ZOO_DATA, or train on your own "
            "images with --data DIR"
        )
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise DataError(
            f"{folder} is incomplete: {len(missing)} of {len(files)} images are missing, the first "
            f"is {missing[0]}; get them with `zoo data get div2k`"
        )
    return tuple(folder / file for file in files)


BUILT_IN: dict[str, Callable[[Path], Source]] = dict(
    zip(BUILT_IN_SOURCES, (_open_samples, _open_div2k), strict=True)
)
