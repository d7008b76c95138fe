"""The schema of runs. Training defaults live here and nowhere else.

A component's own defaults do not: they are in its constructor. What files may say of the same
things, in part and in shorthand, is in `zoo.recipes.written`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    Strict,
    model_validator,
)

from zoo.data import BUILT_IN_SOURCES

NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MAX_NAME = 64
Name = Annotated[str, Field(pattern=NAME, max_length=MAX_NAME)]
Scale = Literal[2, 3, 4, 8]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Betas = Annotated[
    tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]],
    Strict(strict=False),
]


class Model(BaseModel):
    """Base of all schema models: frozen, typed strictly, unknown keys forbidden."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


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
    """How the learning rates change over a stage, in fractions of its length."""

    kind: Literal["constant", "step", "cosine"] = "constant"
    """`step` multiplies by `gamma` at each milestone; `cosine` falls to `final`."""
    milestones: Annotated[tuple[Fraction, ...], Strict(strict=False)] = ()
    """When `step` multiplies, in fractions of the stage."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.5
    """What `step` multiplies by."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Where `cosine` ends, as a part of the learning rate it begins with."""


class Training(Model):
    """One stage of training: how long, and how fast to learn.

    Exactly one of `steps` and `epochs` is set. A step is one update of the generator.
    """

    steps: PositiveInt | None = None
    """Length of the stage in updates of the generator; this or `epochs`."""
    epochs: PositiveFloat | None = None
    """Length of the stage in epochs, of `data.patches_per_image` samples an image each."""
    learning_rate: PositiveFloat = 1e-4
    """Of the generator's optimizer, Adam; the discriminator's is its adversary's."""
    betas: Betas = (0.9, 0.999)
    """Adam's coefficients of running averages, the generator's."""
    schedule: Schedule = Schedule()
    """How the learning rates change over the stage."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay a step of the moving average of the generator's weights, which is what is kept."""
    log_every: PositiveInt = 100
    """Steps from one row of losses in `metrics.jsonl` to the next."""
    validate_every: PositiveInt = 5000
    """Steps from one validation to the next."""
    checkpoint_every: PositiveInt = 5000
    """Steps from one checkpoint to the next."""
    on_divergence: Literal["raise", "rollback"] = "raise"
    """What a value that is not finite does: `raise` ends the run, `rollback` goes back to the last
    checkpoint and halves the learning rates, a few times at most."""


class Data(Model):
    """What is trained on, and how patches are drawn from it."""

    source: str = "samples"
    """`samples`, `div2k`, a folder, or the name of a dataset under the data root."""
    validation: str = "held-out"
    """`held-out` for the source's own held-out images, or a named dataset or a folder; then all
    other images of the source are trained on."""
    sampling: Literal["uniform", "fixed"] = "uniform"
    """`uniform` draws a fresh crop each time; `fixed` draws `patches_per_image` positions an image
    once and visits each once an epoch, as the article does."""
    patches_per_image: PositiveInt = 19
    """Positions an image has under `fixed`; an epoch has this many samples an image under either
    sampling."""
    weighting: Literal["uniform", "area", "texture"] = "uniform"
    """How often `uniform` sampling chooses an image: all alike, by area, or by texture."""
    lr_patch_size: Annotated[int, Field(ge=4, le=1024)] = 24
    """Side of the low-resolution patch in pixels."""
    batch_size: PositiveInt = 16
    """Patches in a step."""
    augment: bool = True
    """Whether patches are flipped and turned by quarters at random."""

    @property
    def is_split_by_validation(self) -> bool:
        """Whether what is validated on decides what is trained on: some of a folder is held out."""
        return self.source not in BUILT_IN_SOURCES


class Runtime(Model):
    """How the same mathematics is executed; `auto` is decided by the device and recorded."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the networks' arithmetic; `bfloat16` is autocast, weights stay float32. `auto` is bfloat16
    on a GPU that has it and, on a CPU with units for it, where it was measured to be faster."""
    channels_last: bool | Literal["auto"] = "auto"
    """Whether images lie in memory with their channels last."""
    compile: bool | Literal["auto"] = "auto"
    """Whether networks that allow it go through `torch.compile`."""
    tf32: bool = True
    """Whether a GPU may multiply in TF32 where numbers are float32."""
    num_workers: Annotated[int, Field(ge=0, le=64)] | Literal["auto"] = "auto"
    """Processes that cut patches ahead, where images lie on the host."""
    store: Literal["auto", "device", "host"] = "auto"
    """Where training images lie and patches are cut, the same ones: `device`, or `host`, a file
    mapped into memory, from which batches are loaded ahead. `auto` is the device where that is a
    GPU with room for all images beside training."""
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    """Of a CPU, for the operations of torch; `auto` is as many as the process may use, or fewer
    where they were measured to be faster."""
    tune: bool | Literal["auto"] = "auto"
    """Whether what is `auto` of layout, threads, precision and compilation is chosen by measuring
    steps on a CPU; `auto` measures for stages long enough to gain from it."""


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

    @property
    def used_losses(self) -> dict[str, TermSpec]:
        """The losses that take part: one of weight 0 is not built."""
        return {name: loss for name, loss in self.losses.items() if loss.weight > 0}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.training.steps is None) == (self.training.epochs is None):
            raise ValueError("set exactly one of training.steps and training.epochs")
        return self


class RunSpec(Model):
    """One training: JSON that says all there is to know before data and weights are looked at.

    `pretraining` is the run that yields the initial generator, with the same generator, scale,
    data and seed.

    Attributes:
        variant: in what the run is not its recipe's under its profile, as `--set` writes it: what
            `zoo.recipes.variants` found. The settings hold the values; this names them.
    """

    recipe: Name
    profile: Name
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    settings: RecipeSettings
    pretraining: RunSpec | None = None
    variant: tuple[str, ...] = ()
