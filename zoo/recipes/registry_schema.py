"""The schema of registry files: recipes, profiles, claims and matrices as their authors write them.

What a run is made of in the end, complete, is in `zoo.recipes.schema`; a file may say any part of
it, in shorthands too. Meaning is not checked here: names, components' arguments, what is compared.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    create_model,
    model_validator,
)

from zoo.recipes.schema import (
    DEGRADATION,
    Data,
    Name,
    Runtime,
    Scale,
    Schedule,
    StrictModel,
    Training,
)
from zoo.recipes.start import WrittenStart

MAX_FACTORS = 6
MAX_LEVELS = 8
"""Factors of a matrix, and levels of a factor."""
MAX_CELLS = 64
"""Cells of a matrix, each with its seeds: six factors of two levels, or three of four."""
MIN_RANKED = 3
"""Recipes whose ranks are compared; two have one order or the other."""
CostKey = Literal["parameters", "macs", "activation_memory", "peak_memory", "ms_per_megapixel"]


@cache
def written(model: type[StrictModel]) -> type[StrictModel]:
    """Return the partial form of a model: every field may be omitted."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        annotation: Any = field.rebuild_annotation()
        if name == "schedule":
            annotation = written(Schedule)
        elif name == DEGRADATION:
            annotation = Component
        fields[name] = (annotation | None, Field(None, description=field.description))
    return create_model(
        f"Written{model.__name__}", __base__=StrictModel, __doc__=model.__doc__, **fields
    )


class WrittenTraining(written(Training)):  # type: ignore[misc]
    """What a recipe or profile says of a stage; its length is in steps or in epochs."""

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("`steps` and `epochs` both set the length; keep one of them")
        return self


class WrittenComponent(StrictModel):
    """A component in a recipe or an override: its name may be inherited."""

    model_config = ConfigDict(extra="allow")

    name: Name | None = None


class WrittenTerm(WrittenComponent):
    """A loss or adversary in a recipe or an override."""

    weight: NonNegativeFloat | None = None


def _expand_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _expand_weight(value: Any) -> Any:
    if value == {}:
        raise ValueError(
            "an empty mapping has no meaning here; write a weight such as 1, or null to remove "
            "the loss"
        )
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return {"weight": value} if plain else value


Component = Annotated[
    WrittenComponent, BeforeValidator(_expand_name, json_schema_input_type=Name | WrittenComponent)
]
Term = Annotated[
    WrittenTerm, BeforeValidator(_expand_name, json_schema_input_type=Name | WrittenTerm)
]
WeightedTerm = Annotated[
    WrittenTerm,
    BeforeValidator(_expand_weight, json_schema_input_type=NonNegativeFloat | WrittenTerm),
]


class WrittenLevelData(StrictModel):
    """What a recipe says of its data: how low-resolution images are made."""

    degradation: Component | None = None


class WrittenLevel(StrictModel):
    """What is trained, as a registry file writes it: a level of a factor writes part of it.

    A bare name stands for a component, a number for a loss of that weight, null for what is
    inherited and not wanted: a loss, the discriminator, a setting.
    """

    scale: Scale | None = None
    generator: Component | None = None
    discriminator: Component | None = None
    adversary: Term | None = None
    losses: dict[Name, WeightedTerm | None] | None = None
    training: WrittenTraining | None = None
    data: WrittenLevelData | None = None


class WrittenRecipe(WrittenLevel):
    """A recipe as a registry file holds it."""

    summary: str | None = None
    source: str | None = None
    extends: Name | None = None
    pretrained: Annotated[str, Field(min_length=1)] | WrittenStart | None = None
    """What the training starts from: a recipe that is trained first, or weights that are there."""
    fixed: list[str] | None = None
    """Settings of the recipe that no profile changes, such as `adversary.weight`."""


class Overrides(StrictModel):
    """What a profile changes in components, by kind and name: widths, depths, substitutes."""

    generators: dict[Name, WrittenComponent | None] | None = None
    discriminators: dict[Name, WrittenComponent | None] | None = None
    adversaries: dict[Name, WrittenTerm | None] | None = None
    losses: dict[Name, WrittenTerm | None] | None = None
    degradations: dict[Name, WrittenComponent | None] | None = None


class WrittenProfile(StrictModel):
    """A profile as a registry file holds it: a budget, orthogonal to recipes."""

    summary: str | None = None
    extends: Name | None = None
    data: written(Data) | None = None  # type: ignore[valid-type]
    runtime: written(Runtime) | None = None  # type: ignore[valid-type]
    content: WrittenTraining | None = None
    adversarial: WrittenTraining | None = None
    overrides: Overrides | None = None


