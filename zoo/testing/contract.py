"""What the contracts of all kinds share: how a component is built, and checks of its constructor.

Not here: what a kind must do (`zoo.testing.generators` and its neighbours); how `zoo check` runs
contracts (`zoo.testing.verdicts`).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from unittest import SkipTest

import torch
from pydantic import ValidationError
from torch import Tensor

from zoo.errors import WeightsError
from zoo.recipes.arguments import Parameter, parameters
from zoo.registry import constructor_parameters
from zoo.testing.small import small_arguments


class Contract:
    """The contract of a component, one `test_*` method for each check, described by its docstring.

    Attributes:
        component: the checked class.
        arguments: constructor arguments that make it small; by default, some are chosen if its
            default arguments are large.
        measured: what a method measured, in words; for `zoo check`.
    """

    kind: ClassVar[str] = ""
    example_shape: ClassVar[tuple[int, ...] | None] = None
    component: type[Any]
    arguments: Mapping[str, Any] | None = None
    measured: str = ""

    def settings(self) -> dict[str, Any]:
        """Return the constructor arguments with which the component is checked."""
        if self.arguments is not None:
            return dict(self.arguments)
        return small_arguments(self.component, self.example_shape)

    def build(self, *, seed: int = 0, **changes: Any) -> Any:
        """Build the component under a seed, without changing the global random state.

        Raises:
            SkipTest: if it needs weights that are not installed.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                return self.component(**{**self.settings(), **changes})
            except WeightsError as error:
                raise SkipTest(f"its weights are not installed: {error}") from error

    def first_use(self) -> None:
        """Build it and use it once; an error here would fail every check."""
        self.build()

    @classmethod
    def checks(cls) -> list[str]:
        """Return the names of the checking methods, in the order of the source."""
        found: dict[str, None] = {}
        for base in reversed(cls.__mro__):
            found |= {name: None for name in vars(base) if name.startswith("test_")}
        return list(found)

    def test_constructor(self) -> None:
        """Every argument is keyword-only, has a type that recipes can check, and fits JSON."""
        component: Any = self.component
        declared, known = constructor_parameters(component), parameters(component)
        problems = [
            problem
            for name, parameter in known.items()
            for problem in _parameter_problems(parameter, declared[name])
        ]
        require(not problems, "; ".join(problems))
        self.measured = ", ".join(known) or "it takes none"


def require(condition: object, sentence: str) -> None:
    """Raise an `AssertionError` with a sentence unless a condition holds, also under `-O`."""
    __tracebackhide__ = True  # pytest shows the check, not this line
    if not condition:
        raise AssertionError(sentence)


def require_close(actual: Tensor, expected: Tensor, *, tolerance: float, what: str) -> str:
    """Return the largest difference of two tensors, in words; the limit is `tolerance`.

    If values exceed 1, it is relative to the largest of them, and the words say so.

    Args:
        actual: the value to check.
        expected: the expected value.
        tolerance: largest difference, times the largest magnitude if that is above 1.
        what: what differs; the start of the failure's sentence.
    """
    __tracebackhide__ = True
    require(
        actual.shape == expected.shape,
        f"{what} has shape {tuple(actual.shape)}, not {tuple(expected.shape)}",
    )
    require(bool(actual.isfinite().all()), f"{what} is not finite everywhere")
    difference = float((actual.double() - expected.double()).abs().max())
    largest = max(1.0, float(expected.abs().max()))
    allowed = tolerance * largest
    require(
        difference <= allowed,
        f"{what} differs by up to {difference:.2g}; the limit is {allowed:.2g}",
    )
    of_what = f" of the largest value, {largest:.2g}" if largest > 1 else ""
    return f"largest difference {difference / largest:.1g}{of_what}"


def images(*shape: int, seed: int = 0) -> Tensor:
    """Return `(N, 3, H, W)` noise in [0, 1], always the same for a seed."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def require_untouched(image: Tensor, before: Tensor, what: str) -> None:
    """Require that an image still has its original values."""
    __tracebackhide__ = True
    require(torch.equal(image, before), f"{what} is changed in place; work on a copy")


def _parameter_problems(parameter: Parameter, declared: inspect.Parameter) -> Iterator[str]:
    if declared.kind is not inspect.Parameter.KEYWORD_ONLY:
        yield f"{parameter.name!r} is not keyword-only: put a '*' before it"
    if declared.annotation is inspect.Parameter.empty:
        yield f"{parameter.name!r} has no type annotation, so a recipe could contain any value"
    if parameter.required:
        return
    try:
        read = parameter.read(parameter.default)
    except TypeError:
        yield f"the default of {parameter.name!r}, {parameter.default!r}, cannot be written as JSON"
    except ValidationError:
        yield f"the default of {parameter.name!r}, {parameter.default!r}, is not of its type"
    else:
        if json.dumps(read) != json.dumps(parameter.default):
            yield (
                f"the default of {parameter.name!r} becomes {read!r} after a round trip through "
                "JSON"
            )
