"""Models to and from the Hugging Face hub, or a compatible server (`HF_ENDPOINT`).

A push is one commit of a bundle. A pull downloads only the files of a bundle, checks the model's
hash, and stores it so that `owner/name` works offline.

Not here: what a bundle is (`zoo.exchange.bundle`), the client's errors (`zoo.exchange.hub_errors`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from zoo.errors import DataError, IntegrityError, MachineError, WeightsError, ZooError
from zoo.exchange.bundle import (
    HASH_FILE,
    MAX_RECORDS,
    Bundle,
    install,
    is_bundle,
    is_bundle_file,
    read_bundle,
    record_file_name,
    size_limit,
    staging,
)
from zoo.exchange.cards import card
from zoo.exchange.hub_errors import explained, without_login
from zoo.exchange.records import evidence
from zoo.files import file_sha256
from zoo.models.file import is_model_file, read_model
from zoo.models.model import Model
from zoo.models.store import CARD_FILE, MODEL_FILE, RECORDS_FOLDER, store_path
from zoo.records.record import record_bytes
from zoo.text import plain

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ANSWER_SECONDS: Final = 10.0
_FOREIGN = frozenset({".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".onnx"})


@dataclass(frozen=True, slots=True)
class Upload:
    """What a push sends: content by name in the repository, each a file or bytes."""

    repository: str
    files: dict[str, Path | bytes]

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes by name."""
        return {
            name: len(content) if isinstance(content, bytes) else content.stat().st_size
            for name, content in self.files.items()
        }


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull brought.

    Attributes:
        model: the model, read from where it is kept.
        folder: where that is.
        commit: of the repository.
        files: names of what was downloaded, in the repository.
        left: names of what was not.
    """

    model: Model
    folder: Path
    commit: str
    files: tuple[str, ...]
    left: tuple[str, ...]


def endpoint() -> str:
    """Return the hub that is spoken to, for people: without a password that is in its address."""
    return without_login(_address())


def _address() -> str:
    """Return `$HF_ENDPOINT`, else huggingface.co."""
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def prepare(bundle: Bundle, repository: str) -> Upload:
    """Return what a push of a bundle to a repository sends, its card made for that place.

    Raises:
        WeightsError: if `repository` has not the form `owner/name`.
    """
    store_path(repository)  # its form is checked there
    records = evidence(bundle.model, bundle.records)
    text = card(bundle.model, bundle.records, repository=repository)
    files: dict[str, Path | bytes] = {
        MODEL_FILE: bundle.folder / MODEL_FILE,
        HASH_FILE: bundle.folder / HASH_FILE,
        CARD_FILE: text.encode(),
    }
    for record in records:
        content = record_bytes(record)
        files[f"{RECORDS_FOLDER}/{record_file_name(record)}"] = content
    return Upload(repository, files)


def push(
    upload: Upload, *, message: str, private: bool = False, force: bool = False
) -> tuple[str, list[str]]:
    """Send a bundle as one commit, on top of what was there when it was looked at.

    The repository is made if necessary. Records of a former push that are no longer the model's are
    deleted by the same commit.

    Args:
        upload: what to send, see `prepare`.
        message: of the commit.
        private: whether a new repository is; one that exists must be.
        force: whether files of a repository that was not pushed by zoo may be replaced.

    Returns:
        Where the commit can be seen, and the names of the records that it deletes.

    Raises:
        DataError: if the repository exists and is public, and `private` was requested; or it has
            a card or a model that zoo did not put there, and `force` is not set.
        WeightsError: if the hub refuses: no login, no permission, a card it does not take.
        MachineError: if it cannot be reached, or the connection breaks; nothing was committed.
    """
    _require_network()
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    api = _client()
    with explained(upload.repository, endpoint(), "pushed"):
        api.create_repo(upload.repository, private=private or None, exist_ok=True)
        there = api.model_info(upload.repository, timeout=ANSWER_SECONDS)
        names = _names(there)
        if private and there.private is False:
            raise DataError(
                f"{upload.repository} exists and is public, but --private was given; nothing was "
                "sent. Make it private in its settings, or choose another name"
            )
        if not force:
            _require_ours(upload, names)
        stale = [name for name in names if _is_record(name) and name not in upload.files]
        operations: list[Any] = [CommitOperationDelete(name) for name in stale]
        operations += [CommitOperationAdd(name, content) for name, content in upload.files.items()]
        done = api.create_commit(
            upload.repository, operations, commit_message=message, parent_commit=there.sha
        )
    return str(done.commit_url), stale


def _require_ours(upload: Upload, names: Sequence[str]) -> None:
    """Refuse to replace what zoo did not put into a repository: its model has no hash beside it."""
    others = [name for name in names if is_bundle_file(name)]
    if others and HASH_FILE not in names:
        raise DataError(
            f"{upload.repository} has {', '.join(others)}, which zoo did not upload; nothing was "
            "sent. Choose another name, or replace them with --force"
        )


def pull(repository: str, *, revision: str | None = None, force: bool = False) -> Pulled:
    """Download a model from a hub and keep it where its name finds it.

    Args:
        repository: `owner/name`.
        revision: a branch, tag or commit; by default the newest of the main branch.
        force: whether a model of that name that is here is replaced.

    Raises:
        DataError: if it is here already and `force` is not set.
        WeightsError: if the repository is not there, not open to you, or has no model of zoo's.
        IntegrityError: if the model is not the one whose hash is beside it; nothing is kept.
        MachineError: if the hub cannot be reached, the connection breaks or the disk is full;
            what was here before is intact.
    """
    folder = store_path(repository)
    if is_bundle(folder) and not force:
        raise DataError(
            f"{repository} is already installed in {folder}; download it again with --force"
        )
    _require_network()
    from zoo.data.sessions import hub_with_floor

    api = _client()
    with explained(repository, endpoint(), "pulled"), hub_with_floor():
        info = api.model_info(
            repository, revision=revision, files_metadata=True, timeout=ANSWER_SECONDS
        )
        wanted, announced = _wanted(repository, info), _announced(info)
        left = tuple(plain(name) for name in _names(info) if name not in wanted)
    with staging(folder.parents[1]) as place, hub_with_floor():
        fetched = place / "fetched"
        for name in wanted:
            _fetch(api, repository, str(info.sha), name, place / "client", fetched / name)
        _verify(repository, fetched, announced)
        install(fetched, folder)
    return Pulled(read_model(folder / MODEL_FILE), folder, str(info.sha), tuple(wanted), left)


def _client() -> HfApi:
    """Return the hub's client; it finds the token in `HF_TOKEN` or where `hf auth login` put it."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=_address(), library_name="srgan-zoo")


