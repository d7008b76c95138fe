"""The schema of runs, the only place of training defaults.

A component's own defaults are in its constructor. `zoo.recipes.registry_schema` has the forms in
which files may write the same things, in part and in shorthand.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    Strict,
    model_serializer,
    model_validator,
)

from zoo.data import BUILT_IN_SOURCES
from zoo.recipes.optimizers import ADAM, ADAM_BETAS, Optimizer, Options, betas_problem

NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
MAX_NAME = 64
DEGRADATION = "degradation"
COMPLETE = {"complete": True}
"""Context of `model_dump` for a dump with every setting, see `GrownModel`."""
MONITORING = ("log_every", "validate_every", "validate_with", "checkpoint_every")
"""Settings of `training` that the trained weights do not depend on."""
Name = Annotated[str, Field(pattern=NAME, max_length=MAX_NAME)]
Scale = Literal[2, 3, 4, 8]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Betas = Annotated[
    tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]],
    Strict(strict=False),
]


class StrictModel(BaseModel):
    """Base of all schema models: frozen, typed strictly, unknown keys forbidden."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class GrownModel(StrictModel):
    """A model with settings that came after runs, which a dump omits where they are not set.

    So runs from before they came keep their identity. `model_dump(context=COMPLETE)` omits none.

    Attributes:
        later: the names of these settings.
    """

    later: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _omit_defaults(
        self, dump: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        for name in () if info.context == COMPLETE else self.later:
            if getattr(self, name) == type(self).model_fields[name].default:
                values.pop(name, None)
        return values


class ComponentSpec(StrictModel):
    """A component by name, and the arguments of its constructor beside it."""

    model_config = ConfigDict(extra="allow")

    name: Name

    @property
    def arguments(self) -> dict[str, Any]:
        """The constructor arguments, as in the file."""
        return dict(self.model_extra or {})

    def with_arguments(self, arguments: dict[str, Any]) -> Self:
        """Return the same component with exactly these arguments."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate({**arguments, **own})


class TermSpec(ComponentSpec):
    """A component that gives a term of the generator's loss, with the term's weight."""

    weight: NonNegativeFloat = 1.0


BICUBIC = ComponentSpec(name="bicubic")
"""The degradation of a run that names none: MATLAB's bicubic downscaling."""


class Schedule(StrictModel):
    """How the learning rates change during a stage, in fractions of its length."""

    kind: Literal["constant", "step", "cosine"] = "constant"
    """`step` multiplies the learning rates by `gamma` at each milestone; `cosine` decreases them to
    `final`."""
    milestones: Annotated[tuple[Fraction, ...], Strict(strict=False)] = ()
    """Milestones of `step`, in fractions of the stage."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Factor of `step`."""
    final: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Final learning rate of `cosine`, as a fraction of the initial one."""


class Training(GrownModel):
    """Length, learning rate and logging of one stage.

    Set exactly one of `steps` and `epochs`. A step is one update of the generator.
    """

    later = (
        "optimizer",
        "optimizer_options",
        "discriminator_optimizer",
        "discriminator_optimizer_options",
        "warmup_steps",
        "max_gradient_norm",
        "discriminator_max_gradient_norm",
        "accumulate",
        "freeze",
        "unfreeze_at",
        "validate_with",
    )

    steps: PositiveInt | None = None
    """Length of the stage in steps."""
    epochs: PositiveFloat | None = None
    """Length of the stage in epochs, each of `data.patches_per_image` samples of every image."""
    learning_rate: PositiveFloat = 1e-4
    """Learning rate of the generator's optimizer. The adversary sets the discriminator's."""
    betas: Betas = ADAM_BETAS
    """Coefficients of running averages of Adam, or of another optimizer that takes two, for the
    generator."""
    optimizer: Optimizer = ADAM
    """The generator's optimizer: torch's Adam, or one of timm's by its name there."""
    optimizer_options: Options = {}
    """Further arguments of the generator's optimizer, such as `weight_decay`; `betas` only of one
    that takes three."""
    discriminator_optimizer: Optimizer = ADAM
    """The discriminator's optimizer. The adversary sets its learning rate and its two betas."""
    discriminator_optimizer_options: Options = {}
    """Further arguments of the discriminator's optimizer."""
    schedule: Schedule = Schedule()
    """How the learning rates change during the stage."""
    warmup_steps: NonNegativeInt = 0
    """Steps over which the learning rates first rise linearly to their values."""
    max_gradient_norm: PositiveFloat | None = None
    """Largest norm of the generator's gradient, to which a longer one is scaled."""
    discriminator_max_gradient_norm: PositiveFloat | None = None
    """The same for the discriminator's gradient."""
    accumulate: PositiveInt = 1
    """Parts of a batch that are computed one after another, with less memory; the step uses the
    mean of their gradients. Batch statistics are those of a part."""
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay per step of the moving average of the generator's weights. The saved generator is this
    average."""
    log_every: PositiveInt = 100
    """Steps between two rows of losses in `metrics.jsonl`."""
    validate_every: PositiveInt = 5000
    """Steps between two validations."""
    validate_with: Name | None = None
    """A metric that each validation also computes, such as `lpips-alex`. The weights with its best
    score are kept as the model file `best.safetensors`. None: PSNR_Y and HaarPSI, and the last
    weights only."""
    checkpoint_every: PositiveInt = 5000
    """Steps between two checkpoints."""
    on_divergence: Literal["raise", "rollback"] = "raise"
    """What happens if a value is NaN or infinite: `raise` ends the run; `rollback` returns to the
    last checkpoint and halves the learning rates, at most four times."""
    freeze: Annotated[tuple[str, ...], Strict(strict=False)] = ()
    """Parameters of the generator that are not trained: patterns of their names, such as
    `trunk.*`. The names are those in a model file."""
    unfreeze_at: PositiveInt | None = None
    """Step from which the parameters of `freeze` are trained, too; by default never."""

    @model_validator(mode="after")
    def _check_freeze(self) -> Self:
        if self.unfreeze_at is not None and not self.freeze:
            raise ValueError("`unfreeze_at` has no effect without `freeze`; set both or neither")
        return self

    @model_validator(mode="after")
    def _check_betas(self) -> Self:
        problem = betas_problem(
            "training.betas", self.betas, self.optimizer, self.optimizer_options
        )
        if problem is not None:
            raise ValueError(problem)
        return self


class Data(GrownModel):
    """The training images, and how zoo draws patches from them."""

    later = (DEGRADATION, "pairs")

    source: str = "samples"
    """Training images: `samples`, `div2k`, a folder, or a dataset under the data root."""
    validation: str = "held-out"
    """Validation images: `held-out` (part of the source), or a dataset or folder. With a dataset
    or folder, zoo trains on all images of the source that are not in it."""
    sampling: Literal["uniform", "fixed"] = "uniform"
    """`uniform` draws a new crop each time. `fixed` draws `patches_per_image` positions in each
    image once and uses each of them once per epoch, as the article does (docs/glossary.md)."""
    patches_per_image: PositiveInt = 19
    """Samples of each image in an epoch; for `fixed` also the number of positions."""
    weighting: Literal["uniform", "area", "texture"] = "uniform"
    """How `uniform` sampling chooses an image: with equal probability, by area, or by texture."""
    lr_patch_size: Annotated[int, Field(ge=4, le=1024)] = 24
    """Side of the low-resolution patch in pixels."""
    batch_size: PositiveInt = 16
    """Patches per step."""
    augment: bool = True
    """Whether patches are flipped and rotated by quarter turns at random."""
    degradation: ComponentSpec = BICUBIC
    """How low-resolution images are made: the name of a degradation, with its arguments below it.
    Validation uses it too, with a fixed seed."""

    pairs: bool = False
    """Whether low-resolution images are given: files beside the high-resolution ones, matched by
    name, instead of a degradation."""

    @model_validator(mode="after")
    def _check_pairs(self) -> Self:
        if self.pairs and self.degradation != BICUBIC:
            raise ValueError(
                "`pairs` takes low-resolution images from files, so a `degradation` has no effect; "
                "keep one of them"
            )
        return self

    @property
    def is_split_by_validation(self) -> bool:
        """Whether the validation images determine the training images: a folder is split."""
        return self.source not in BUILT_IN_SOURCES


class Runtime(StrictModel):
    """How zoo executes the same computation.

    With `auto`, zoo chooses the value for the device, and the run records the choice.
    """

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the networks. `bfloat16` is autocast; weights stay float32. `auto` is bfloat16
    on a GPU that supports it, and on a CPU with bfloat16 units if a measurement shows that it is
    faster."""
    channels_last: bool | Literal["auto"] = "auto"
    """Whether images are stored with the channels last in memory."""
    compile: bool | Literal["auto"] = "auto"
    """Whether `torch.compile` compiles the networks that allow it."""
    tf32: bool = True
    """Whether a GPU may multiply float32 numbers in TF32."""
    num_workers: Annotated[int, Field(ge=0, le=64)] | Literal["auto"] = "auto"
    """Number of processes that cut patches in advance, if images are on the host."""
    store: Literal["auto", "device", "host"] = "auto"
    """Where training images are kept and patches are cut: `device`, or `host`, a memory-mapped file
    from which batches are loaded in advance. The samples are the same. `auto` is `device` on a GPU
    with room for all images beside training."""
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    """Number of CPU threads for torch. `auto` is as many as the process may use, or fewer if a
    measurement shows that they are faster."""
    tune: bool | Literal["auto"] = "auto"
    """Whether zoo measures steps on a CPU to choose layout, threads, precision and compilation, as
    far as these are `auto`. `auto` measures for stages that are long enough to gain from it."""


class RecipeSettings(StrictModel):
    """A run without its seed: a recipe under a profile, with every value resolved.

    Without an `adversary`, the generator is trained with its losses only.
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
        """Whether this is an adversarial stage, with a discriminator."""
        return self.discriminator is not None

    @property
    def used_losses(self) -> dict[str, TermSpec]:
        """The losses that are used. A loss of weight 0 is not built."""
        return {name: loss for name, loss in self.losses.items() if loss.weight > 0}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.training.steps is None) == (self.training.epochs is None):
            raise ValueError("set exactly one of training.steps and training.epochs")
        if self.data.batch_size % self.training.accumulate:
            raise ValueError(
                f"training.accumulate {self.training.accumulate} does not divide "
                f"data.batch_size {self.data.batch_size}"
            )
        return self


class Weights(GrownModel):
    """Weights that a network of a run starts from.

    Attributes:
        file: the file, folder or name that they were read from.
        name: what the model is called.
        sha256: of the weights file; of a discriminator, of its tensors.
        strict: whether every tensor must fit; otherwise those that do not are left as they are.
    """

    later = ("strict",)

    file: str
    name: str
    sha256: str
    strict: bool = True

    @property
    def label(self) -> str:
        """What tells them from other weights, in names of runs."""
        return f"{self.name}-{self.sha256[:8]}{'' if self.strict else '-partial'}"


class Initial(Weights):
    """A generator whose weights a run starts from, instead of those of a pretraining.

    Attributes:
        generator: the generator with all its arguments.
        scale: its upscaling factor.
    """

    generator: ComponentSpec
    scale: PositiveInt


class RunSpec(GrownModel):
    """One training, as JSON: everything that is known before data and weights are read.

    `pretraining` is the run that gives the initial generator, with the same generator, scale, data
    and seed; `init` gives it from a file. A run has one of them, or neither.

    Attributes:
        init_discriminator: weights that the discriminator starts from.
        variant: how the run differs from its recipe under its profile, in the form of `--set`
            (from `zoo.recipes.variants`). The settings contain the values; this names them.
    """

    later = ("init", "init_discriminator")

    recipe: Name
    profile: Name
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    settings: RecipeSettings
    pretraining: RunSpec | None = None
    init: Initial | None = None
    init_discriminator: Weights | None = None
    variant: tuple[str, ...] = ()

    @property
    def begun_from(self) -> dict[str, Weights]:
        """The weights that its networks start from, by the option that names them."""
        found = {"init": self.init, "init_discriminator": self.init_discriminator}
        return {key: weights for key, weights in found.items() if weights is not None}


LATER = (*Data.later, *Training.later)
"""Settings that may be missing in what older versions wrote."""
