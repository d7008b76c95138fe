"""LPIPS' linear weights: a known shape, no code in the file, and the same bytes ever after."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from zoo.errors import IntegrityError, WeightsError
from zoo.files import file_sha256, hash_path
from zoo.weights import linear
from zoo.weights.tensors import require_sha256


def made(*, sign: float = 1.0) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [sign * torch.rand(1, channels, 1, 1) for channels in linear.LAYERS.values()]


@pytest.fixture
def given(tmp_path: Path) -> Path:
    torch.save(made(), tmp_path / "lpips_weights.pt")
    return tmp_path / "lpips_weights.pt"


def test_added_weights_are_found_and_loaded(given: Path) -> None:
    assert linear.available()[0] is False
    path = linear.add(given)
    assert linear.available() == (True, f"in the store, {path}")
    assert hash_path(path).is_file()
    loaded = linear.load()
    assert list(loaded) == list(linear.LAYERS)
    assert all(torch.equal(a, b) for a, b in zip(loaded.values(), made(), strict=True))
    assert linear.add(path) == path  # what we store can be given again
    assert sum(value.numel() for value in loaded.values()) == 1472


def test_missing_weights_say_where_they_are() -> None:
    with pytest.raises(WeightsError, match="zoo weights add lpips FILE") as caught:
        linear.load()
    assert linear.URL in str(caught.value)


def test_a_flipped_bit_is_noticed(given: Path) -> None:
    path = linear.add(given)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged"):
        linear.load()


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (made()[:4], "5 tensors"),
        (dict.fromkeys("abcde", torch.zeros(1)), "5 tensors"),
        (list(reversed(made())), "shape"),
        ([1, 2, 3, 4, 5], "shape"),
        ([value.squeeze() for value in made()], "shape"),
        (made(sign=-1.0), "never negative"),
        ([value * float("nan") for value in made()], "never negative"),
    ],
)
def test_what_cannot_be_lpips_weights_is_not_stored(
    tmp_path: Path, held: object, message: str
) -> None:
    torch.save(held, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match=message):
        linear.add(tmp_path / "other.pt")
    assert linear.available()[0] is False


class Intruder:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, (f"touch {self.target}",))


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    torch.save([*made()[:4], Intruder(tmp_path / "was-here")], tmp_path / "evil.pt")
    with pytest.raises(WeightsError, match="can run code"):
        linear.add(tmp_path / "evil.pt")
    assert not (tmp_path / "was-here").exists()


def test_a_file_with_another_hash_is_refused(given: Path) -> None:
    require_sha256(given, file_sha256(given).upper())
    with pytest.raises(IntegrityError, match="not the file you mean") as caught:
        require_sha256(given, "0" * 64)
    assert caught.value.exit_code == 4
    with pytest.raises(WeightsError, match="no file"):
        require_sha256(given.with_name("absent"), "0" * 64)
