"""Several files are written, or none is changed: whatever is in the way, whatever fails."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from zoo.errors import MachineError, PluginError
from zoo.scaffold import writing
from zoo.scaffold.writing import write_all

FILES = {
    PurePosixPath("a.py"): "a\n",
    PurePosixPath("deep/er/b.py"): "b\n",
    PurePosixPath("c.yaml"): "c\n",
}


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() if path.is_file() else "a folder"
        for path in folder.rglob("*")
    }


def test_all_are_written_and_named_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "place"
    assert write_all(folder, FILES) == [folder / "a.py", folder / "deep/er/b.py", folder / "c.yaml"]
    assert (folder / "deep" / "er" / "b.py").read_text() == "b\n"


def test_nothing_is_overwritten_and_all_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("mine\n")
    (tmp_path / "c.yaml").write_text("mine\n")
    before = contents(tmp_path)
    with pytest.raises(PluginError, match=r"a\.py, .*c\.yaml are already there.*--force"):
        write_all(tmp_path, FILES)
    assert contents(tmp_path) == before


def test_a_dangling_link_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to(tmp_path / "nowhere")
    with pytest.raises(PluginError, match="is already there"):
        write_all(tmp_path, FILES)


def test_force_replaces_these_files_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("mine\n")
    (tmp_path / "other.py").write_text("mine\n")
    write_all(tmp_path, FILES, force=True)
    assert (tmp_path / "a.py").read_text() == "a\n"
    assert (tmp_path / "other.py").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("in_the_way", "message"), [("a.py", "a.py is a folder"), ("deep", "deep is a file")]
)
def test_what_cannot_be_replaced_is_refused_with_force(
    tmp_path: Path, in_the_way: str, message: str
) -> None:
    place = tmp_path / in_the_way
    if message.endswith("folder"):
        place.mkdir()
    else:
        place.write_text("mine\n")
    before = contents(tmp_path)
    with pytest.raises(PluginError, match=message):
        write_all(tmp_path, FILES, force=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("failure", [MachineError("the disk is full"), KeyboardInterrupt()])
def test_a_failure_half_way_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    (tmp_path / "a.py").write_text("mine\n")
    before = contents(tmp_path)
    write = writing.write_atomically

    def fail_at_the_last(path: Path, content: bytes) -> None:
        if path.name == "c.yaml":
            raise failure
        write(path, content)

    monkeypatch.setattr(writing, "write_atomically", fail_at_the_last)
    with pytest.raises(type(failure)):
        write_all(tmp_path, FILES, force=True)
    assert contents(tmp_path) == before
