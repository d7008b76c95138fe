"""What would pass for a score and is none: each is noticed and named."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from tests.bench.test_evaluate import Unavailable, on_cpu, weights_of
from tests.exchange.made_up import make_details, make_training
from zoo.bench import evaluate, judges
from zoo.bench.candidates import Upscaler, callable_candidate, model_candidate, unreadable
from zoo.bench.conventions import other_convention
from zoo.bench.evaluate import Scorer
from zoo.bench.judges import create_metrics
from zoo.bench.session import score_all
from zoo.bench.suites import Suite, open_suite
from zoo.compare.comparisons import compare
from zoo.data.images import read_image, write_png
from zoo.errors import Leaving, PluginError, ShapeError
from zoo.generators.bicubic import Bicubic
from zoo.generators.srresnet import SRResNet
from zoo.metrics.base import Metric
from zoo.metrics.fidelity import PSNRY
from zoo.models.file import write_model
from zoo.models.model import Model
from zoo.records.record import Record, read_record, read_records

BICUBIC = Bicubic(scale=4)


@pytest.fixture(autouse=True)
def free_of_charge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure no costs: they take longer than all the rest."""
    monkeypatch.setattr(evaluate, "measured_cost", lambda *_, **__: {})


@pytest.fixture
def suite(tiny_suite: Path, tiny_data: Path) -> Suite:
    return open_suite(str(tiny_suite), data_root=tiny_data)


def scored(suite: Suite, root: Path, upscale: Upscaler, *metrics: Metric) -> Record:
    """Return the record of a function, scored as `zoo bench` does."""
    named = {type(metric).__name__.lower(): metric for metric in (PSNRY(), *metrics)}
    scorer = Scorer(suite, named, on_cpu(), root)
    (record,) = score_all([callable_candidate("net", upscale, scale=4)], scorer)
    return record


def notes(record: Record) -> str:
    return "\n".join(note for one in compare([record]) for note in one.notes)


# Two copies of one image


def test_copies_of_an_image_are_named(
    tiny_suite: Path, tiny_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_data, data)
    folder = data / "Colour" / "HR"
    shutil.copy(folder / "0.png", folder / "again.png")
    write_png(data / "Grey" / "HR" / "1.png", read_image(folder / "1.png"))  # in another dataset
    suite = open_suite(str(tiny_suite), data_root=data)
    said = [
        "Colour/0 and Colour/again are copies of one image, which counts 2 times",
        "Colour/1 and Grey/1 are copies of one image, which counts 2 times",
    ]
    assert all(f"suite tiny: {one}" in caplog.text for one in said)
    record = scored(suite, tmp_path, BICUBIC)
    assert all(one in notes(record) for one in said)


def test_a_suite_without_copies_says_nothing(suite: Suite, tmp_path: Path) -> None:
    assert "copies" not in notes(scored(suite, tmp_path, BICUBIC))


# A plugin that has changed since a model was trained


