"""`zoo card`: a card on stdout or in a file, of anything that is a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.conftest import Zoo
from tests.exchange.made_up import make_baseline, make_details, make_model, make_record
from zoo.exchange.export import export_folder
from zoo.files import file_sha256
from zoo.models.file import write_model
from zoo.models.store import store_path
from zoo.records.record import write_record


@pytest.fixture
def model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    details = make_details(summary="many words " * 30)
    write_model(tmp_path / "net.safetensors", make_model(details))
    return Path("net.safetensors")


def test_a_card_is_printed_whole(zoo: Zoo, model_file: Path) -> None:
    result = zoo("card", model_file)
    assert result.exit_code == 0
    assert result.stdout.startswith("---\nlibrary_name: zoo\n")
    assert "zoo upscale photo.png -o upscaled --model net.safetensors" in result.stdout
    assert "There is no record of this model's scores, so its quality" in result.stdout
    assert ("many words " * 30).strip() in result.stdout.splitlines()  # not wrapped, not cut


def test_records_of_a_folder_are_used(zoo: Zoo, model_file: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "scores", make_record())
    write_record(tmp_path / "scores", make_baseline())
    result = zoo("card", model_file, "--records", tmp_path / "scores")
    assert "| small-net | **31.00** | 0.0310 |" in result.stdout


def test_a_folders_own_records_are_used(zoo: Zoo, tmp_path: Path) -> None:
    export_folder(make_model(), tmp_path / "net", [make_record(), make_baseline()])
    result = zoo("card", tmp_path / "net")
    assert "| small-net | **31.00** | 0.0310 |" in result.stdout
    assert f"{result.stdout.strip()}\n" == (tmp_path / "net" / "README.md").read_text()


def test_a_card_is_written_and_not_over_another_without_force(zoo: Zoo, model_file: Path) -> None:
    assert zoo("card", model_file, "-o", "card.md").stdout == "written: card.md\n"
    first = Path("card.md").read_text()
    Path("card.md").write_text("mine")
    assert zoo("card", model_file, "-o", "card.md").exit_code == 2
    assert Path("card.md").read_text() == "mine"
    assert zoo("card", model_file, "-o", "card.md", "--force").exit_code == 0
    assert Path("card.md").read_text() == first


def test_what_is_no_model_is_told(zoo: Zoo, tmp_path: Path) -> None:
    result = zoo("card", "no-such-model", "--run-root", tmp_path)
    assert result.exit_code == 2
    assert "unknown model 'no-such-model'" in result.stderr


def test_what_has_a_name_or_a_run_is_used_by_it(
    zoo: Zoo, tmp_path: Path, run_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.models.store.SHIPPED", tmp_path / "shipped")
    export_folder(make_model(), tmp_path / "shipped" / "small-net", [])
    export_folder(make_model(), store_path("owner/net"), [])
    shipped, pulled = zoo("card", "small-net").stdout, zoo("card", "owner/net").stdout
    assert "zoo upscale photo.png -o upscaled --model small-net\n" in shipped
    assert 'zoo.load("small-net")' in shipped
    assert "zoo pull" not in shipped
    assert "zoo pull owner/net\nzoo upscale photo.png -o upscaled --model owner/net\n" in pulled
    run = run_root / "srresnet-nobn" / "smoke" / "seed-0"
    assert f"--model {run}\n" in zoo("card", run).stdout


def test_a_method_without_weights_has_no_card(zoo: Zoo, tmp_path: Path) -> None:
    result = zoo("card", "bicubic", "--run-root", tmp_path)
    assert result.exit_code == 2
    assert "without weights" in result.stderr


def test_the_hash_of_a_run_is_that_of_its_weights(zoo: Zoo, run_root: Path) -> None:
    run = run_root / "srresnet-nobn" / "smoke" / "seed-0"
    result = zoo("card", run)
    digest = file_sha256(run / "weights.safetensors")
    assert f"- sha256 of `weights.safetensors`: `{digest}`" in result.stdout
    assert f"--model {run}" in result.stdout
