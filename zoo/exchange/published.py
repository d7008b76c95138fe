"""Models published as files: in OpenModelDB, or at an address with a sha256.

What comes is held against its sha256, read as data, and kept as a model under the name
`openmodeldb/ID` or `url/NAME`, which works offline. Not here: models pushed by zoo
(`zoo.exchange.hub`).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.data import Progress
from zoo.data.download import fetch
from zoo.errors import DataError, RecipeError, UnknownNameError, WeightsError
from zoo.exchange.bundle import is_bundle, staging
from zoo.exchange.export import Request, export_folder
from zoo.files import read_file
from zoo.models.file import read_model
from zoo.models.foreign import import_model
from zoo.models.model import Model
from zoo.models.store import MODEL_FILE, is_repository, store_path
from zoo.recipes.explain import first_problem

OPENMODELDB: Final = "openmodeldb"
ADDRESS: Final = "ZOO_OPENMODELDB"
"""Environment variable with another address of OpenModelDB, of a mirror for example."""
_LIST: Final = "api/v1/models.json"
_MAX_LIST_BYTES: Final = 64_000_000
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_FILES: Final = (".pth", ".safetensors", ".pt", ".ckpt")
_PLATFORM: Final = "pytorch"


class _Resource(BaseModel):
    model_config = ConfigDict(extra="ignore")

    platform: str
    sha256: str | None = None
    size: int | None = None
    urls: list[str] = []


class _Entry(BaseModel):
    """What OpenModelDB says of a model."""

    model_config = ConfigDict(extra="ignore")

    author: str | list[str] | None = None
    license: str | None = None
    architecture: str | None = None
    resources: list[_Resource] = []


@dataclass(frozen=True, slots=True)
class Kept:
    """A model that was downloaded as a file.

    Attributes:
        name: by which it is found from now on.
        model: as it is kept.
        folder: where that is.
        url: where the file came from.
        notes: what was chosen or assumed, as sentences.
    """

    name: str
    model: Model
    folder: Path
    url: str
    notes: tuple[str, ...]


def pull_openmodeldb(
    identifier: str,
    *,
    force: bool = False,
    accept: bool = False,
    progress: Progress | None = None,
) -> Kept:
    """Download a model of OpenModelDB by its identifier, such as `4x-UltraSharp`.

    Args:
        identifier: as in the address of its page.
        force: whether a model that is here is replaced.
        accept: whether a network that fails the trial is accepted.
        progress: called with bytes received and bytes in all.

    Raises:
        UnknownNameError: if there is no such model.
        WeightsError: if it has no file of PyTorch's that can be downloaded, or it cannot be read.
        DataError: if it is here already; if the list cannot be read.
        IntegrityError: if the file is another one.
        MachineError: if no server answers.
    """
    name = _name(OPENMODELDB, identifier)
    _require_absent(name, force=force)
    root = (os.environ.get(ADDRESS) or "https://openmodeldb.info").rstrip("/")
    entry = _entry(root, identifier)
    page = f"{root}/models/{identifier}"
    found = [one for one in entry.resources if one.platform == _PLATFORM and one.sha256]
    places = [(one, url) for one in found for url in one.urls if _is_file(url)]
    if not places:
        raise WeightsError(
            f"{identifier} has no PyTorch file with a sha256 and a direct address; download it "
            f"from {page} and use `zoo import`"
        )
    resource, url = places[0]
    authors = entry.author if isinstance(entry.author, list) else [entry.author]
    told = {"author": ", ".join(filter(None, authors)), "link": page}
    return _kept(
        name,
        url,
        str(resource.sha256),
        size=resource.size,
        licence=entry.license,
        told=told,
        force=force,
        accept=accept,
        progress=progress,
    )


def pull_url(
    url: str,
    sha256: str,
    *,
    force: bool = False,
    accept: bool = False,
    progress: Progress | None = None,
) -> Kept:
    """Download a checkpoint from an address.

    Args:
        url: of the file, `https://` or `http://`.
        sha256: of the file, 64 hexadecimal digits.
        force: see `pull_openmodeldb`.
        accept: see `pull_openmodeldb`.
        progress: see `pull_openmodeldb`.

    Raises:
        RecipeError: if `sha256` is no such hash.
        WeightsError: if the file cannot be read.
        DataError: if a model of this name is here already.
        IntegrityError: if the file is another one.
        MachineError: if no server answers.
    """
    name = _name("url", PurePosixPath(urlsplit(url).path).stem)
    _require_absent(name, force=force)
    told = {"link": url}
    return _kept(name, url, sha256, told=told, force=force, accept=accept, progress=progress)


def _kept(
    name: str,
    url: str,
    sha256: str,
    *,
    told: Mapping[str, str],
    force: bool,
    accept: bool,
    progress: Progress | None,
    size: int | None = None,
    licence: str | None = None,
) -> Kept:
    digest = sha256.strip().lower()
    if not _SHA256.fullmatch(digest):
        raise RecipeError(f"--sha256 {sha256}: a sha256 has 64 hexadecimal digits")
    folder = store_path(name)
    with staging(folder.parents[1]) as place:
        path = fetch(
            url, place / "file", known_hash=f"sha256:{digest}", num_bytes=size, progress=progress
        )
        known = {key: value for key, value in told.items() if value}
        imported = import_model(
            path, name=name.partition("/")[2], licence=licence, told=known, accept=accept
        )
        export_folder(imported.model, folder, [], Request(force=force))
    return Kept(name, read_model(folder / MODEL_FILE), folder, url, imported.notes)


def _entry(root: str, identifier: str) -> _Entry:
    url = f"{root}/{_LIST}"
    with staging(store_path(f"{OPENMODELDB}/list").parents[1]) as place:
        path = fetch(url, place, known_hash=None, num_bytes=None)
        content = read_file(path, _MAX_LIST_BYTES)
    try:
        document: Any = json.loads(content)
        entries = {str(key): value for key, value in document.items()}
        if identifier not in entries:
            raise UnknownNameError("model of OpenModelDB", identifier, entries, see=root)
        return _Entry.model_validate(entries[identifier])
    except ValidationError as error:
        raise DataError(f"{url}: {identifier}: {first_problem(error)}") from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{url} is not OpenModelDB's list of models") from error


def _name(owner: str, stem: str) -> str:
    name = f"{owner}/{stem}"
    if not is_repository(name):
        raise RecipeError(f"{stem!r} cannot be the name of a model: letters, digits, '.', '_', '-'")
    return name


def _require_absent(name: str, *, force: bool) -> None:
    folder = store_path(name)
    if is_bundle(folder) and not force:
        raise DataError(f"{name} is already installed in {folder}; download it again with --force")


def _is_file(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("https", "http") and parts.path.endswith(_FILES)
