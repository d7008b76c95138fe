"""The file of a run's weights: equal tensors have equal bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zoo.files import file_sha256
from zoo.runs.weights import pack, unpack
from zoo.weights.tensors import Origin, write_tensors

TENSORS = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.tensor(3), "c.d": torch.ones(2).half()}
METADATA = {"identity_sha256": "0" * 64, "step": "12", **{f"key-{n}": str(n) for n in range(6)}}


def test_equal_tensors_have_equal_bytes() -> None:
    """The library's own order of metadata differs from one call to the next."""
    turned = {name: TENSORS[name] for name in reversed(TENSORS)}
    contents = {pack(each, METADATA) for each in (TENSORS, turned) for _ in range(20)}
    assert len(contents) == 1
    tensors, owner, step = unpack(contents.pop())
    assert (owner, step) == ("0" * 64, 12)
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)


def test_so_have_weights_in_the_store(tmp_path: Path) -> None:
    origin = Origin(source="there", sha256="1" * 64, licence="MIT", verified="nobody")
    written = [tmp_path / f"{number}.safetensors" for number in range(20)]
    for path in written:
        write_tensors(path, TENSORS, origin=origin)
    assert len({file_sha256(path) for path in written}) == 1


@pytest.mark.parametrize("content", [b"", b"\0" * 7, b"\xff" * 64, b"\2\0\0\0\0\0\0\0{}", b"{}"])
def test_what_no_run_wrote_is_told(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(content)
