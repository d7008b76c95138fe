"""The description in a model file: its generator, and the origin of its weights.

Read without torch. Not here: the tensors (`zoo.models.model`), the card (`zoo.exchange.cards`).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from zoo.errors import RecipeError
from zoo.letters import on_one_line
from zoo.recipes.explain import first_problem
from zoo.recipes.schema import ComponentSpec
from zoo.runs.shapes import Sha256

SCHEMA: Final = "zoo.model/1"
INIT_SHA256: Final = "init_sha256"
"""Key of `Details.source` with the sha256 of the file that a training began from."""
Origin = Literal["trained", "imported", "interpolated", "fixed"]
Precision = Literal["float32", "float16"]
Scale = Annotated[int, Field(ge=1, le=16, strict=True)]
"""Of other tools' networks too, some of which restore an image and leave its size."""
_INERT = AfterValidator(on_one_line)
Line = Annotated[str, _INERT]
"""Text that commands and cards show: a file from anywhere must not act on what shows it."""


class DetailsPart(BaseModel):
    """Base of the parts of a description: frozen, unknown keys forbidden."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Pretraining(DetailsPart):
    """The run that a training began from.

    Attributes:
        recipe: its recipe.
        identity_sha256: of everything that affected it.
        command: the command that reproduces it.
    """

    recipe: Line
    identity_sha256: Sha256
    command: Line


class TrainingFacts(DetailsPart):
    """How a model was trained: what its run directory recorded.

    Attributes:
        recipe: what was trained.
        profile: how much.
        seed: of weights, data order and pretraining.
        command: as it was typed, or what makes the run again.
        steps: updates of the generator.
        seconds: wall-clock time of the stage.
        verdict: the monitor's.
        identity_sha256: of everything that affected the run.
        data: the training images, as the recipe or profile names them.
        data_sha256: of the training pixels.
        settings: every setting of recipe and profile, resolved.
        pretraining: the run it began from, None if it began from nothing.
        components: provenance of its components' weights, by role.
        versions: of Python and the packages.
        device: what it was trained on.
        git: commit and dirty flag of zoo's checkout, None of an installed package.
    """

    recipe: Line
    profile: Line
    seed: int
    command: Line
    steps: int
    seconds: float
    verdict: Line
    identity_sha256: Sha256
    data: Line
    data_sha256: str
    settings: dict[str, Any]
    pretraining: Pretraining | None = None
    components: dict[str, dict[str, str]] = {}
    versions: dict[str, str] = {}
    device: Line = ""
    git: dict[str, Any] | None = None


class Details(DetailsPart):
    """What a model is.

    Attributes:
        schema_name: which form of description this is.
        name: what it is called.
        summary: one line.
        generator: name and arguments of the generator, without the scale.
        scale: upscaling factor.
        origin: `trained` by zoo, `imported` from another tool's file, `interpolated` between two
            models, or `fixed`: a method without weights.
        precision: of the numbers in the file; they are computed with in float32.
        training: how it was trained, where zoo trained it.
        source: of an imported model `file`, `sha256`, `layout`; of one whose training began from
            the weights of a file `init` and `init_sha256`; of an interpolated one `a`,
            `a_sha256`, `b`, `b_sha256`, `alpha`; of a model that was renamed or rounded
            after it was scored `weights_sha256`, the files whose records are its own, the latest
            first.
        licence: of the weights, None if unknown.
        plugins: origin of each component that is not built in, by role.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    schema_name: Literal["zoo.model/1"] = Field(default=SCHEMA, alias="schema")
    name: Annotated[str, Field(min_length=1, max_length=128), _INERT]
    summary: Line = ""
    generator: dict[str, Any]
    scale: Scale
    origin: Origin
    precision: Precision = "float32"
    training: TrainingFacts | None = None
    source: dict[str, str] = {}
    licence: Line | None = None
    plugins: dict[str, str] = {}

    @field_validator("generator")
    @classmethod
    def _is_a_component(cls, generator: dict[str, Any]) -> dict[str, Any]:
        ComponentSpec.model_validate(generator)
        return generator

    @property
    def generator_name(self) -> str:
        """The registered name of the generator."""
        return str(self.generator["name"])


def described(**content: Any) -> Details:
    """Return a description with what a user asked for in it.

    Raises:
        RecipeError: if a value is not allowed, a name that is too long for example.
    """
    try:
        return Details(**content)
    except ValidationError as error:
        raise RecipeError(first_problem(error)) from error
