"""Runs that start from the weights of a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import zoo
from tests.train.bits import assert_same_bits, final_state
from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.observers import Stopper
from zoo.errors import IntegrityError, RecipeError, WeightsError
from zoo.generators.spandrel import SpandrelNetwork
from zoo.models.initial import initial_weights
from zoo.recipes.book import Book, load_book
from zoo.recipes.schema import Initial, RunSpec
from zoo.recipes.variants import shaping, specify, with_variant
from zoo.runs.commands import train_command
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.provenance import identity_hash
from zoo.train.identity import run_identity
from zoo.train.prepare import Options, prepare
from zoo.train.run import train

RECIPE = """
version: 1
recipes:
  tuned:
    summary: a network of spandrel on the absolute error
    generator: {name: spandrel, architecture: Compact}
    losses: {l1: 1}
"""


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of another tool: a small network with weights of its own."""
    torch.manual_seed(5)
    sizes = {"num_feat": 8, "num_conv": 2, "upscale": 4}
    network = SpandrelNetwork(architecture="Compact", hyperparameters=sizes)
    path = tmp_path_factory.mktemp("start") / "4x-start.pth"
    torch.save({"params_ema": network.state_dict()}, path)
    return path


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    path = tmp_path_factory.mktemp("book") / "mine.yaml"
    path.write_text(RECIPE)
    return load_book([path])


def begun(book: Book, init: Initial, small_validation: str, *settings: str) -> RunSpec:
    return specify(book, "tuned", "smoke", settings=[small_validation, *settings], init=init)


def first(start: Path, options: Options) -> Initial:
    found = initial_weights(start, "tuned", run_root=options.run_root)
    assert found is not None
    return found


def test_what_the_recipe_leaves_open_comes_from_the_file(
    book: Book, start: Path, make_options: MakeOptions, small_validation: str
) -> None:
    spec = begun(book, first(start, make_options()), small_validation)
    assert spec.settings.generator.arguments["hyperparameters"]["num_feat"] == 8
    assert spec.init is not None
    assert shaping(spec)[0] == f"init=4x-start-{spec.init.sha256[:8]}"
    assert not any(one.startswith("generator") for one in shaping(with_variant(spec, book)))
    assert f"--init {start}" in train_command(spec)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("generator.hyperparameters.num_feat=16", "16 is written here.* has 8"),
        ("generator.hyperparameters.nf=16", "no such argument"),
        ("generator.name=srresnet", "'srresnet' is written here.* has 'spandrel'"),
        ("generator.architecture=SPAN", "'SPAN' is written here.* has 'Compact'"),
        ("scale=2", "2 is written here.* has 4"),
    ],
)
def test_what_is_written_otherwise_is_refused(
    book: Book,
    start: Path,
    make_options: MakeOptions,
    small_validation: str,
    setting: str,
    said: str,
) -> None:
    with pytest.raises(RecipeError, match=said):
        begun(book, first(start, make_options()), small_validation, setting)


def test_a_run_resumes_bit_for_bit_without_its_file(
    book: Book, start: Path, tmp_path: Path, make_options: MakeOptions, small_validation: str
) -> None:
    straight, stopped = make_options("straight"), make_options("stopped")
    file = Path(shutil.copy(start, tmp_path))
    spec = begun(book, first(file, straight), small_validation)
    whole = train(spec, straight)
    with pytest.raises(KeyboardInterrupt):
        train(spec, make_options("stopped", observer=Stopper("content", 7, KeyboardInterrupt())))
    file.unlink()
    again = begun(book, first(file, stopped), small_validation)
    assert again == spec
    assert_same_bits(final_state(train(again, stopped).directory), final_state(whole.directory))


def test_training_begins_with_the_weights_of_the_file(
    book: Book, start: Path, make_options: MakeOptions, small_validation: str
) -> None:
    options = make_options()
    still = ["training.steps=1", "training.learning_rate=1e-12"]
    run = train(begun(book, first(start, options), small_validation, *still), options)
    weights, _ = RunDirectory(run.directory).read_weights()
    for name, value in zoo.load(start).state_dict().items():
        torch.testing.assert_close(weights[name], value)


def test_other_weights_make_another_run(
    book: Book, start: Path, make_options: MakeOptions, small_validation: str
) -> None:
    options = make_options()
    init = first(start, options)
    other = init.model_copy(update={"sha256": "0" * 64})
    specs = [begun(book, one, small_validation) for one in (init, other)]
    assert run_path(specs[0], options.run_root) != run_path(specs[1], options.run_root)
    prepared = prepare(specs[0], options)
    identities = [run_identity(spec, prepared, None) for spec in specs]
    hashes = [
        identity_hash({**one, "pretraining": spec.init.sha256})
        for one, spec in zip(identities, specs, strict=True)
        if spec.init is not None
    ]
    assert hashes[0] != hashes[1]
    with pytest.raises(IntegrityError, match="has changed"):
        train(specs[1], options)


def test_a_missing_file_is_refused(make_options: MakeOptions) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        initial_weights("absent.pth", "tuned", run_root=make_options().run_root)


def test_a_run_without_a_file_is_written_as_before(make_spec: MakeSpec) -> None:
    assert "init" not in make_spec("srgan").model_dump(mode="json")
