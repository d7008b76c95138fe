"""The processes that train one run together, and what they tell each other.

`torchrun` (or `zoo train --devices N`) starts them. One of them, rank 0, decides and writes; the
others follow. Numbers of a step are reduced on the device. What processes agree on goes through the
CPU, so that no process waits for its GPU. Not here: the mathematics of a batch that is spread over
processes (`zoo.train.global_batch`).
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from zoo.errors import MachineError, RecipeError
from zoo.recipes.schema import RunSpec

PATIENCE = timedelta(hours=12)
"""How long a process waits for another that is alive, such as one that validates or prepares data.
A process that has died is noticed at once: its connections close."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among those of its run; by default the only one.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
        local_rank: number of this process on its machine, which is that of its GPU.
        restarts: how often the launcher has started all processes again.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    restarts: int = 0

    @property
    def is_shared(self) -> bool:
        """Whether there is more than one process."""
        return self.size > 1

    @property
    def leads(self) -> bool:
        """Whether this process decides and writes."""
        return self.rank == 0

    def check(self, spec: RunSpec) -> None:
        """Refuse a run that cannot be spread over the processes, or its pretraining.

        Raises:
            RecipeError: if the batch does not divide, or networks are to be compiled.
            MachineError: if torch was built without communication between processes.
        """
        if not self.is_shared:
            return
        for stage in (spec, *([spec.pretraining] if spec.pretraining else [])):
            batch, parts = stage.settings.data.batch_size, stage.settings.training.accumulate
            if batch % (self.size * parts):
                in_parts = f" in {parts} parts each" if parts > 1 else ""
                raise RecipeError(
                    f"{stage.recipe}: data.batch_size {batch} is the batch of all processes and "
                    f"does not divide into {self.size} processes{in_parts}; use a multiple of "
                    f"{self.size * parts}, or another number of devices"
                )
            if stage.settings.runtime.compile is True:
                raise RecipeError(
                    f"{stage.recipe}: runtime.compile=true is for one process, but there are "
                    f"{self.size}; leave it out, or train on one device"
                )
        if not dist.is_available():
            raise MachineError(
                f"this build of torch ({torch.__version__}) cannot train in several processes "
                "(torch.distributed is missing); install another, or train on one device"
            )

    def checked(self, spec: RunSpec) -> World:
        """Return this world after `check`."""
        self.check(spec)
        return self

    def device_name(self, name: str) -> str:
        """Return the device of this process, given the one asked for.

        Raises:
            RecipeError: if one GPU is asked for and there are several processes.
        """
        if not self.is_shared or name == "cpu":
            return name
        if name.startswith("cuda:"):
            raise RecipeError(
                f"--device {name} is one GPU, but there are {self.size} processes; use --device "
                "cuda, and CUDA_VISIBLE_DEVICES to choose the GPUs"
            )
        on_gpu = name == "cuda" or (name == "auto" and torch.cuda.is_available())
        return f"cuda:{self.local_rank}" if on_gpu else name

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Connect the processes within this context; one that is alone has nothing to connect.

        Raises:
            MachineError: if torch has no backend for the device, or another process is gone.
        """
        if not self.is_shared:
            yield
            return
        self._connect(device)
        # torch names a private function instead; what adversaries call does its work
        warnings.filterwarnings("ignore", ".*all_reduce is deprecated", FutureWarning)
        try:
            yield
        except RuntimeError as error:
            if not _is_loss(error):
                raise
            raise MachineError(
                f"process {self.rank} of {self.size} lost the connection to another process of "
                "this run, which has probably ended: see its message; the same command resumes "
                "from the last checkpoint"
            ) from error
        dist.destroy_process_group()  # after an error nobody waits for the others to do the same

    def _connect(self, device: torch.device) -> None:
        on_gpu = device.type == "cuda"
        there = {"gloo": dist.is_gloo_available(), "nccl": dist.is_nccl_available()}
        for name in ("gloo", *(["nccl"] if on_gpu else [])):
            if not there[name]:
                raise MachineError(
                    f"this build of torch ({torch.__version__}) has no {name}, which "
                    f"{self.size} processes need; install another, or train on one device"
                )
        if on_gpu:
            torch.cuda.set_device(device)
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)

    def agree(self, number: int | None) -> int | None:
        """Return the largest number that any process gives, None if none gives one."""
        if not self.is_shared:
            return number
        shared = torch.tensor(number or 0)
        dist.all_reduce(shared, op=dist.ReduceOp.MAX)
        return int(shared) or None

    def tell(self, message: Any) -> Any:
        """Return what rank 0 gives: plain values and tensors, which arrive on the CPU."""
        if not self.is_shared:
            return message
        box = [_packed(message) if self.leads else None]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        if self.leads:
            return message
        return torch.load(io.BytesIO(box[0] or b""), map_location="cpu", weights_only=True)

    def mean(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean of each scalar over the processes, with one message for all of them."""
        if not self.is_shared or not values:
            return dict(values)
        whole = torch.stack([value.to(torch.float64) for value in values.values()])
        dist.all_reduce(whole)
        means = (whole / self.size).unbind()
        return {
            name: mean.to(value.dtype)
            for (name, value), mean in zip(values.items(), means, strict=True)
        }


ALONE = World()


def current_world() -> World:
    """Return this process among those that `torchrun` started; the only one without it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:  # WORLD_SIZE alone may be another program's
        return ALONE
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "TORCHELASTIC_RESTART_COUNT")
    return World(*(int(os.environ[name]) for name in names))


def _packed(message: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(message, buffer)
    return buffer.getvalue()


def _is_loss(error: RuntimeError) -> bool:
    """Return whether an error says that another process is gone."""
    if isinstance(error, dist.DistError):
        return True
    text = str(error)
    return "gloo" in text and ("closed" in text or "reset" in text or "Timed out" in text)
