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
from zoo.recipes.registry_schema import CostKey, WrittenClaim, WrittenContrast
from zoo.recipes.schema import RecipeSettings
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
    "early_psnr",
    "psnr_variation",
    "gradient_variation",
    "critic_quality_correlation",
)
"""Measurements of a training, one number per run, by their names in records."""
PRETRAINING: Final = "pretraining"
"""The name in a claim of the whole of pretraining, if only one side has it."""
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {"cost": COST_KEYS, "training": TRAINING_KEYS}


@dataclass(frozen=True, slots=True)
class Contrast:
    """What a claim compares; its effect is `changed` minus `reference`.

    Or it compares two metrics over many recipes, `among`: its effect is their rank correlation.

    Attributes:
        changed: a recipe; empty where there are many.
        reference: the recipe it is compared with; None for the ground truth, which scores 0.
        field: path of the one setting in which both differ, empty where there are no two.
        among: the recipes, where there are many.
        ranked_by: the image metric by whose ranks of these recipes those by the claim's are judged.
    """

    changed: str
    reference: str | None
    field: KeyPath
    among: tuple[str, ...] = ()
    ranked_by: str = ""

    @property
    def recipes(self) -> tuple[str, ...]:
        """The recipes that must be scored."""
        if self.among:
            return self.among
        return (self.changed,) if self.reference is None else (self.changed, self.reference)


@dataclass(frozen=True, slots=True)
class Claim:
    """A documented statement, see `zoo.recipes.registry_schema.WrittenClaim` for its fields."""

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
    def keys(self) -> tuple[str, ...]:
        """That key, and where recipes are ranked by a second metric, its key too."""
        second = self.contrast.ranked_by
        return (self.key, metric_key(second)) if second else (self.key,)

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
        return self.document.problem((*self.path, *path), message)


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
        known = (*RecipeSettings.model_fields, PRETRAINING)
        if section and section[0] not in known:
            hint = did_you_mean(str(section[0]), known)
            message = f"recipes have no setting {section[0]!r}{hint}"
            yield claim.problem(("contrast", "field"), message)


def _contrast(written: WrittenContrast) -> Contrast:
    if written.recipe is not None:
        return Contrast(written.recipe, None, ())
    if written.among is not None:
        return Contrast("", None, (), tuple(written.among), written.ranked_by or "")
    return Contrast(
        written.changed or "", written.reference, tuple((written.field or "").split("."))
    )


def _recipe_problems(claim: Claim, recipes: Mapping[str, Entry]) -> Iterator[Problem]:
    contrast = claim.contrast
    keys: list[tuple[str, ...]] = [("changed",), ("reference",)]
    if contrast.among:
        keys = [("among", str(number)) for number in range(len(contrast.among))]
    elif contrast.reference is None:
        keys = [("recipe",)]
    for key, name in zip(keys, contrast.recipes, strict=True):
        if name not in recipes:
            message = f"unknown recipe {name!r}{did_you_mean(name, recipes)}"
            yield claim.problem(("contrast", *key), message)


def _image_metric_problems(claim: Claim, name: str, *path: str) -> Iterator[Problem]:
    known = sorted((*METRICS.names(), *PROBES))
    if name not in known:
        message = f"unknown metric {name!r}{did_you_mean(name, known)} (see: zoo list metrics)"
        yield claim.problem(path, message)


def _metric_problems(claim: Claim) -> Iterator[Problem]:
    family, dot, key = claim.metric.partition(".")
    is_ranked = bool(claim.contrast.among)
    if is_ranked:
        yield from _image_metric_problems(claim, claim.contrast.ranked_by, "contrast", "ranked_by")
    if is_ranked or not dot:
        yield from _image_metric_problems(claim, claim.metric, "metric")
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
