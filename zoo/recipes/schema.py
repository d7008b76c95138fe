"""The schema of registry files and runs. Training defaults live here and nowhere else.

A component's own defaults do not: they are in its constructor. Each model comes twice, complete
(`Training`, what a run has) and partial (`written(Training)`, what a file may say of it).
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Strict,
    create_model,
    model_validator,
)

NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MAX_NAME = 64
Name = Annotated[str, Field(pattern=NAME, max_length=MAX_NAME)]
MAX_FACTORS = 6
"""Factors of a matrix; six are 64 cells, each with its seeds."""
Scale = Literal[2, 3, 4, 8]
CostKey = Literal["parameters", "macs", "activation_memory", "peak_memory", "ms_per_megapixel"]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Betas = Annotated[
    tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]],
    Strict(strict=False),
]


class Model(BaseModel):
    """Base of all schema models: frozen, typed strictly, unknown keys forbidden."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ComponentSpec(Model):
    """A component by name, and the arguments of its constructor beside it."""

    model_config = ConfigDict(extra="allow")

    name: Name

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor arguments as written."""
        return dict(self.model_extra or {})

    def with_arguments(self, arguments: dict[str, Any]) -> Self:
        """Return the same component with exactly these arguments."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate({**arguments, **own})


class TermSpec(ComponentSpec):
    """A component that yields a term of the generator's loss, and the term's weight."""

    weight: NonNegativeFloat = 1.0


class Schedule(Model):
    """How the learning rates change over a stage, in fractions of its length.

    `step` multiplies by `gamma` at each milestone; `cosine` falls to `final` of the start value.
    """

    kind: Literal["constant", "step", "cosine"] = "constant"
    milestones: Annotated[tuple[Fraction, ...], Strict(strict=False)] = ()
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.5
    final: Annotated[float, Field(ge=0, le=1)] = 0.01


class Training(Model):
    """One stage of training: how long, and how fast to learn.

    Exactly one of `steps` and `epochs` is set. A step is one update of the generator.
    `validate_every`, `checkpoint_every` and `log_every` are counted in steps.
    """

    steps: PositiveInt | None = None
    epochs: PositiveFloat | None = None
    learning_rate: PositiveFloat = 1e-4
    betas: Betas = (0.9, 0.999)
    schedule: Schedule = Schedule()
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    log_every: PositiveInt = 100
    validate_every: PositiveInt = 5000
    checkpoint_every: PositiveInt = 5000


class Data(Model):
    """What is trained on, and how patches are drawn from it.

    Attributes:
        source: `samples`, `div2k`, a folder, or the name of a dataset under the data root.
        validation: `held-out` for the source's own held-out images, or a named dataset.
        sampling: `uniform` draws a fresh crop each time; `fixed` draws `patches_per_image`
            positions an image once and visits each once an epoch, as the article does.
        patches_per_image: positions an image has under `fixed`; an epoch has this many samples
            an image under either sampling.
        weighting: how often `uniform` chooses an image: all alike, by area, or by texture.
        lr_patch_size: side of the low-resolution patch in pixels.
    """

    source: str = "samples"
    validation: str = "held-out"
    sampling: Literal["uniform", "fixed"] = "uniform"
    patches_per_image: PositiveInt = 19
    weighting: Literal["uniform", "area", "texture"] = "uniform"
    lr_patch_size: Annotated[int, Field(ge=4, le=1024)] = 24
    batch_size: PositiveInt = 16
    augment: bool = True