def test_a_model_of_other_code_is_named_each_time(suite: Suite, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    network = SRResNet(width=4, num_blocks=1)
    settings = {"name": "srresnet", "width": 4, "num_blocks": 1}
    scorer = Scorer(suite, {"psnr-y": PSNRY()}, on_cpu(), tmp_path)

    def said(**components: dict[str, str]) -> list[str]:
        training = make_training(components=components)
        details = make_details(generator=settings, scale=4, training=training)
        write_model(path, Model(details, network.state_dict()))
        twice = [score_all([model_candidate(path)], scorer)[0] for _ in range(2)]
        assert twice[0] == twice[1], "the second is the first one's record"
        return [notes(record) for record in twice]

    other = "was trained with other code of its generator"
    assert all(other in one for one in said(**{"generator srresnet": {"plugin_sha256": "a" * 64}}))
    assert not any(other in one for one in said())


def test_a_failure_that_is_named_by_its_place_goes_when_that_is_scored(
    suite: Suite, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    scorer = Scorer(suite, {"psnr-y": PSNRY()}, on_cpu(), tmp_path / "records")
    score_all([unreadable(path, "weights", "it is torn", scale=4)], scorer)
    assert [record.error for record in read_records(tmp_path / "records")] == ["it is torn"]
    details = make_details(generator={"name": "srresnet", "width": 4, "num_blocks": 1}, scale=4)
    write_model(path, Model(details, SRResNet(width=4, num_blocks=1).state_dict()))
    for _ in range(2):  # scored, and found to be scored
        score_all([model_candidate(path)], scorer)
        assert [record.error for record in read_records(tmp_path / "records")] == [None]


# A generator that is random from call to call


class Dropping(nn.Module):
    """Forgets that dropout is for training."""

    def forward(self, lr_image: Tensor) -> Tensor:
        return torch.dropout(BICUBIC(lr_image), 0.1, train=True)


class Drifting(nn.Module):
    """Learns while it is evaluated."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = itertools.count()

    def forward(self, lr_image: Tensor) -> Tensor:
        sr_image: Tensor = BICUBIC(lr_image)
        return sr_image + 1e-3 * next(self.calls)


@pytest.mark.parametrize("network", [Dropping(), Drifting(), Dropping().forward])
def test_a_random_generator_is_named(
    suite: Suite, tmp_path: Path, network: Upscaler, caplog: pytest.LogCaptureFixture
) -> None:
    record = scored(suite, tmp_path, network)
    assert record.error is None
    assert "net is random: upscaling the same image twice gave a difference of up to" in notes(
        record
    )
    assert "net is random" in caplog.text


def test_a_generator_that_is_the_same_at_each_call_is_not_called_random(
    suite: Suite, tmp_path: Path
) -> None:
    record = scored(suite, tmp_path, BICUBIC)
    assert "remarks" not in record.provenance
    assert "random" not in notes(record)


# Images by another convention

OTHERS: dict[str, Callable[[Tensor], Tensor]] = {
    "values in 0 to 255": lambda image: 255 * image,
    "values in -1 to 1": lambda image: 2 * image - 1,
    "channels in the order B, G, R": lambda image: image.flip(1),
    "values in 0 to 255, channels in the order B, G, R": lambda image: 255 * image.flip(1),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_convention_is_named(suite: Suite, tmp_path: Path, name: str) -> None:
    record = scored(suite, tmp_path, lambda image: OTHERS[name](BICUBIC(image)))
    assert f"0: the generator returned {name}; every generator of zoo" in str(record.error)


def test_rounding_to_bytes_is_named_for_what_it_is(suite: Suite, tmp_path: Path) -> None:
    network = lambda image: (255 * BICUBIC(image)).clamp(0, 255).to(torch.uint8)  # noqa: E731
    assert "values in 0 to 255" in str(scored(suite, tmp_path, network).error)


def test_grey_images_have_a_range_too(suite: Suite) -> None:
    grey = suite.datasets[1][0]
    lr_image = evaluate.to_tensor(grey.lr_image)
    sr_image = BICUBIC(lr_image.expand(1, 3, -1, -1))[0].mean(0, keepdim=True)
    assert other_convention(sr_image, lr_image) == ""
    assert other_convention(255 * sr_image, lr_image) == "values in 0 to 255"


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: 1.2 * image - 0.1,
        lambda image: 1 - image,
        lambda image: image + 0.2 * torch.randn(image.shape, generator=seeded()),
        lambda image: torch.full_like(image, 100.0),
        lambda image: 40 * torch.randn(image.shape, generator=seeded()),
        lambda image: image.roll(8, dims=-1),
        torch.zeros_like,
    ],
)
def test_a_bad_image_is_bad_and_not_of_another_convention(
    suite: Suite, change: Callable[[Tensor], Tensor]
) -> None:
    for dataset in suite.datasets:
        for image in dataset:
            lr_image = evaluate.to_tensor(image.lr_image).expand(3, -1, -1)
            sr_image = change(BICUBIC(lr_image.unsqueeze(0)))[0]
            assert other_convention(sr_image, lr_image) == ""


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_flat_image_has_no_convention() -> None:
    assert other_convention(torch.full((3, 16, 16), 255.0), torch.ones(3, 4, 4)) == ""


# A metric that fails


class Odd(Metric):
    """A plugin's metric that does whatever a test wants, from the second image on."""

    label = "Odd"
    does: ClassVar[Any] = None

    def __init__(self) -> None:
        self.images = 0

    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        self.images += 1
        return 0.5 if self.images < 2 else self.does()


class Raising(Odd):
    @staticmethod
    def does() -> float:
        raise ValueError("no such window")


class Leaving0(Odd):
    @staticmethod
    def does() -> float:
        raise SystemExit(0)


class TooHigh(Odd):
    @staticmethod
    def does() -> float:
        return 500.0


class Nothing(Odd):
    @staticmethod
    def does() -> float:
        return None  # type: ignore[return-value]


class WithoutWords(Odd):
    def provenance(self) -> dict[str, str]:
        raise OSError("no cache")


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        (Raising, "the metric itself raised ValueError on Colour/1 (no such window)"),
        (Leaving0, "the metric itself raised PluginError on Colour/1"),
        (TooHigh, "gave 500 for Colour/1, outside the range that it declares, 0 to 1"),
        (Nothing, "the metric itself raised TypeError on Colour/1"),
        (WithoutWords, "the metric itself raised OSError('no cache')"),
    ],
)
def test_a_metric_that_fails_costs_its_column_and_is_blamed(
    suite: Suite, tmp_path: Path, metric: type[Metric], said: str
) -> None:
    record = scored(suite, tmp_path, BICUBIC, metric())
    assert record.error is None
    key = metric.__name__.lower()
    assert said in str(record.columns[key].unavailable)
    assert all(set(scores) == {"psnry", "statistics_gap"} for scores in record.scored.values())
    assert f"Odd is missing: {record.columns[key].unavailable}" in notes(record)


