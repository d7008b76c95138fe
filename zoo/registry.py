"""One registry per kind of component, and the decorators that fill them.

A built-in, an installed plugin and a plugin file go down the same road: a name, an origin, and a
class that is imported on first use. Nothing here imports torch; listing imports nothing at all.
How plugins are found is in `zoo.plugins`; what a component must do is in its kind's `base.py`.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from zoo.errors import DuplicateNameError, Leaving, PluginError, UnknownNameError, ZooError, plural
from zoo.fingerprints import OWN_PACKAGE, PLUGIN_FILE, is_of_session

if TYPE_CHECKING:
    from zoo.adversaries.base import Adversary
    from zoo.degradations.base import Degradation
    from zoo.discriminators.base import Discriminator
    from zoo.generators.base import Generator
    from zoo.losses.base import Loss
    from zoo.metrics.base import Metric

T = TypeVar("T")
NAME_PATTERN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
RESERVED = ("name", "weight")
"""Keys that recipes write beside a component's arguments."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a component comes from: the library itself, an installed package, a file, a session."""

    kind: Literal["built-in", "package", "file", "session"]
    where: str

    def __str__(self) -> str:
        return self.kind if self.kind == "built-in" else f"{self.kind} {self.where}"


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A registered name. `component` is None until first use, `error` set when loading failed."""

    name: str
    origin: Origin
    target: str | EntryPoint | None = None
    component: type[T] | None = None
    error: str | None = None


class Registry(Generic[T]):
    """Names of one kind of component, each with its origin and, once used, its class.

    Args:
        kind: singular name of the kind, as messages print it (`generator`).
        base: `module:Class` every component of this kind derives from; imported on first use.
        builtins: `module:NAME` of a table `{name: "module:Class"}`.
        group: entry-point group of installed plugins.
    """

    def __init__(self, kind: str, *, base: str, builtins: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._base = base
        self._builtins = builtins
        self._entries: dict[str, Entry[T]] | None = None

    @property
    def entries(self) -> Mapping[str, Entry[T]]:
        """All entries by name, sorted; finds installed plugins by metadata, imports none."""
        return dict(sorted(self._table().items()))

    def names(self) -> list[str]:
        """Return all registered names, sorted."""
        return sorted(self._table())

    def get(self, name: str) -> type[T]:
        """Return the class registered under `name`, importing it on first use.

        Raises:
            UnknownNameError: if no component of this kind has that name.
            PluginError: if its module cannot be imported or holds something else.
        """
        table = self._table()
        if name not in table:
            raise UnknownNameError(self.kind, name, table)
        entry = table[name]
        if entry.component is None and entry.error is None:
            entry = self._load(name, entry)
        if entry.component is None:
            raise PluginError(f"{self.kind} {name!r} from {entry.origin} is broken: {entry.error}")
        return entry.component

    def origin(self, name: str) -> Origin:
        """Return where the component called `name` comes from."""
        if name not in self._table():
            raise UnknownNameError(self.kind, name, self._table())
        return self._table()[name].origin

    def add(self, name: str, component: type[T]) -> None:
        """Register a class; nothing changes unless every check passes.

        Raises:
            PluginError: if the name or the class does not fit.
            DuplicateNameError: if another component has the name; both origins are in the message.
        """
        self._check(name, component)
        origin = origin_of(component)
        known = self._table().get(name)
        if known is not None and not _same_component(known, component):
            raise DuplicateNameError(
                f"{self.kind} {name!r} of {origin} is already used by {known.origin} "
                f"({_place(known)}); register it under another name"
            )
        if known is None:
            self._table()[name] = Entry(name, origin, None, component)
        else:
            self._table()[name] = replace(known, component=component)

    def add_lazy(self, name: str, target: str | EntryPoint, origin: Origin) -> None:
        """Register a place to import from on first use (built-ins, entry points)."""
        known = self._table().get(name)
        if known is not None:
            raise DuplicateNameError(
                f"{self.kind} {name!r} of {origin} is already used by {known.origin} "
                f"({_place(known)})"
            )
        self._table()[name] = Entry(name, origin, target)

    def mark_broken(self, name: str, origin: Origin, error: str) -> None:
        """Record a plugin that cannot be used under `name`, unless the name works already."""
        self._table().setdefault(name, Entry(name, origin, error=error))

    def forget(self, origin: Origin) -> None:
        """Drop what comes from an origin: it is about to be registered again."""
        table = self._table()
        for name in [name for name, entry in table.items() if entry.origin == origin]:
            del table[name]

    def snapshot(self) -> dict[str, Entry[T]]:
        """Return the state to give back to `restore` should a plugin file fail half-way."""
        return dict(self._table())

    def restore(self, snapshot: dict[str, Entry[T]]) -> None:
        """Return to an earlier `snapshot`."""
        self._entries = dict(snapshot)

    def _table(self) -> dict[str, Entry[T]]:
        if self._entries is None:
            self._entries = {
                name: Entry(name, Origin("built-in", target), target)
                for name, target in _import_target(self._builtins).items()
            }
            from zoo.plugins import add_entry_points

            add_entry_points(self)
        return self._entries

    def _load(self, name: str, entry: Entry[T]) -> Entry[T]:
        """Import an entry's class. A plugin may fail in any way: it is reported, not hidden."""
        target = entry.target
        try:
            loaded = target.load() if isinstance(target, EntryPoint) else _import_target(target)
            self._check(name, loaded)
        except Leaving:
            raise
        except (Exception, SystemExit) as error:
            if entry.origin.kind == "built-in":
                raise
            cause = str(error) if isinstance(error, ZooError) else _one_line(error)
            entry = replace(entry, error=cause)
        else:
            entry = replace(entry, component=loaded)
        self._table()[name] = entry
        return entry

    def _check(self, name: str, component: object) -> None:
        base = _import_target(self._base)
        if not NAME_PATTERN.match(name):
            raise PluginError(
                f"{self.kind} name {name!r} is not in kebab case (lower-case letters, digits, '-')"
            )
        if not (isinstance(component, type) and issubclass(component, base)):
            raise PluginError(
                f"{self.kind} {name!r}: {component!r} does not derive from {base.__name__}"
            )
        if inspect.isabstract(component):
            missing = ", ".join(sorted(getattr(component, "__abstractmethods__", ())))
            raise PluginError(f"{self.kind} {name!r}: {component.__name__} lacks {missing}")
        _check_constructor(self.kind, name, component)


