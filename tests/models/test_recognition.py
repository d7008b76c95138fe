"""Files that spandrel recognises. The architectures here are examples: zoo names none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import spandrel
import torch
from torch import Tensor

from tests.exchange.networks import compact
from zoo.bench.candidates import foreign_candidate
from zoo.errors import RecipeError, WeightsError
from zoo.exchange.spandrel import spandrel_problem
from zoo.generators.spandrel import architectures
from zoo.models import foreign as module
from zoo.models.file import read_model, write_model
from zoo.models.find import find_model
from zoo.models.foreign import TRIAL, import_model, read_foreign
from zoo.models.recognition import RULES

IMAGE = torch.rand(1, 3, 9, 14, generator=torch.Generator().manual_seed(3))


def saved(tmp_path: Path, content: object, name: str = "theirs.pth") -> Path:
    path = tmp_path / name
    torch.save(content, path)
    return path


def state(**arguments: object) -> dict[str, Tensor]:
    return dict(compact(**arguments).state_dict())


@pytest.mark.parametrize("wrap", [{}, {"params_ema": None}, {"generator.": None}])
def test_a_model_file_is_built_again_without_telling_anything_twice(
    tmp_path: Path, wrap: dict[str, None]
) -> None:
    content: Any = state()
    for key in wrap:
        is_prefix = key.endswith(".")
        named = {f"{key}{name}": value for name, value in content.items()}
        content = named if is_prefix else {key: content}
    path = saved(tmp_path, content)
    imported = import_model(path, licence="mit", told={"author": "somebody"})
    details = imported.model.details
    assert (details.scale, details.generator["architecture"]) == (4, "Compact")
    assert details.source["author"] == "somebody"
    assert details.source["layout"].endswith("reads it")
    written = tmp_path / "ours.safetensors"
    write_model(written, imported.model)
    theirs = spandrel.ModelLoader().load_from_state_dict(state())
    with torch.no_grad():
        ours = read_model(written).build()(IMAGE).clamp(0, 1)
    assert torch.equal(ours, theirs(IMAGE))
    assert spandrel.ModelLoader().load_from_file(written).architecture.id == "Compact"


def test_a_file_is_used_as_it_is(tmp_path: Path) -> None:
    model = find_model(saved(tmp_path, state()))
    assert model.build()(IMAGE).shape == (1, 3, 36, 56)


def test_a_network_that_begins_like_one_of_ours_and_is_none_is_spandrels(tmp_path: Path) -> None:
    """Real-ESRGAN's x2 network folds the image into channels."""
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    network = ESRGAN(in_nc=12, out_nc=3, num_filters=8, num_blocks=1, scale=4, shuffle_factor=2)
    path = saved(tmp_path, dict(network.state_dict()))
    details = read_foreign(path).model.details
    assert details.scale == 2
    assert spandrel_problem(details) is None
    with pytest.raises(WeightsError, match="those of x2, not x4"):
        read_foreign(path, scale=4)
    with pytest.raises(RecipeError, match="omit no_such"):
        read_foreign(path, generator="spandrel", arguments={"no_such": 7})
    assert details.generator["hyperparameters"]["shuffle_factor"] == 2


def test_a_network_that_fails_the_trial_is_taken_where_it_is_asked_for(tmp_path: Path) -> None:
    tensors = state()
    tensors = {name: 30 * value if value.ndim == 4 else value for name, value in tensors.items()}
    path = saved(tmp_path, tensors)
    with pytest.raises(WeightsError, match="does not upscale a smooth test image"):
        import_model(path)
    forced = import_model(path, accept=True)
    assert "the correlation of its output with bicubic" in forced.model.details.source[TRIAL]
    assert any("accepted all the same" in note for note in forced.notes)
    nothing = {name: torch.full_like(value, 3e38) for name, value in tensors.items()}
    with pytest.raises(WeightsError, match="NaN or infinite"):
        import_model(saved(tmp_path, nothing), accept=True)


@pytest.mark.parametrize("spoilt", [torch.nan, 0.01])
@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_network_that_computes_something_else_than_spandrels_is_refused(
    tmp_path: Path, whose: str, spoilt: float
) -> None:
    foreign = read_foreign(saved(tmp_path, state()))
    assert foreign.recognised is not None
    foreign.build()
    ours = {name: value.clone() for name, value in foreign.model.tensors.items()}
    foreign = replace(foreign, model=replace(foreign.model, tensors=ours))
    theirs = dict(foreign.recognised.descriptor.model.named_parameters())
    with torch.no_grad():
        list((ours if whose == "ours" else theirs).values())[-1].add_(spoilt)
    with pytest.raises(WeightsError, match="differs from spandrel's"):
        foreign.build()


