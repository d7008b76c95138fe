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
from zoo.errors import DataError, IntegrityError, RecipeError, WeightsError
from zoo.generators.spandrel import SpandrelNetwork
from zoo.models.initial import initial_weights, specified
from zoo.models.store import model_files
from zoo.recipes.book import Book, load_book
from zoo.recipes.checks import check_book
from zoo.recipes.schema import Initial, RunSpec
from zoo.recipes.start import start_of
from zoo.recipes.variants import shaping, specify, with_variant
from zoo.runs.checkpoint import load_latest
from zoo.runs.commands import train_command
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.provenance import identity_hash
from zoo.train.identity import run_identity
from zoo.train.observer import Observer
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


class Notices(Observer):
    """Keeps the lines that a training says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def notice(self, message: str) -> None:
        self.lines.append(message)


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


def test_what_need_not_fit_is_left_out_and_listed(
    book: Book, start: Path, make_options: MakeOptions, small_validation: str
) -> None:
    seen = Notices()
    options = make_options(observer=seen)
    init = initial_weights(start, "tuned", run_root=options.run_root, strict=False)
    assert init is not None
    still = ["training.steps=1", "training.learning_rate=1e-12"]
    spec = begun(book, init, small_validation, "generator.hyperparameters.num_conv=3", *still)
    assert spec.settings.generator.arguments["hyperparameters"]["num_feat"] == 8
    assert shaping(spec)[0] == f"init={init.label}"
    assert init.label.endswith("-partial")
    assert "--partial" in train_command(spec)
    weights, _ = RunDirectory(train(spec, options).directory).read_weights()
    theirs = zoo.load(start).state_dict()
    torch.testing.assert_close(weights["body.0.weight"], theirs["body.0.weight"])
    assert any(line.startswith("generator: not loaded: body.8") for line in seen.lines)


def test_another_scale_takes_all_but_the_upsampler(
    make_options: MakeOptions, small_validation: str
) -> None:
    seen = Notices()
    options = make_options(observer=seen)
    still = ["training.steps=1", "training.learning_rate=1e-12", "scale=2", small_validation]
    wanted = {"run_root": options.run_root, "settings": still}
    named = start_of({"generator": "srresnet-nobn-compact", "strict": False})
    spec = specified(load_book(), "srresnet-nobn", "smoke", start=named, **wanted)
    assert spec.settings.generator.arguments["width"] == 32
    weights, _ = RunDirectory(train(spec, options).directory).read_weights()
    for name, value in zoo.load("srresnet-nobn-compact").state_dict().items():
        if not name.startswith(("upsampler.", "tail.")):
            torch.testing.assert_close(weights[name], value)
    assert seen.lines
    lines = [line for line in seen.lines if "loaded" in line]
    assert all("upsampler" in line or "tail" in line for line in lines)
    with pytest.raises(RecipeError, match="2 is written here"):
        specified(
            load_book(),
            "srresnet-nobn",
            "smoke",
            start=start_of("srresnet-nobn-compact"),
            **wanted,
        )


def test_a_run_goes_on_from_both_networks_of_another(
    tmp_path: Path, make_spec: MakeSpec, make_options: MakeOptions, small_validation: str
) -> None:
    options, book = make_options(), load_book()
    few = [small_validation, "training.steps=2", "pretraining.training.steps=1"]
    first = train(make_spec("srgan-nobn", *few), options).directory
    on = ["training.learning_rate=1e-12", "adversary.discriminator_learning_rate=1e-12"]
    wanted = {
        "run_root": options.run_root,
        "settings": [few[0], few[1], *on],
        "start": start_of({"run": first}),
    }
    spec = specified(book, "srgan-nobn", "smoke", **wanted)
    assert spec.pretraining is None
    assert [key for key, _ in spec.begun_from.items()] == ["init", "init_discriminator"]
    command = train_command(spec)
    assert f"--init {first}" in command
    assert f"--init-discriminator {first}" in command
    again = train(spec, options).directory
    assert again != first
    before, after = (load_latest(RunDirectory(each).checkpoints) for each in (first, again))
    assert before is not None
    assert after is not None
    for name, value in before["discriminator"].items():
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(after["discriminator"][name], value)
    identity = RunDirectory(again).provenance()
    assert identity is not None
    assert (
        identity["identity"]["init_discriminator"] == spec.begun_from["init_discriminator"].sha256
    )
    content = specified(book, "srresnet-nobn", "smoke", **(wanted | {"settings": few[:2]}))
    assert list(content.begun_from) == ["init"]
    check_each_network_has_its_start(str(first), tmp_path, options.run_root)
    shutil.rmtree(first)
    assert specified(book, "srgan-nobn", "smoke", **wanted) == spec, "the run is found without it"
    with pytest.raises(DataError, match="not a run directory"):
        specified(book, "srresnet-nobn", "smoke", **(wanted | {"settings": few[:2]}))
    with pytest.raises(RecipeError, match="names the weights of both networks"):
        start_of({"run": first, "generator": "x"})
    with pytest.raises(RecipeError, match="no discriminator that could"):
        specified(
            book,
            "srresnet-nobn",
            "smoke",
            start=start_of({"discriminator": first}),
            run_root=options.run_root,
        )
    with pytest.raises(DataError, match="not a run directory"):
        specified(
            book, "srgan", "smoke", run_root=options.run_root, start=start_of({"run": "absent"})
        )


def check_each_network_has_its_start(run: str, folder: Path, run_root: Path) -> None:
    critic, model = folder / "critic.pth", "srresnet-nobn-compact"
    torch.save({"params": {"conv.weight": torch.zeros(3)}}, critic)
    mine = folder / "mine.yaml"
    mine.write_text(
        "version: 1\nrecipes:\n"
        f"  from-run: {{extends: srgan-nobn, pretrained: {{run: {run}}}}}\n"
        f"  from-both: {{extends: from-run, pretrained: {{generator: {model}}}}}\n"
    )
    book = load_book([mine])

    def begun_by(recipe: str, **named: object) -> list[str]:
        given = start_of({**named, "strict": False})
        spec = specified(book, recipe, "compact", run_root=run_root, start=given)
        return [each.file for each in spec.begun_from.values()]

    assert begun_by("from-run") == [run, run]
    assert begun_by("from-run", discriminator=critic) == [run, str(critic)]
    assert begun_by("from-run", generator=model) == [model, run]
    assert begun_by("from-run", generator=model, discriminator=critic) == [model, str(critic)]
    assert begun_by("from-both") == [model, run]
    assert begun_by("from-both", run=run) == [run, run]


WRITTEN = """
version: 1
recipes:
  from-model:
    extends: srgan-nobn
    pretrained: {{generator: srresnet-nobn-compact, discriminator: {critic}}}
  from-file:
    extends: srresnet-nobn
    pretrained: {model}
  from-part:
    extends: from-file
    pretrained: {{generator: {model}, strict: false}}
  from-nothing:
    extends: from-file
    pretrained: null
