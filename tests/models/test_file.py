"""Model files: what is written comes back, and what is damaged is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from tests.exchange.made_up import make_details, make_training
from zoo.errors import IntegrityError, RecipeError, UnknownNameError, WeightsError
from zoo.files import hash_path
from zoo.fingerprints import code_hash
from zoo.generators.base import Generator
from zoo.models.bounds import Bounded
from zoo.models.details import Details
from zoo.models.file import is_model_file, read_details, read_model, write_model
from zoo.models.model import Model
from zoo.registry import GENERATORS, register_generator


def test_a_model_comes_back_as_it_was(tiny: Model, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tiny.safetensors"
    digest = write_model(path, tiny)
    back = read_model(path)
    assert back.details == tiny.details
    assert (back.path, back.sha256) == (path, digest)
    assert back.tensors.keys() == tiny.tensors.keys()
    assert all(torch.equal(back.tensors[name], value) for name, value in tiny.tensors.items())
    image = torch.rand(1, 3, 5, 4)
    with torch.no_grad():
        assert torch.equal(back.build()(image), tiny.build()(image))


def test_a_model_written_again_is_the_same_file(tiny: Model, tmp_path: Path) -> None:
    assert len({write_model(tmp_path / "tiny.safetensors", tiny) for _ in range(16)}) == 1


def test_a_built_generator_is_ready_to_use(tiny: Model) -> None:
    generator = tiny.build()
    assert not generator.training
    assert generator.scale == 2


def test_float16_halves_the_file_and_is_computed_with_in_float32(
    tiny: Model, tmp_path: Path
) -> None:
    whole, half = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    write_model(whole, tiny)
    write_model(half, tiny, precision="float16")
    assert half.stat().st_size < 0.7 * whole.stat().st_size
    back = read_model(half)
    assert back.details.precision == "float16"
    for name, value in tiny.tensors.items():
        assert back.tensors[name].dtype == torch.float32
        assert torch.equal(back.tensors[name], value.half().float())


def test_a_number_too_large_for_float16_is_refused(tiny: Model, tmp_path: Path) -> None:
    tensors = dict(tiny.tensors) | {"tail.bias": torch.tensor([1e6, 0.0, 0.0])}
    with pytest.raises(WeightsError, match=r"tail.bias has a NaN or infinite value in float16"):
        write_model(tmp_path / "x.safetensors", Model(tiny.details, tensors), precision="float16")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_hash_beside", [True, False])
def test_every_flipped_bit_of_the_tensors_is_found(
    tiny: Model, tmp_path: Path, *, has_hash_beside: bool
) -> None:
    path = tmp_path / "tiny.safetensors"
    write_model(path, tiny)
    if not has_hash_beside:
        hash_path(path).unlink()
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    for offset in range(start, len(content), max(1, (len(content) - start) // 20)):
        damaged = bytearray(content)
        damaged[offset] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError, match="damaged"):
            read_model(path)


def test_a_torn_file_is_found_without_the_hash_beside_it(tiny: Model, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    write_model(path, tiny)
    hash_path(path).unlink()
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="damaged"):
        read_model(path)


def test_files_of_other_tools_are_sent_to_import(tmp_path: Path) -> None:
    foreign, text = tmp_path / "net.safetensors", tmp_path / "text.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(2)}, foreign)
    text.write_text("not a model")
    for path in (foreign, text):
        assert not is_model_file(path)
        with pytest.raises(WeightsError, match=f"zoo import {path}"):
            read_model(path)
    with pytest.raises(WeightsError, match="cannot read"):
        read_model(tmp_path / "none.safetensors")


def test_details_are_read_without_the_tensors(tiny: Model, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    write_model(path, tiny)
    assert is_model_file(path)
    assert read_details(path) == tiny.details


def test_a_model_that_does_not_fit_says_so(tiny: Model) -> None:
    wider = tiny.details.model_copy(update={"generator": tiny.details.generator | {"width": 12}})
    with pytest.raises(WeightsError, match="does not fit generator 'srresnet'"):
        Model(wider, tiny.tensors).build()
    unknown = tiny.details.model_copy(update={"generator": {"name": "srresnt"}})
    with pytest.raises(UnknownNameError, match="did you mean 'srresnet'"):
        Model(unknown, tiny.tensors).build()
    argument = tiny.details.model_copy(update={"generator": {"name": "srresnet", "widht": 8}})
    with pytest.raises(RecipeError, match="widht"):
        Model(argument, tiny.tensors).build()


Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def registered() -> Iterator[None]:
    """Take what a test registers back afterwards."""
    before = GENERATORS.snapshot()
    yield
    GENERATORS.restore(before)


def rewritten(path: Path, change: Change) -> Path:
    """Change the description in a model file, as an attacker or another version could."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    described = json.loads(header["__metadata__"]["zoo"])
    change(described)
    header["__metadata__"]["zoo"] = json.dumps(described)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    hash_path(path).unlink()
    return path


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda one: one["generator"].pop("name"), "generator.name is missing"),
        (
            lambda one: one["generator"].update(name=5),
            "generator.name is 5; it should be text",
        ),
        (
            lambda one: one["generator"].update(name="../x"),
            "generator.name is '../x'; it should match",
        ),
        (lambda one: one.update(scale=-4), "scale is -4; it should be greater than or equal to 1"),
        (lambda one: one.update(surplus=1), "surplus is an unknown key"),
    ],
)
def test_a_description_that_makes_no_sense_is_told(
    tiny: Model, tmp_path: Path, change: Change, told: str
) -> None:
    path = tmp_path / "tiny.safetensors"
    write_model(path, tiny)
    with pytest.raises(WeightsError, match="this version of zoo cannot read the description in"):
        read_model(rewritten(path, change))


