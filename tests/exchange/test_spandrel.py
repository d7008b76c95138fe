"""spandrel from PyPI, not a stand-in: our files in it, and its files in ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from spandrel import MAIN_REGISTRY, ArchRegistry, ModelDescriptor, ModelLoader

from tests.exchange.networks import passing
from zoo.errors import MachineError, WeightsError
from zoo.exchange.spandrel import install, spandrel_problem
from zoo.generators.base import Generator
from zoo.generators.rrdb import RRDBNet
from zoo.generators.srresnet import SRResNet
from zoo.models.details import Details, Precision
from zoo.models.file import read_model, write_model
from zoo.models.foreign import import_model
from zoo.models.model import Model


@pytest.fixture
def registry() -> ArchRegistry:
    """Return spandrel's architectures and ours, apart from those of other tests."""
    copy = MAIN_REGISTRY.copy()
    install(copy)
    return copy


def details_of(name: str, scale: int, **arguments: object) -> Details:
    return Details(name="m", generator={"name": name, **arguments}, scale=scale, origin="imported")


def write(
    path: Path,
    name: str,
    network: Generator,
    *,
    precision: Precision = "float32",
    **arguments: object,
) -> Path:
    details = details_of(name, network.scale, **arguments)
    write_model(path, Model(details, network.state_dict()), precision=precision)
    return path


def difference(ours: Generator, theirs: ModelDescriptor, size: tuple[int, int] = (9, 7)) -> float:
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return float((ours.eval()(image) - theirs.model(image)).abs().max())


@pytest.mark.parametrize(
    ("scale", "width", "num_blocks"), [(2, 16, 1), (4, 16, 1), (8, 16, 1), (4, 32, 2)]
)
def test_our_rrdb_file_in_spandrel_and_back(
    tmp_path: Path, scale: int, width: int, num_blocks: int
) -> None:
    sizes = {"width": width, "num_blocks": num_blocks}
    network = passing("rrdb", scale=scale, **sizes)
    path = write(tmp_path / "ours.safetensors", "rrdb", network, **sizes)
    theirs = ModelLoader().load_from_file(path)
    assert (theirs.architecture.id, theirs.scale) == ("ESRGAN", scale)
    assert difference(network, theirs) < 1e-5
    assert spandrel_problem(read_model(path).details) is None

    save_file(theirs.model.state_dict(), tmp_path / "theirs.safetensors")
    back = import_model(tmp_path / "theirs.safetensors").model
    assert "old architecture" in back.details.source["layout"]
    assert back.details.generator["num_blocks"] == num_blocks
    image = torch.rand(1, 3, 5, 6)
    with torch.no_grad():
        assert torch.equal(back.build()(image), network(image))


def test_a_half_precision_file_gives_what_we_read_from_it(tmp_path: Path) -> None:
    sizes = {"width": 16, "num_blocks": 1}
    network = passing("rrdb", **sizes)
    path = write(tmp_path / "half.safetensors", "rrdb", network, precision="float16", **sizes)
    assert difference(read_model(path).build(), ModelLoader().load_from_file(path)) < 1e-5


@pytest.mark.slow
def test_the_papers_rrdb_in_spandrel_and_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = RRDBNet(initialisation_gain=1.0).eval()
    with torch.no_grad():
        network.conv_body.weight.mul_(0.01)
    path = write(tmp_path / "paper.safetensors", "rrdb", network)
    theirs = ModelLoader().load_from_file(path)
    assert theirs.tags == ["64nf", "23nb"]
    assert difference(network, theirs, (32, 24)) < 1e-5


