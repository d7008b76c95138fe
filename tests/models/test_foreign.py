from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from spandrel import ModelLoader
from torch import Tensor, nn

from tests.exchange import networks
from tests.exchange.made_up import make_model
from tests.exchange.networks import passing
from tests.runs.made_up import begin_run
from zoo.bench.candidates import foreign_candidate, model_candidate
from zoo.errors import IntegrityError, RecipeError, WeightsError
from zoo.files import file_sha256
from zoo.generators.base import Generator
from zoo.models.file import read_model, write_model
from zoo.models.find import find_model
from zoo.models.foreign import Imported, import_model
from zoo.models.layouts import LAYOUTS
from zoo.recipes.book import load_book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.registry import GENERATORS
from zoo.runs.directory import RunDirectory

IMAGE = torch.rand(2, 3, 7, 5, generator=torch.Generator().manual_seed(1))
SMALL_RRDB = {"width": 8, "growth": 4, "num_blocks": 2}


def saved(tmp_path: Path, content: object, name: str = "theirs.pth") -> Path:
    path = tmp_path / name
    torch.save(content, path)
    return path


@torch.no_grad()
def output(generator: Generator) -> Tensor:
    return generator(IMAGE)


def assert_same(imported: Imported, expected: Tensor) -> None:
    torch.testing.assert_close(output(imported.model.build()), expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("layout", "scale"), [("2018", 2), ("2018", 4), ("2018", 8), ("2019", 4), ("basicsr", 4)]
)
def test_every_layout_of_esrgan_gives_what_spandrel_gives(
    tmp_path: Path, layout: str, scale: int
) -> None:
    stages = {2: 1, 4: 2, 8: 3}[scale]
    ours = passing("rrdb", scale=scale, width=8, growth=32, num_blocks=2).state_dict()
    names: dict[str, Callable[[], dict[str, Tensor]]] = {
        "2018": lambda: networks.esrgan_2018(ours, 2, stages),
        "2019": lambda: networks.esrgan_2019(ours),
        "basicsr": lambda: dict(ours),
    }
    state = names[layout]()
    imported = import_model(saved(tmp_path, state))
    theirs = ModelLoader().load_from_state_dict(state)
    assert imported.model.details.generator == {
        "name": "rrdb",
        "width": 8,
        "growth": 32,
        "num_blocks": 2,
        "norm": "none",
    }
    assert imported.model.details.scale == theirs.scale == scale
    with torch.no_grad():
        assert_same(imported, theirs.model(IMAGE))


@pytest.mark.slow
def test_names_of_the_released_file_of_2018(tmp_path: Path) -> None:
    """`RRDB_ESRGAN_x4.pth` has 702 tensors; its last layers are model.3, 6, 8 and 10."""
    network = passing("rrdb", width=8, growth=4, num_blocks=23)
    with torch.no_grad():
        network.conv_body.weight.mul_(0.01)  # 23 blocks enlarge features 66-fold
    state = networks.esrgan_2018(network.state_dict(), 23, 2)
    assert len(state) == 702
    assert {"model.1.sub.22.RDB3.conv5.0.bias", "model.1.sub.23.weight", "model.10.bias"} <= set(
        state
    )
    imported = import_model(saved(tmp_path, state))
    assert imported.model.details.generator["num_blocks"] == 23


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(("trunk", "last"), [("body", "conv_hr"), ("recon_trunk", "HRconv")])
def test_msrresnet(tmp_path: Path, scale: int, trunk: str, last: str) -> None:
    state = passing("msrresnet", scale=scale, width=6, num_blocks=2).state_dict()
    if trunk != "body":
        state = networks.msrresnet_2019(state)
    imported = import_model(saved(tmp_path, {"params": state}))
    details = imported.model.details
    assert details.generator == {"name": "msrresnet", "width": 6, "num_blocks": 2}
    assert (details.scale, details.source["key"]) == (scale, "params")
    expected = networks.msrresnet(state, IMAGE, scale=scale, num_blocks=2, trunk=trunk, last=last)
    assert_same(imported, expected)