@pytest.mark.parametrize("size", [{"width": 10**7}, {"num_blocks": 10**9}])
def test_a_file_cannot_ask_for_a_network_larger_than_itself(
    tiny: Model, tmp_path: Path, size: dict[str, int]
) -> None:
    path = tmp_path / "tiny.safetensors"
    write_model(path, tiny)
    model = read_model(rewritten(path, lambda one: one["generator"].update(size)))
    with pytest.raises(WeightsError, match=r"does not fit|too few tensors"):
        model.build()


def test_a_generator_that_computes_when_it_is_made_is_compared_all_the_same(
    registered: None,
) -> None:
    class Computing(Generator):
        def __init__(self, *, scale: int = 2, width: int = 3) -> None:
            super().__init__(scale=scale)
            self.weight = nn.Parameter(torch.zeros(width))
            self.sum = float(torch.arange(width).sum())
            if width > 5:
                raise ValueError("at most 5")

        def forward(self, lr_image: torch.Tensor) -> torch.Tensor:
            return lr_image * self.sum

    register_generator("computing")(Computing)
    details = Details(name="x", generator={"name": "computing"}, scale=2, origin="imported")
    built = Model(details, {"weight": torch.ones(3)}).build()
    assert built.state_dict()["weight"].sum() == 3
    with pytest.raises(WeightsError, match=r"does not fit .*size mismatch"):
        Model(details, {"weight": torch.ones(4)}).build()
    wide = details.model_copy(update={"generator": {"name": "computing", "width": 6}})
    with pytest.raises(WeightsError, match="cannot be built into generator 'computing': at most"):
        Model(wide, {"weight": torch.ones(6)}).build()
    vast = details.model_copy(update={"generator": {"name": "computing", "width": 10**12}})
    with pytest.raises(WeightsError, match="too few tensors for generator 'computing'"):
        Model(vast, {"weight": torch.ones(6)}).build()


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.arange(10**12),
        lambda: torch.linspace(0, 1, 10**12),
        lambda: torch.eye(10**6),
        lambda: torch.zeros(10**6, 1) - torch.zeros(1, 10**6),
        lambda: torch.zeros(1).expand(10**12).contiguous(),
        lambda: [torch.zeros(1) for _ in range(2000)],
    ],
)
def test_what_a_constructor_computes_is_bounded_before_memory_is_used(
    make: Callable[[], object],
) -> None:
    with pytest.raises(WeightsError, match="too few"), Bounded({}, "too few tensors"):
        make()


def test_views_and_changes_in_place_cost_nothing() -> None:
    with Bounded({}, "too few tensors"):
        vast = torch.zeros(10**6).expand(10**4, 10**6)
        small = torch.zeros(3)
        for _ in range(5000):
            small.view(3, 1).mul_(2)
    assert vast.shape == (10**4, 10**6)


def test_a_plugin_that_changed_since_the_training_is_told(
    registered: None, caplog: pytest.LogCaptureFixture
) -> None:
    class Gain(Generator):
        def __init__(self, *, scale: int = 2) -> None:
            super().__init__(scale=scale)
            self.gain = nn.Parameter(torch.ones(1))

        def forward(self, lr_image: torch.Tensor) -> torch.Tensor:
            return lr_image * self.gain

    register_generator("gain")(Gain)

    def build(recorded: str | None) -> str:
        caplog.clear()
        components = {"generator gain": {"plugin_sha256": recorded}}
        training = make_training(components=components if recorded else {})
        details = make_details(generator={"name": "gain"}, scale=2, training=training)
        Model(details, {"gain": torch.ones(1)}).build()
        return caplog.text

    assert build(code_hash(Gain)) == build(None) == ""
    assert "was trained with other code of generator 'gain'" in build(64 * "0")


def test_text_of_a_file_cannot_write_to_the_terminal(tiny: Model, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    write_model(path, tiny)
    hostile = rewritten(path, lambda one: one.update(name="a\x1b[2Jb\r", summary="\x07"))
    assert read_details(hostile).name == r"a\x1b[2Jb"
    assert read_details(hostile).summary == r"\x07"


@pytest.mark.parametrize("place", [0, 3, 9, 30, 60, 200])
def test_a_flipped_bit_of_the_header_is_damage_where_the_hash_tells(
    tiny: Model, tmp_path: Path, place: int
) -> None:
    path = tmp_path / "tiny.safetensors"
    write_model(path, tiny)
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged or was replaced"):
        read_model(path)
