"""Which device a run uses, and how: precision, memory layout, compilation.

`auto` in a recipe's runtime section is decided here, once, and recorded with the run.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from torch import nn

from zoo.errors import MachineError, RecipeError
from zoo.files import read_file
from zoo.recipes.schema import Runtime

Store = Literal["auto", "device", "host"]
_STATUS: Final = Path("/proc/self/status")
_CLEAR_REFS: Final = Path("/proc/self/clear_refs")
_FORGET_PEAK: Final = "5"
_BFLOAT16_UNITS: Final = ("amx_bf16", "avx512_bf16", "bf16")
"""As torch names them; the last is Arm's."""


@dataclass(frozen=True, slots=True)
class Execution:
    """How a run is executed, with nothing left open.

    Attributes:
        device: device of the tensors.
        bfloat16: whether convolutions run in bfloat16 under autocast.
        channels_last: whether networks and images are NHWC in memory.
        compile: whether `torch.compile` compiles the networks that allow it.
        tf32: whether a GPU may round float32 products to TensorFloat-32.
        num_workers: number of processes that prepare batches.
        store: where training images are kept; `auto` until their size and the free memory are
            known.
        threads: number of CPU threads of torch, 0 for as many as the process has.
    """

    device: torch.device
    bfloat16: bool
    channels_last: bool
    compile: bool
    tf32: bool
    num_workers: int
    store: Store = "auto"
    threads: int = 0

    def autocast(self) -> torch.autocast:
        """Return the autocast context of forward passes; it does nothing in float32."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16)

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """Compute without gradients, in true float32, for images of any size.

        TF32 is off, so that scores depend on the weights and not on the device. cuDNN does not
        benchmark its algorithms for each new image size.
        """
        cudnn = torch.backends.cudnn
        before = cudnn.benchmark, cudnn.allow_tf32, torch.get_float32_matmul_precision()
        cudnn.benchmark, cudnn.allow_tf32 = False, False
        torch.set_float32_matmul_precision("highest")
        try:
            with torch.inference_mode():
                yield
        finally:
            cudnn.benchmark, cudnn.allow_tf32 = before[:2]
            torch.set_float32_matmul_precision(before[2])

    @contextmanager
    def own_threads(self) -> Iterator[None]:
        """Use this execution's number of threads within this context."""
        before = torch.get_num_threads()
        changes = self.threads not in (0, before)
        if changes:
            torch.set_num_threads(self.threads)
        try:
            yield
        finally:
            if changes:
                torch.set_num_threads(before)

    def place(self, module: nn.Module) -> nn.Module:
        """Move a network to the device, in the run's memory layout."""
        if self.channels_last:
            module = in_layout(module, torch.channels_last)
        return module.to(self.device)

    @property
    def num_threads(self) -> int:
        """Number of CPU threads of torch: the execution's, or the process's."""
        return self.threads or torch.get_num_threads()

    def describe(self) -> dict[str, str | int | bool]:
        """Return the description recorded with a run; all of it but the workers affects results."""
        return {
            "device": self.device.type,
            "precision": "bfloat16" if self.bfloat16 else "float32",
            "channels_last": self.channels_last,
            "compile": self.compile,
            "tf32": self.tf32,
            "threads": self.num_threads if self.device.type == "cpu" else 0,
        }


