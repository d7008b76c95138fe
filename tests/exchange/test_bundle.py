"""A model's folder: what belongs to it, and how it is put in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exchange.made_up import digest, make_baseline, make_model, make_record
from zoo.errors import IntegrityError, MachineError, WeightsError
from zoo.exchange.bundle import (
    install,
    is_bundle_file,
    read_bundle,
    record_file_name,
    size_limit,
    staging,
    write_records,
)
from zoo.exchange.export import export_folder


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "model.safetensors.sha256", "README.md", "records/a-x4-net-0123.json"],
)
def test_what_a_bundle_has(name: str) -> None:
    assert is_bundle_file(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "records", "records/", "records/.json", "records/.x.json", "records/x.py"),
        *("records/a/b.json", "records/../model.safetensors", "../README.md", "/README.md"),
        *("records/x.json\n", "records/a b.json", "readme.md", "model.py", "x/model.safetensors"),
        *("records\\x.json", f"records/{'x' * 300}.json"),
    ],
)
def test_what_it_has_not(name: str) -> None:
    assert not is_bundle_file(name)


def test_names_of_records_are_a_bundles_whatever_the_suite_is_called() -> None:
    for suite in ("samples-x4", "../../etc", ".hidden", "ünï cödé", "x" * 300):
        record = make_record(suite=suite, name="y" * 300)
        assert is_bundle_file(f"records/{record_file_name(record)}"), suite


def test_two_records_have_two_names(tmp_path: Path) -> None:
    records = [make_record(), make_record(suite="other"), make_record(psnr=(1.0,)), make_baseline()]
    assert len({path.name for path in write_records(tmp_path, records)}) == 4


def test_texts_may_be_smaller_than_models() -> None:
    assert size_limit("README.md") < size_limit("model.safetensors")


def test_a_damaged_model_is_noticed(tmp_path: Path) -> None:
    export_folder(make_model(), tmp_path / "net", [])
    path = tmp_path / "net" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(IntegrityError, match="damaged or was replaced"):
        read_bundle(tmp_path / "net")


def test_a_model_without_its_hash_is_no_bundle(tmp_path: Path) -> None:
    export_folder(make_model(), tmp_path / "net", [])
    (tmp_path / "net" / "model.safetensors.sha256").unlink()
    with pytest.raises(WeightsError, match=r"has no model\.safetensors\.sha256"):
        read_bundle(tmp_path / "net")
    with pytest.raises(WeightsError, match="is not a model folder"):
        read_bundle(tmp_path)


def test_the_former_models_records_go_and_other_files_stay(tmp_path: Path) -> None:
    target = tmp_path / "net"
    (target / "records").mkdir(parents=True)
    (target / "records" / "old.json").write_text("{}")
    (target / "notes.txt").write_text("mine")
    with staging(tmp_path) as staged:
        write_records(staged, [make_record()])
        (staged / "README.md").write_text("card")
        install(staged, target)
    names = {path.name for path in target.rglob("*") if path.is_file()}
    assert names == {"notes.txt", "README.md", record_file_name(make_record())}
    assert {path.name for path in tmp_path.iterdir()} == {"net"}


def test_the_hash_is_put_in_place_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[str] = []
    replace = Path.replace

    def remember(self: Path, target: Path) -> Path:
        moved.append(self.name)
        return replace(self, target)

    with staging(tmp_path) as staged:
        for name in ("model.safetensors.sha256", "README.md", "model.safetensors"):
            (staged / name).write_text(digest(name))
        monkeypatch.setattr(Path, "replace", remember)
        install(staged, tmp_path / "net")
    assert moved[-2:] == ["model.safetensors", "model.safetensors.sha256"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot write to"), staging(tmp_path / "file" / "x"):
        pass


def test_staging_leaves_nothing_when_it_fails(tmp_path: Path) -> None:
    def fail() -> None:
        with staging(tmp_path) as staged:
            (staged / "half").write_text("")
            raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
