"""Which weights of the catalogue are installed, and where to get the others; no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zoo.errors import IntegrityError, PluginError
from zoo.registry import Registry
from zoo.weights import hub, store
from zoo.weights.catalog import CATALOG, PARAMETERS
from zoo.weights.entries import FeatureNetworkEntry, ParametersEntry
from zoo.weights.sources import HUB_HASH, KNOWN, describe_check, describe_source
from zoo.weights.tensors import NOT_VERIFIED, stored_origin


@dataclass(frozen=True, slots=True)
class Held:
    """One entry of the catalogue, and its state on this machine.

    Attributes:
        name: of the weights.
        summary: what they are.
        here: whether they are on this machine.
        num_bytes: size of the file that is here; None if none is.
        licence: of the weights.
        origin: where the file came from; else where it can be downloaded, how large it is there,
            and what it is compared with.
        verified: who vouches for the file that is here; empty if none is.
        command: what gets them; empty if they are here.
    """

    name: str
    summary: str
    here: bool
    num_bytes: int | None
    licence: str
    origin: str
    verified: str
    command: str


def held_weights() -> Iterator[Held]:
    """Yield each entry of the catalogue with its state on this machine."""
    entries: list[FeatureNetworkEntry | ParametersEntry] = [*CATALOG.values(), *PARAMETERS.values()]
    for entry in entries:
        problem = _problem(entry)
        found = None if problem else _here(entry)
        if found is None:
            origins = [f"{describe_source(s)}: {describe_check(s)}" for s in entry.sources]
            command = f"zoo weights get {entry.name}"
            found = (None, "; ".join([*problem, *origins]), "", command)
        num_bytes, origin, verified, command = found
        yield Held(
            name=entry.name,
            summary=entry.summary,
            here=not command,
            num_bytes=num_bytes,
            licence=entry.licence,
            origin=origin,
            verified=verified,
            command=command,
        )


def needs_of(registry: Registry[Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each component that needs weights, with these weights; skip broken plugins."""
    for name in registry.names():
        try:
            needs: tuple[str, ...] = registry.get(name).needs
        except PluginError:
            continue
        if needs:
            yield name, needs


def _problem(entry: FeatureNetworkEntry | ParametersEntry) -> list[str]:
    """Return what is wrong with the file in the store; empty if nothing is."""
    path = store.find(entry.name)
    if path is None:
        return []
    try:
        stored_origin(path)
        groups = dict.fromkeys(name.partition(".")[0] for name in store.missing_groups(entry))
    except IntegrityError:
        return [f"{path} is damaged"]
    return [f"{path} lacks {', '.join(groups)}"] if groups else []


def _here(
    entry: FeatureNetworkEntry | ParametersEntry,
) -> tuple[int | None, str, str, str] | None:
    """Return size, origin and who verified it of what is here, and no command; None for nothing."""
    path = store.find(entry.name)
    if path is not None:
        origin = stored_origin(path)
        source = origin.source or "unknown"
        return path.stat().st_size, source, origin.verified or NOT_VERIFIED, ""
    if isinstance(entry, ParametersEntry):
        return None
    cached = hub.cached(entry.hub_id)
    if cached is not None:
        announced = hub.announced_sha256(cached)
        verified = HUB_HASH if announced is not None else NOT_VERIFIED
        return cached.stat().st_size, f"the hub's cache ({entry.hub_id})", verified, ""
    if store.available(entry.name, "auto")[0] and entry.package is not None:
        size = store.package_file(entry.package).stat().st_size
        return size, f"package {entry.package.distribution}", KNOWN, ""
    return None
