"""Tensors in files: reading them safely, fitting them to a network, writing them atomically.

Which network and which file is decided in `zoo.weights.store`, what the layouts of publishers mean
in `zoo.weights.layouts`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import IntegrityError, WeightsError
from zoo.files import (
    file_sha256,
    hash_path,
    in_order,
    open_file,
    read_hashed,
    require_file,
    write_hashed,
)
from zoo.text import few
from zoo.weights.entries import FeatureNetworkEntry
from zoo.weights.pickles import read_arrays
from zoo.weights.pytorch import is_pytorch, is_safetensors, read_pytorch, what_it_is

if TYPE_CHECKING:
    import torch

SAFETENSORS = ".safetensors"
NOT_VERIFIED = "not verified"
"""Remark on weights that were not verified."""
PICKLED_ARRAYS = ".ckpt"
ARRAYS = ".npz"
MATLAB = ".mat"
# As torchvision and timm name what they publish: `vgg16-397923af.pth`.
_DIGEST_IN_NAME = re.compile(r"-([0-9a-f]{8,64})$")
_SHA256 = re.compile("[0-9a-f]{64}")


def tensors_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of names, types, shapes and values: the same in whatever file they came.

    The order of the tensors does not matter.
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read named tensors from a `.safetensors` file, or from a PyTorch file as data.

    Raises:
        WeightsError: if the file is missing, damaged, or holds something else than named tensors.
        IntegrityError: if there is a sha256 beside it, and it is another file's.
    """
    return state_dict(read_data(path), str(path))


def state_dict(data: object, origin: str) -> dict[str, torch.Tensor]:
    """Return what a file holds if it is a state dict.

    Raises:
        WeightsError: if it holds something else than named tensors.
    """
    if not (isinstance(data, dict) and data):
        raise WeightsError(f"{origin} has no state dict of named tensors")
    if not all(is_plain(value) for value in data.values()):
        raise WeightsError(f"{origin} contains more than named tensors; save a plain state_dict")
    return data


def is_plain(value: object) -> bool:
    """Return whether a value is an ordinary tensor of real numbers, with memory behind it."""
    import torch

    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_complex()
    )