def in_layout(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    """Return a network whose 4-dimensional parameters and buffers are laid out in this way.

    torch's own conversion fails if there are 5-dimensional ones, too; these stay as they are.
    """
    parts = [*module.parameters(), *module.buffers()]
    if all(part.dim() != 5 for part in parts):
        return module.to(memory_format=layout)
    for part in parts:
        if part.dim() == 4:
            part.data = part.data.contiguous(memory_format=layout)
    return module


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name`; `auto` is the first CUDA GPU, else the CPU.

    Raises:
        RecipeError: if zoo does not support this kind of device.
        MachineError: if this machine has no such device; there is no silent fallback.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise RecipeError(f"{name!r} is not a device; use auto, cpu, cuda or cuda:1") from error
    if device.type not in ("cpu", "cuda"):
        raise RecipeError(f"device {name!r} is not supported; use auto, cpu, cuda or cuda:1")
    if device.type == "cuda":
        available = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if available <= (device.index or 0):
            raise MachineError(
                f"--device {name}: this machine has {available} usable CUDA devices (torch "
                f"{torch.__version__}); use --device cpu, or run zoo doctor"
            )
    return device


def default_profile(device: torch.device) -> str:
    """Return the profile a device gets when none is requested."""
    return "paper" if device.type == "cuda" else "demo"


def plan_execution(runtime: Runtime, device: torch.device) -> Execution:
    """Decide the `auto` values of the runtime section."""
    on_gpu = device.type == "cuda"
    precision, workers = runtime.precision, runtime.num_workers
    if precision == "auto":
        precision = "bfloat16" if on_gpu and torch.cuda.is_bf16_supported() else "float32"
    if workers == "auto":
        workers = 4 if on_gpu else 0
    if on_gpu:
        torch.set_float32_matmul_precision("high" if runtime.tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = runtime.tf32
        torch.backends.cudnn.benchmark = True
    return Execution(
        device=device,
        bfloat16=precision == "bfloat16",
        channels_last=True if runtime.channels_last == "auto" else runtime.channels_last,
        compile=False if runtime.compile == "auto" else runtime.compile,
        tf32=runtime.tf32 and on_gpu,
        num_workers=workers,
        store=runtime.store,
        threads=0 if runtime.threads == "auto" else runtime.threads,
    )


def has_bfloat16_units() -> bool:
    """Return whether this CPU multiplies bfloat16 in hardware; one that does not, emulates it."""
    known = torch.cpu.get_capabilities()
    return any(known.get(name) for name in _BFLOAT16_UNITS)


def has_cpp_compiler() -> bool:
    """Return whether a C++ compiler is on the path, as `torch.compile` needs one on a CPU."""
    names = (os.environ.get("CXX"), "g++", "clang++", "cl")
    return any(shutil.which(name) for name in names if name)


def free_device_memory(device: torch.device) -> int:
    """Return the bytes of a GPU that nothing uses yet; 0 for a CPU."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0


def reset_peak_memory(device: torch.device) -> None:
    """Reset the peak memory if the device allows it; a CPU process keeps its peak."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Return the peak memory of this process in bytes: allocated on a GPU, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if _STATUS.exists():  # what getrusage tells on Linux begins at the size of the parent process
        return _status_bytes("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def peak_during(work: Callable[[], object], device: torch.device) -> int | None:
    """Run something and return the peak memory of this process meanwhile, in bytes.

    Args:
        work: the function to run.
        device: on a GPU its allocations count, on a CPU the resident memory.

    Returns:
        The peak, including memory in use before; None if the system cannot reset a peak (only
        Linux can, and some containers forbid it). `work` runs in any case.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    gc.collect()
    give_back_free_memory()
    forgotten = _forget_peak()
    work()
    return _status_bytes("VmHWM") if forgotten else None


def resident_memory() -> int:
    """Return the resident memory of this process in bytes; 0 if unknown."""
    return _status_bytes("VmRSS") if _STATUS.exists() else 0


def give_back_free_memory() -> None:
    """Return freed memory that the C library keeps to the system, if possible.

    Otherwise it counts as resident and hides the memory of the next piece of work.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc alone
    if trim is not None:
        trim(0)


def _forget_peak() -> bool:
    try:
        _CLEAR_REFS.write_text(_FORGET_PEAK)
    except OSError:  # not Linux, or not allowed: the caller says that there is no forecast
        return False
    return True


def _status_bytes(name: str) -> int:
    lines = read_file(_STATUS).decode("ascii", errors="replace").splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name}:")]
    return 1024 * int(line.split()[1])