@pytest.mark.parametrize(("scale", "num_stages"), [(2, 1), (4, 2), (8, 3)])
def test_srgan_of_leftthomas(tmp_path: Path, scale: int, num_stages: int) -> None:
    ours = passing("srresnet-tanh", scale=scale, width=8, num_blocks=5)
    state = networks.leftthomas_names(ours.state_dict(), 5, num_stages)
    assert {"block6.bn2.running_var", "block7.1.bias", f"block8.{num_stages}.weight"} <= set(state)
    imported = import_model(saved(tmp_path, state))
    assert imported.model.details.generator["name"] == "srresnet-tanh"
    assert imported.model.details.scale == scale
    assert_same(imported, networks.leftthomas(state, IMAGE, num_blocks=5, num_stages=num_stages))


@pytest.mark.parametrize("conv_name", ["conv", "conv_block"])
def test_srgan_of_lornatang(tmp_path: Path, conv_name: str) -> None:
    ours = passing("srresnet", scale=4, width=8, num_blocks=2)
    state = networks.lornatang_names(ours.state_dict(), 2, 2, conv_name)
    checkpoint = {"epoch": 3, "state_dict": {}, "ema_state_dict": state, "optimizer": {"lr": 1.0}}
    imported = import_model(saved(tmp_path, checkpoint))
    assert imported.model.details.generator["name"] == "srresnet"
    assert any("clamps" in note for note in imported.notes)
    assert any("ignored: epoch, optimizer, state_dict" in note for note in imported.notes)
    expected = networks.lornatang(state, IMAGE, num_blocks=2, num_stages=2, conv_name=conv_name)
    assert_same(imported, expected)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("rrdb", {"width": 8, "growth": 4, "num_blocks": 1, "norm": "batch"}),
        ("srresnet", {"width": 6, "num_blocks": 2, "norm": "batch", "kernel_size": 5}),
        ("srresnet", {"width": 6, "num_blocks": 2, "norm": "none"}),
        ("srresnet-tanh", {"width": 6, "num_blocks": 2, "norm": "none"}),
    ],
)
def test_our_own_names_with_every_size(
    tmp_path: Path, name: str, arguments: dict[str, object]
) -> None:
    ours = passing(name, scale=4, **arguments)
    imported = import_model(saved(tmp_path, ours.state_dict()), generator=name)
    assert imported.model.details.generator == {"name": name, **arguments}
    assert torch.equal(output(imported.model.build()), output(ours))


def test_one_stage_is_two_unless_three_is_said(tmp_path: Path) -> None:
    ours = passing("rrdb", scale=3, **SMALL_RRDB)
    path = saved(tmp_path, networks.esrgan_2018(ours.state_dict(), 2, 1))
    assumed, said = import_model(path), import_model(path, scale=3)
    assert (assumed.model.details.scale, said.model.details.scale) == (2, 3)
    assert any("assumed x2" in note and "--scale 3" in note for note in assumed.notes)
    assert torch.equal(output(said.model.build()), output(ours))


def test_what_was_assumed_is_said_wherever_the_file_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = passing("rrdb", scale=3, **SMALL_RRDB)
    path = saved(tmp_path, networks.esrgan_2018(ours.state_dict(), 2, 1))
    find_model(path)
    assert "assumed x2" in caplog.text
    assert "assumed x2" in foreign_candidate(path).remark


def test_scores_are_never_those_of_a_file_that_took_its_place(tmp_path: Path) -> None:
    first, second = (passing("rrdb", **SMALL_RRDB).state_dict() for _ in range(2))
    path = saved(tmp_path, first)
    candidate = foreign_candidate(path)
    saved(tmp_path, {name: value + 1e-3 for name, value in second.items()})
    with pytest.raises(IntegrityError, match=r"theirs\.pth has changed since zoo opened it"):
        candidate.load()
    path, ours = tmp_path / "ours.safetensors", make_model()
    write_model(path, ours)
    candidate = model_candidate(path)
    write_model(path, replace(ours, tensors={name: -one for name, one in ours.tensors.items()}))
    with pytest.raises(IntegrityError, match="has changed since zoo opened it"):
        candidate.load()


