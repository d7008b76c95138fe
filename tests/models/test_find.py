"""Finding the model that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.models.conftest import make_model
from zoo.errors import DataError, UnknownNameError, WeightsError
from zoo.models import store
from zoo.models.file import write_model
from zoo.models.find import find_model
from zoo.models.store import MODEL_FILE, model_files, store_path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty home, and shipped models `plain` and `tuned`, the first the default."""
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    shipped = tmp_path / "shipped"
    for seed, name in enumerate(("plain", "tuned")):
        write_model(shipped / name / MODEL_FILE, make_model(name, seed=seed))
    (shipped / "default.txt").write_text("plain\n")
    monkeypatch.setattr(store, "SHIPPED", shipped)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_is_the_default() -> None:
    assert find_model().details.name == "plain"


def test_a_shipped_and_a_pulled_model_have_names() -> None:
    write_model(store_path("someone/net") / MODEL_FILE, make_model("pulled"))
    assert list(model_files()) == ["plain", "tuned", "someone/net"]
    assert find_model("tuned").details.name == "tuned"
    assert find_model("someone/net").details.name == "pulled"


def test_a_file_and_a_folder(home: Path) -> None:
    write_model(home / "mine" / MODEL_FILE, make_model("mine"))
    assert find_model(home / "mine").details.name == "mine"
    assert find_model(home / "mine" / MODEL_FILE).details.name == "mine"
    (home / "empty").mkdir()
    with pytest.raises(DataError, match="neither a run directory"):
        find_model(home / "empty")


def test_a_method_without_weights() -> None:
    model = find_model("bicubic")
    assert model.details.origin == "fixed"
    assert model.build()(torch.rand(1, 3, 4, 5)).shape == (1, 3, 16, 20)


def test_what_is_not_there() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'plain'.*zoo list models"):
        find_model("plian")
    for name in ("hf-hub:somebody/net", "somebody/net"):
        with pytest.raises(UnknownNameError, match="on the hub, first: zoo pull somebody/net"):
            find_model(name)
    with pytest.raises(WeightsError, match=r"the file net.safetensors does not exist"):
        find_model("net.safetensors")


def test_an_installation_without_models_says_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SHIPPED", home / "nothing")
    with pytest.raises(WeightsError, match="has no models"):
        find_model()
    (home / "nothing").mkdir()
    (home / "nothing" / "default.txt").write_text("lost\n")
    with pytest.raises(
        WeightsError, match=r"lost/model.safetensors does not exist: this installation"
    ):
        find_model()


@pytest.mark.parametrize("name", ["..", "a/..", "../a", "a/b/c", "/etc/a", "a b/c", ""])
def test_a_repository_cannot_climb_out(name: str) -> None:
    with pytest.raises(WeightsError, match="is not a repository name"):
        store_path(name)


def test_a_recipe_is_its_own_run_before_those_with_other_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("smoke", "smoke+training.steps=5"):
        place = tmp_path / "runs" / "some-net" / folder / "seed-0"
        place.mkdir(parents=True)
        (place / "summary.json").write_text('{"seconds": 1}')
    monkeypatch.setattr("zoo.models.find.model_of_run", lambda path: path.parent.name)
    assert find_model("some-net", run_root=tmp_path / "runs") == "smoke"
    (tmp_path / "runs" / "some-net" / "smoke" / "seed-0" / "summary.json").unlink()
    assert find_model("some-net", run_root=tmp_path / "runs") == "smoke+training.steps=5"