def _require_network() -> None:
    if os.environ.get("ZOO_OFFLINE", "0") not in ("", "0"):
        raise MachineError(
            f"zoo needs {endpoint()}, but ZOO_OFFLINE forbids network access; unset it"
        )


def _names(info: Any) -> list[str]:
    return [sibling.rfilename for sibling in info.siblings or []]


def _is_record(name: str) -> bool:
    return is_bundle_file(name) and name.startswith(f"{RECORDS_FOLDER}/")


def _wanted(repository: str, info: Any) -> list[str]:
    """Return the names of a repository's files that a bundle has, their sizes checked."""
    sizes = {
        one.rfilename: one.size for one in info.siblings or [] if is_bundle_file(one.rfilename)
    }
    if MODEL_FILE not in sizes:
        raise WeightsError(f"{repository} has no {MODEL_FILE}{_foreign(_names(info))}")
    if HASH_FILE not in sizes:
        raise WeightsError(
            f"{repository} has no {HASH_FILE}: zoo did not push it; download its {MODEL_FILE} with "
            "the hub's own client and convert it with `zoo import`"
        )
    if sum(_is_record(name) for name in sizes) > MAX_RECORDS:
        raise WeightsError(
            f"{repository} has more than {MAX_RECORDS} records; nothing was downloaded"
        )
    for name, size in sizes.items():
        if not isinstance(size, int) or not 0 <= size <= size_limit(name):
            told = f"{size:,} bytes large" if isinstance(size, int) else "of unknown size"
            raise WeightsError(
                f"{repository}: {name} is {told}, but the limit is {size_limit(name):,} bytes; "
                "nothing was downloaded"
            )
    return sorted(sizes)


def _foreign(names: Sequence[str]) -> str:
    weights = [name for name in names if PurePosixPath(name).suffix in _FOREIGN][:3]
    if not weights:
        return ": it contains no model"
    return (
        f", but {', '.join(weights)} of another tool: download it with the hub's own client and "
        "convert it with `zoo import`"
    )


def _fetch(
    api: HfApi, repository: str, commit: str, name: str, client_folder: Path, place: Path
) -> None:
    with explained(repository, endpoint(), "pulled"):
        path = Path(api.hf_hub_download(repository, name, revision=commit, local_dir=client_folder))
        if path.is_symlink() or path.stat().st_size > size_limit(name):
            raise IntegrityError(f"{repository}: {name} differs from what the hub announced")
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)


def _verify(repository: str, folder: Path, announced: str | None) -> None:
    """Compare what was downloaded against its hashes."""
    path = folder / MODEL_FILE
    if announced is not None and file_sha256(path) != announced:
        raise IntegrityError(
            f"{repository}: {MODEL_FILE} differs from the file that the hub announced"
        )
    if not is_model_file(path):
        raise WeightsError(
            f"{repository}: {MODEL_FILE} was written by another tool; download it with the hub's "
            "own client and convert it with `zoo import`"
        )
    try:
        read_bundle(folder)
    except ZooError as error:
        told = str(error).replace(str(folder), repository)
        raise type(error)(f"{told}. Nothing was kept") from error


def _announced(info: Any) -> str | None:
    """Return the sha256 of the model as the hub tells it; of a small file it has none."""
    large = {one.rfilename: one.lfs.sha256 for one in info.siblings if one.lfs}
    return large.get(MODEL_FILE)
