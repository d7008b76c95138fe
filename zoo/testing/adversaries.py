"""The contract of adversaries: `AdversaryContract`."""

from __future__ import annotations

from collections.abc import Mapping
from unittest import SkipTest

import torch
from torch import Tensor, nn

from zoo.adversaries.base import Adversary
from zoo.testing.contract import Contract, images, require

LOGGED = ("d_real", "d_fake")
BATCHES = (1, 2, 5)


class AdversaryContract(Contract):
    """The losses of both networks: dictionaries of scalars with gradients for one network each."""

    kind = "adversaries"
    component: type[Adversary]

    def critic(self) -> nn.Module:
        """Return a small discriminator without normalisation, the same each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return nn.Sequential(
                nn.Conv2d(3, 4, 3, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 3 * 4, 1)
            )

    def real(self, batch: int = 2) -> Tensor:
        """Return `(N, 3, 8, 10)` images that serve as real ones."""
        return images(batch, 3, 8, 10, seed=1)

    def fake(self, batch: int = 2) -> Tensor:
        """Return `(N, 3, 8, 10)` images that serve as generated ones."""
        return images(batch, 3, 8, 10, seed=2)

    def test_losses_are_finite_scalars(self) -> None:
        """Both losses are dictionaries of finite scalars with `total`, for batches of 1, 2, 5."""
        adversary = self.build()
        for batch in BATCHES:
            judged = adversary.discriminator_loss(self.critic(), self.real(batch), self.fake(batch))
            _require_scalars("discriminator_loss", judged, batch)
            missing = [name for name in LOGGED if name not in judged]
            require(not missing, f"discriminator_loss lacks the log entries {', '.join(missing)}")
            fooled = adversary.generator_loss(self.critic(), self.real(batch), self.fake(batch))
            _require_scalars("generator_loss", fooled, batch)
        self.measured = f"terms: {', '.join(dict.fromkeys([*judged, *fooled]))}"

    def test_discriminator_learns_alone(self) -> None:
        """The discriminator's loss has a gradient for its parameters and none for the images."""
        adversary, critic = self._second_player(), self.critic()
        real, fake = self.real().requires_grad_(), self.fake()
        adversary.discriminator_loss(critic, real.detach(), fake)["total"].backward()
        without = [name for name, p in critic.named_parameters() if p.grad is None]
        require(not without, f"no gradient for {', '.join(without)} of the discriminator")
        weights = [p.grad for p in critic.parameters() if p.grad is not None]
        require(any(bool(each.any()) for each in weights), "its gradient is zero everywhere")
        require(fake.grad is None, "a gradient remains at the generated images")

    def test_generator_learns_from_its_images(self) -> None:
        """The generator's loss has a gradient at every generated image, none at real ones."""
        adversary, critic = self._second_player(), self.critic().requires_grad_(requires_grad=False)
        real, fake = self.real().requires_grad_(), self.fake().requires_grad_()
        adversary.generator_loss(critic, real, fake)["total"].backward()
        reached = [] if fake.grad is None else [bool(each.any()) for each in fake.grad]
        require(reached and all(reached), "the gradient of a generated image is missing")
        require(real.grad is None, "the real images have a gradient that nothing uses")

    def test_logits_of_patches(self) -> None:
        """A discriminator that scores patches, `(N, 1, H', W')`, is accepted too."""
        adversary, critic = self._second_player(), nn.Conv2d(3, 1, 3, stride=2)
        _require_scalars(
            "discriminator_loss", adversary.discriminator_loss(critic, self.real(), self.fake()), 2
        )
        _require_scalars(
            "generator_loss", adversary.generator_loss(critic, self.real(), self.fake()), 2
        )

    def test_bfloat16(self) -> None:
        """Under bfloat16 autocast both losses are float32 and finite."""
        adversary = self.build()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            judged = adversary.discriminator_loss(self.critic(), self.real(), self.fake())
            fooled = adversary.generator_loss(self.critic(), self.real(), self.fake())
        for said, terms in (("discriminator_loss", judged), ("generator_loss", fooled)):
            _require_scalars(said, terms, 2)
            rounded = [name for name, term in terms.items() if term.dtype != torch.float32]
            require(not rounded, f"{said}: {', '.join(rounded)} is not float32")

    def test_large_logits(self) -> None:
        """Logits of a thousand, from a very certain discriminator, leave both losses finite."""
        adversary, critic = self._second_player(), self.critic()
        linear = critic[-1]  # type: ignore[index]
        with torch.no_grad():
            linear.weight *= 1e4
        real, fake = self.real(), self.fake()
        _require_scalars("discriminator_loss", adversary.discriminator_loss(critic, real, fake), 2)
        _require_scalars("generator_loss", adversary.generator_loss(critic, real, fake), 2)

    def test_own_rules(self) -> None:
        """Its own rules accept a discriminator without normalisation."""
        self.build().check_discriminator(self.critic())
        for rule in self.component.requirements:
            said = f"the rule about {rule.kind} {rule.parameter!r}"
            require(
                rule.instead not in rule.forbidden,
                f"{said} also forbids its replacement {rule.instead!r}",
            )
            require(rule.reason, f"{said} gives no reason")
        rules = len(self.component.requirements)
        self.measured = f"rules about other components: {rules}"

    def _second_player(self) -> Adversary:
        if not self.component.uses_discriminator:
            raise SkipTest("it has no discriminator")
        adversary: Adversary = self.build()
        return adversary


def _require_scalars(said: str, terms: Mapping[str, Tensor], batch: int) -> None:
    require(isinstance(terms, Mapping), f"{said} returns {type(terms).__name__}, not a dictionary")
    require("total" in terms, f"{said} lacks 'total', the value to minimise")
    for name, term in terms.items():
        known = isinstance(term, Tensor) and term.shape == ()
        require(known, f"{said}: {name!r} is not a scalar tensor")
        require(
            bool(term.isfinite()),
            f"{said}: {name!r} is {float(term.detach())} for a batch of {batch}",
        )
