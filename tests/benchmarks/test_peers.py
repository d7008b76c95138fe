"""The comparison with other tools: what of it needs none of them."""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.peers import __main__ as script
from benchmarks.peers import machine, packages, score, tasks, train, upscale
from benchmarks.peers.networks import NAME, BasicSRDiscriminator
from benchmarks.peers.objective import Objective
from benchmarks.peers.page import as_markdown
from benchmarks.peers.tasks import TASKS, Batch, Task
from benchmarks.speed.check import Weights, fresh_components, weights_of
from benchmarks.speed.loops import Block
from benchmarks.speed.reference import Reference
from benchmarks.speed.sizes import specify as specify_family
from zoo.errors import DataError
from zoo.recipes.schema import RunSpec
from zoo.registry import DISCRIMINATORS
from zoo.train.follow import assemble_stage
from zoo.train.prepare import prepare
from zoo.train.step import generator_terms
from zoo.upscaling.tiles import TiledUpscaler

ROOT = Path(__file__).parents[2]
CPUINFO = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 fma avx512_bf16\n"


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Leave the registry of discriminators as it was: other tests go over all names."""
    before = DISCRIMINATORS.snapshot()
    yield
    DISCRIMINATORS.restore(before)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of packages that can be imported."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    packages.add_site(tmp_path)
    return tmp_path


def test_a_peer_that_is_not_installed_is_said_to_be_so(site: Path) -> None:
    reason = packages.why_missing("no_such_peer")
    assert reason == "not installed; see benchmarks/peers/requirements.txt"


def test_a_peer_that_breaks_is_named_with_the_cause(site: Path) -> None:
    (site / "peer_in_need.py").write_text("import no_such_need")
    (site / "peer_that_breaks.py").write_text("raise AttributeError('numpy has no float')")
    (site / "peer_that_works.py").write_text("")
    assert "it needs no_such_need" in str(packages.why_missing("peer_in_need"))
    told = packages.why_missing("peer_that_breaks")
    assert told == "cannot be imported: AttributeError: numpy has no float"
    assert packages.why_missing("peer_that_works") is None


def test_a_checkout_goes_before_what_is_installed(
    site: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    checkout = tmp_path_factory.mktemp("checkout")
    packages.add_site(None, checkout)
    assert sys.path[0] == str(checkout)
    assert sys.path[-1] == str(site), "zoo's own packages come before the peers'"


def test_each_peer_is_pinned_and_zoo_needs_none() -> None:
    pinned = packages.pinned()
    assert {"lightning", "accelerate", "basicsr", "realesrgan", "torchmetrics"} <= set(pinned)
    assert all(number[0].isdigit() for number in pinned.values())
    assert pinned.keys().isdisjoint(packages.REFUSED)
    project = (ROOT / "pyproject.toml").read_text()
    assert not [name for name in pinned if f'"{name}=' in project or f'"{name}>' in project]


def test_another_version_than_the_pinned_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "pinned", lambda: {"numpy": "0.1"})
    assert packages.found_version("numpy") == f"{np.__version__} (pinned: 0.1)"
    assert packages.found_version("no_such_peer") == "a checkout"


def test_flags_of_a_processor_are_read(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    flags = machine.cpu_flags(tmp_path / "cpuinfo")
    assert flags == ["avx2", "fma", "avx512_bf16"]
    assert machine.has_bfloat16_units(flags)
    assert not machine.has_bfloat16_units(["avx2", "fma"])
    assert machine.cpu_flags(tmp_path / "none") == []


def test_the_discriminator_is_as_large_as_basicsr_says() -> None:
    with torch.device("meta"):
        network = BasicSRDiscriminator()
        assert network(torch.empty(2, 3, 128, 128)).shape == (2, 1)
    assert sum(parameter.numel() for parameter in network.parameters()) == 14_499_401


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_basicsr_s_weights(name: str) -> None:
    settings = tasks.specify(TASKS[name]).settings
    assert settings.discriminator is not None
    assert settings.adversary is not None
    assert settings.discriminator.name == NAME
    assert settings.generator.arguments["width"] == 32
    assert settings.adversary.weight == {"esrgan": 2.5e-3, "srgan": 5e-3}[name]
    assert {key: loss.weight for key, loss in settings.losses.items()} == {"vgg19": 1, "l1": 1e-2}
    assert settings.losses["vgg19"].arguments["weights"] == "random"
    assert (settings.training.betas, settings.training.steps) == ((0.9, 0.99), 400_000)


def test_drawn_batches_are_the_same_each_time() -> None:
    (lr_image, hr_image), *_ = tasks.draw_batches(2)
    assert (lr_image.shape, hr_image.shape) == ((2, 3, 32, 32), (2, 3, 128, 128))
    assert torch.equal(lr_image, tasks.draw_batches(1)[0][0])


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_the_losses_written_out_are_zoo_s(name: str) -> None:
    narrow = ("discriminator.width=4", "generator.width=4", "generator.num_blocks=1")
    spec = tasks.specify(TASKS[name], narrow)
    players = assemble_stage(spec, prepare(spec, train.CPU)).state
    lr_image, hr_image = tasks.as_numbers(tasks.draw_batches(1)[0])
    sr_image = players.generate(lr_image)
    discriminator, adversary = players.discriminator, players.adversary
    assert discriminator is not None
    assert adversary is not None
    features: Any = copy.deepcopy(players.losses["vgg19"].features)
    objective = Objective(spec.settings, features)
    for key, term in generator_terms(players, sr_image, hr_image).items():
        theirs = objective.generator_terms(discriminator, sr_image, hr_image)
        written = theirs["gan" if key == "adversarial" else key]
        ours = players.weights[key] * term
        assert written.item() == pytest.approx(ours.item(), rel=1e-4)
    own = adversary.discriminator_loss(discriminator, hr_image, sr_image.detach())["total"]
    loss = objective.discriminator_loss(discriminator, hr_image, sr_image.detach())
    assert loss.item() == pytest.approx(own.item(), rel=1e-4)


class FakeLoop:
    """The plain loop of the speed benchmark, behind a peer's interface."""

    device = torch.device("cpu")

    def __init__(self, setup: Any, _task: Task, *, faster: float = 1.0) -> None:
        settings = copy.deepcopy(setup.settings)
        settings = settings.model_copy(update={"training": settings.training.model_copy(
            update={"learning_rate": faster * settings.training.learning_rate}
        )})  # fmt: skip
        components = setup.components
        self.loop = Reference(components, settings, num_steps=9, device=self.device)

    def train(self, batches: Sequence[Batch]) -> dict[str, Weights]:
        for batch in batches:
            self.loop.step(batch)
        return weights_of(self.loop.generator, self.loop.average, self.loop.discriminator)

    def block(self, steps: int, _clock: machine.Clock) -> Block:
        return Block(2 * steps, 1.0, 0.0, steps)


