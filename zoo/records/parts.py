"""Types for the parts of a record that its schema does not fix: a command, the specification.

Not here: the schema (`zoo.records.record`).
"""

from __future__ import annotations

import shlex
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict


def _check_command(command: str) -> str:
    shlex.split(command)  # a ValueError says which quote or escape has no end
    return command


Command = Annotated[str, AfterValidator(_check_command)]
"""A command line that a shell can take apart."""


class Provenance(BaseModel):
    """What is read of how a record was made; there may be more.

    Attributes:
        created: date and time, ISO 8601.
        device: name of the device.
        machine: name of the processor, and its cores.
        execution: numerics and threads.
        versions: of Python and packages.
        git: commit and dirty flag of zoo's checkout.
        command: the words of the command.
        self_test: what the self-test found, by dataset.
        trained_against: losses that compare by a metric's own network, by metric key.
    """

    model_config = ConfigDict(extra="allow", strict=True)

    created: str = ""
    device: str = ""
    machine: str = ""
    execution: dict[str, Any] = {}
    versions: dict[str, str] = {}
    git: dict[str, Any] | None = None
    command: list[str] = []
    self_test: dict[str, str] = {}
    trained_against: dict[str, list[str]] = {}


def check_provenance(known: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of how a record was made, unless a reader could not use it."""
    Provenance.model_validate(known)
    return known
