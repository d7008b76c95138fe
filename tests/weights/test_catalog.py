from __future__ import annotations

import pytest
import timm

from zoo.errors import UnknownNameError
from zoo.weights.catalog import CATALOG, describe


@pytest.mark.parametrize("entry", CATALOG.values(), ids=list(CATALOG))
def test_entries_agree_with_timm(entry) -> None:  # noqa: ANN001
    config = timm.get_pretrained_cfg(entry.timm_name)
    assert config.hf_hub_id == entry.hub_id
    assert config.license == entry.licence.lower()
    assert entry.mean == pytest.approx(config.mean, abs=0.003)
    assert entry.std == pytest.approx(config.std, abs=0.003)


def test_a_network_of_timm_describes_itself() -> None:
    entry = describe("resnet18")
    assert entry.hub_id is not None
    assert entry.hub_id.startswith("timm/resnet18")
    assert entry.classifier == ("fc.",)
    assert entry.mean == (0.485, 0.456, 0.406)


def test_both_names_of_a_catalogued_network() -> None:
    assert describe("tf_efficientnet_lite0") is describe("efficientnet-lite0")


def test_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match=r"'resnet81'; did you mean 'resnet\d+'"):
        describe("resnet81")
