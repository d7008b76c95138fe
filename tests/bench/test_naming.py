"""Names of files and runs that would share a row."""

from __future__ import annotations

from pathlib import Path

from zoo.bench.candidates import Candidate
from zoo.bench.naming import told_apart
from zoo.records.record import Target


def candidate(name: str, sha: str, kind: str = "run") -> Candidate:
    target = Target(name=name, kind=kind, recipe=name, seed=0, weights_sha256=sha * 64)  # type: ignore[arg-type]
    return Candidate(target, 4, lambda: lambda image: image)


def test_runs_that_nothing_but_their_place_tells_apart_are_named_by_it(tmp_path: Path) -> None:
    places = [tmp_path / root / "net" / "smoke" / "seed-0" for root in ("A", "B")]
    for place in places:
        place.mkdir(parents=True)
    named = told_apart([candidate("net", "a"), candidate("net", "b")], places)
    assert [one.target.name for one in named] == [f"net in {tmp_path / root}" for root in "AB"]
    same = told_apart([candidate("net", "a"), candidate("net", "a")], places)
    assert [one.target.name for one in same] == ["net", "net"], "one run, named twice"
    asked = told_apart([candidate("net", "b")], places[1:], [candidate("net", "a")])
    assert [one.target.name for one in asked] == [f"net in {tmp_path / 'B'}"]
    twin = places[0].with_name("seed-0-copy")
    twin.mkdir()
    both = told_apart([candidate("net", "a"), candidate("net", "b")], [places[0], twin])
    assert [one.target.name for one in both] == [f"net in {places[0]}", f"net in {twin}"]


def test_files_of_one_name_have_a_row_each(tmp_path: Path) -> None:
    places = [tmp_path / folder / "net.safetensors" for folder in "ab"]
    found = told_apart([candidate("net", "a", "weights"), candidate("net", "b", "weights")], places)
    assert [one.target.name for one in found] == [str(place) for place in places]