def constructor_parameters(component: Callable[..., object]) -> dict[str, inspect.Parameter]:
    """Return the keyword parameters of a component's constructor, annotations evaluated.

    Raises:
        PluginError: if an annotation names something that does not exist at run time.
    """
    try:
        return dict(inspect.signature(component, eval_str=True).parameters)
    except Exception as error:  # an annotation may be any expression
        raise PluginError(
            f"the annotations of {component!r} cannot be evaluated ({_one_line(error)}); zoo "
            "checks recipes with them: import the annotated types at run time"
        ) from error


def origin_of(component: type) -> Origin:
    """Tell where a class was defined, from its module."""
    module_name = component.__module__
    module = sys.modules.get(module_name)
    plugin_file = getattr(module, PLUGIN_FILE, None)
    if plugin_file is not None:
        return Origin("file", str(plugin_file))
    if module_name.partition(".")[0] == OWN_PACKAGE:
        return Origin("built-in", f"{module_name}:{component.__qualname__}")
    if is_of_session(component):
        return Origin("session", module_name)
    return Origin("package", module_name)


def _import_target(target: str | None) -> Any:
    module_name, _, attribute = (target or "").partition(":")
    return getattr(importlib.import_module(module_name), attribute)


def _place(entry: Entry[Any]) -> str:
    if isinstance(entry.target, EntryPoint):
        return entry.target.value
    if entry.component is not None:
        return f"{entry.component.__module__}:{entry.component.__qualname__}"
    return entry.target or "broken"


def _same_component(entry: Entry[Any], component: type) -> bool:
    """Return whether an entry means this very class: its module is being imported, or again.

    An entry point may name its class by a package that only passes it on (`pkg:Net` for
    `pkg.nets:Net`).
    """
    if not isinstance(entry.target, EntryPoint):
        return _place(entry) == f"{component.__module__}:{component.__qualname__}"
    packages = (name.partition(".")[0] for name in (entry.target.module, component.__module__))
    return entry.target.attr == component.__qualname__ and len(set(packages)) == 1