def fake_peer(**arguments: Any) -> train.Peer:
    return train.Peer("fake", "nothing", partial(FakeLoop, **arguments))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tasks be the smoke-sized ESRGAN, on small batches."""

    def specify(_task: Task, settings: tuple[str, ...] = ()) -> RunSpec:
        chosen = [one for one in settings if not one.startswith("discriminator.")]
        return specify_family("esrgan", "smoke", settings=[*chosen, "losses.vgg19=null"])

    monkeypatch.setattr(train, "specify", specify)
    monkeypatch.setattr(tasks, "LR_SIDE", 8)


def test_a_peer_whose_step_is_another_fails_the_check(small: None) -> None:
    present = {"right": fake_peer(), "wrong": fake_peer(faster=1.001)}
    found = train.check_task(TASKS["esrgan"], present)
    assert found["right"]["passed"]
    assert found["right"]["largest"] < train.LIMIT < min(found["right"]["moved"].values())
    assert not found["wrong"]["passed"]
    assert found["wrong"]["largest"] == pytest.approx(1e-7, rel=0.1)


def test_a_peer_with_departures_is_held_against_what_is_expected_of_it(small: None) -> None:
    def expected(spec: RunSpec, _prepared: Any, batches: Sequence[Batch], dtype: Any) -> Any:
        setup = type("Setup", (), {})()
        setup.components, setup.settings = fresh_components(spec, dtype), spec.settings
        return FakeLoop(setup, TASKS["esrgan"], faster=2.0).train(batches)

    peer = train.Peer(
        "fake", "", partial(FakeLoop, faster=2.0), expected=expected, departures=("twice",)
    )
    found = train.check_task(TASKS["esrgan"], {"peer": peer})["peer"]
    assert found["passed"]
    assert found["apart"] == pytest.approx(1e-4, rel=0.1)
    assert found["departures"] == ["twice"]


def training_document(*, passed: bool, ratio: float) -> dict[str, Any]:
    told = {"median": ratio, "least": ratio, "most": ratio, "values": [ratio]}
    check = {
        "passed": passed, "largest": 1e-12, "where": {}, "moved": {"generator": 1e-4},
        "apart": 2e-4, "departures": ["another order"],
    }  # fmt: skip
    execution = {"precision": "float32", "channels_last": True, "compile": False, "threads": 1}
    row = {
        "precision": "float32", "zoo_precision": "float32", "repeats": 3, "images_per_second": told,
        "ratio": told, "operators": {"aten::convolution": 30.0, "aten::copy_": 10.0},
        "execution": None,
    }  # fmt: skip
    rows = [row | {"loop": "zoo", "execution": execution}, row | {"loop": "peer"}]
    return {
        "train": machine.provenance([], "cpu") | {
            "missing": {"lightning": "not installed"}, "bfloat16": False,
            "done": {"peer": "nothing"}, "steps": 1,
            "matrix_rate": 4e9, "tasks": {"esrgan": {
                "title": "ESRGAN", "operations": 4e9, "checks": {"peer": check}, "rows": rows,
            }},
        }
    }  # fmt: skip


def test_a_page_names_what_is_missing_and_whether_the_aim_is_reached() -> None:
    page = as_markdown(training_document(passed=True, ratio=1.5))
    assert "- lightning: not installed." in page
    assert machine.NO_UNITS in page
    assert "CPU time of one thread" in page
    assert "4 GFLOP and does 3 GFLOP/s, 75% of a matrix product's 4" in page
    assert "Convolutions have 75% of it: without all the rest it would be 1.33 times" in page
    assert "| `aten::copy_` | 25.0% | 25.0% |" in page
    assert "| peer | float32 | 1.50 (1.50 to 1.50) | 1.50 (1.50 to 1.50) | 1.3: reached |" in page
    assert "| peer | yes | 1.0e-12 | 1.0e-04 | 2.0e-04 |" in page
    assert "- peer: another order." in page
    assert "1.3: missed" in as_markdown(training_document(passed=True, ratio=1.2))
    assert "**no: not timed**" in as_markdown(training_document(passed=False, ratio=1.5))


def test_a_script_goes_on_without_peers_and_fails_where_a_step_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for passed in (True, False):
        told = training_document(passed=passed, ratio=1.5)["train"]
        monkeypatch.setattr(train, "measure", lambda *_, told=told, **__: told)
        assert script.main(["train", "--output", str(tmp_path)]) == (0 if passed else 1)
    assert set(json.loads((tmp_path / "peers.json").read_text())) == {"train"}


def test_ways_to_upscale_are_compared_in_levels(tmp_path: Path) -> None:
    file = upscale.write_network("shipped", tmp_path)

    def brighter(*arguments: Any) -> upscale.Call:
        own = upscale.WAYS[upscale.ZOO].open(*arguments)
        return lambda picture: np.minimum(own(picture), 252) + np.uint8(3)

    ways = {"zoo": upscale.WAYS["zoo"], "brighter": upscale.Way("", "", brighter)}
    found = upscale.time_ways(
        ways, file, clock=time.perf_counter, megapixels=0.001, tile=64, repeats=2
    )
    assert found["rows"]["zoo"]["largest_difference"] == 0
    assert found["rows"]["zoo"]["ratio"]["values"] == [1, 1]
    assert found["rows"]["brighter"]["largest_difference"] == 3
    assert found["rows"]["brighter"]["megapixels_per_second"]["least"] > 0


def test_spandrel_gets_the_tiles_of_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upscale, "TiledUpscaler", partial(TiledUpscaler, tile=80))
    names = ("zoo", "spandrel", "spandrel, tiles")
    found = upscale.time_ways(
        {name: upscale.WAYS[name] for name in names},
        upscale.write_network("shipped", tmp_path),
        clock=time.perf_counter,
        megapixels=0.01,
        tile=64,
        repeats=1,
    )
    assert found["input"] > [80, 80]
    assert all(found["rows"][name]["largest_difference"] <= 1 for name in names)


def test_numbers_and_levels_of_a_picture_are_inverse() -> None:
    picture = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    numbers = upscale._to_numbers(picture)
    assert numbers.shape == (1, 3, 4, 5)
    assert np.array_equal(upscale._from_numbers(numbers), picture)


def test_ways_to_score_take_turns_and_differences_are_the_largest() -> None:
    pair = score.Pair("a", *[np.zeros((8, 8, 3), np.uint8)] * 3)
    calls: list[str] = []

    def way(name: str, value: float) -> score.Score:
        def call(_pair: score.Pair) -> score.Scores:
            calls.append(name)
            return dict.fromkeys(score.SCORES, value)

        return call

    ways = {"zoo": way("zoo", 1.0), "peer": way("peer", 1.5)}
    seconds, scores = score.take_turns(ways, [pair], 2, time.perf_counter)
    assert calls == ["zoo", "peer", "zoo", "peer", "peer", "zoo"]
    assert len(seconds["zoo"]) == 2
    assert score.largest_differences(scores["zoo"], scores["peer"]) == dict.fromkeys(
        score.SCORES, 0.5
    )


def test_pictures_are_read_and_cut_to_multiples_of_the_scale(tmp_path: Path) -> None:
    from zoo.data.images import write_png

    write_png(tmp_path / "a.png", np.zeros((41, 50, 3), np.uint8))
    (pair,) = score.read_pairs([tmp_path], 20)
    assert (pair.hr_image.shape, pair.sr_image.shape) == ((40, 48, 3), (40, 48, 3))
    assert pair.lr_image.shape == (10, 12, 3)
    with pytest.raises(DataError, match=r"no \.png file in"):
        score.read_pairs([tmp_path / "none"], 20)
