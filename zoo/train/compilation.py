"""Which networks of a training step `torch.compile` compiles, and where they run eagerly.

If `runtime.compile` is on, these are the generator, the critic, and losses with a network. The
compiler does not support a second derivative: a penalty on the critic's gradient calls the critic
without compilation.

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
    """A critic that is compiled except for images whose own gradient is needed.

    An image that requires a gradient and is a leaf belongs to a penalty: the gradient with respect
    to it is differentiated again. Generated images come from a generator and are not leaves.

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
    """Check that networks can be compiled here: another machine may have started the run.

    Raises:
        MachineError: if a CPU needs a C++ compiler and there is none.
    """
    if execution.compile and execution.device.type == "cpu" and not has_cpp_compiler():
        raise MachineError(
            "networks are to be compiled, but zoo finds no C++ compiler: install one, name it in "
            "CXX, or train without compilation in a second run with --set runtime.compile=false"
        )


def compile_losses(losses: Iterable[nn.Module]) -> None:
    """Compile, in place, the losses with a network; the others would gain little.

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
    """Run compiled networks eagerly in this context, for sizes that would each be compiled.

    Does nothing if nothing is compiled, because importing the compiler takes seconds.
    """
    if not execution.compile:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
