"""A model's folder, as it is exported, pushed and pulled: model, hash, card and records.

It has `model.safetensors`, `model.safetensors.sha256`, `README.md` and `records/*.json`, and
nothing else in it is read, sent or downloaded. Not here: making one from a run or a file
(`zoo.exchange.export`), the hub (`zoo.exchange.hub`).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from zoo.errors import DataError, IntegrityError, MachineError, WeightsError
from zoo.exchange.records import records_in
from zoo.files import hash_path, read_hashed, write_atomically
from zoo.models.file import read_model
from zoo.models.model import Model
from zoo.models.store import CARD_FILE, MODEL_FILE, RECORDS_FOLDER
from zoo.records.record import KEY_DIGITS, Record, record_bytes, record_path

HASH_FILE: Final = hash_path(Path(MODEL_FILE)).name
HASH_SUFFIX: Final = Path(HASH_FILE).suffix
MAX_MODEL_BYTES: Final = 4 * 2**30
MAX_TEXT_BYTES: Final = 16 * 2**20
MAX_RECORDS: Final = 500
_RECORD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.json\Z")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model's folder that was read and found whole.

    Attributes:
        folder: where it is.
        model: its model.
        records: its records, the model's and baselines'.
    """

    folder: Path
    model: Model
    records: list[Record]


def is_bundle_file(name: str) -> bool:
    """Return whether a path within a folder or repository is one that a bundle has."""
    folder, _, rest = name.rpartition("/")
    if folder == RECORDS_FOLDER:
        return _RECORD_NAME.match(rest) is not None
    return name in (MODEL_FILE, HASH_FILE, CARD_FILE)


def size_limit(name: str) -> int:
    """Return how many bytes a file of a bundle may have at most."""
    return MAX_MODEL_BYTES if name == MODEL_FILE else MAX_TEXT_BYTES


def is_bundle(path: Path) -> bool:
    """Return whether a path is a model's folder."""
    return (path / MODEL_FILE).is_file()


def read_bundle(folder: Path) -> Bundle:
    """Read a model's folder and hold its model against the hash beside it.

    Raises:
        WeightsError: if it has no model, or the model has no hash beside it.
        IntegrityError: if the model is not the one whose hash is beside it.
    """
    path = folder / MODEL_FILE
    if not path.is_file():
        raise WeightsError(f"{folder} is not a model folder: it has no {MODEL_FILE}")
    if not hash_path(path).is_file():
        raise WeightsError(f"{folder} has no {HASH_FILE}: export the model again")
    if read_hashed(path) is None:
        raise IntegrityError(
            f"{path} is damaged or was replaced: its sha256 differs from the one in {HASH_FILE}; "
            "download or export it again"
        )
    return Bundle(folder, read_model(path), records_in(folder / RECORDS_FOLDER))


def write_records(folder: Path, records: Sequence[Record]) -> list[Path]:
    """Write records into `records/` of a model's folder and return their files."""
    target = folder / RECORDS_FOLDER
    if records:
        target.mkdir(parents=True, exist_ok=True)
    written = []
    for record in records:
        path = target / record_file_name(record)
        write_atomically(path, record_bytes(record))
        written.append(path)
    return written


def record_file_name(record: Record) -> str:
    """Return the name a record has in a bundle, where all suites share a folder."""
    stem = record_path(Path(), record).stem.removesuffix(f"-{record.key[:KEY_DIGITS]}")
    suite = re.sub(r"[^A-Za-z0-9._-]+", "-", record.suite)[:60]
    name = f"{suite}-{stem[:100]}-{record.key[:KEY_DIGITS]}".lstrip("._-")
    return f"{name}.json"


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Make a temporary folder in a folder, which is made if necessary; removed at the end.

    Raises:
        MachineError: if it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=".zoo-", dir=folder))
    except OSError as error:
        raise MachineError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def require_free(paths: Sequence[Path], *, force: bool) -> None:
    """Refuse to overwrite files that are there.

    Raises:
        DataError: if one is there and `force` is not set.
        MachineError: if nothing can be there: a name is too long, a folder closed.
    """
    there = [str(path) for path in paths if _is_there(path)]
    if there and not force:
        raise DataError(
            f"{', '.join(there)} {'exists' if len(there) == 1 else 'exist'} already; write "
            "elsewhere with -o, or overwrite with --force"
        )


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise MachineError(f"cannot write {path}: {error.strerror}") from error
    return True


def install(staged: Path, folder: Path, *, replace_records: bool = True) -> None:
    """Replace the files of a folder by those of a staging folder that is complete.

    A model comes before its hash: between the two moves it counts as damaged, never as whole.
    What has no counterpart in the staging folder stays.

    Args:
        staged: the staging folder, on the same disk.
        folder: where to; made if necessary.
        replace_records: whether the records that are there go: they are the former model's.

    Raises:
        MachineError: if a file cannot be moved.
    """
    paths = [path for path in staged.rglob("*") if path.is_file()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if replace_records:
            for old in (folder / RECORDS_FOLDER).glob("*.json"):
                old.unlink()
        for path in sorted(paths, key=lambda path: (path.suffix == HASH_SUFFIX, path)):
            place = folder / path.relative_to(staged)
            place.parent.mkdir(exist_ok=True)
            path.replace(place)
    except OSError as error:
        raise MachineError(f"cannot write to {folder}: {error.strerror}") from error
