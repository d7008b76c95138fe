"""Exports a model: a folder with card and records, or one file with its card.

The output is read again and run (safetensors on an image, ONNX on noise of several sizes) before it
is moved into place. The largest difference from the source's output is part of the result.

Not here: the layout of a folder (`zoo.exchange.bundle`), the conversion to ONNX
(`zoo.exchange.onnx`).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeGuard

import torch
from torch import Tensor

from zoo.data.images import read_image, to_rgb
from zoo.data.sources import open_source
from zoo.errors import DataError, IntegrityError, RecipeError
from zoo.exchange.bundle import (
    Bundle,
    install,
    read_bundle,
    require_free,
    staging,
    write_records,
)
from zoo.exchange.cards import ONNX, card, require_weights
from zoo.exchange.records import (
    WEIGHTS_SHA256,
    earlier_weights,
    evidence,
    records_for,
    records_of,
)
from zoo.exchange.travel import travelling
from zoo.files import MAX_BYTES, file_sha256, read_file, write_atomically, write_hashed
from zoo.models.details import Details, Precision, described
from zoo.models.file import SUFFIX, is_model_file, read_model, write_model
from zoo.models.find import find_model
from zoo.models.model import Model
from zoo.models.store import (
    CARD_FILE,
    MODEL_FILE,
    RECORDS_FOLDER,
    is_repository,
    model_files,
)
from zoo.records.record import Record
from zoo.runs import RUN_ROOT
from zoo.runs.directory import RunDirectory
from zoo.runs.run_state import divergence

Format = Literal["safetensors", "onnx"]
ONNX_FILE: Final = f"model{ONNX}"
LEVELS: Final = 255
_HEIGHT, _WIDTH = 40, 56
_SOURCE = "samples"
_NAMELESS = "model"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be written, and as what.

    Attributes:
        name: what the model is called from now; as it was where None.
        licence: of the weights; as it was where None.
        half: whether the numbers become float16.
        form: of the file in a folder.
        force: whether files that are there may be overwritten.
    """

    name: str | None = None
    licence: str | None = None
    half: bool = False
    form: Format = "safetensors"
    force: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        weights: the file with the weights.
        card: its card.
        sha256: of the file with the weights.
        size: of that file in bytes.
        precision: of its numbers.
        largest_difference: of its output from the source's, of values in 0..1: on an image,
            of ONNX on noise of several sizes.
        records: how many records of the model's own came along.
        remarks: what others cannot do with it, as sentences.
    """

    weights: Path
    card: Path
    sha256: str
    size: int
    precision: Precision
    largest_difference: float
    records: int
    remarks: tuple[str, ...] = ()


def card_of(what: str, *, run_root: Path = RUN_ROOT, records: Path | None = None) -> str:
    """Return the card of what a user names, see `find_source` and `zoo.exchange.cards.card`.

    Args:
        what: a run, a model file, or the name of a model.
        run_root: folder of run directories.
        records: folder of records; None for those of the run root and of the model.

    Raises:
        ZooError: if there is no such model, or it has no weights.
    """
    model = find_source(what, run_root=run_root)
    path = model.path or Path(what)  # of a fixed method, which has no card
    is_file = path.is_file()
    is_named = what in model_files() and not Path(what).exists()
    return card(
        model,
        records_for(model, run_root, records),
        file=(path if is_file else RunDirectory(path).weights).name,
        repository=what if is_named and is_repository(what) else None,
        known_as=what if is_named else None if is_file else str(path),
    )


def find_source(what: str | Path, *, run_root: Path = RUN_ROOT) -> Model:
    """Return the model that is meant, see `zoo.models.find.find_model`.

    Raises:
        DataError: if it is a run that is not finished, with the command that continues, or one that
            diverged: its weights are of no use.
        ZooError: as `find_model`.
    """
    path = Path(what)
    if path.is_dir() and not (path / MODEL_FILE).exists():
        message = divergence(RunDirectory(path))
        if message is not None:
            raise DataError(f"{path} diverged, so it has no model to export: {message}")
    return find_model(what, run_root=run_root)


def folder_name(name: str) -> str:
    """Return a name for a model's folder: its own, without what file systems and shells mind."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or _NAMELESS


def export_folder(
    model: Model, folder: Path, records: Iterable[Record], request: Request | None = None
) -> Exported:
    """Write a model's folder: the model, its hash, its card and its records.

    Args:
        model: what to write.
        folder: where to; made if necessary.
        records: any records; those of the model and its baselines come along.
        request: what changes on the way.

    Raises:
        DataError: if a file is there already, or the model has no weights.
        WeightsError: if a number does not fit float16.
        IntegrityError: if what was written is not what was meant; nothing is left of it.
        MachineError: if it cannot be written.
    """
    request = request or Request()
    name = ONNX_FILE if request.form == "onnx" else MODEL_FILE
    require_free([folder / name, folder / CARD_FILE], force=request.force)
    require_free(list((folder / RECORDS_FOLDER).glob("*.json")), force=request.force)
    known = list(records)
    with staging(folder.absolute().parent) as staged:
        found = _write(model, staged / name, request)
        text = card(found.model, known, file=name)
        write_atomically(staged / CARD_FILE, text.encode())
        write_records(staged, evidence(found.model, known))
        install(staged, folder)
    return _exported(found, folder / name, folder / CARD_FILE, known)