def test_a_scale_the_shapes_rule_out_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, passing("msrresnet", scale=2, width=6, num_blocks=1).state_dict())
    with pytest.raises(WeightsError, match="fit x2, not x4"):
        import_model(path, scale=4)


def test_a_model_file_says_where_it_came_from(tmp_path: Path) -> None:
    path = saved(tmp_path, {"params_ema": passing("rrdb", **SMALL_RRDB).state_dict()})
    imported = import_model(path, name="mine", licence="apache-2.0")
    write_model(tmp_path / "out.safetensors", imported.model)
    details = read_model(tmp_path / "out.safetensors").details
    assert (details.name, details.licence, details.origin) == ("mine", "apache-2.0", "imported")
    assert details.source == {
        "file": "theirs.pth",
        "sha256": file_sha256(path),
        "layout": "RRDBNet with the names of BasicSR, Real-ESRGAN and zoo",
        "key": "params_ema",
    }


def test_an_unknown_layout_lists_what_was_found_and_what_is_known(tmp_path: Path) -> None:
    path = saved(tmp_path, {f"layer{n}.weight": torch.zeros(1) for n in range(9)})
    with pytest.raises(WeightsError) as caught:
        import_model(path)
    told = str(caught.value)
    assert "layer0.weight, layer1.weight" in told
    assert "and 1 more" in told
    assert all(layout.title in told for layout in LAYOUTS)


def test_a_layout_of_another_generator_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, passing("rrdb", **SMALL_RRDB).state_dict())
    with pytest.raises(WeightsError, match="known layouts: MSRResNet"):
        import_model(path, generator="msrresnet")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda state: state.pop("conv_hr.bias"), "conv_hr.bias is missing"),
        (lambda state: state.update({"extra": torch.zeros(2)}), "extra is unknown"),
        (lambda state: state.update({"conv_hr.bias": torch.zeros(9)}), r"is \(9,\), not \(8,\)"),
        (lambda state: state.pop("body.0.rdb2.conv3.weight"), "body.0.rdb2.conv3.weight is miss"),
    ],
)
def test_one_tensor_amiss_is_named(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], object], told: str
) -> None:
    state = dict(passing("rrdb", **SMALL_RRDB).state_dict())
    change(state)
    with pytest.raises(WeightsError, match=told):
        import_model(saved(tmp_path, state))


def test_real_esrgans_x2_is_refused_by_name(tmp_path: Path) -> None:
    state = dict(passing("rrdb", **SMALL_RRDB).state_dict())
    state["conv_first.weight"] = torch.zeros(8, 12, 3, 3)
    with pytest.raises(
        WeightsError, match="folds the image into channels, as Real-ESRGAN's x2 does"
    ):
        import_model(saved(tmp_path, state))


def test_a_grey_network_is_refused(tmp_path: Path) -> None:
    state = dict(passing("rrdb", **SMALL_RRDB).state_dict())
    state["conv_first.weight"] = torch.zeros(8, 1, 3, 3)
    with pytest.raises(WeightsError, match="has 1 input and 3 output channels"):
        import_model(saved(tmp_path, state))


def test_a_convolution_that_is_a_number_is_refused(tmp_path: Path) -> None:
    names = ("conv1.0.weight", "trunk.0.rcb.0.weight", "conv3.weight")
    with pytest.raises(WeightsError, match=r"must be the weight of a convolution"):
        import_model(saved(tmp_path, {name: torch.zeros(()) for name in names}))


def test_a_tower_of_stages_is_refused(tmp_path: Path) -> None:
    state = dict(passing("msrresnet", width=4, num_blocks=1).state_dict())
    state |= {f"upconv{n}.weight": torch.zeros(16, 4, 3, 3) for n in range(1, 30)}
    with pytest.raises(WeightsError, match="29 upsampling stages"):
        import_model(saved(tmp_path, state))


