"""Whether a run is there: with other code of a plugin it is another one, with fewer steps begun."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runs.made_up import begin_run, finish_run
from zoo.bench.candidates import run_candidate
from zoo.errors import PluginError
from zoo.plugins import load_plugin_file
from zoo.recipes.book import load_book
from zoo.recipes.build import plugin_hashes
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import RunSpec
from zoo.registry import REGISTRIES
from zoo.runs.checkpoint import save_checkpoint
from zoo.runs.directory import RunDirectory, run_path
from zoo.runs.run_state import find_run

PLUGIN = """
from zoo import Generator, register_generator

@register_generator("state-net")
class Net(Generator):
    gain = {gain}
    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale)

    def forward(self, lr_image):
        return lr_image
"""
RECIPE = "version: 1\nrecipes: {state: {summary: s, generator: state-net, losses: {l1: 1}}}\n"


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """Return a loaded plugin file, with its recipe; all registries are as before afterwards."""
    before = {kind: registry.snapshot() for kind, registry in REGISTRIES.items()}
    path = tmp_path / "net.py"
    path.write_text(PLUGIN.format(gain=1))
    (tmp_path / "mine.yaml").write_text(RECIPE)
    load_plugin_file(path)
    yield path
    for kind, registry in REGISTRIES.items():
        registry.restore(before[kind])


def finished(recipe: str, root: Path, **components: dict[str, str]) -> RunSpec:
    """Write a finished run of a recipe as training does."""
    file = root / "mine.yaml"
    spec = complete(resolve(load_book([file] if file.exists() else []), recipe, "smoke")).spec
    directory = RunDirectory(run_path(spec, root))
    known = components | plugin_hashes(spec.settings)
    finish_run(directory, begin_run(directory, spec, components=known))
    return spec


def test_a_run_of_other_code_is_another_run(plugin: Path, tmp_path: Path) -> None:
    spec = finished("state", tmp_path)
    assert find_run(spec, tmp_path).state == "finished"
    plugin.write_text(PLUGIN.format(gain=2))
    load_plugin_file(plugin)
    found = find_run(spec, tmp_path)
    assert (found.state, found.can_be_trained) == ("other", False)
    assert "was trained with other code of generator state-net: keep it and train" in found.reason
    path = run_path(spec, tmp_path)
    with pytest.raises(PluginError, match=f"{path} was trained with other code of generator"):
        run_candidate(path)
    plugin.write_text(PLUGIN.format(gain=1))
    load_plugin_file(plugin)
    assert find_run(spec, tmp_path).state == "finished"


def test_a_run_of_a_plugin_is_none_of_built_in_code(tmp_path: Path) -> None:
    spec = finished("srresnet", tmp_path / "ours")
    assert find_run(spec, tmp_path / "ours").state == "finished"
    of_plugin = {"generator srresnet": {"plugin_sha256": "0" * 64}}
    finished("srresnet", tmp_path / "theirs", **of_plugin)
    assert find_run(spec, tmp_path / "theirs").state == "other"


@pytest.mark.parametrize(
    ("before", "now", "state"),
    [
        ((), ("training.steps=16",), "begun"),
        (("training.steps=16",), (), "other"),
        ((), ("training.on_divergence=rollback",), "begun"),
        (("training.on_divergence=rollback",), (), "other"),
        ((), ("training.steps=16", "training.learning_rate=0.5"), "other"),
        (
            ("training.schedule.kind=cosine",),
            ("training.schedule.kind=cosine", "training.steps=16"),
            "other",
        ),
    ],
)
def test_a_run_that_only_goes_on_is_trained(
    before: tuple[str, ...], now: tuple[str, ...], state: str, tmp_path: Path
) -> None:
    """What `zoo train` would make longer, a sweep does too."""
    constant = ("training.schedule.kind=constant",)
    old, new = (
        complete(resolve(load_book(), "srresnet", "smoke", settings=(*constant, *given))).spec
        for given in (before, now)
    )
    directory = RunDirectory(run_path(old, tmp_path))
    finish_run(directory, begin_run(directory, old))
    save_checkpoint(directory.checkpoints, 12, {})
    found = find_run(new, tmp_path)
    assert (found.state, found.can_be_trained) == (state, state == "begun")
    if state == "begun":
        assert "will extend the run that was trained here: settings.training." in found.reason
    (directory.checkpoints / "step-000000012.pt").unlink()
    assert find_run(new, tmp_path).state == "other", "what is finished would be lost"
    assert find_run(old, tmp_path).state == "finished"


def test_a_run_from_before_a_loss_had_an_argument_is_the_same_run(tmp_path: Path) -> None:
    spec = finished("srgan", tmp_path)
    directory = RunDirectory(run_path(spec, tmp_path))
    file, summary = directory.path / "recipe.yaml", directory.summary()
    assert summary is not None
    before = "".join(
        line for line in file.read_text().splitlines(keepends=True) if "layers: null" not in line
    )
    assert before != file.read_text()
    file.write_text(before)
    directory.write_summary(summary, summary["identity_sha256"])
    assert find_run(spec, tmp_path).state == "finished"
    changed = resolve(load_book(), "srgan", "smoke", settings=["losses.vgg19.layers.conv_stem=1"])
    assert find_run(complete(changed).spec, tmp_path).state == "other"
