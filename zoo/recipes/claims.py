"""Claims: documented statements in a form that a benchmark can test, and their metrics.

Here they are read from a registry and their names are checked, without torch.
`zoo.recipes.contrasts` proves that both sides of a contrast differ only in one field. Records, not
the registry, decide whether a claim holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from pydantic import ValidationError

from zoo.errors import did_you_mean
from zoo.metrics import PROBES, metric_key
from zoo.recipes.problems import KeyPath, Place, Problem
from zoo.recipes.schema import RecipeSettings
from zoo.recipes.written import CostKey, WrittenClaim, WrittenContrast
from zoo.registry import METRICS

if TYPE_CHECKING:
    from zoo.recipes.book import Entry
    from zoo.recipes.reader import Document

Family = Literal["image", "cost", "training"]
Statistic = Literal["mean", "seed-spread", "image-spread"]

GROUND_TRUTH: Final = "ground-truth"
COST_KEYS: Final[tuple[str, ...]] = get_args(CostKey)
"""Measured costs of a generator, by their names in records."""
TRAINING_KEYS: Final[tuple[str, ...]] = (
    "finite",
    "stable",
    "psnr_variation",
    "gradient_variation",
    "critic_quality_correlation",
)
"""Measurements of a training, one number per run, by their names in records."""
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {"cost": COST_KEYS, "training": TRAINING_KEYS}


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a claim compares; its effect is `changed` minus `reference`.

    Attributes:
        changed: a recipe.
        reference: the recipe it is compared with; None for the ground truth, which scores 0.
        field: path of the one setting in which both differ, empty against the ground truth.
    """

    changed: str
    reference: str | None
    field: KeyPath

    @property
    def recipes(self) -> tuple[str, ...]:
        """The recipes that must be scored."""
        return (self.changed,) if self.reference is None else (self.changed, self.reference)


@dataclass(frozen=True, slots=True)
class Claim:
    """A documented statement, see `zoo.recipes.written.WrittenClaim` for its fields."""

    name: str
    statement: str
    source: str
    contrast: Contrast
    metric: str
    statistic: Statistic
    direction: Literal["higher", "lower"]
    smallest_effect: float
    relative: bool
    matched: str | None
    document: Document = field(repr=False, compare=False)
    changed_is: Literal["positive", "negative"] | None = None

    @property
    def family(self) -> Family:
        """What the metric is measured of: images, the generator's cost, or its training."""
        return family_of(self.metric)[0]

    @property
    def key(self) -> str:
        """The metric's key in records: `psnr_y`, `macs`, `finite`."""
        return family_of(self.metric)[1]

    @property
    def path(self) -> KeyPath:
        """Its key path in the file."""
        return ("claims", self.name)

    @property
    def place(self) -> Place:
        """Where it is written."""
        return self.document.place(self.path)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Return what is wrong at `path` of the claim."""
        written = (*self.path, *path)
        return Problem(self.document.place(written), written, message)


def family_of(metric: str) -> tuple[Family, str]:
    """Return what a claim's metric is measured of, and its key in records.

    Args:
        metric: a registered image metric (`psnr-y`), `cost.KEY` or `training.KEY`.
    """
    prefix, dot, key = metric.partition(".")
    if not dot:
        return "image", metric_key(metric)
    return ("cost" if prefix == "cost" else "training"), key


def read_claim(name: str, body: Any, document: Document) -> Claim | None:
    """Return a claim of a registry file; None if its structure is wrong, reported elsewhere."""
    try:
        written = WrittenClaim.model_validate(body)
    except ValidationError:
        return None
    values = {key: getattr(written, key) for key in WrittenClaim.model_fields}
    values["contrast"] = _contrast(written.contrast)
    return Claim(name=name, document=document, **values)


def check_claim_names(
    claims: Mapping[str, Claim], recipes: Mapping[str, Entry]
) -> Iterator[Problem]:
    """Yield every unknown name in the claims: recipes, metrics, fields."""
    for claim in claims.values():
        yield from _recipe_problems(claim, recipes)
        yield from _metric_problems(claim)
        section = claim.contrast.field[:1]
        if section and section[0] not in RecipeSettings.model_fields:
            hint = did_you_mean(str(section[0]), RecipeSettings.model_fields)
            message = f"recipes have no setting {section[0]!r}{hint}"
            yield claim.problem(("contrast", "field"), message)


def _contrast(written: WrittenContrast) -> Contrast:
    if written.recipe is not None:
        return Contrast(written.recipe, None, ())
    return Contrast(
        written.changed or "", written.reference, tuple((written.field or "").split("."))
    )


def _recipe_problems(claim: Claim, recipes: Mapping[str, Entry]) -> Iterator[Problem]:
    alone = claim.contrast.reference is None
    keys = ("recipe",) if alone else ("changed", "reference")
    for key, name in zip(keys, claim.contrast.recipes, strict=True):
        if name not in recipes:
            message = f"unknown recipe {name!r}{did_you_mean(name, recipes)}"
            yield claim.problem(("contrast", key), message)


def _metric_problems(claim: Claim) -> Iterator[Problem]:
    family, dot, key = claim.metric.partition(".")
    if not dot:
        known = sorted((*METRICS.names(), *PROBES))
        if claim.metric not in known:
            hint = did_you_mean(claim.metric, known)
            message = f"unknown metric {claim.metric!r}{hint} (see: zoo list metrics)"
            yield claim.problem(("metric",), message)
        return
    if family not in _KEYS:
        message = (
            f"{claim.metric!r} is not a metric: write an image metric, cost.KEY or training.KEY"
        )
        yield claim.problem(("metric",), message)
    elif key not in _KEYS[family]:
        message = f"unknown {family} measure {key!r}{did_you_mean(key, _KEYS[family])}"
        yield claim.problem(("metric",), f"{message} (known: {', '.join(_KEYS[family])})")
    if claim.statistic == "image-spread":
        message = f"{claim.metric!r} has one value for each run, so it has no spread over images"
        yield claim.problem(("statistic",), message)