@pytest.mark.parametrize(
    "arguments",
    [
        {"width": 8, "num_blocks": 2},
        {"width": 6, "num_blocks": 1, "norm": "none", "kernel_size": 3},
        {"width": 6, "num_blocks": 1, "norm": "none", "interpolation_skip": True},
    ],
    ids=["norm", "narrow", "skip"],
)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_our_srresnet_in_spandrel(
    tmp_path: Path, registry: ArchRegistry, scale: int, arguments: dict[str, object]
) -> None:
    if arguments.get("interpolation_skip"):
        torch.manual_seed(0)
        network: Generator = SRResNet(scale=scale, **arguments).eval()
    else:
        network = passing("srresnet", scale=scale, **arguments)
    path = write(tmp_path / "ours.safetensors", "srresnet", network, **arguments)
    theirs = ModelLoader(registry=registry).load_from_file(path)
    assert (theirs.architecture.id, theirs.scale) == ("zoo-SRResNet", scale)
    assert difference(network, theirs) == 0.0
    assert not theirs.model.training
    assert "after `from zoo.exchange.spandrel import install" in spandrel_problem(
        read_model(path).details
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_msrresnet_in_spandrel(tmp_path: Path, registry: ArchRegistry, scale: int) -> None:
    sizes = {"width": 6, "num_blocks": 2}
    network = passing("msrresnet", scale=scale, **sizes)
    path = write(tmp_path / "ours.safetensors", "msrresnet", network, **sizes)
    theirs = ModelLoader(registry=registry).load_from_file(path)
    assert (theirs.architecture.id, theirs.scale) == ("zoo-MSRResNet", scale)
    assert difference(network, theirs) == 0.0


@pytest.mark.parametrize(
    "arguments",
    [{"growth": 8}, {"growth": 8, "norm": "batch"}, {"interpolation_skip": True}],
    ids=["growth", "norm", "skip"],
)
def test_an_rrdb_that_spandrels_esrgan_cannot_compute(
    tmp_path: Path, registry: ArchRegistry, arguments: dict[str, object]
) -> None:
    sizes = {"width": 16, "num_blocks": 1, **arguments}
    if "interpolation_skip" in arguments:
        network: Generator = RRDBNet(**sizes).eval()
    else:
        network = passing("rrdb", **sizes)
    path = write(tmp_path / "ours.safetensors", "rrdb", network, **sizes)
    theirs = ModelLoader(registry=registry).load_from_file(path)
    assert theirs.architecture.id == "zoo-RRDBNet"
    assert difference(network, theirs) == 0.0
    problem = spandrel_problem(read_model(path).details)
    assert all(name in problem for name in arguments)


def test_plain_rrdb_stays_spandrels_own(tmp_path: Path, registry: ArchRegistry) -> None:
    network = passing("rrdb", width=16, num_blocks=1)
    path = write(tmp_path / "ours.safetensors", "rrdb", network, width=16, num_blocks=1)
    assert ModelLoader(registry=registry).load_from_file(path).architecture.id == "ESRGAN"


def test_a_network_that_makes_no_image_is_refused(registry: ArchRegistry) -> None:
    network = passing("srresnet", width=6, num_blocks=1)
    with torch.no_grad():
        network.tail.bias.add_(3)
    with pytest.raises(
        WeightsError, match="cannot determine whether this SRResNet has interpolation_"
    ):
        ModelLoader(registry=registry).load_from_state_dict(network.state_dict())


@pytest.mark.parametrize(
    ("details", "told"),
    [
        (details_of("rrdb", 3), "would read this model as x2"),
        (
            details_of("rrdb", 4, residual_scaling=0.1),
            "its weights do not show residual_scaling 0.1",
        ),
        (
            details_of("srresnet", 4, residual_scaling=0.5),
            "its weights do not show residual_scaling 0.5",
        ),
        (details_of("edsr", 4), "no architecture for generator 'edsr'"),
        (details_of("bicubic", 4), "no architecture for generator 'bicubic'"),
    ],
)
def test_what_cannot_be_expressed_is_said(details: Details, told: str) -> None:
    assert told in (spandrel_problem(details) or "")


def test_installing_twice_changes_nothing(registry: ArchRegistry) -> None:
    before = len(registry)
    install(registry)
    assert len(registry) == before == len(MAIN_REGISTRY) + 3


def test_without_spandrel_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(MachineError, match=r"pip install 'srgan-zoo\[spandrel\]'"):
        install()


@pytest.mark.slow
def test_two_lines_are_all_a_user_types(tmp_path: Path) -> None:
    network = passing("srresnet", width=6, num_blocks=1)
    path = write(tmp_path / "ours.safetensors", "srresnet", network, width=6, num_blocks=1)
    code = (
        "from zoo.exchange.spandrel import install; install()\n"
        "from spandrel import ModelLoader\n"
        f"print(ModelLoader().load_from_file({str(path)!r}).architecture.name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "SRResNet (zoo)"
