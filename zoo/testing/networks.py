"""What generators and discriminators have in common: trained networks with saved weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from unittest import SkipTest

import safetensors.torch
import torch
from torch import Tensor, nn

from zoo.testing.contract import Contract, images, require, require_close, require_untouched
from zoo.testing.randomness import reset_sources, seed_all, undisturbed
from zoo.text import few

FLOAT32_TOLERANCE = 1e-4
BFLOAT16_TOLERANCE = 0.05


class NetworkContract(Contract):
    """The contract of any network. Subclasses define its input."""

    def example(self, *, batch: int = 2, seed: int = 0) -> Tensor:
        """Return a small batch that the network accepts."""
        raise NotImplementedError

    def first_use(self) -> None:
        """Build it, and pass its example through it in training and in evaluation."""
        for training in (True, False):
            through(self.network().train(training), self.example())

    def network(self, *, seed: int = 0, **changes: Any) -> Any:
        """Build the network in evaluation mode."""
        return self.build(seed=seed, **changes).eval()

    def output(self, network: nn.Module, image: Tensor) -> Tensor:
        """Run a network without gradients, on a copy of the image and from a seed."""
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            result: Tensor = network(image.clone())
        return result

    def test_input_is_left_alone(self) -> None:
        """The input images are not changed in place, in training or in evaluation."""
        for training in (True, False):
            network, image = self.network().train(training), self.example()
            before = image.clone()
            network(image)
            require_untouched(image, before, "the input")

    def test_gradient_reaches_every_parameter(self) -> None:
        """A gradient reaches every parameter."""
        total = len(list(self.network().parameters()))
        if not total:
            raise SkipTest("it has no parameters")
        without: set[str] = set()
        for training in (True, False):
            network = _stirred(self.network().train(training))
            output = network(self.example())
            if not training and not output.requires_grad:
                continue  # it re-parameterises itself in evaluation: a copy has no gradient
            require(output.requires_grad, "the output has no gradient")
            (output.double() * images(*output.shape, seed=7)).sum().backward()
            found = set(_without_gradient(network))
            without = found if training else without & found
        names = sorted(without)
        require(not names, f"{len(names)} of {total} have no gradient: {few(names)} ({_UNUSED})")
        self.measured = f"{total} parameter tensors"

    def test_state_dict_round_trip(self) -> None:
        """Saved weights loaded into a new network give exactly the same output."""
        first, second = self.network(seed=1), self.network(seed=2)
        tensors = {name: value.contiguous() for name, value in first.state_dict().items()}
        try:
            saved = safetensors.torch.save(tensors)
        except RuntimeError as error:
            line = str(error).strip().partition("\n")[0]
            raise AssertionError(f"its weights cannot be saved as safetensors: {line}") from error
        second.load_state_dict(safetensors.torch.load(saved))
        image = self.example()
        same = torch.equal(self.output(first, image), self.output(second, image))
        require(same, "the output differs: something that affects it is not in the state dict")
        self.measured = f"{len(tensors)} tensors, {len(saved):,} bytes"

    def test_seed_decides_the_weights(self) -> None:
        """Torch's seed, and nothing else, determines the initial weights."""
        states = []
        with undisturbed():
            for other in (1, 2):
                seed_all(other)  # NumPy's and Python's: `build` sets torch's
                states.append(self.network(seed=0).state_dict())
        different = [
            name for name in states[0] if not torch.equal(states[0][name], states[1][name])
        ]
        message = (
            f"two networks built with one seed differ in {few(different)}; initialise with torch"
        )
        require(not different, message)

    def test_same_input_gives_the_same_output(self) -> None:
        """In evaluation, the same image gives the same output to the last bit."""
        network, image = self.network(), self.example()
        with torch.no_grad():
            first, second = network(image.clone()), network(image.clone())
        require(torch.equal(first, second), "two passes over one image differ")

    def test_random_numbers_are_left_to_others(self) -> None:
        """It sets no global seed, neither when it is built nor when it runs."""
        built = reset_sources(lambda: self.component(**self.settings()))
        require(not built, f"building it sets the global seed of {' and '.join(built)}")
        network, image = self.network(), self.example()
        for training in (True, False):
            network.train(training)
            ran = reset_sources(lambda: network(image))
            require(not ran, f"running it sets the global seed of {' and '.join(ran)}")

    def test_copies(self) -> None:
        """A deep copy, as the moving average needs it, gives the same output."""
        network, image = self.network(), self.example()
        made = copy.deepcopy(network)
        same = torch.equal(self.output(made, image), self.output(network, image))
        require(same, "the output of a copy differs")

    def test_channels_last(self) -> None:
        """The memory layout channels_last, used on GPUs, gives the same output."""
        network, image = self.network(), self.example()
        expected = self.output(network, image)
        network = network.to(memory_format=torch.channels_last)
        actual = self.output(network, image.to(memory_format=torch.channels_last))
        self.measured = require_close(
            actual, expected, tolerance=FLOAT32_TOLERANCE, what="the output"
        )

    def test_bfloat16(self) -> None:
        """Under bfloat16 autocast, the output stays close to that of float32."""
        network, image = self.network(), self.example()
        expected = self.output(network, image)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            actual = self.output(network, image)
        self.measured = require_close(
            actual, expected, tolerance=BFLOAT16_TOLERANCE, what="the output"
        )


def through(network: nn.Module, image: Tensor, where: str = "") -> Tensor:
    """Return the output of a network without gradients; an error names the image size.

    Args:
        network: in training or evaluation mode.
        image: `(N, 3, h, w)`.
        where: more context, such as the scale; the end of the sentence.
    """
    try:
        with torch.no_grad():
            result: Tensor = network(image)
    except Exception as error:
        size = "x".join(map(str, image.shape[2:]))
        mode = "training" if network.training else "evaluation"
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise AssertionError(
            f"{len(image)} images of {size} pixels fail in {mode}{where}: {told}"
        ) from error
    return result


_UNUSED = "unused in forward, behind a detach, or multiplied by nothing"


def _stirred(network: nn.Module) -> nn.Module:
    """Change every parameter a little: a gate that starts at 0 blocks the gradient."""
    noise = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=noise))
    return network


def _without_gradient(network: nn.Module) -> Iterator[str]:
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any()):
            yield name
