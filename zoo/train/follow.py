"""How the other processes of a run follow the one that decides and writes.

Rank 0 finds or makes the run directory, loads checkpoints and initial weights, and calls the others
to every stage that it trains, with all its state. They need no run directory, and a run resumes on
any number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo.errors import DivergedError, MachineError
from zoo.recipes.schema import RunSpec
from zoo.runs.checkpoint import seed_everything
from zoo.runs.device import Execution
from zoo.runs.directory import RunDirectory
from zoo.runs.world import World
from zoo.train.interrupts import Interrupted
from zoo.train.observer import Observer
from zoo.train.prepare import Prepared, prepare_pretraining
from zoo.train.step import assemble
from zoo.train.trainer import Stage, Trainer

_CHOSEN = ("bfloat16", "channels_last", "compile", "tf32", "threads")
"""What rank 0 may have chosen for all processes."""


def assemble_stage(spec: RunSpec, prepared: Prepared) -> Stage:
    """Place both networks on the device and combine them with the data."""
    return Stage(
        state=assemble(
            prepared.components, spec.settings.training, prepared.execution, prepared.world
        ),
        stream=prepared.stream,
        validator=prepared.validator,
        training=spec.settings.training,
        num_steps=prepared.num_steps,
        seed=spec.seed,
        provenance={name: dict(value) for name, value in prepared.components.provenance.items()},
    )


def call(trainer: Trainer, world: World, execution: Execution, *, is_pretraining: bool) -> None:
    """Call the other processes to a stage, with its state.

    Args:
        trainer: of the stage, ready for its first or next step.
        world: the processes.
        execution: how the stage is executed.
        is_pretraining: whether it is the pretraining of the run.
    """
    if world.is_shared:
        chosen = {name: getattr(execution, name) for name in _CHOSEN}
        world.tell(
            {"is_pretraining": is_pretraining, "chosen": chosen, "state": trainer.snapshot()}
        )


def end(world: World, directory: Path, summary: Mapping[str, Any]) -> None:
    """Tell the other processes that the run is finished, and with what."""
    world.tell({"directory": str(directory), "summary": dict(summary)})


def follow(spec: RunSpec, prepared: Prepared) -> tuple[Path, Mapping[str, Any]]:
    """Take part in every stage that rank 0 trains; return the finished run's directory and summary.

    Args:
        spec: the run.
        prepared: its data and components, on this process's device.

    Raises:
        Interrupted: if a signal reached any of the processes; rank 0 has saved the state.
        DivergedError: if a value is not finite, as on rank 0.
        MachineError: if another process is gone.
    """
    while True:
        message = prepared.world.tell(None)
        if "summary" in message:
            return Path(message["directory"]), message["summary"]
        stage_spec, stage = spec, prepared
        if message["is_pretraining"] and spec.pretraining is not None:
            stage_spec = spec.pretraining
            stage = prepare_pretraining(stage_spec, prepared)
        execution = replace(stage.execution, **message["chosen"])
        stage = replace(stage, execution=execution)
        with execution.own_threads():
            follower = Follower(assemble_stage(stage_spec, stage), message["state"])
            try:
                follower.fit()
            except (Interrupted, DivergedError):
                _outlive_the_leader(prepared.world)
                raise


class Follower(Trainer):
    """Takes every step with rank 0, and writes nothing.

    Args:
        stage: the stage.
        state: what rank 0 has before the first or next step.
    """

    def __init__(self, stage: Stage, state: Mapping[str, Any]) -> None:
        super().__init__(stage, RunDirectory(Path()), Observer(), "")
        seed_everything(stage.seed)
        self._take_up(state)
        self._saved_at, self.rollbacks = state["saved_at"], state["rollbacks"]
        self.best = None

    def _is_validated(self) -> bool:
        return False

    def _validate(self) -> None:
        self.guard.check(self._state())

    def _write_row(self, row: Mapping[str, Any]) -> None:
        """Leave rows to rank 0."""

    def _sync_rows(self) -> None:
        """Leave rows to rank 0."""

    def _drop_rows(self) -> None:
        """Leave rows to rank 0."""

    def _write_weights(self) -> None:
        """Leave weights to rank 0."""

    def _write_state(self) -> None:
        self._saved_at = self.step

    def _latest(self) -> Mapping[str, Any] | None:
        state: Mapping[str, Any] | None = self.stage.state.world.tell(None)
        return state

    def _summary(self) -> Mapping[str, Any]:
        return {}


def _outlive_the_leader(world: World) -> None:
    """Wait until rank 0 has saved and ended, so that its message is the first one."""
    try:
        world.tell(None)
    except (MachineError, RuntimeError):  # its connection is closed: this is what ends the wait
        return
