"""What is measured: four families of recipes, at the sizes of three profiles.

Recipes and profiles are those of registry.yaml; the settings beside them name images and weights
that every machine has, and change no shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.recipes.book import load_book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import RunSpec


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of training.

    Attributes:
        recipe: its recipe in registry.yaml.
        title: what it is called in tables.
        settings: what makes the recipe the family's under every profile.
        adversarial: whether it has a second player and a perceptual loss.
    """

    recipe: str
    title: str
    settings: tuple[str, ...] = ()
    adversarial: bool = True


@dataclass(frozen=True, slots=True)
class Size:
    """How large networks and batches are, and how long is measured.

    Attributes:
        profile: the profile of registry.yaml.
        summary: what it is, for pages.
        settings: for all families.
        adversarial_settings: for those with a perceptual loss.
        steps: timed steps in a block.
        repeats: pairs of blocks.
    """

    profile: str
    summary: str
    steps: int
    repeats: int
    settings: tuple[str, ...] = ()
    adversarial_settings: tuple[str, ...] = ()


FAMILIES = {
    "srresnet": Family("srresnet", "SRResNet, MSE", adversarial=False),
    "srgan": Family("srgan", "SRGAN"),
    "esrgan": Family("esrgan", "ESRGAN, relativistic"),
    "esrgan-wgangp": Family(
        "esrgan-wgangp", "ESRGAN, WGAN-GP, 5 critic steps", ("adversary.discriminator_steps=5",)
    ),
}

SIZES = {
    "smoke": Size("smoke", "the profile `smoke`: for tests of this benchmark", 2, 2),
    "tiny": Size("demo", "the profile `demo`: batches of 8, 24x24 to 96x96", 3, 5),
    "paper": Size(
        "paper",
        "the profile `paper`: batches of 16, 96x96 to 384x384",
        4,
        5,
        adversarial_settings=("losses.vgg19.weights=random",),  # as fast as the trained ones
    ),
}


def specify(
    family: str, size: str, *, source: str = "samples", settings: Sequence[str] = ()
) -> RunSpec:
    """Return the complete specification of a family at a size.

    Args:
        family: a key of `FAMILIES`.
        size: a key of `SIZES`.
        source: where training images come from, as in `data.source`.
        settings: `path=value` overrides, the last to be applied.

    Raises:
        ZooError: if a setting does not fit.
    """
    chosen, at = FAMILIES[family], SIZES[size]
    own = at.adversarial_settings if chosen.adversarial else ()
    everything = [f"data.source={source}", *at.settings, *own, *chosen.settings, *settings]
    found = resolve(load_book(), chosen.recipe, at.profile, seed=0, settings=everything)
    return complete(found).spec
