"""Where models are: the included ones, and those pulled from a hub.

A model's folder has `model.safetensors`, its `.sha256`, `README.md` (the card) and `records/`.
Nothing here imports torch.
"""

from __future__ import annotations

import re
from pathlib import Path

from zoo.data.paths import zoo_home
from zoo.errors import WeightsError
from zoo.files import read_text

MODEL_FILE, CARD_FILE, RECORDS_FOLDER = "model.safetensors", "README.md", "records"
SHIPPED = Path(__file__).parent / "shipped"
HUB_PREFIX = "hf-hub:"
_DEFAULT = "default.txt"
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*\Z")


def model_files() -> dict[str, Path]:
    """Return the files of the models that need no path, by name: shipped ones, then pulled ones."""
    shipped = {path.parent.name: path for path in sorted(SHIPPED.glob(f"*/{MODEL_FILE}"))}
    root = _store_root()
    found = {
        path.parent.relative_to(root).as_posix(): path
        for path in sorted(root.glob(f"*/*/{MODEL_FILE}"))
    }
    pulled = {name: path for name, path in found.items() if is_repository(name)}
    return shipped | pulled  # without what a pull that was killed left half-fetched


def default_model() -> str:
    """Return the name of the shipped model that is used where none is named.

    Raises:
        WeightsError: if this installation comes without models.
    """
    named = SHIPPED / _DEFAULT
    name = read_text(named).strip() if named.is_file() else ""
    if not (SHIPPED / name / MODEL_FILE).is_file():
        raise WeightsError(
            f"{SHIPPED / name}/{MODEL_FILE} does not exist: this installation has no models; "
            "install zoo again, or name a model, a run directory or a file"
        )
    return name


def is_repository(name: str) -> bool:
    """Return whether a name has the form of a repository on a hub, `owner/name`."""
    return _REPOSITORY.match(name) is not None and ".." not in name


def without_hub_prefix(name: str) -> str:
    """Return the repository that a name such as `hf-hub:owner/name` means; others as they are."""
    return name.removeprefix(HUB_PREFIX)


def store_path(repository: str) -> Path:
    """Return the folder in which a pulled model is kept.

    Raises:
        WeightsError: if `repository` has not the form `owner/name`.
    """
    if not is_repository(repository):
        raise WeightsError(f"{repository!r} is not a repository name such as owner/name")
    return _store_root() / repository


def _store_root() -> Path:
    return zoo_home() / "models"