@pytest.mark.slow
def test_a_metric_that_failed_is_tried_again(suite: Suite, tmp_path: Path) -> None:
    candidate = weights_of(tmp_path / "net.pt")
    failing = Scorer(suite, {"psnr-y": PSNRY(), "odd": Raising()}, on_cpu(), tmp_path)
    (record,) = score_all([candidate], failing)
    assert record.columns["odd"].unavailable
    working = Scorer(suite, {"psnr-y": PSNRY(), "odd": Odd()}, on_cpu(), tmp_path)
    assert working.key(candidate) == failing.key(candidate)
    assert working.known(candidate) is None
    gone = Scorer(suite, {"psnr-y": PSNRY(), "odd": Unavailable()}, on_cpu(), tmp_path)
    score_all([candidate], gone)
    assert gone.known(candidate) is not None, "what cannot be computed is not tried again"


def test_a_score_off_its_range_by_rounding_is_a_score(suite: Suite, tmp_path: Path) -> None:
    class Rounded(Odd):
        @staticmethod
        def does() -> float:
            return 1 + 1e-7

    record = scored(suite, tmp_path, BICUBIC, Rounded())
    assert all("rounded" in scores for scores in record.scored.values())


def test_a_metric_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unmade(Odd):
        def __init__(self) -> None:
            raise ValueError("no GPU")

    monkeypatch.setattr(judges.METRICS, "get", lambda _: Unmade)
    with pytest.raises(
        PluginError, match=r"metric 'psnr-y' cannot be made: ValueError\('no GPU'\)"
    ):
        create_metrics(["psnr-y"])


# A forward that ends the program


def test_a_forward_that_ends_the_program_costs_its_row(suite: Suite, tmp_path: Path) -> None:
    def leaves(_lr_image: Tensor) -> Tensor:
        raise SystemExit(0)

    record = scored(suite, tmp_path, leaves)
    assert "test_blind_spots.py" in str(record.error)
    assert "ends the program (SystemExit: 0)" in str(record.error)
    (path,) = (tmp_path / "tiny").glob("net-failed.json")
    assert read_record(path).error == record.error


def test_a_signal_ends_the_program_all_the_same(suite: Suite, tmp_path: Path) -> None:
    def stopped(_lr_image: Tensor) -> Tensor:
        raise Leaving(143)

    with pytest.raises(Leaving):
        scored(suite, tmp_path, stopped)
    with pytest.raises(ShapeError):
        Scorer(suite, {}, on_cpu(), tmp_path).score(
            callable_candidate("net", lambda image: image, scale=4)
        )
