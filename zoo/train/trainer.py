"""The training loop: from batches to a trained generator, with its state safe at all times.

The trainer knows no component by name and reads no configuration file. `zoo.train.step` defines a
step, `zoo.runs.directory` the content of a run directory.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zoo.data.device_store import DevicePatchStream
from zoo.data.stream import PatchStream
from zoo.errors import CheckpointError, DivergedError
from zoo.recipes.schema import Training
from zoo.runs.checkpoint import (
    load_latest,
    random_state,
    restore_random_state,
    save_checkpoint,
    seed_everything,
)
from zoo.runs.device import peak_memory, reset_peak_memory
from zoo.runs.directory import ROLLBACK, RunDirectory
from zoo.runs.verdicts import DIVERGED
from zoo.train.best import BestWeights
from zoo.train.interrupts import Interrupted, StopRequest
from zoo.train.monitor import FiniteGuard
from zoo.train.observer import Observer
from zoo.train.step import (
    Batch,
    TrainingState,
    learning_rate_factor,
    set_learning_rates,
    to_device,
    training_step,
)
from zoo.train.summary import summarise
from zoo.train.validation import Validator

OWN_STREAM, EXTRA_STREAM = 0, 1
MAX_ROLLBACKS = 4
"""After this many rollbacks, the next divergence ends the run; the rates are then 1/16."""
_ADVICE = (
    "The same run would end there again: lower training.learning_rate or the adversary's weight "
    "with --set, which starts a separate run"
)
_OR_GO_BACK = "; or continue from its last checkpoint with --set training.on_divergence=rollback"


@dataclass(slots=True)
class Stage:
    """One stage of training: networks, data, length and identity."""

    state: TrainingState
    stream: PatchStream | DevicePatchStream
    validator: Validator
    training: Training
    num_steps: int
    seed: int
    provenance: Mapping[str, Mapping[str, str]]


def step_batches(stage: Stage, step: int) -> Generator[tuple[Batch, list[Batch]], None, None]:
    """Yield each step's own batch and the discriminator's extra ones, from a step on.

    Close the generator when done, so that loading processes end.
    """
    num_extra = stage.state.num_extra_batches
    with ExitStack() as opened:
        own = opened.enter_context(closing(stage.stream.batches(step, stream=OWN_STREAM)))
        extra: Iterator[Batch] = iter(())
        if num_extra:
            stream = stage.stream.batches(step * num_extra, stream=EXTRA_STREAM)
            extra = opened.enter_context(closing(stream))
        for batch in own:
            yield batch, list(itertools.islice(extra, num_extra))


class Trainer:
    """Trains one stage in one run directory; resumes from the directory's checkpoint.

    Args:
        stage: the stage.
        directory: its directory; the caller holds the lock.
        observer: receives progress events.
        identity: hash of the run's identity, stored in everything that is saved.
    """

    def __init__(
        self, stage: Stage, directory: RunDirectory, observer: Observer, identity: str
    ) -> None:
        self.stage = stage
        self.directory = directory
        self.observer = observer
        self.identity = identity
        self.best = BestWeights.of(stage.training, directory, identity)
        self.guard = FiniteGuard()
        self.step = 0
        self.rollbacks = 0
        self._saved_at: int | None = None
        self._seconds = 0.0
        self._since = time.perf_counter()
        self._logged_at: tuple[int, float] | None = None

    def resume(self) -> int:
        """Load the newest intact checkpoint; return its step.

        Raises:
            CheckpointError: if it is damaged, or belongs to another run.
        """
        seed_everything(self.stage.seed)
        state = load_latest(self.directory.checkpoints)
        if state is not None:
            if state.get("identity") not in {self.identity, *self.directory.identities()}:
                raise CheckpointError(
                    f"{self.directory.checkpoints} contains the state of another run; train under "
                    "another --run-root, or start again with --fresh, which deletes it"
                )
            self._take_up(state)
            self._seconds, self.rollbacks = state["seconds"], state.get("rollbacks", 0)
            self._bring_weights_back()
        self._drop_rows()
        return self.step

    def fit(self) -> Mapping[str, Any]:
        """Train to the end and return the summary of the run.

        Raises:
            Interrupted: if a signal stopped it; the state is saved.
            DivergedError: if a value is not finite, and rollback is off or did not help; nothing
                from that step is saved.
        """
        self._since = time.perf_counter()
        with StopRequest() as stop:
            while self._saved_at != self.stage.num_steps:
                try:
                    self._train(stop)
                except DivergedError as error:
                    self._roll_back(error)
        self._stop_if_asked(stop)  # a wish that came while the last step was saved
        return self._summary()

    def snapshot(self) -> dict[str, Any]:
        """Return all that the other processes of a run need to go on from here."""
        rest = {"seconds": 0.0, "rollbacks": self.rollbacks, "saved_at": self._saved_at}
        return {**self._state(), "random": self._random(), "step": self.step, **rest}

    def _take_up(self, state: Mapping[str, Any]) -> None:
        for name, part in self.stage.state.stateful().items():
            part.load_state_dict(state[name])
        restore_random_state(state["random"], self.stage.state.execution.device)
        self.step = self._saved_at = state["step"]

    def _bring_weights_back(self) -> None:
        """Write the weights of the checkpoint again; report if they were damaged."""
        if not self.directory.has_whole_weights():
            self.observer.notice(
                f"{self.directory.weights} is missing or damaged (its sha256 differs from the "
                f"recorded one); zoo writes it again from the checkpoint of step {self.step}"
            )
        self._write_weights()

    def _roll_back(self, error: DivergedError) -> None:
        """Return to the last checkpoint and halve the learning rates, if rollback is on.

        The checkpoint is written again with the number of rollbacks, so a kill after that changes
        nothing. A kill before it meets the same values and rolls back again.

        Raises:
            DivergedError: the given one, if the run must end.
        """
        message, diverged_at = str(error), self.step
        may_go_back, state = self.stage.training.on_divergence == ROLLBACK, None
        if may_go_back and self.rollbacks < MAX_ROLLBACKS:
            state = self._latest()
        if state is None:
            if self.rollbacks:
                message = f"after {self.rollbacks} rollbacks: {message}"
            message = f"{message}. {_ADVICE}{'' if may_go_back else _OR_GO_BACK}"
            self._write_row({"kind": DIVERGED, "step": self.step, "message": message})
            raise DivergedError(message) from error
        self._take_up(state)
        self.guard.forget()
        self._logged_at = None
        self._drop_rows()
        self.rollbacks += 1
        factor = 0.5**self.rollbacks
        row = {"kind": ROLLBACK, "step": self.step, ROLLBACK: self.rollbacks}
        row |= {"diverged_at": diverged_at, "learning_rate_factor": factor, "message": message}
        self._write_row(row)
        self._sync_rows()
        self._write_state()
        self.observer.notice(
            f"diverged at step {diverged_at}, returned to step {self.step} with learning rates "
            f"times {factor:g} (rollback {self.rollbacks} of {MAX_ROLLBACKS}): {message}"
        )

    def _train(self, stop: StopRequest) -> None:
        if self._due(self.stage.training.validate_every, self.step) and not self._is_validated():
            self._validate()
        if self._saved_at is None and self.stage.training.on_divergence == ROLLBACK:
            self._save()  # the good state to go back to until there is another
        with closing(step_batches(self.stage, self.step)) as batches:
            reset_peak_memory(self.stage.state.execution.device)
            while self.step < self.stage.num_steps:
                self._stop_if_asked(stop)
                own, extra = next(batches)
                if self._logged_at is None:  # loading processes have started by now
                    self._logged_at = (self.step, time.perf_counter())
                self._advance(own, extra)
                self._stop_if_asked(stop)  # a validation that is due is done on resuming
                self._maintain()

    def _stop_if_asked(self, stop: StopRequest) -> None:
        requested = self.stage.state.world.agree(stop.requested)
        if requested is None:
            return
        if self.step > 0:
            self._save()
        raise Interrupted(requested, self.step)

    def _advance(self, batch: Batch, extra: list[Batch]) -> None:
        stage, training = self.stage, self.stage.training
        execution = stage.state.execution
        factor = self._learning_rate_factor()
        set_learning_rates(stage.state, factor)
        stage.state.freezing.set_step(self.step)
        logs_now = self._due(training.log_every, self.step + 1)
        values = training_step(
            stage.state,
            to_device(batch, execution),
            [to_device(one, execution) for one in extra],
            observe=logs_now,
        )
        self.step += 1
        self.guard.observe(self.step, values)
        self.observer.stepped(self.step, len(batch[0]) * stage.state.world.size)
        if logs_now:
            self._log(values, factor)

    def _learning_rate_factor(self) -> float:
        """Return what the learning rates are multiplied by in the next step."""
        stage, training = self.stage, self.stage.training
        factor = learning_rate_factor(
            training.schedule, self.step, stage.num_steps, training.warmup_steps
        )
        return factor * 0.5**self.rollbacks

    def _maintain(self) -> None:
        """Validate and save when due; the logged speed does not include this time."""
        training = self.stage.training
        since = time.perf_counter()
        if self._due(training.validate_every, self.step):
            self._validate()
        if self._due(training.checkpoint_every, self.step):
            self._save()
        if self._logged_at is not None:
            step, begun = self._logged_at
            self._logged_at = step, begun + time.perf_counter() - since

    def _due(self, every: int, step: int) -> bool:
        return step % every == 0 or step == self.stage.num_steps

    def _log(self, values: Mapping[str, Tensor], factor: float) -> None:
        self.guard.check()
        numbers = {name: float(value) for name, value in values.items()}
        self.guard.remember(numbers)
        now = time.perf_counter()
        step, since = self._logged_at or (self.step - 1, now)
        images = (self.step - step) * self.stage.stream.batch_size
        self._logged_at = (self.step, now)
        self._write_row(
            {
                "kind": "train",
                "step": self.step,
                "learning_rate": self.stage.training.learning_rate * factor,
                **numbers,
                "images_per_second": images / max(now - since, 1e-9),
                "memory_bytes": peak_memory(self.stage.state.execution.device),
            }
        )

    def _validate(self) -> None:
        state = self.stage.state
        self.guard.check(self._state())
        validator = self.stage.validator
        row = validator.row(state.ema.module, state.execution, step=self.step)
        if self.best is not None:
            self.best.offer(row, state.ema.module)
        self._write_row(row)

    def _is_validated(self) -> bool:
        """Return whether the current validation images were scored at this step."""
        scored = [row for row in self.directory.rows() if row["kind"] == "validation"]
        here = (self.step, self.stage.validator.identity)
        return bool(scored) and (scored[-1]["step"], scored[-1]["validation"]) == here

    def _write_row(self, row: Mapping[str, Any]) -> None:
        self.directory.append_row(row)
        self.observer.logged(row)

    def _sync_rows(self) -> None:
        self.directory.sync_rows()

    def _drop_rows(self) -> None:
        self.directory.drop_rows_after(self.step, rollbacks=self.rollbacks)

    def _latest(self) -> Mapping[str, Any] | None:
        """Return the newest intact checkpoint, the same for all processes."""
        found = load_latest(self.directory.checkpoints)
        state: Mapping[str, Any] | None = self.stage.state.world.tell(found)
        return state

    def _random(self) -> dict[str, Any]:
        return random_state(self.stage.state.execution.device)

    def _state(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.stage.state.stateful().items()}

    def _save(self) -> None:
        if self._saved_at == self.step:
            return
        self.guard.check(self._state())
        self._sync_rows()
        self._write_weights()
        self._write_state()

    def _write_weights(self) -> None:
        self.directory.write_weights(
            self.stage.state.ema.module.state_dict(),
            {"identity_sha256": self.identity, "step": str(self.step)},
        )

    def _write_state(self) -> None:
        self._seconds += time.perf_counter() - self._since
        self._since = time.perf_counter()
        state = self._state()
        state["random"] = self._random()
        rest = {"identity": self.identity, "seconds": self._seconds, "rollbacks": self.rollbacks}
        path = save_checkpoint(self.directory.checkpoints, self.step, {**state, **rest})
        self._saved_at = self.step
        self.observer.saved(path, self.step)

    def _summary(self) -> Mapping[str, Any]:
        state, validator = self.stage.state, self.stage.validator
        if not self._is_validated():
            self._validate()  # its row was lost
        summary = summarise(
            self.directory,
            validator,
            state.ema.module,
            state.execution,
            step=self.step,
            seconds=self._seconds,
            bounded=state.adversary is None or state.adversary.bounded,
        )
        summary["components"] = self.stage.provenance
        summary["num_images"] = self.stage.stream.store.num_images
        return self.directory.write_summary(summary, self.identity)
