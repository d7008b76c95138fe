"""The spandrel architecture of our networks. Imports spandrel: see `zoo.exchange.spandrel`."""

from __future__ import annotations

from spandrel import Architecture, ImageModelDescriptor, StateDict

from zoo.errors import WeightsError
from zoo.exchange.spandrel import SKIP, Family, arguments_of, is_native
from zoo.generators.base import Generator


class ZooArchitecture(Architecture[Generator]):  # type: ignore[misc]  # spandrel is untyped
    """One family of ours, with its sizes read from the shapes.

    Args:
        family: which.
    """

    def __init__(self, family: Family) -> None:
        super().__init__(
            id=f"zoo-{family.generator.__name__}",
            name=f"{family.generator.__name__} (zoo)",
            detect=self._fits,
        )
        self._family = family

    def _fits(self, state_dict: StateDict) -> bool:
        """Return whether a file is of this family and beyond spandrel's own architecture."""
        if not all(mark in state_dict for mark in self._family.marks):
            return False
        if not self._family.native:
            return True
        try:
            _, arguments = arguments_of(self._family, state_dict)
        except WeightsError:
            return False  # another tool's network of the same names: spandrel's own to judge
        return not is_native(self._family, arguments)

    def load(self, state_dict: StateDict) -> ImageModelDescriptor[Generator]:
        """Build our network for a state dict; it is in evaluation mode.

        Raises:
            WeightsError: if the shapes are no network of the family.
        """
        scale, arguments = arguments_of(self._family, state_dict)
        generator = self._family.generator(scale=scale, **arguments).eval()
        tags = [f"{arguments['width']}nf", f"{arguments['num_blocks']}nb"]
        if arguments.get(SKIP):
            tags.append("interpolation skip")
        return ImageModelDescriptor(
            generator,
            state_dict,
            architecture=self,
            purpose="SR",
            tags=tags,
            supports_half=True,
            supports_bfloat16=True,
            scale=scale,
            input_channels=3,
            output_channels=3,
        )