def read_data(path: Path) -> object:
    """Read whatever a weights file holds: no code in it is ever run.

    safetensors and PyTorch's files are known by how they begin, whatever their name; else a pickle
    of numpy arrays is `.ckpt`, a file of numpy `.npz`, of MATLAB `.mat`.

    Raises:
        WeightsError: if the file is missing, damaged, or holds more than tensors and plain data.
        IntegrityError: if there is a sha256 beside it, and it is another file's.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        require_file(path)
        if hash_path(path).exists() and read_hashed(path) is None:
            raise IntegrityError(
                f"{path} is damaged or was replaced: its sha256 differs from the one in "
                f"{hash_path(path).name}"
            )
        known = None if path.suffix in (ARRAYS, MATLAB) else what_it_is(path)
        if known is not None:
            raise WeightsError(f"cannot read weights from {path}: {known}")
        if is_safetensors(path) or (path.suffix == SAFETENSORS and not is_pytorch(path)):
            loaded: object = load_file(path)
        elif path.suffix == PICKLED_ARRAYS and not is_pytorch(path):
            loaded = read_arrays(path)
        elif path.suffix in (ARRAYS, MATLAB):
            loaded = _arrays(path)
        else:
            loaded = read_pytorch(path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        if isinstance(error, SafetensorError):
            reason += "; it is damaged or truncated: download it again"
        raise WeightsError(f"cannot read weights from {path}: {reason}") from error
    return loaded


def _arrays(path: Path) -> object:
    import numpy as np
    import scipy.io

    try:
        with open_file(path) as opened:
            if path.suffix == MATLAB:
                return scipy.io.loadmat(opened)
            with np.load(opened, allow_pickle=False) as file:
                return dict(file)
    except OSError:
        raise
    except Exception as error:  # what a damaged file raises has no common base
        kind = "MATLAB" if path.suffix == MATLAB else "numpy"
        raise WeightsError(
            f"cannot read weights from {path}: it is not a file of {kind}"
        ) from error


def fit_tensors(
    entry: FeatureNetworkEntry, tensors: Mapping[str, torch.Tensor], origin: str
) -> dict[str, torch.Tensor]:
    """Return the tensors of `entry`'s network, each checked by name and shape.

    The classifier's tensors may be absent, in which case none are returned; those of another
    layout of the same classifier (torchvision's VGG) are excluded.

    Raises:
        WeightsError: if a tensor is missing, unknown, or of another shape.
    """
    expected = expected_tensors(entry)
    wrong = [
        _shape_problem(name, tensors[name], expected[name])
        for name in expected.keys() & tensors.keys()
        if tensors[name].shape != expected[name].shape
    ]
    absent, surplus = expected.keys() - tensors.keys(), tensors.keys() - expected.keys()
    wrong += [f"{name} is missing" for name in absent if not name.startswith(entry.classifier)]
    wrong += [f"{name} is unknown" for name in surplus if not name.startswith(entry.classifier)]
    if wrong:
        raise _misfit(entry, origin, wrong)
    known = {name: value for name, value in expected.items() if name in tensors}
    return {name: tensors[name].to(value.dtype) for name, value in known.items()}


def fit_tensors_in_order(
    entry: FeatureNetworkEntry, tensors: Mapping[str, torch.Tensor], origin: str
) -> dict[str, torch.Tensor]:
    """Return `tensors` under timm's names, for a file that lists the same layers otherwise named.

    Only for a file that is known, by its hash, to be in timm's order: shapes alone do not tell.

    Raises:
        WeightsError: if the number of tensors or the shape of any differs.
    """
    expected = expected_tensors(entry)
    if len(tensors) != len(expected):
        raise _misfit(entry, origin, [f"{len(tensors)} tensors, not {len(expected)}"])
    wrong = [
        _shape_problem(theirs, value, ours)
        for (theirs, value), ours in zip(tensors.items(), expected.values(), strict=True)
        if value.shape != ours.shape
    ]
    if wrong:
        raise _misfit(entry, origin, wrong)
    return dict(zip(expected, tensors.values(), strict=True))


def expected_tensors(entry: FeatureNetworkEntry) -> dict[str, torch.Tensor]:
    """Return the network's state dict without memory or values behind it, classifier included."""
    import torch

    with torch.device("meta"):
        return entry.create().state_dict()


def _shape_problem(name: str, actual: torch.Tensor, expected: torch.Tensor) -> str:
    return f"{name} is {tuple(actual.shape)}, not {tuple(expected.shape)}"


def _misfit(entry: FeatureNetworkEntry, origin: str, wrong: list[str]) -> WeightsError:
    return WeightsError(f"{origin} does not fit {entry.name}: {few(sorted(wrong), separator='; ')}")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a file in the store says of where its tensors come from.

    Attributes:
        source: in words.
        sha256: of the file or files they came in.
        licence: of the weights.
        verified: what the file was compared with, see `verified_by`; None if it was not verified.
    """

    source: str = ""
    sha256: str = ""
    licence: str = ""
    verified: str | None = None


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], *, origin: Origin | None = None
) -> str:
    """Write a `.safetensors` file and its sha256 beside it, each whole or not at all.

    Args:
        path: where to.
        tensors: by name.
        origin: where they come from; kept in the file.

    Returns:
        The SHA-256 of the file.
    """
    from safetensors.torch import save

    contiguous = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    known = {} if origin is None else {key: text for key, text in asdict(origin).items() if text}
    return write_hashed(path, in_order(save(contiguous, known or None)))


def stored_origin(path: Path) -> Origin:
    """Return what `write_tensors` was told of where a stored file comes from; imports no torch."""
    from safetensors import safe_open

    with _readable(path), safe_open(path, framework="numpy") as file:
        metadata: dict[str, str] = file.metadata() or {}
    known = {field.name for field in fields(Origin)}
    return Origin(**{key: text for key, text in metadata.items() if key in known})


def stored_names(path: Path) -> list[str]:
    """Return the names of the tensors in a stored file; imports no torch."""
    from safetensors import safe_open

    with _readable(path), safe_open(path, framework="numpy") as file:
        return list(file.keys())


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn errors of reading a stored file into errors with a message for the user."""
    from safetensors import SafetensorError

    try:
        require_file(path)
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise IntegrityError(
            f"{path} is damaged: {reason}; get or add the weights again"
        ) from error


def verified_by(path: Path, sha256: str | None) -> str | None:
    """Compare a file with the hash that is known of it; tell which one that was, None for none.

    Args:
        path: a file; publishers put the first digits of its sha256 into a name such as
            `vgg16-397923af.pth`.
        sha256: a trusted hash; None if there is none.

    Raises:
        WeightsError: if there is no such file.
        IntegrityError: if it has another hash.
    """
    if sha256 is not None:
        require_sha256(path, sha256)
        return "the sha256 that was given"
    found = _DIGEST_IN_NAME.search(path.stem)
    if found is None:
        return None
    if not path.exists():
        raise WeightsError(f"the file {path} does not exist")
    actual = file_sha256(path)
    if not actual.startswith(found[1]):
        raise IntegrityError(
            f"{path} is damaged or another file: its name says that its sha256 starts with "
            f"{found[1]}, but it is {actual}; download it again, or rename it if these digits of "
            "its name mean something else"
        )
    return "the digest in its file's name"


def require_sha256(path: Path, expected: str) -> None:
    """Compare a file with a trusted hash.

    Raises:
        WeightsError: if there is no such file, or `expected` is no hash.
        IntegrityError: if it has another hash.
    """
    if not _SHA256.fullmatch(expected.strip().lower()):
        raise WeightsError(f"{expected!r} is not a sha256, which has 64 hexadecimal digits")
    if not path.exists():
        raise WeightsError(f"the file {path} does not exist")
    actual = file_sha256(path)
    if actual != expected.strip().lower():
        raise IntegrityError(
            f"{path} is not the file that you want: its sha256 is {actual}, not {expected}; "
            "download it again"
        )


def verify(path: Path) -> None:
    """Compare a stored file with the sha256 beside it.

    Raises:
        IntegrityError: if they disagree or there is none.
    """
    if not hash_path(path).exists():
        raise IntegrityError(f"{path} has no {hash_path(path).name}; get or add the weights again")
    if read_hashed(path) is None:
        raise IntegrityError(
            f"{path} is damaged: its sha256 differs from the one in {hash_path(path).name}; get or "
            "add the weights again"
        )