"""


def test_a_recipe_names_its_start(tmp_path: Path, make_options: MakeOptions) -> None:
    critic, model = tmp_path / "critic.pth", model_files()["srresnet-nobn-compact"]
    torch.save(zoo.create("vgg", kind="discriminators").state_dict(), critic)
    file = tmp_path / "mine.yaml"
    file.write_text(WRITTEN.format(critic=critic, model=model))
    book, root = load_book([file]), make_options().run_root
    check_book(book, required="from-model")

    def of(recipe: str) -> RunSpec:
        return specified(book, recipe, "compact", run_root=root)

    assert of("from-model").pretraining is None
    assert [each.file for each in of("from-model").begun_from.values()] == [
        "srresnet-nobn-compact",
        str(critic),
    ]
    assert [each.strict for each in of("from-file").begun_from.values()] == [True]
    assert [each.strict for each in of("from-part").begun_from.values()] == [False]
    assert of("from-nothing").begun_from == {}
    assert train_command(of("from-part")).endswith(f"--init {model} --partial")


def test_a_recipe_that_names_no_recipe_is_told_how_to_name_a_model(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("version: 1\nrecipes: {mine: {extends: srgan, pretrained: my-model}}\n")
    with pytest.raises(RecipeError, match=r"unknown recipe 'my-model'.*\{generator: my-model\}"):
        load_book([file])


def test_a_discriminator_that_changed_is_refused(
    tmp_path: Path, make_options: MakeOptions, small_validation: str
) -> None:
    options = make_options()
    torch.manual_seed(1)
    critic = tmp_path / "critic.pth"
    settings = [small_validation, "training.steps=1"]
    named = start_of({"generator": "srresnet-nobn-compact", "discriminator": critic})
    torch.save({"params": {"conv.weight": torch.zeros(3)}}, critic)
    wanted = {"run_root": options.run_root, "settings": settings}
    spec = specified(load_book(), "srgan-nobn", "smoke", start=named, **wanted)
    with pytest.raises(WeightsError, match="does not fit this recipe's discriminator"):
        train(spec, options)
    torch.save({"params": {"conv.weight": torch.ones(3)}}, critic)
    with pytest.raises(IntegrityError, match="has changed"):
        train(spec, options)


def test_a_start_has_known_keys() -> None:
    with pytest.raises(RecipeError, match="generatr is an unknown key"):
        start_of({"generatr": "x"})
