"""Definitions of suites: YAML files, found by name or path, and checked.

A suite names datasets, a scale, metrics and the images of the report. Files are read like the
registry: all mistakes are reported at once, each with its line, and a file cannot run code.

Not here: the images (`zoo.bench.suites`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Len
from pydantic import AfterValidator, BeforeValidator, Field, Strict, ValidationError

import zoo
from zoo.errors import RecipeError, UnknownNameError, did_you_mean
from zoo.files import from_home
from zoo.metrics import BUILTINS, ON_REQUEST
from zoo.recipes.arguments import complaints
from zoo.recipes.explain import problems_of
from zoo.recipes.problems import Problem, raise_problems
from zoo.recipes.reader import Document, read_document
from zoo.recipes.schema import NAME, ComponentSpec, Name, StrictModel
from zoo.registry import DEGRADATIONS, METRICS

_DATASET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")


def _check_dataset_name(name: str) -> str:
    if not _DATASET_NAME.match(name):
        raise ValueError(f"{name!r} is not the name of a dataset: letters, digits, '-' and '_'")
    return name


def _check_crop(crop: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    if min(crop) < 0 or min(crop[2:]) == 0:
        raise ValueError("a crop is [x, y, width, height] in pixels, width and height above 0")
    return crop


MAX_SCALE = 16
Scale = Annotated[int, Field(ge=1, le=MAX_SCALE)]
"""Of a suite; 1 is for networks that restore an image and leave its size."""
FROM_FILES = ("bicubic", "given")
"""Values of `degradation` for which LR files are used where there are any."""
DatasetName = Annotated[str, AfterValidator(_check_dataset_name)]
Crop = Annotated[tuple[int, int, int, int], Strict(strict=False), AfterValidator(_check_crop)]


class GalleryEntry(StrictModel):
    """An image of the report.

    Attributes:
        dataset: a dataset of the suite.
        image: its name; in a file also its position in the dataset, counted from 1.
        crop: x, y, width and height of the part that is shown upscaled, in HR pixels.
    """

    dataset: DatasetName
    image: str | Annotated[int, Field(ge=1)]
    crop: Crop


def _expand_name(value: object) -> object:
    return {"name": value} if isinstance(value, str) and value not in FROM_FILES else value


Degraded = Annotated[ComponentSpec, BeforeValidator(_expand_name)]


class SuiteFile(StrictModel):
    """A suite as its file holds it.

    Attributes:
        degradation: how LR files came about, if there are any. `bicubic`: they are the HR images
            downscaled by MATLAB's bicubic, and a dataset whose files are not is refused. `given`:
            they are used as they are, and a difference from it is reported. The name of a
            degradation with its arguments: zoo makes all LR images with it, whatever files there
            are.
    """

    version: Literal[1]
    summary: str
    scale: Scale
    degradation: Literal["bicubic", "given"] | Degraded = "given"
    datasets: Annotated[tuple[DatasetName, ...], Len(1, 32), Strict(strict=False)]
    gallery: Annotated[tuple[GalleryEntry, ...], Strict(strict=False)] = ()
    metrics: Annotated[tuple[Name, ...], Strict(strict=False)] | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A suite as written: nothing is known of its images yet.

    Attributes:
        name: what it is called: its file's name without the suffix.
        content: what its file says.
        document: the file, for the places of mistakes.
    """

    name: str
    content: SuiteFile
    document: Document = field(repr=False)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Registered names of its metrics: those it names, else those that are included in zoo."""
        if self.content.metrics is not None:
            return self.content.metrics
        return tuple(name for name in BUILTINS if name not in ON_REQUEST)


def suite_folder() -> Path:
    """Return the folder of the built-in suites, in the package or in the clone."""
    package = Path(zoo.__file__).parent
    inside = package / "suites"
    return inside if inside.is_dir() else package.parent / "benchmarks" / "suites"


def suite_names() -> list[str]:
    """Return the names of the suites that are included in zoo, sorted."""
    return sorted(path.stem for path in suite_folder().glob("*.yaml"))


def read_suite(spec: str) -> Definition:
    """Read a suite's file; looks at no image.

    Args:
        spec: a name of `suite_names`, or the path of a YAML file.

    Raises:
        UnknownNameError: if there is no suite of that name.
        RecipeError: with every mistake in the file, each with its line.
    """
    path = _find_file(spec)
    document = read_document(path)
    problems = list(document.problems)
    content = None
    try:
        content = SuiteFile.model_validate(document.data)
    except ValidationError as error:
        data = document.data
        if isinstance(data, dict):
            problems += problems_of(error, SuiteFile, data, lambda at: (document.place(at), at))
        else:
            message = (
                "a suite must be a mapping with `version: 1`, `summary`, `scale` and `datasets`"
            )
            problems.append(document.problem((), message))
    if content is not None:
        problems += _check_names(content, document)
    raise_problems(problems)
    return Definition(path.stem, SuiteFile.model_validate(document.data), document)


def _find_file(spec: str) -> Path:
    if "/" in spec or spec.endswith((".yaml", ".yml")):
        path = from_home(spec)
        if not re.match(NAME, path.stem):
            raise RecipeError(
                f"the name of a suite is its file name, and {path.stem!r} is not in kebab case"
            )
        if path.stem in suite_names() and path.resolve().parent != suite_folder().resolve():
            raise RecipeError(f"{path}: zoo already has a suite called {path.stem!r}; rename yours")
        return path
    if spec not in suite_names():
        raise UnknownNameError("suite", spec, suite_names())
    return suite_folder() / f"{spec}.yaml"


def _check_names(content: SuiteFile, document: Document) -> Iterable[Problem]:
    """Yield a problem for each repeated dataset, unknown metric and gallery dataset, odd crop."""
    for index, name in enumerate(content.datasets):
        if name in content.datasets[:index]:
            yield document.problem(("datasets", index), f"{name!r} appears twice")
    for message in _degradation_problems(content.degradation):
        yield document.problem(("degradation",), message)
    known = METRICS.names()
    for index, name in enumerate(content.metrics or ()):
        if name not in known:
            message = f"unknown metric {name!r}{did_you_mean(name, known)} (see: zoo list metrics)"
            yield document.problem(("metrics", index), message)
    for index, entry in enumerate(content.gallery):
        if entry.dataset not in content.datasets:
            hint = did_you_mean(entry.dataset, content.datasets)
            message = f"{entry.dataset!r} is not a dataset of this suite{hint}"
            yield document.problem(("gallery", index, "dataset"), message)
        if any(number % content.scale for number in entry.crop):
            message = f"{list(entry.crop)} should be multiples of the scale, {content.scale}"
            yield document.problem(("gallery", index, "crop"), message)


def _degradation_problems(degradation: object) -> Iterable[str]:
    """Yield what is wrong with the degradation of a suite, if it names a component."""
    if not isinstance(degradation, ComponentSpec):
        return
    name, known = degradation.name, DEGRADATIONS.names()
    if name in known:
        found = complaints("degradations", name, degradation.arguments)
        yield from (each.message for each in found)
    else:
        hint = did_you_mean(name, known)
        yield f"unknown degradation {name!r}{hint} (see: zoo list degradations)"
