"""Tensors in files, and the sha256 beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from zoo.bench.candidates import weights_candidate
from zoo.errors import IntegrityError
from zoo.files import hash_path, write_hashed
from zoo.recipes.targets import parse_generator
from zoo.weights.tensors import read_tensors, write_tensors


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_file_is_held_against_the_sha256_beside_it(tmp_path: Path, suffix: str) -> None:
    """Whoever reads it, by whatever command: `zoo bench FILE --generator NAME` is one."""
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save({"a": torch.zeros(100)}, path)
        write_hashed(path, path.read_bytes())
    else:
        write_tensors(path, {"a": torch.zeros(100)})
    assert torch.equal(read_tensors(path)["a"], torch.zeros(100))
    content = bytearray(path.read_bytes())
    content[content.index(bytes(300)) + 100] ^= 1  # one value, which every reader would take
    path.write_bytes(content)
    candidate = weights_candidate(path, parse_generator("srresnet"), scale=4)
    for read in (lambda: read_tensors(path), candidate.load):
        with pytest.raises(IntegrityError, match=f"weights{suffix} is damaged or was replaced"):
            read()
    hash_path(path).unlink()
    assert not torch.equal(read_tensors(path)["a"], torch.zeros(100)), "nobody vouches for it"
