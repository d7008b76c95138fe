"""Which networks of a training step `torch.compile` gets, and where they run as they are.

Where `runtime.compile` is on, these are the generator, the critic, and losses that hold a network.
What the compiler makes of a backward pass cannot be differentiated again: a penalty on the critic's
gradient calls the critic itself.

Not here: whether anything is compiled (`zoo.runs.device`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from zoo.errors import MachineError
from zoo.runs.device import Execution, has_cpp_compiler


class CompiledCritic(nn.Module):
    """A critic that is compiled for all but images whose own gradient is requested.

    An image that requires a gradient and was computed from nothing is a penalty's: the gradient
    with respect to it is differentiated once more. Generated images come from a generator.

    Args:
        critic: the network, whose parameters both forms share.
    """

    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic
        self.scores_images_apart = getattr(critic, "scores_images_apart", False)
        self._compiled = partial(torch.compile(critic))  # itself a module, it would be a child too

    def forward(self, image: Tensor) -> Tensor:
        """Return the critic's logits of `(N, 3, H, W)` images."""
        if image.requires_grad and image.is_leaf:
            logits: Tensor = self.critic(image)
            return logits
        compiled: Tensor = self._compiled(image)
        return compiled


def check_compiler(execution: Execution) -> None:
    """Check that networks can be compiled here: a run may have been begun on another machine.

    Raises:
        MachineError: if a CPU's are to be, and no C++ compiler is found.
    """
    if execution.compile and execution.device.type == "cpu" and not has_cpp_compiler():
        raise MachineError(
            "networks are to be compiled, but zoo finds no C++ compiler: install one, name it in "
            "CXX, or train without compilation in a second run with --set runtime.compile=false"
        )


def compile_losses(losses: Iterable[nn.Module]) -> None:
    """Compile, in place, those losses that hold a network: of others there is little to gain.

    Torch's donated buffers stay off in this process, whether compilation is tried or used.
    """
    from torch._functorch import config

    # A logged step measures the gradient of each term before it goes back through all of them,
    # and the compiler otherwise writes over what a first backward pass has read.
    config.donated_buffer = False  # as torch's own error has it
    for loss in losses:
        if any(True for _ in loss.parameters()):
            loss.compile()


@contextmanager
def uncompiled(execution: Execution) -> Iterator[None]:
    """Run compiled networks as they are: to try sizes, each of which would be compiled for.

    Only where something is compiled: the compiler takes seconds to import.
    """
    if not execution.compile:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
