"""LPIPS' linear weights: one number for each channel of five layers of VGG16.

They are what makes a distance of features LPIPS, and are no network: a file of 1,472 numbers that
piq publishes apart from the ImageNet weights. Those are in `zoo.weights.store`, as any network's.

No hash of the file is published, so none is built in: `zoo weights add` prints the hash of what it
is given and refuses any other with `--sha256`. What came without one counts as not verified. From
then on the stored copy is compared with itself on every use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zoo.data.places import zoo_home
from zoo.errors import WeightsError
from zoo.weights.tensors import (
    SAFETENSORS,
    read_data,
    read_tensors,
    stored_verification,
    verified_by,
    verify,
    write_tensors,
)

if TYPE_CHECKING:
    import torch

NAME: Final = "lpips"
LICENCE: Final = "BSD-2-Clause"
URL: Final = (
    "https://github.com/photosynthesis-team/photosynthesis.metrics/releases/download/v0.4.0/"
    "lpips_weights.pt"
)
# R. Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR
# 2018: the last activation before each pooling of VGG16.
LAYERS: Final[dict[str, int]] = {
    "relu1_2": 64,
    "relu2_2": 128,
    "relu3_3": 256,
    "relu4_3": 512,
    "relu5_3": 512,
}


def store_path() -> Path:
    """Return where the store keeps the linear weights, present or not."""
    return zoo_home() / "weights" / f"{NAME}{SAFETENSORS}"


def available() -> tuple[bool, str]:
    """Tell whether the linear weights are here, and where or how to get them."""
    path = store_path()
    if path.is_file():
        return True, f"in the store, {path}"
    return False, f"fetch {URL}, then run 'zoo weights add {NAME} FILE'"


def add(file: Path, *, sha256: str | None = None) -> Path:
    """Check a file of linear weights and put it into the store, replacing what was there.

    Args:
        file: as piq publishes it, a list of five tensors `(1, C, 1, 1)`; or the same by name.
        sha256: of the file, where somebody vouches for it.

    Returns:
        The path in the store.

    Raises:
        WeightsError: if it is no such file.
        IntegrityError: if it has another hash.
    """
    path = store_path()
    verified = verified_by(file, sha256)
    write_tensors(path, _checked(read_data(file), str(file)), verified=verified)
    return path


def load() -> dict[str, torch.Tensor]:
    """Load the stored linear weights by layer, from shallow to deep.

    Raises:
        WeightsError: if they are not here; the message says how to get them.
        IntegrityError: if they are damaged.
    """
    here, detail = available()
    if not here:
        raise WeightsError(f"the linear weights of LPIPS are not on this machine: {detail}")
    path = store_path()
    verify(path)
    return _checked(read_tensors(path), str(path))


def verified() -> str | None:
    """Return the hash the stored weights were compared with when they came, in words, or None."""
    return stored_verification(store_path())


def _checked(loaded: object, origin: str) -> dict[str, torch.Tensor]:
    """Return the weights by layer if they can be LPIPS': five tensors, none negative."""
    import torch

    if isinstance(loaded, Mapping) and loaded.keys() == LAYERS.keys():
        values = [loaded[layer] for layer in LAYERS]
    elif isinstance(loaded, Sequence) and len(loaded) == len(LAYERS):
        values = list(loaded)
    else:
        raise WeightsError(f"{origin} does not hold {len(LAYERS)} tensors, one for each layer")
    for value, (layer, channels) in zip(values, LAYERS.items(), strict=True):
        shape = (1, channels, 1, 1)
        if not isinstance(value, torch.Tensor) or tuple(value.shape) != shape:
            raise WeightsError(f"{origin} has no weights of shape {shape} for {layer}")
        if not bool((torch.isfinite(value) & (value >= 0)).all()):
            raise WeightsError(f"{origin}: LPIPS' weights are never negative, those of {layer} are")
    return {
        layer: value.detach().to(torch.float32) for layer, value in zip(LAYERS, values, strict=True)
    }
