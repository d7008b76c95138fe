"""Memory of a network: what training keeps for the backward pass, and the peak of a forward pass.

Not here: the memory of a whole run, which is recorded with it (`zoo.runs.device`).
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


# In inference mode autograd saves nothing, whatever else is enabled.
@torch.inference_mode(mode=False)
def activation_bytes(network: nn.Module, *, height: int, width: int) -> int:
    """Count the bytes that one RGB image leaves in memory until the backward pass has used them.

    What autograd saves in a float32 forward pass in training mode, each piece of memory once,
    without parameters and buffers. A loss keeps the output too; that is not counted. Counted on a
    copy on the meta device, without memory or arithmetic; a network that computes with values is
    run on the CPU.

    At x4: 7,939 floats per input pixel for SRResNet, 5,827 without batch norm, and 56,643 for
    RRDBNet-23, whose activations work in place.

    Args:
        network: maps `(1, 3, h, w)` to an image; it stays as it is.
        height: height of the input in pixels.
        width: width of the input in pixels.
    """
    try:
        return _saved_bytes(network, (1, 3, height, width), "meta")
    except RuntimeError:
        return _saved_bytes(network, (1, 3, height, width), "cpu")


def forward_peak_bytes(network: nn.Module, image: Tensor) -> int:
    """Return the network's own bytes plus the most that one forward pass had in use at a time.

    On a CUDA device, what the allocator handed out, with what convolutions need inside. On a CPU,
    the tensors that were alive, without it: PyTorch does not tell. The input image is not counted.
    So values of two kinds of device do not compare. On CUDA the process's own peak is reset.

    Args:
        network: in the mode and on the device to be measured.
        image: `(N, 3, h, w)` on the same device.
    """
    own = [*network.parameters(), *network.buffers()]
    own_bytes = sum(
        {_identity(tensor): tensor.untyped_storage().nbytes() for tensor in own}.values()
    )
    with torch.no_grad():
        if image.is_cuda:
            return own_bytes + _cuda_peak(network, image)
        tracker = _LiveTensors([image, *own])
        with tracker:
            network(image)
    return own_bytes + tracker.peak


def _saved_bytes(network: nn.Module, shape: tuple[int, ...], device: str) -> int:
    copied = copy.deepcopy(network).float().to(device).train()
    own = {_identity(tensor) for tensor in (*copied.parameters(), *copied.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no address is used twice

    def keep(tensor: Tensor) -> Tensor:
        if _identity(tensor) not in own:
            kept[_identity(tensor)] = tensor.untyped_storage()
        return tensor

    with (
        torch.enable_grad(),
        torch.random.fork_rng(devices=[]),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        output = copied(torch.zeros(shape, device=device))
    del output
    return sum(storage.nbytes() for storage in kept.values())


def _identity(tensor: Tensor) -> int:
    """Return what tells a tensor's memory from others': addresses are all 0 on the meta device."""
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001  there is no public name


def _cuda_peak(network: nn.Module, image: Tensor) -> int:
    device = image.device
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    network(image)
    torch.cuda.synchronize(device)
    return int(torch.cuda.max_memory_allocated(device)) - before


class _LiveTensors(TorchDispatchMode):
    """Adds up the memory of tensors that operators return, until each is gone.

    Args:
        known: tensors that are there already; views of them are not counted.

    Attributes:
        peak: the most bytes that were in use at a time.
    """

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.peak = 0
        self._live = 0
        self._known = {_identity(tensor) for tensor in known}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare torch the import of its compiler, seconds and 160 MB: nothing is compiled here."""
        return False

    def __torch_dispatch__(
        self,
        operator: Callable[..., Any],
        _types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = operator(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._see(leaf)
        return result

    def _see(self, tensor: Tensor) -> None:
        identity, storage = _identity(tensor), tensor.untyped_storage()
        if identity in self._known:
            return
        self._known.add(identity)
        self._live += storage.nbytes()
        self.peak = max(self.peak, self._live)
        gone = weakref.finalize(storage, self._forget, identity, storage.nbytes())
        gone.atexit = False

    def _forget(self, identity: int, num_bytes: int) -> None:
        self._known.discard(identity)
        self._live -= num_bytes