class Runtime(Model):
    """How the same mathematics is executed; `auto` is decided by the device and recorded."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    channels_last: bool | Literal["auto"] = "auto"
    compile: bool | Literal["auto"] = "auto"
    tf32: bool = True
    num_workers: Annotated[int, Field(ge=0, le=64)] | Literal["auto"] = "auto"


class RecipeSettings(Model):
    """Everything a run is made of but its seed: a recipe under a profile, every value resolved.

    Without an `adversary` the generator is trained by its losses alone.
    """

    scale: Scale = 4
    generator: ComponentSpec
    discriminator: ComponentSpec | None = None
    adversary: TermSpec | None = None
    losses: dict[str, TermSpec] = {}
    training: Training = Training()
    data: Data = Data()
    runtime: Runtime = Runtime()

    @property
    def is_adversarial(self) -> bool:
        """Whether this is an adversarial stage: it has a second player."""
        return self.discriminator is not None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.training.steps is None) == (self.training.epochs is None):
            raise ValueError("set exactly one of training.steps and training.epochs")
        return self


class RunSpec(Model):
    """One training: JSON that says all there is to know before data and weights are looked at.

    `pretraining` is the run that yields the initial generator, with the same generator, scale,
    data and seed.
    """

    recipe: Name
    profile: Name
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    settings: RecipeSettings
    pretraining: RunSpec | None = None


_NESTED: dict[str, type[Model]] = {"schedule": Schedule}


@cache
def written(model: type[Model]) -> type[Model]:
    """Return the partial form of a model: every field may be left out."""
    fields: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        annotation: Any = field.rebuild_annotation()
        if name in _NESTED:
            annotation = written(_NESTED[name])
        fields[name] = (annotation | None, None)
    return create_model(f"Written{model.__name__}", __base__=Model, __doc__=model.__doc__, **fields)


class WrittenTraining(written(Training)):  # type: ignore[misc]
    """What a recipe or profile says of a stage; its length is in steps or in epochs."""

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("`steps` and `epochs` are two ways to say one length; keep one")
        return self


class WrittenComponent(Model):
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
        raise ValueError("an empty mapping says nothing; write the weight: 1, or null for no loss")
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


class WrittenLevel(Model):
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


class WrittenRecipe(WrittenLevel):
    """A recipe as a registry file holds it."""

    summary: str | None = None
    source: str | None = None
    extends: Name | None = None
    pretrained: Name | None = None


class Overrides(Model):
    """What a profile changes in components, by kind and name: widths, depths, substitutes."""

    generators: dict[Name, WrittenComponent | None] | None = None
    discriminators: dict[Name, WrittenComponent | None] | None = None
    adversaries: dict[Name, WrittenTerm | None] | None = None
    losses: dict[Name, WrittenTerm | None] | None = None


class WrittenProfile(Model):
    """A profile as a registry file holds it: a budget, orthogonal to recipes."""

    summary: str | None = None
    extends: Name | None = None
    data: written(Data) | None = None  # type: ignore[valid-type]
    runtime: written(Runtime) | None = None  # type: ignore[valid-type]
    content: WrittenTraining | None = None
    adversarial: WrittenTraining | None = None
    overrides: Overrides | None = None


class WrittenContrast(Model):
    """What a claim compares: two recipes that differ in one field, or one and the ground truth.

    Attributes:
        changed: the recipe in which the field is as the statement has it.
        reference: the recipe it is compared with; the effect is `changed` minus `reference`.
        field: the one field in which both differ, such as `generator.norm`.
        recipe: the recipe whose scores are compared with what the ground truth itself scores, 0.
        against: what `recipe` is compared with.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["changed", "reference", "field"]},
                {"required": ["recipe", "against"]},
            ]
        }
    )

    changed: Name | None = None
    reference: Name | None = None
    field: Annotated[str, Field(min_length=1)] | None = None
    recipe: Name | None = None
    against: Literal["ground-truth"] | None = None

    @model_validator(mode="after")
    def _check_form(self) -> Self:
        pair = (self.changed, self.reference, self.field)
        alone = (self.recipe, self.against)
        whole = (None not in pair, None not in alone)
        begun = (any(pair), any(alone))
        if whole != begun or sum(whole) != 1:
            raise ValueError(
                "write `changed`, `reference` and `field`, or `recipe` and `against: ground-truth`"
            )
        if self.changed is not None and self.changed == self.reference:
            raise ValueError("`changed` and `reference` are the same recipe")
        return self


class WrittenClaim(Model):
    """A documented statement as a registry file holds it, in a form that a benchmark can test.

    Attributes:
        statement: one sentence, as its source would say it.
        source: where it is documented: paper, section or table.
        metric: a registered image metric, `cost.KEY` or `training.KEY`.
        statistic: what of the metric is compared: its `mean`, or its standard deviation over the
            seeds (`seed-spread`) or over the images (`image-spread`).
        direction: the sign of the effect by the statement.
        smallest_effect: the smallest effect that matters, in the metric's unit.
        relative: whether the effect and `smallest_effect` are shares of the reference.
        matched: a cost that must agree between both sides within 5 %.
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

    @model_validator(mode="after")
    def _check_reference(self) -> Self:
        if self.contrast.reference is None:
            for key, default in (("statistic", "mean"), ("relative", False), ("matched", None)):
                if getattr(self, key) != default:
                    raise ValueError(f"`{key}` needs a contrast between two recipes")
        return self


class WrittenMatrix(Model):
    """A full factorial as a registry file holds it: every combination of the levels is a recipe.

    Attributes:
        summary: the question it answers.
        base: the recipe over which the levels are laid.
        factors: by name, exactly two levels each, the older practice first.
    """

    summary: str | None = None
    base: Name
    factors: Annotated[
        dict[Name, Annotated[dict[Name, WrittenLevel], Field(min_length=2, max_length=2)]],
        Field(min_length=1, max_length=MAX_FACTORS),
    ]


class RegistryFile(Model):
    """A registry file: recipes, profiles, claims and matrices. Data only, never code."""

    version: Literal[1]
    recipes: dict[Name, WrittenRecipe] | None = None
    profiles: dict[Name, WrittenProfile] | None = None
    claims: dict[Name, WrittenClaim] | None = None
    matrices: dict[Name, WrittenMatrix] | None = None