def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.replace("body.2", "trunk.2"): value for name, value in tensors.items()}


def mixed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {"conv_first.weight": torch.zeros(8, 3, 3, 3)}


def halved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(list(tensors.items())[: len(tensors) // 2])


def cut_shape(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {"body.2.weight": tensors["body.2.weight"][:, :5].clone()}


def as_integers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {"body.2.weight": tensors["body.2.weight"].to(torch.int64)}


def not_finite(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {"body.2.bias": torch.full((16,), torch.nan)}


def far_layer(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return tensors | {"body.99999999999.weight": torch.zeros(1)}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (renamed, "theirs.pth: spandrel cannot load it as RealESRGAN Compact"),
        (mixed, "Unexpected key"),
        (halved, "RealESRGAN Compact maps 3 channels to"),
        (lambda whole: {"params_ema": halved(whole), "params": whole}, "maps 3 channels to"),
        (cut_shape, "size mismatch"),
        (as_integers, "body.2.weight is of type torch.int64"),
        (not_finite, "NaN or infinite values"),
        (far_layer, "a number above 9999"),
        (lambda _: {"optimizers": [{"state": {}}], "iter": 5}, "the state of an optimizer"),
        (lambda _: {}, "it contains nothing"),
    ],
)
def test_a_broken_file_is_refused_with_what_was_found(
    tmp_path: Path, change: Any, told: str
) -> None:
    path = saved(tmp_path, change(state()))
    with pytest.raises(WeightsError, match=told):
        read_foreign(path)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, state())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="truncated"):
        read_foreign(path)


def test_a_scale_in_the_metadata_that_the_tensors_deny_is_refused(tmp_path: Path) -> None:
    model = read_foreign(saved(tmp_path, state())).model
    path = tmp_path / "other.safetensors"
    other = model.details.model_copy(update={"scale": 2})
    write_model(path, replace(model, details=other))
    with pytest.raises(RecipeError, match="enlarges 4 times, not 2"):
        read_model(path).build()


@pytest.mark.parametrize("use", ["find", "bench"])
def test_a_file_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: str) -> None:
    """Once by spandrel, to tell its arguments, and once by zoo: both are compared."""
    path, built = saved(tmp_path, state()), list[str]()
    original, reading = module.SpandrelNetwork.__init__, module.read_checkpoint

    def counted(self: object, **arguments: Any) -> None:
        built.append("network")
        original(self, **arguments)  # type: ignore[arg-type]

    def read(*given: Any, **options: Any) -> object:
        built.append("file")
        return reading(*given, **options)

    monkeypatch.setattr(module.SpandrelNetwork, "__init__", counted)
    monkeypatch.setattr(module, "read_checkpoint", read)
    if use == "find":
        model = find_model(path)
        first = model.build()
        assert built == ["file", "network"]
        assert model.build() is not first, "a second network is one of its own"
    else:
        foreign_candidate(path).load()
        assert built == ["file", "network"]


def test_a_scale_that_spandrel_infers_wrongly_is_refused(tmp_path: Path) -> None:
    """It tells AuraSR's by two sizes of another part, which the arguments may change."""
    foreign = read_foreign(saved(tmp_path, state()))
    assert foreign.recognised is not None
    wrong = replace(foreign, recognised=replace(foreign.recognised, scale=2))
    with pytest.raises(WeightsError, match=r"infers x2 .* but the network enlarges 4 times"):
        wrong.build()


def test_a_scale_that_the_shapes_deny_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="those of x4, not x2"):
        read_foreign(saved(tmp_path, state()), scale=2)


def test_without_the_extra_the_architecture_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_installed", lambda: False)
    told = r"those of Compact, which spandrel reads: pip install 'srgan-zoo\[spandrel\]'"
    with pytest.raises(WeightsError, match=told):
        read_foreign(saved(tmp_path, state()))
    with pytest.raises(WeightsError) as caught:
        read_foreign(saved(tmp_path, {"a": torch.zeros(1)}))
    assert "spandrel" not in str(caught.value)


def test_the_rules_at_hand_are_those_of_the_spandrel_that_is_installed() -> None:
    """`python -m benchmarks.architectures --rules` writes them."""
    written = json.loads(RULES.read_text())["rules"]
    assert list(written) == [one.id for one in architectures()]
