"""What a run's files say of each other: a mismatch is named, and training mends what it can."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.observers import Notes
from zoo.errors import CheckpointError
from zoo.files import file_sha256, sealed
from zoo.recipes.book import load_book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import RunSpec
from zoo.runs.coherence import read_run
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.provenance import identity_hash
from zoo.train.prepare import Options
from zoo.train.run import Run, train

SETTINGS = ("training.steps=4", "training.checkpoint_every=2", "training.validate_every=2")


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    from zoo.data.images import write_png

    folder = tmp_path_factory.mktemp("validation")
    noise = torch.randint(0, 256, (48, 64, 3), dtype=torch.uint8).numpy()
    write_png(folder / "noise.png", noise)
    settings = (*SETTINGS, f"data.validation={folder}")
    return complete(resolve(load_book(), "srresnet-nobn", "smoke", settings=settings)).spec


@pytest.fixture(scope="module")
def finished(spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("finished")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    train(spec, Options(run_root=root, device="cpu"))
    torch.set_num_threads(before)
    return root


@pytest.fixture
def root(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "runs"))


@pytest.fixture
def run(spec: RunSpec, root: Path) -> Path:
    return run_path(spec, root)


def again(spec: RunSpec, root: Path, **options: Any) -> tuple[Run, list[str]]:
    """Train, and return the run with what was said."""
    heard: list[str] = []
    notes = Notes()
    notes.notice = heard.append  # type: ignore[method-assign]
    return train(spec, Options(run_root=root, device="cpu", observer=notes, **options)), heard


def replaced(before: str, after: str) -> Callable[[str], str]:
    def edit(text: str) -> str:
        assert before in text
        return text.replace(before, after, 1)

    return edit


def set_to(*path: str | int, value: Any) -> Callable[[str], str]:
    """Return an edit of a JSON document that changes one value."""

    def edit(text: str) -> str:
        document = json.loads(text)
        inner = document
        for key in path[:-1]:
            inner = inner[key]
        assert inner[path[-1]] != value
        inner[path[-1]] = value
        return json.dumps(document)

    return edit


EDITS: dict[str, tuple[str, Callable[[str], str]]] = {
    "verdict": ("summary.json", replaced('"hardly-learned"', '"diverged"')),
    "steps": ("summary.json", set_to("steps", value=40_000)),
    "psnr": ("summary.json", set_to("psnr_y", value=38.5)),
    "digest of a file": ("summary.json", set_to("files", "metrics.jsonl", "bytes", value=1)),
    "summary of another shape": ("summary.json", lambda _: "[]"),
    "torn summary": ("summary.json", lambda text: text[: len(text) // 2]),
    "a row's loss": ("metrics.jsonl", replaced('"loss_mse": 0.', '"loss_mse": 0.0')),
    "a row less": ("metrics.jsonl", lambda text: text.partition("\n")[2]),
    "a row more": ("metrics.jsonl", lambda text: text + text.splitlines()[-1] + "\n"),
    "no rows": ("metrics.jsonl", lambda _: ""),
    "learning rate": ("recipe.yaml", replaced("learning_rate: 0.0001", "learning_rate: 0.1")),
    "seed": ("recipe.yaml", replaced("seed: 0", "seed: 1")),
    "width": ("recipe.yaml", replaced("width: 8", "width: 16")),
    "an argument more": ("recipe.yaml", replaced("width: 8", "width: 8\n    other: 1")),
    "a loss more": ("recipe.yaml", replaced("mse:", "l1: {name: l1, weight: 1.0}\n    mse:")),
    "number of steps": ("recipe.yaml", replaced("steps: 4", "steps: 400")),
    "going back": ("recipe.yaml", replaced("on_divergence: raise", "on_divergence: rollback")),
    "profile": ("recipe.yaml", replaced("profile: smoke", "profile: paper")),
    "name": ("recipe.yaml", replaced("recipe: srresnet-nobn", "recipe: srresnet")),
    "cadence": ("recipe.yaml", replaced("log_every: 1", "log_every: 2")),
    "torn recipe": ("recipe.yaml", lambda text: text[:40] + "["),
    "identity": (
        "provenance.json",
        set_to("identity", "settings", "training", "learning_rate", value=1.0),
    ),
    "hash of the identity": ("provenance.json", set_to("identity_sha256", value="0" * 64)),
    "version of torch": (
        "provenance.json",
        set_to("sessions", 0, "versions", "torch", value="9.9"),
    ),
    "hash of the weights": ("weights.safetensors.sha256", lambda text: "0" * 64 + text[64:]),
}


def damaged(run: Path, edit: str) -> Path:
    name, change = EDITS[edit]
    file = run / name
    before = file.read_text()
    file.write_text(change(before))
    assert file.read_text() != before
    return file


def test_the_files_of_a_finished_run_agree(run: Path) -> None:
    found = read_run(run)
    assert found is not None
    assert found.is_finished


@pytest.mark.parametrize("edit", EDITS)
def test_a_changed_file_is_named_when_it_is_read(edit: str, run: Path) -> None:
    file = damaged(run, edit)
    with pytest.raises(CheckpointError) as caught:
        read_run(run)
    assert str(caught.value).startswith(str(file))


@pytest.mark.parametrize(
    "edit", [name for name, (file, _) in EDITS.items() if file == "recipe.yaml"]
)
def test_training_mends_the_recipe_of_a_finished_run(edit: str, spec: RunSpec, root: Path) -> None:
    run = run_path(spec, root)
    before = (run / "recipe.yaml").read_bytes()
    damaged(run, edit)
    done, heard = again(spec, root)
    assert (run / "recipe.yaml").read_bytes() == before
    assert any("recipe.yaml was changed after the run ended" in line for line in heard)
    assert any("is already trained" in line for line in heard), "not a step was done again"
    assert read_run(done.directory) is not None


def test_a_lost_recipe_comes_back(spec: RunSpec, root: Path, run: Path) -> None:
    (run / "recipe.yaml").unlink()
    with pytest.raises(CheckpointError, match=r"recipe\.yaml of a finished run is missing"):
        read_run(run)
    again(spec, root)
    assert read_run(run) is not None


@pytest.mark.parametrize("edit", ["verdict", "psnr", "torn summary"])
def test_a_changed_summary_is_made_again_with_a_word(
    edit: str, spec: RunSpec, root: Path, run: Path
) -> None:
    before = RunDirectory(run).summary()
    assert before is not None
    damaged(run, edit)
    done, heard = again(spec, root)
    assert (done.summary["psnr_y"], done.summary["verdict"]) == (before["psnr_y"], "hardly-learned")
    assert any("summary.json is damaged" in line for line in heard)


def test_a_summary_without_a_digest_is_not_believed_and_made_again(
    spec: RunSpec, root: Path, run: Path
) -> None:
    """As an earlier version of zoo wrote it, or as who changed it left it."""
    file = run / "summary.json"
    earlier = json.loads(file.read_text())
    del earlier["files"], earlier["digest_sha256"]
    file.write_text(json.dumps(earlier | {"psnr_y": 50.0}))
    with pytest.raises(CheckpointError, match="an earlier version of zoo wrote it"):
        read_run(run)
    done, _ = again(spec, root)
    assert done.summary["psnr_y"] < 40
    file.write_text(json.dumps(earlier))
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(CheckpointError, match=r"there is no checkpoint.* --fresh"):
        again(spec, root)


@pytest.mark.parametrize("edit", ["a row's loss", "a row less", "no rows"])
def test_rows_that_nobody_can_make_again_are_not_summed_up(
    edit: str, spec: RunSpec, root: Path, run: Path
) -> None:
    file = damaged(run, edit)
    content = file.read_bytes()
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl .*--fresh"):
        again(spec, root)
    assert file.read_bytes() == content, "nothing is lost"
    done, _ = again(spec, root, fresh=True)
    assert read_run(done.directory) is not None


def test_rows_after_the_end_are_dropped(spec: RunSpec, root: Path, run: Path) -> None:
    """So they are left by a kill while other validation images are scored."""
    before = (run / "metrics.jsonl").read_bytes()
    damaged(run, "a row more")
    _, heard = again(spec, root)
    assert (run / "metrics.jsonl").read_bytes() == before
    assert any("metrics.jsonl was changed" in line for line in heard)


def exchange_weights(directory: RunDirectory) -> None:
    """Put other weights of the same run in the place of its own, with their sha256."""
    weights, _ = directory.read_weights()
    owner = json.loads((directory.path / "provenance.json").read_text())["identity_sha256"]
    other = {name: value + 1 for name, value in weights.items()}
    directory.write_weights(other, {"identity_sha256": owner, "step": "4"})


def test_weights_exchanged_with_their_hash_are_made_again(
    spec: RunSpec, root: Path, run: Path
) -> None:
    """The run's own weights of an earlier step: each file is whole, and together they lie."""
    directory = RunDirectory(run)
    before = file_sha256(directory.weights)
    exchange_weights(directory)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors\.sha256"):
        read_run(run)
    again(spec, root)
    assert file_sha256(directory.weights) == before, "equal tensors have equal bytes"
    assert read_run(run) is not None


def test_mending_a_recipe_believes_no_other_file(spec: RunSpec, root: Path, run: Path) -> None:
    directory = RunDirectory(run)
    before = file_sha256(directory.weights)
    exchange_weights(directory)
    damaged(run, "cadence")
    again(spec, root)
    assert file_sha256(directory.weights) == before


def test_an_identity_with_its_hash_changed_is_no_other_run(run: Path) -> None:
    """Recipe and provenance of a copy say seed 1, and the hash fits: the summary tells."""
    damaged(run, "seed")
    file = run / "provenance.json"
    document = json.loads(file.read_text())
    document["identity"]["seed"] = 1
    document["identity_sha256"] = identity_hash(document["identity"])
    file.write_text(json.dumps(document))
    found = read_run(run)
    assert found is not None
    assert not found.is_finished
    summary = json.loads((run / "summary.json").read_text())
    summary["identity_sha256"] = document["identity_sha256"]
    (run / "summary.json").write_text(json.dumps(sealed(summary)))
    with pytest.raises(CheckpointError, match=r"(recipe\.yaml|provenance\.json) was changed"):
        read_run(run)