@contextmanager
def exported(model: Model, records: Iterable[Record]) -> Iterator[Bundle]:
    """Write a model's folder to a temporary place and read it; see `export_folder`."""
    with tempfile.TemporaryDirectory(prefix="zoo-push-") as place:
        folder = Path(place) / "export"
        export_folder(model, folder, records)
        yield read_bundle(folder)


def export_file(
    model: Model, path: Path, records: Iterable[Record], request: Request | None = None
) -> Exported:
    """Write a model as one file, `.safetensors` or `.onnx`, its hash and its card beside it.

    Arguments and errors are those of `export_folder`; the card is the file's name with `.md`.

    Raises:
        RecipeError: if the file has another suffix.
    """
    request = request or Request()
    if path.suffix not in (SUFFIX, ONNX):
        raise RecipeError(
            f"{path}: a model file ends in {SUFFIX} or {ONNX}; otherwise name a folder"
        )
    beside = path.with_suffix(".md")
    require_free([path, beside], force=request.force)
    known = list(records)
    with staging(path.absolute().parent) as staged:
        found = _write(model, staged / path.name, request)
        text = card(found.model, known, file=path.name)
        write_atomically(staged / beside.name, text.encode())
        install(staged, path.parent, replace_records=False)
    return _exported(found, path, beside, known)


@dataclass(frozen=True, slots=True)
class _Written:
    """A file in a staging folder that was read again and compared."""

    model: Model
    size: int
    largest_difference: float
    remarks: tuple[str, ...]


def _write(model: Model, path: Path, request: Request) -> _Written:
    require_weights(model)
    if path.suffix == ONNX:
        return _write_onnx(model, path, request)
    precision: Precision = "float16" if request.half else model.details.precision
    details = _changed(model, precision, request)
    if details == model.details and _is_model(model.path):
        write_hashed(path, read_file(model.path, MAX_BYTES))
    else:
        write_model(path, Model(_made_from(model, details), model.tensors), precision=precision)
    written = read_model(path)
    difference = _difference(model, written)
    if precision == "float32" and difference != 0:
        raise IntegrityError(
            f"the output of {path.name} differs from the source's by {difference:.3g}; zoo removed "
            "it"
        )
    return _Written(written, path.stat().st_size, difference, _remarks(written.details))


def _is_model(path: Path | None) -> TypeGuard[Path]:
    """Return whether a model was read from a file of zoo's, which can be copied as it is."""
    return path is not None and path.is_file() and is_model_file(path)


def _write_onnx(model: Model, path: Path, request: Request) -> _Written:
    from zoo.exchange.onnx import export_model

    if request.half:
        raise RecipeError("--half works only with safetensors: ONNX files are written in float32")
    details = _made_from(
        model, _changed(model, "float32", request)
    )  # it computes in what it stores
    known = {"name": details.name, "licence": details.licence, WEIGHTS_SHA256: model.sha256}
    metadata = {key: value for key, value in known.items() if value is not None}
    report = export_model(model, path, metadata=metadata)
    written = Model(details, model.tensors, path, report.sha256)
    return _Written(written, path.stat().st_size, report.difference, ())


def _changed(model: Model, precision: Precision, request: Request) -> Details:
    """Return the details with what is asked to change, without this machine's folders."""
    asked = {"name": request.name, "licence": request.licence, "precision": precision}
    changes = {key: value for key, value in asked.items() if value is not None}
    return described(**{**dict(travelling(model.details)), **changes})


def _made_from(model: Model, details: Details) -> Details:
    """Keep the hash of the file that another file is made from: its records are found by it."""
    if model.sha256 is None:
        return details
    hashes = " ".join([model.sha256, *earlier_weights(details)])
    source = {key: value for key, value in details.source.items() if key != WEIGHTS_SHA256}
    return details.model_copy(update={"source": {WEIGHTS_SHA256: hashes} | source})


def _difference(source: Model, written: Model) -> float:
    """Return the largest difference of two models' outputs on an image, of values in 0..1."""
    image = photograph()
    with torch.inference_mode():
        return float((source.build()(image) - written.build()(image)).abs().max())


def photograph() -> Tensor:
    """Return `(1, 3, 40, 56)` of an image that is included in zoo, RGB in [0, 1]."""
    path = open_source(_SOURCE).validation_paths[0]
    pixels = to_rgb(read_image(path))[:_HEIGHT, :_WIDTH]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / LEVELS


def _remarks(details: Details) -> tuple[str, ...]:
    from zoo.exchange.spandrel import spandrel_problem

    problem = spandrel_problem(details)
    return () if problem is None else (problem,)


def _exported(found: _Written, weights: Path, beside: Path, records: Sequence[Record]) -> Exported:
    return Exported(
        weights=weights,
        card=beside,
        sha256=file_sha256(weights),
        size=found.size,
        precision=found.model.details.precision,
        largest_difference=found.largest_difference,
        records=len(records_of(found.model, records)),
        remarks=found.remarks,
    )
