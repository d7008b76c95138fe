"""The names of a run's files, and the schemas of the JSON among them, checked when they are read.

They name only the values that are used; further values are allowed. The checked value is returned
as read, because hashes are computed from it. Not here: reading the files (`zoo.runs.directory`),
whether they agree (`zoo.runs.coherence`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.errors import CheckpointError
from zoo.files import read_file
from zoo.recipes.explain import first_problem

PROVENANCE: Final = "provenance.json"
RECIPE: Final = "recipe.yaml"
METRICS: Final = "metrics.jsonl"
SUMMARY: Final = "summary.json"
WEIGHTS: Final = "weights.safetensors"
"""Names of a run's files."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=10**12)]
LARGEST: Final = 1e100
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
"""Any number that can be squared; networks compute in float32, whose maximum is 3.4e38."""
Components = dict[str, dict[str, str]]
"""Provenance of a run's components by role; plain text."""


class Shape(BaseModel):
    """Base of all shapes: exact types, further keys allowed."""

    model_config = ConfigDict(extra="allow", strict=True)


class Schedule(Shape):
    """How the learning rates go."""

    kind: str


class TrainingSettings(Shape):
    """The training section of an identity's settings."""

    schedule: Schedule


class Settings(Shape):
    """The settings in an identity."""

    discriminator: dict[str, Any] | None = None
    training: TrainingSettings
    data: dict[str, Any]


class IdentityExecution(Shape):
    """How a run is executed, as far as it affects the results."""

    device: str
    precision: str


class Identity(Shape):
    """What shaped a run, see `zoo.train.identity`."""

    settings: Settings
    num_steps: Count
    data: str
    components: Components = {}
    execution: IdentityExecution
    pretraining: Sha256 | None = None


class SessionExecution(Shape):
    """How one process executed it."""

    threads: Count


class Way(Shape):
    """A way to compute a step."""

    channels_last: bool
    threads: Count
    compile: bool
    bfloat16: bool = False


class Choice(Shape):
    """How the way was chosen, see `zoo.train.autotune`."""

    way: Way
    free: list[str]
    seconds: dict[str, Number] = {}


class Session(Shape):
    """One process's part in a run."""

    command: list[str]
    device_name: str
    execution: SessionExecution
    choice: Choice | None = None
    versions: dict[str, str]
    git: dict[str, Any] | None = None
    components: dict[str, str]


class Provenance(Shape):
    """`provenance.json`."""

    identity_sha256: Sha256
    identity: Identity
    earlier_identities: list[Sha256] = []
    sessions: Annotated[list[Session], Field(min_length=1)]


class Summary(Shape):
    """`summary.json`."""

    steps: Count
    validation: str
    psnr_y: Number
    psnr_y_images: dict[str, Number]
    psnr_y_bicubic: Number
    verdict: str
    seconds: Annotated[Number, Field(ge=0)]
    pictures: list[str]
    components: Components
    num_images: Count | None = None
    identity_sha256: Sha256
    files: dict[str, Any]


class Row(Shape):
    """Any row of `metrics.jsonl`; a training row has further numbers."""

    kind: str
    step: Count


class TrainingRow(Row):
    """The logged values of a step."""

    __pydantic_extra__: dict[str, Number]


class ValidationRow(Row):
    """The scores of held-out images after a step."""

    validation: str
    psnr_y: Number
    psnr_y_images: dict[str, Number]
    haarpsi: Number = 0.0


class DivergedRow(Row):
    """The end of a run in which a value was not finite."""

    message: str


class RollbackRow(Row):
    """A rollback of a run, with the number of rollbacks so far."""

    rollback: Count


_ROWS: Final[dict[str, type[Row]]] = {
    "train": TrainingRow,
    "validation": ValidationRow,
    "diverged": DivergedRow,
    "rollback": RollbackRow,
}


def read_shaped(path: Path, shape: type[Shape], remedy: str) -> dict[str, Any]:
    """Read a JSON file of a run and check its schema.

    Args:
        path: the file.
        shape: the schema.
        remedy: what to do if it does not match.

    Raises:
        CheckpointError: if it cannot be read or does not match.
    """
    try:
        document: Any = json.loads(read_file(path))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or f"it is not JSON ({error})"
        raise CheckpointError(f"{path} is damaged: {reason}; {remedy}") from error
    require_shape(path, document, shape, remedy)
    return dict(document)


def require_shape(path: Path, document: object, shape: type[Shape], remedy: str) -> None:
    """Check the content of a file against its schema; see `read_shaped`."""
    try:
        shape.model_validate(document)
    except ValidationError as error:
        raise CheckpointError(f"{path} is damaged: {first_problem(error)}; {remedy}") from error


def read_row(line: bytes) -> dict[str, Any] | None:
    """Return a row of `metrics.jsonl`, None if the line is not a valid row."""
    try:
        row: Any = json.loads(line)
        Row.model_validate(row)
        _ROWS.get(row["kind"], Row).model_validate(row)
    except (ValueError, RecursionError):
        return None
    return dict(row)