class WrittenContrast(StrictModel):
    """What a claim compares: two recipes that differ in one field, or one and the ground truth.

    Or many recipes, as two metrics rank them.

    Attributes:
        changed: the recipe in which the field is as the statement has it.
        reference: the recipe it is compared with; the effect is `changed` minus `reference`.
        field: the one field in which both differ, such as `generator.norm`.
        recipe: the recipe whose scores are compared with what the ground truth itself scores, 0.
        against: what `recipe` is compared with.
        among: recipes that are ranked by the claim's metric; the effect is the rank correlation
            (Spearman's) with their ranks by `ranked_by`, image by image.
        ranked_by: another image metric.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["changed", "reference", "field"]},
                {"required": ["recipe", "against"]},
                {"required": ["among", "ranked_by"]},
            ]
        }
    )

    changed: Name | None = None
    reference: Name | None = None
    field: Annotated[str, Field(min_length=1)] | None = None
    recipe: Name | None = None
    against: Literal["ground-truth"] | None = None
    among: Annotated[list[Name], Field(min_length=MIN_RANKED)] | None = None
    ranked_by: str | None = None

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        forms = (
            (self.changed, self.reference, self.field),
            (self.recipe, self.against),
            (self.among, self.ranked_by),
        )
        whole = [None not in form for form in forms]
        if whole != [any(form) for form in forms] or sum(whole) != 1:
            raise ValueError(
                "write `changed`, `reference` and `field`, or `recipe` and `against: "
                "ground-truth`, or `among` and `ranked_by`"
            )
        if self.changed is not None and self.changed == self.reference:
            raise ValueError("`changed` and `reference` are the same recipe")
        return self


class WrittenClaim(StrictModel):
    """A documented statement as a registry file holds it, in a form that a benchmark can test.

    Attributes:
        statement: one sentence, as its source would say it.
        source: where it is documented: paper, section or table.
        metric: a registered image metric, `cost.KEY` or `training.KEY`.
        statistic: what of the metric is compared: its `mean`, or its spread over the seeds
            (`seed-spread`) or over the images (`image-spread`): the mean absolute deviation from
            the median of n of them, times n / (n - 1).
        direction: the sign of the effect by the statement.
        smallest_effect: the smallest effect that matters, in the metric's unit.
        relative: whether the effect and `smallest_effect` are shares of the reference.
        matched: a cost that must agree between both sides within 5 %.
        changed_is: the sign that the value of `changed` itself must have for support.
    """

    statement: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    contrast: WrittenContrast
    metric: str
    statistic: Literal["mean", "seed-spread", "image-spread"] = "mean"
    direction: Literal["higher", "lower"]
    smallest_effect: PositiveFloat
    relative: bool = False
    matched: CostKey | None = None
    changed_is: Literal["positive", "negative"] | None = None

    @model_validator(mode="after")
    def _check_reference(self) -> Self:
        if self.contrast.reference is None:
            alone = ("statistic", "relative", "matched", "changed_is")
            for key in alone:
                default = type(self).model_fields[key].default
                if getattr(self, key) != default:
                    raise ValueError(f"`{key}` needs a contrast between two recipes")
        if self.changed_is is not None and self.statistic != "mean":
            raise ValueError("`changed_is` refers to a mean; omit `statistic`")
        return self


WrittenFactors = dict[
    Name, Annotated[dict[Name, WrittenLevel], Field(min_length=2, max_length=MAX_LEVELS)]
]


def _require_few_cells(factors: WrittenFactors) -> WrittenFactors:
    num_cells = math.prod(map(len, factors.values()))
    if num_cells > MAX_CELLS:
        raise ValueError(
            f"its levels have {num_cells} combinations; a matrix has at most {MAX_CELLS} cells"
        )
    return factors


class WrittenMatrix(StrictModel):
    """A full factorial as a registry file holds it: every combination of the levels is a recipe.

    Attributes:
        summary: the question it answers.
        base: the recipe over which the levels are laid.
        factors: by name, two levels or more each, the reference first: the older practice.
    """

    summary: str | None = None
    base: Name
    factors: Annotated[
        WrittenFactors,
        Field(min_length=1, max_length=MAX_FACTORS),
        AfterValidator(_require_few_cells),
    ]


class RegistryFile(StrictModel):
    """A registry file: recipes, profiles, claims and matrices. Data only, never code."""

    version: Literal[1]
    recipes: dict[Name, WrittenRecipe] | None = None
    profiles: dict[Name, WrittenProfile] | None = None
    claims: dict[Name, WrittenClaim] | None = None
    matrices: dict[Name, WrittenMatrix] | None = None
