"""Which records belong to a model, and which baselines are shown with them.

A record belongs to a model only by hash: of its file, of the file it was made from, or of
everything that affected its training. Names do not count.

Not here: the use of the records (`zoo.exchange.results`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from zoo.errors import DataError
from zoo.exchange.travel import without_folders
from zoo.models.details import Details
from zoo.models.model import Model
from zoo.models.store import RECORDS_FOLDER
from zoo.records.record import Record, age_of, newest, read_record, read_records

WEIGHTS_SHA256: Final = "weights_sha256"
"""Key of `Details.source` with the hashes of the weights a file was made from, the latest first."""

_DEPTH_OF_RUN = 2
"""Folders between a run and the folder of runs: its profile's and its recipe's."""

logger = logging.getLogger(__name__)


def earlier_weights(details: Details) -> list[str]:
    """Return the sha256 of each file that a file was made from, one after the other, latest first.

    Renaming, rounding and ONNX each make a new file; the scores of the former ones stay its own.
    """
    return details.source.get(WEIGHTS_SHA256, "").split()


def records_in(folder: Path) -> list[Record]:
    """Read the records of a folder, flat as in a bundle or one folder a suite as `zoo bench`'s.

    Other files are logged and excluded.
    """
    found = read_records(folder)
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_record(path))
        except DataError as error:
            logger.warning("excluded: %s", error)
    return found


def records_for(model: Model, run_root: Path, folder: Path | None = None) -> list[Record]:
    """Read all records that may be of a model: those of benchmarks, and those beside it.

    Args:
        model: as it was found.
        run_root: folder of runs; benchmarks write to `records` in it.
        folder: of records, instead of that one.

    Raises:
        DataError: if `folder` is given and is none.
    """
    if folder is not None and not folder.is_dir():
        raise DataError(f"{folder} is not a folder of records")
    folders = [folder or run_root / RECORDS_FOLDER]
    path = model.path
    if path is not None:  # beside a file, or in the root of the run's own directory
        above = path.absolute().parents[: _DEPTH_OF_RUN + 1]
        folders.append((path.parent if path.is_file() else above[-1]) / RECORDS_FOLDER)
    places = dict.fromkeys(place.resolve() for place in folders if place.is_dir())
    found = {record.key: record for place in places for record in records_in(place)}
    return list(found.values())


def records_of(model: Model, records: Iterable[Record]) -> list[Record]:
    """Return the records of a model: the newest of each suite; failures are no records of it."""
    own = [record for record in records if record.error is None and _belongs(record, model)]
    latest: dict[str, Record] = {}
    for record in sorted(own, key=age_of):
        latest[record.suite] = record
    return [latest[suite] for suite in sorted(latest)]


def baselines_of(record: Record, records: Iterable[Record]) -> list[Record]:
    """Return the newest baselines that were scored on the same pixels by the same protocol."""
    place = (record.suite, record.suite_sha256, record.protocol)
    return newest(
        other
        for other in records
        if other.target.kind == "baseline"
        and other.error is None
        and (other.suite, other.suite_sha256, other.protocol) == place
    )


def evidence(model: Model, records: Sequence[Record]) -> list[Record]:
    """Return all records that say something of a model: its own, each followed by its baselines.

    Their images are not among what travels with a model, so they are no longer named; nor are
    this machine's folders.
    """
    found = {
        one.key: _to_travel(one)
        for own in records_of(model, records)
        for one in (own, *baselines_of(own, records))
    }
    return list(found.values())


def _to_travel(record: Record) -> Record:
    document = record.model_copy(update={"pictures": ()}).model_dump(mode="json", by_alias=True)
    return Record.model_validate_json(json.dumps(without_folders(document)))


def is_of_these_weights(record: Record, model: Model) -> bool:
    """Return whether a record was made with the very file, not with what it was made from."""
    return record.target.weights_sha256 is not None and (
        record.target.weights_sha256 == model.sha256
    )


def _belongs(record: Record, model: Model) -> bool:
    details, target = model.details, record.target
    hashes = {model.sha256, *earlier_weights(details)} - {None}
    if details.origin == "imported":
        hashes.add(details.source.get("sha256"))
    if target.weights_sha256 is not None and target.weights_sha256 in hashes:
        return True
    training = details.training
    return (
        details.origin == "trained"
        and training is not None
        and target.identity_sha256 == training.identity_sha256
    )
