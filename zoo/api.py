"""Functions of `import zoo` besides training, scoring and upscaling: names, networks, weights."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, overload

from zoo.adversaries.base import Adversary
from zoo.bench.definitions import suite_names
from zoo.degradations.base import Degradation
from zoo.discriminators.base import Discriminator
from zoo.errors import RecipeError, UnknownNameError, plural
from zoo.generators.base import Generator
from zoo.losses.base import Loss
from zoo.metrics.base import Metric
from zoo.models.find import find_model
from zoo.models.store import HUB_PREFIX, model_files
from zoo.plugins import load_plugin_file
from zoo.pretrained import pull_if_absent
from zoo.recipes.arguments import complaints
from zoo.recipes.book import load_book
from zoo.registry import REGISTRIES
from zoo.runs import RUN_ROOT

Component = Generator | Discriminator | Adversary | Loss | Metric | Degradation
_BOOK = ("recipes", "profiles", "claims", "matrices")
KINDS = (*_BOOK, "suites", "models", *REGISTRIES)


def list(  # noqa: A001  called as `zoo.list`
    kind: str = "generators", pattern: str = "*", *, registry: Sequence[str | Path] = ()
) -> builtins.list[str]:
    """Return the sorted names of a kind. Nothing is imported to find plugins.

    Args:
        kind: `recipes`, `profiles`, `claims`, `matrices`, `suites`, `models`, `generators`,
            `discriminators`, `adversaries`, `losses`, `metrics` or `degradations`, or one of these
            in the singular.
        pattern: a glob, such as `"*esr*"`.
        registry: files of recipes, in addition to the built-in ones.

    Raises:
        UnknownNameError: if there is no such kind.

    Example:
        >>> import zoo
        >>> zoo.list("recipes", "rrdb*")
        ['rrdb', 'rrdb-beta1', 'rrdb-bn']
    """
    return sorted(name for name in _names(_kind(kind), registry) if fnmatchcase(name, pattern))


@overload
def create(
    name: str, *, kind: Literal["discriminators", "discriminator"], **arguments: Any
) -> Discriminator: ...
@overload
def create(
    name: str, *, kind: Literal["adversaries", "adversary"], **arguments: Any
) -> Adversary: ...
@overload
def create(name: str, *, kind: Literal["losses", "loss"], **arguments: Any) -> Loss: ...
@overload
def create(name: str, *, kind: Literal["metrics", "metric"], **arguments: Any) -> Metric: ...
@overload
def create(
    name: str, *, kind: Literal["degradations", "degradation"], **arguments: Any
) -> Degradation: ...
@overload
def create(
    name: str,
    *,
    kind: Literal["generators", "generator"] = "generators",
    pretrained: str | Path | None = None,
    **arguments: Any,
) -> Generator: ...
def create(
    name: str,
    *,
    kind: str = "generators",
    pretrained: str | Path | None = None,
    **arguments: Any,
) -> Component:
    """Build a component, as `timm.create_model` does; by default a generator with fresh weights.

    The initial weights come from torch's global random state (`torch.manual_seed`).

    Args:
        name: a name from `zoo.list(kind)`.
        kind: name of the kind, in singular or plural.
        pretrained: weights of a generator, named as in `load`; arguments that are not given are
            those of the file.
        arguments: constructor arguments, checked by name and type (`zoo show generator rrdb`).

    Raises:
        UnknownNameError: if there is no such kind or component.
        RecipeError: if arguments are unknown or have wrong values; the message lists all of them.
        PluginError: if the component's plugin cannot be imported.

    Example:
        >>> import zoo
        >>> generator = zoo.create("srresnet", scale=2, width=8, num_blocks=1)
        >>> generator.scale
        2
        >>> critic = zoo.create("vgg", kind="discriminators", norm="layer")
    """
    folder = _kind(kind)
    if folder not in REGISTRIES:
        raise UnknownNameError("kind", kind, REGISTRIES, see="zoo list")
    if pretrained is not None:
        return _pretrained(folder, name, pretrained, arguments)
    cls = REGISTRIES[folder].get(name)
    checked = {key: value for key, value in arguments.items() if key != "scale"}
    wrong = [one.message for one in complaints(folder, name, checked)]
    if wrong:
        raise RecipeError("; ".join(wrong))
    component: Component = cls(**arguments)
    return component


def _pretrained(
    folder: str, name: str, what: str | Path, arguments: Mapping[str, Any]
) -> Generator:
    """Return a generator with the weights of a model, which has these arguments.

    Raises:
        RecipeError: if it is of another generator, or has other arguments.
    """
    generator = load(what)
    details = find_model(what).details
    has = {"name": details.generator_name, "scale": details.scale, **details.generator}
    wrong = [
        f"{key} is {has.get(key)!r}, not {value!r}"
        for key, value in {"name": name, **arguments}.items()
        if has.get(key) != value
    ]
    if folder != "generators" or wrong:
        raise RecipeError(f"pretrained={what}: {'; '.join(wrong) or 'only for generators'}")
    return generator


def load(
    what: str | Path | None = None,
    *,
    run_root: str | Path = RUN_ROOT,
    plugins: Sequence[str | Path] = (),
) -> Generator:
    """Return a trained generator in evaluation mode, float32, on the CPU.

    Args:
        what: a run directory, a model file or folder, the name of a model (`zoo.list("models")`),
            a recipe with exactly one finished run, or a method without weights (`bicubic`);
            `hf-hub:owner/name` is downloaded if it is not here. None is the default model.
        run_root: folder of runs, for recipes.
        plugins: Python files with components; zoo executes them.

    Raises:
        ZooError: see `zoo.models.find.find_model`.

    Example:
        >>> import torch
        >>> import zoo
        >>> generator = zoo.load()
        >>> with torch.inference_mode():
        ...     sr_image = generator(torch.rand(1, 3, 12, 10)).clamp(0, 1)
        >>> sr_image.shape
        torch.Size([1, 3, 48, 40])
    """
    for plugin in plugins:
        load_plugin_file(plugin)
    if str(what).startswith(HUB_PREFIX):
        pull_if_absent(str(what))
    return find_model(what, run_root=Path(run_root)).build()


def _kind(name: str) -> str:
    kind = name if name in KINDS else plural(name)
    if kind not in KINDS:
        raise UnknownNameError("kind", name, KINDS, see="zoo list")
    return kind


def _names(kind: str, registry: Sequence[str | Path]) -> builtins.list[str]:
    if kind in REGISTRIES:
        return REGISTRIES[kind].names()
    if kind == "suites":
        return [*suite_names()]
    if kind == "models":
        return [*model_files()]
    book = load_book([Path(file) for file in registry])
    return [*(book.written_recipes if kind == "recipes" else getattr(book, kind))]
