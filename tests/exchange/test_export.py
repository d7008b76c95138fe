"""Exported models: whole, verified, never over what is there, and records found by their hash."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.exchange.made_up import (
    WEIGHTS,
    digest,
    make_baseline,
    make_details,
    make_model,
    make_record,
)
from zoo.errors import DataError, IntegrityError, MachineError, RecipeError, WeightsError
from zoo.exchange import export as exchange_export
from zoo.exchange.bundle import read_bundle
from zoo.exchange.export import (
    Request,
    export_file,
    export_folder,
    find_source,
    folder_name,
    photograph,
)
from zoo.exchange.records import WEIGHTS_SHA256, records_for, records_of
from zoo.files import file_sha256
from zoo.models.details import Details
from zoo.models.file import read_model, write_model
from zoo.models.model import Model


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_has_model_hash_card_and_records(tmp_path: Path) -> None:
    other = make_record(weights_sha256=digest("x"), identity_sha256=digest("y"), name="other")
    done = export_folder(make_model(), tmp_path / "net", [make_record(), make_baseline(), other])
    names = names_in(tmp_path / "net")
    assert {"model.safetensors", "model.safetensors.sha256", "README.md"} < names
    records = sorted(name for name in names if name.startswith("records/"))
    assert [re.sub(r"-[0-9a-f]{12}\.json$", "", name) for name in records] == [
        "records/small-x4-bicubic",
        "records/small-x4-srresnet-nobn-tiny-seed-3",
    ]
    assert done.records == 1
    assert done.sha256 == file_sha256(done.weights)
    assert names_in(tmp_path) == {f"net/{name}" for name in names}  # nothing is left of staging


def test_the_weights_and_the_output_are_the_same_to_the_bit(tmp_path: Path) -> None:
    model = make_model()
    done = export_folder(model, tmp_path / "net", [])
    assert done.largest_difference == 0
    written = read_model(done.weights)
    for name, tensor in model.tensors.items():
        assert torch.equal(written.tensors[name], tensor)


def test_float16_says_how_far_it_is_and_is_half_as_large(tmp_path: Path) -> None:
    whole = export_folder(make_model(), tmp_path / "whole", [])
    half = export_folder(make_model(), tmp_path / "half", [make_record()], Request(half=True))
    assert half.precision == "float16"
    assert 0 < half.largest_difference < 0.01
    tensors = make_model().tensors.values()
    assert whole.size - half.size == pytest.approx(2 * sum(t.numel() for t in tensors), abs=64)
    text = half.card.read_text()
    assert "The numbers in the file are float16" in text
    assert "from which this file was copied, rounded to float16" in text


def test_a_number_too_large_for_float16_is_refused_and_nothing_left(tmp_path: Path) -> None:
    model = make_model()
    name = next(iter(model.tensors))
    broken = replace(model, tensors=dict(model.tensors) | {name: model.tensors[name] + 1e6})
    with pytest.raises(WeightsError, match="NaN or infinite value in float16"):
        export_folder(broken, tmp_path / "net", [], Request(half=True))
    assert names_in(tmp_path) == set()
    assert not (tmp_path / "net").exists()


def test_what_is_not_what_was_meant_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(path: Path, model: Model, **options: Any) -> str:
        name = next(iter(model.tensors))
        other = dict(model.tensors) | {name: model.tensors[name] + 0.5}
        return write_model(path, replace(model, tensors=other), **options)

    monkeypatch.setattr(exchange_export, "write_model", damaged)
    with pytest.raises(IntegrityError, match=r"differs from the source's by .*zoo removed it"):
        export_folder(make_model(), tmp_path / "net", [])
    assert names_in(tmp_path) == set()


def test_an_unchanged_model_file_is_copied_to_the_byte(tmp_path: Path) -> None:
    write_model(tmp_path / "a.safetensors", make_model())
    source = read_model(tmp_path / "a.safetensors")
    done = export_folder(source, tmp_path / "net", [])
    assert done.sha256 == source.sha256
    assert WEIGHTS_SHA256 not in read_model(done.weights).details.source


def test_a_renamed_copy_knows_what_it_was_made_from(tmp_path: Path) -> None:
    done = export_folder(make_model(), tmp_path / "net", [], Request(name="mine", licence="MIT"))
    details = read_model(done.weights).details
    assert (details.name, details.licence) == ("mine", "MIT")
    assert details.source[WEIGHTS_SHA256] == WEIGHTS
    again = export_folder(read_model(done.weights), tmp_path / "2", [], Request(name="other"))
    assert read_model(again.weights).details.source[WEIGHTS_SHA256] == f"{done.sha256} {WEIGHTS}"
    for scored in (WEIGHTS, done.sha256, again.sha256):
        record = make_record(weights_sha256=scored, identity_sha256=None)
        assert len(records_of(read_model(again.weights), [record])) == 1
    text = again.card.read_text()
    assert all(text.count(told) == 1 for told in (WEIGHTS, done.sha256))


def test_a_name_that_no_model_may_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"name is .*; it should have at most 128 characters"):
        export_folder(make_model(), tmp_path / "net", [], Request(name="x" * 129))
    with pytest.raises(MachineError, match="File name too long"):
        export_folder(make_model(), tmp_path / ("x" * 300), [])
    assert names_in(tmp_path) == set()


@pytest.mark.parametrize("there", ["model.safetensors", "README.md", "records/x.json"])
def test_nothing_is_written_over_without_force(tmp_path: Path, there: str) -> None:
    folder = tmp_path / "net"
    (folder / there).parent.mkdir(parents=True)
    (folder / there).write_text("mine")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"exists already.*--force"):
        export_folder(make_model(), folder, [])
    assert names_in(folder) == {there, "notes.txt"}
    assert (folder / there).read_text() == "mine"
    export_folder(make_model(), folder, [make_record()], Request(force=True))
    assert (folder / "notes.txt").read_text() == "mine"
    assert len(read_bundle(folder).records) == 1
    assert read_bundle(folder).model.details.name == "small-net"


def test_a_file_has_its_hash_and_its_card_beside_it(tmp_path: Path) -> None:
    done = export_file(make_model(), tmp_path / "net.safetensors", [make_record()])
    assert names_in(tmp_path) == {"net.safetensors", "net.safetensors.sha256", "net.md"}
    assert done.card == tmp_path / "net.md"
    assert "--model net.safetensors" in done.card.read_text()
    with pytest.raises(DataError, match=r"net\.safetensors, .*net\.md exist already"):
        export_file(make_model(), tmp_path / "net.safetensors", [])


def test_a_file_leaves_the_records_of_its_folder_alone(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "x.json").write_text("{}")
    export_file(make_model(), tmp_path / "net.safetensors", [])
    assert (tmp_path / "records" / "x.json").exists()


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"net\.pth: a model file ends in"):
        export_file(make_model(), tmp_path / "net.pth", [])


def test_a_fixed_method_has_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be exported"):
        export_folder(find_source("bicubic", run_root=tmp_path), tmp_path / "net", [])


@pytest.mark.slow
def test_onnx_is_written_with_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    done = export_folder(make_model(), tmp_path / "net", [], Request(form="onnx"))
    assert names_in(tmp_path / "net") == {"model.onnx", "model.onnx.sha256", "README.md"}
    assert done.largest_difference < 1e-4
    image = photograph()
    session = onnxruntime.InferenceSession(str(done.weights))
    (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    with torch.inference_mode():
        expected = make_model().build()(image)
    assert float((torch.from_numpy(found) - expected).abs().max()) < 1e-4
    code = re.search(r"```python\n(.*?)\n```", done.card.read_text(), re.DOTALL)
    assert code is not None
    monkeypatch.chdir(done.weights.parent)
    names: dict[str, Any] = {}
    exec(code[1], names)  # noqa: S102  a reader would run it
    assert names["sr_image"].shape == (1, 3, 192, 256)
    assert 0 <= names["sr_image"].min() < names["sr_image"].max() <= 1
    with pytest.raises(RecipeError, match="--half works only with safetensors"):
        export_file(make_model(), tmp_path / "half.onnx", [], Request(half=True))


@pytest.mark.slow
def test_the_records_of_a_model_file_are_those_of_its_onnx_too(tmp_path: Path) -> None:
    source = {"a": "x", "b": "y", "alpha": "0.5"}
    details = make_details(origin="interpolated", training=None, source=source)
    write_model(tmp_path / "mixed.safetensors", make_model(details))
    model = read_model(tmp_path / "mixed.safetensors")
    record = make_record(weights_sha256=model.sha256, identity_sha256=None)
    done = export_folder(model, tmp_path / "net", [record], Request(form="onnx"))
    assert done.records == 1
    assert "| small-net | 31.00 |" in done.card.read_text().replace("*", "")


def test_the_photograph_is_one(tmp_path: Path) -> None:
    image = photograph()
    assert tuple(image.shape) == (1, 3, 40, 56)
    assert 0 <= float(image.min()) < float(image.max()) <= 1
    assert float(image.std()) > 0.05


@pytest.mark.parametrize(
    ("name", "folder"),
    [("net", "net"), ("a/b", "a-b"), ("../..", "model"), ("my net\n", "my-net"), ("--x", "x")],
)
def test_names_of_folders_are_harmless(name: str, folder: str) -> None:
    assert folder_name(name) == folder


def test_records_are_looked_for_with_the_benchmarks_and_beside_the_model(tmp_path: Path) -> None:
    from zoo.records.record import write_record

    write_record(tmp_path / "runs" / "records", make_record())
    done = export_folder(make_model(), tmp_path / "net", [make_record(suite="other-x4")])
    model = read_model(done.weights)
    found = records_for(model, tmp_path / "runs")
    assert {record.suite for record in found} == {"small-x4", "other-x4"}
    with pytest.raises(DataError, match="is not a folder of records"):
        records_for(model, tmp_path / "runs", tmp_path / "nowhere")


def test_a_run_anywhere_has_its_roots_records_and_none_where_it_has_no_root(
    tmp_path: Path,
) -> None:
    from zoo.records.record import write_record

    write_record(tmp_path / "mine" / "records", make_record())
    run = tmp_path / "mine" / "srresnet-nobn" / "tiny" / "seed-3"
    run.mkdir(parents=True)
    model = replace(make_model(), path=run)
    assert len(records_for(model, tmp_path / "runs")) == 1
    assert records_for(replace(model, path=Path("/proc")), tmp_path / "runs") == []


def test_a_plugins_origin_and_hash_come_along(tmp_path: Path) -> None:
    details: Details = make_details(plugins={"adversary mine": "file /a/b/mine.py"})
    done = export_folder(make_model(details), tmp_path / "net", [])
    assert "file mine.py" in done.card.read_text()
    assert read_model(done.weights).details.plugins == {"adversary mine": "file mine.py"}
