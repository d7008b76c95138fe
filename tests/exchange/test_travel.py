"""Nothing that is exported or pushed tells the folders of the machine."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from tests.exchange.made_up import (
    make_baseline,
    make_details,
    make_model,
    make_record,
    make_training,
)
from zoo.exchange.bundle import read_bundle
from zoo.exchange.export import Request, export_file, export_folder
from zoo.exchange.hub import prepare
from zoo.exchange.travel import travelling, without_folders
from zoo.models.file import read_model
from zoo.models.model import Model
from zoo.records.record import DatasetScores


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/data/Set5 has no HR; put it there", "Set5 has no HR; put it there"),
        ("no images in '/home/me/data/Set5', see /a/b.md", "no images in 'Set5', see b.md"),
        ("~/data/Set5 is missing", "Set5 is missing"),
        ("file /home/me/my nets/net.py", "file net.py"),
        ("see https://example.org/a/b/c and ftp://x/y/z", "see https://example.org/a/b/c and "),
        ("ms/megapixel, 1/255 and dB/step/seed", "ms/megapixel, 1/255 and dB/step/seed"),
        ("records/samples-x4/a.json is relative", "records/samples-x4/a.json is relative"),
        ("a/b and or/else", "a/b and or/else"),
    ],
)
def test_of_a_path_in_a_sentence_the_last_part_stays(text: str, shown: str) -> None:
    assert without_folders(text).startswith(shown)


def test_folders_with_spaces_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/some body")
    assert without_folders("no /home/some body/runs/a.pt here") == "no a.pt here"
    monkeypatch.setenv("ZOO_DATA", "/mnt/my disk")
    assert without_folders({"a": ["/mnt/my disk/Set5 is empty"]}) == {"a": ["Set5 is empty"]}


def test_a_folder_of_images_is_still_seen_to_be_one() -> None:
    training = make_training(data="/home/me/photos", settings={"data": {"source": "/home/me/x"}})
    found = travelling(make_details(training=training)).training
    assert found is not None
    assert (found.data, found.settings["data"]["source"]) == ("./photos", "./x")
    assert travelling(make_details()) == make_details()


def told(place: Path) -> Model:
    """Return a model whose description names a folder wherever it can hold text."""
    training = make_training(
        command=f"zoo train x --data {place}/photos --plugin {place}/net.py --set a={place}/b",
        data=f"{place}/photos",
        settings={"data": {"source": f"{place}/photos", "validation": f"{place}/held"}},
        components={"vgg19": {"source": f"file {place}/vgg19.pth"}},
        device=f"cpu of {place}/x",
        git={"commit": f"{place}/y", "dirty": True},
    )
    plugins = {"generator srresnet": f"file {place}/net.py", "losses a": f"file {place}/l.py"}
    details = make_details(
        summary=f"from {place}/z",
        training=training,
        plugins=plugins,
        source={"file": f"{place}/old.pth"},
        licence=f"see {place}/LICENCE",
    )
    return make_model(details)


@pytest.mark.parametrize("place", ["/home/somebody", tempfile.gettempdir(), str(Path.home())])
def test_nothing_exported_or_pushed_names_a_folder_of_the_machine(
    tmp_path: Path, place: str
) -> None:
    place = f"{place}/secret"
    skipped = DatasetScores(name="Set5", skipped=f"no images in {place}/Set5/HR; get Set5")
    made = make_record(command=f"zoo bench {place}/run --data-root {place}/d")
    provenance = {
        **made.provenance,
        "command": [f"{place}/bin/zoo", "bench", f"--data-root={place}/d"],
        "self_test": {"Set5": f"skipped: {place}/Set5 is absent"},
    }
    record = made.model_copy(
        update={"datasets": (*made.datasets, skipped), "provenance": provenance}
    )
    baseline = make_baseline()
    baseline = baseline.model_copy(update={"datasets": (*baseline.datasets, skipped)})
    folder, model = tmp_path / "net", told(Path(place))
    export_folder(model, folder, [record, baseline])
    export_file(model, tmp_path / "flat" / "net.safetensors", [record, baseline], Request())
    found = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(found) == 8
    for path in found:
        assert b"secret" not in path.read_bytes(), path
    sent = prepare(read_bundle(folder), "me/net").files
    for name, content in sent.items():
        data = content if isinstance(content, bytes) else content.read_bytes()
        assert b"secret" not in data, name
    (kept,) = (json.loads(path.read_text()) for path in folder.glob("records/*tiny*.json"))
    assert kept["datasets"][-1]["skipped"] == "no images in HR; get Set5"
    details = read_model(folder / "model.safetensors").details
    assert details.plugins["generator srresnet"] == "file net.py"
    assert details.training is not None
    assert details.training.identity_sha256 == model.details.training.identity_sha256  # type: ignore[union-attr]