def _one_line(error: BaseException) -> str:
    """Return an exception as `Type: first line of its message`."""
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def _check_constructor(kind: str, name: str, component: type) -> None:
    for parameter in inspect.signature(component).parameters.values():
        if parameter.name in RESERVED:
            raise PluginError(
                f"{kind} {name!r}: a parameter of {component.__name__} cannot be called "
                f"{parameter.name!r}, because recipes use this key for the {parameter.name} of the "
                "component itself"
            )
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            continue
        raise PluginError(
            f"{kind} {name!r}: parameter {parameter.name!r} of {component.__name__} must be "
            "keyword-only (put a '*' before it; no *args or **kwargs), because recipes use "
            "parameter names"
        )


_REGISTER = """Register the decorated {kind} class under a kebab-case name.

Example:
    >>> import zoo
    >>> @zoo.register_{kind}("example-{kind}")
    ... class Example(zoo.{base}):
    ...     "My {kind}."
    ...
{methods}
    >>> zoo.list("{plural}", "example-*")
    ['example-{kind}']
"""
_METHODS = {
    "generator": ("forward(self, lr_image)",),
    "discriminator": ("forward(self, image)",),
    "adversary": (
        "discriminator_loss(self, discriminator, real, fake)",
        "generator_loss(self, discriminator, real, fake)",
    ),
    "loss": ("forward(self, sr_image, hr_image)",),
    "metric": ("__call__(self, sr_image, hr_image, *, scale)",),
    "degradation": ("__call__(self, hr_image, *, scale, rng)",),
}
"""The methods that the base class of each kind leaves to its subclasses."""


def _decorator(registry: Registry[Any]) -> Callable[[str], Callable[[Any], Any]]:
    def register(name: str) -> Callable[[Any], Any]:
        def decorate(component: Any) -> Any:
            registry.add(name, component)
            return component

        return decorate

    register.__doc__ = _REGISTER.format(
        kind=registry.kind,
        plural=plural(registry.kind),
        base=registry.kind.capitalize(),
        methods="\n".join(f"    ...     def {method}: ..." for method in _METHODS[registry.kind]),
    )
    return register


def _registry(kind: str, folder: str, base: str) -> Registry[Any]:
    return Registry(
        kind,
        base=f"zoo.{folder}.base:{base}",
        builtins=f"zoo.{folder}:BUILTINS",
        group=f"zoo.{folder}",
    )


GENERATORS: Registry[Generator] = _registry("generator", "generators", "Generator")
DISCRIMINATORS: Registry[Discriminator] = _registry(
    "discriminator", "discriminators", "Discriminator"
)
ADVERSARIES: Registry[Adversary] = _registry("adversary", "adversaries", "Adversary")
LOSSES: Registry[Loss] = _registry("loss", "losses", "Loss")
METRICS: Registry[Metric] = _registry("metric", "metrics", "Metric")
DEGRADATIONS: Registry[Degradation] = _registry("degradation", "degradations", "Degradation")

REGISTRIES: dict[str, Registry[Any]] = {
    "generators": GENERATORS,
    "discriminators": DISCRIMINATORS,
    "adversaries": ADVERSARIES,
    "losses": LOSSES,
    "metrics": METRICS,
    "degradations": DEGRADATIONS,
}

if TYPE_CHECKING:
    _G = TypeVar("_G", bound=Generator)
    _D = TypeVar("_D", bound=Discriminator)
    _A = TypeVar("_A", bound=Adversary)
    _L = TypeVar("_L", bound=Loss)
    _M = TypeVar("_M", bound=Metric)
    _E = TypeVar("_E", bound=Degradation)

register_generator = cast("Callable[[str], Callable[[type[_G]], type[_G]]]", _decorator(GENERATORS))
register_discriminator = cast(
    "Callable[[str], Callable[[type[_D]], type[_D]]]", _decorator(DISCRIMINATORS)
)
register_adversary = cast(
    "Callable[[str], Callable[[type[_A]], type[_A]]]", _decorator(ADVERSARIES)
)
register_loss = cast("Callable[[str], Callable[[type[_L]], type[_L]]]", _decorator(LOSSES))
register_metric = cast("Callable[[str], Callable[[type[_M]], type[_M]]]", _decorator(METRICS))
register_degradation = cast(
    "Callable[[str], Callable[[type[_E]], type[_E]]]", _decorator(DEGRADATIONS)
)