def test_counters_that_old_files_lack_are_zero(tmp_path: Path) -> None:
    ours = passing("srresnet", width=6, num_blocks=1)
    old = {key: value for key, value in ours.state_dict().items() if "num_batches" not in key}
    assert torch.equal(output(import_model(saved(tmp_path, old)).model.build()), output(ours))


def test_a_skip_without_a_trace_is_found_and_can_be_said(tmp_path: Path) -> None:
    torch.manual_seed(0)
    from zoo.generators.srresnet import SRResNet

    ours = SRResNet(width=6, num_blocks=1, interpolation_skip=True).eval()
    path = saved(tmp_path, ours.state_dict())
    with pytest.raises(WeightsError, match="it is a residual: use --set interpolation_skip=true"):
        import_model(path)
    imported = import_model(path, arguments={"interpolation_skip": True})
    assert torch.equal(output(imported.model.build()), output(ours))


def test_arguments_are_checked(tmp_path: Path) -> None:
    path = saved(tmp_path, passing("srresnet", width=6, num_blocks=1).state_dict())
    with pytest.raises(RecipeError, match="interpolation_skip"):
        import_model(path, arguments={"interpolation_skip": "often"})


def test_any_registered_generator_by_its_own_names(tmp_path: Path) -> None:
    settings = {"width": 4, "num_blocks": 1, "residual_scaling": 1.0, "interpolation_skip": True}
    torch.manual_seed(0)
    from zoo.generators.edsr import EDSR

    ours = EDSR(scale=2, **settings).eval()
    path = saved(tmp_path, ours.state_dict())
    imported = import_model(path, generator="edsr", scale=2, arguments=settings)
    assert imported.model.details.generator == {"name": "edsr", **settings}
    assert torch.equal(output(imported.model.build()), output(ours))
    with pytest.raises(RecipeError, match="no scale 5"):
        import_model(path, generator="edsr", scale=5)


def test_our_own_model_file_needs_no_import(tmp_path: Path) -> None:
    imported = import_model(saved(tmp_path, passing("rrdb", **SMALL_RRDB).state_dict()))
    write_model(tmp_path / "model.safetensors", imported.model)
    with pytest.raises(WeightsError, match="already a model of zoo"):
        import_model(tmp_path / "model.safetensors")


def test_the_weights_of_a_run_are_named_by_its_directory(tmp_path: Path) -> None:
    begin_run(RunDirectory(tmp_path), complete(resolve(load_book(), "srresnet", "smoke")).spec)
    save_file(passing("rrdb", **SMALL_RRDB).state_dict(), tmp_path / "weights.safetensors")
    with pytest.raises(WeightsError, match=f"belongs to a run of zoo: name {tmp_path} instead"):
        import_model(tmp_path / "weights.safetensors")


def test_a_generator_with_a_part_called_model_keeps_that_name(tmp_path: Path) -> None:
    class Wrapped(Generator):
        def __init__(self, *, scale: int = 2) -> None:
            super().__init__(scale=scale)
            self.model = nn.Sequential()
            self.model.add_module("tail", nn.Conv2d(3, 3 * scale**2, 1))

        def forward(self, lr_image: torch.Tensor) -> torch.Tensor:
            image = nn.functional.interpolate(lr_image, scale_factor=self.scale)
            return image + 0 * nn.functional.pixel_shuffle(self.model(lr_image), self.scale)

    snapshot = GENERATORS.snapshot()
    try:
        GENERATORS.add("wrapped", Wrapped)
        for prefix in ("", "module."):
            tensors = {f"{prefix}{n}": v for n, v in Wrapped().state_dict().items()}
            imported = import_model(saved(tmp_path, tensors), generator="wrapped")
            assert imported.model.tensors.keys() == {"model.tail.weight", "model.tail.bias"}
    finally:
        GENERATORS.restore(snapshot)


def test_a_model_of_zoos_is_named_as_one_and_a_cut_one_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    write_model(path, make_model())
    with pytest.raises(WeightsError, match="is already a model of zoo: use it directly"):
        import_model(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match="is damaged"):
        import_model(path)
