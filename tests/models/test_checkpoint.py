from __future__ import annotations

import argparse
import io
import os
import pickle
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from zoo.errors import WeightsError
from zoo.models import checkpoint as module
from zoo.models.checkpoint import read_checkpoint

A, B = {"w": torch.tensor([1.0])}, {"w": torch.tensor([2.0])}


def saved(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "theirs.pth"
    torch.save(content, path)
    return path


class Hostile:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[object, ...]]:
        return self.function, self.arguments


def test_the_moving_average_is_preferred_and_that_is_said(tmp_path: Path) -> None:
    read = read_checkpoint(saved(tmp_path, {"params": A, "params_ema": B}))
    assert (read.key, read.tensors["w"].item()) == ("params_ema", 2.0)
    assert read.notes == ("used the weights under 'params_ema'", "ignored: params")


def test_a_key_chooses(tmp_path: Path) -> None:
    path = saved(tmp_path, {"params": A, "params_ema": B, "iter": 7})
    assert read_checkpoint(path, key="params").tensors["w"].item() == 1.0
    with pytest.raises(WeightsError, match=r"no weights under 'iter'.*'params', 'params_ema'"):
        read_checkpoint(path, key="iter")


def test_a_single_unknown_wrapper_is_taken_and_several_are_asked_about(tmp_path: Path) -> None:
    assert read_checkpoint(saved(tmp_path, {"net": A, "epoch": 1})).key == "net"
    with pytest.raises(WeightsError, match="'net', 'net2'; choose one with --key"):
        read_checkpoint(saved(tmp_path, {"net": A, "net2": B}))


def test_safetensors_too(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    save_file(A, path)
    assert read_checkpoint(path).tensors["w"].item() == 1.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    read = read_checkpoint(saved(tmp_path, {"w": torch.tensor([0.5], dtype=dtype)}))
    assert torch.equal(read.tensors["w"], torch.tensor([0.5]))
    assert read.notes == (f"converted from {str(dtype).removeprefix('torch.')} to float32",)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_common_prefixes_are_removed(tmp_path: Path, prefix: str) -> None:
    read = read_checkpoint(saved(tmp_path, {f"{prefix}w": A["w"], f"{prefix}b": A["w"]}))
    assert read.tensors.keys() == {"w", "b"}


def test_of_a_combined_checkpoint_the_generator_is_kept(tmp_path: Path) -> None:
    path = saved(tmp_path, {"generator.w": A["w"], "discriminator.w": B["w"], "step": A["w"]})
    read = read_checkpoint(path)
    assert {name: value.item() for name, value in read.tensors.items()} == {"w": 1.0}
    assert "ignored 2 tensors without that prefix" in read.notes


@pytest.mark.parametrize("suffix", [".pth", ".ckpt", ".safetensors"])
@pytest.mark.parametrize("form", ["zip", "legacy", "bare pickle"])
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch was-here",)),
        (exec, ("open('was-here', 'w')",)),
        (subprocess.check_call, (["touch", "was-here"],)),
        (open, ("was-here", "w")),
    ],
    ids=["os.system", "exec", "subprocess", "open"],
)
def test_a_hostile_pickle_runs_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: Callable[..., Any],
    arguments: tuple[object, ...],
    form: str,
    suffix: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    path, content = Path(f"theirs{suffix}"), {"params": A, "x": Hostile(function, *arguments)}
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(content["x"]))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(WeightsError, match=r"can run code|cannot read weights"):
        read_checkpoint(path)
    assert list(tmp_path.iterdir()) == [path.absolute()]


@pytest.mark.parametrize("form", ["zip", "legacy", "bare pickle"])
def test_flipped_bytes_never_end_in_a_traceback(tmp_path: Path, form: str) -> None:
    stream = io.BytesIO()
    if form == "bare pickle":
        stream.write(pickle.dumps({"a": [1, 2, {"b": 3.0}]}, protocol=2))
    else:
        torch.save({"params": A}, stream, _use_new_zipfile_serialization=form == "zip")
    path, generator, refused = tmp_path / "damaged.pth", np.random.default_rng(0), []
    for _ in range(150):
        content = np.frombuffer(stream.getvalue(), np.uint8).copy()
        content[generator.integers(0, content.size, 3)] = generator.integers(0, 256, 3)
        path.write_bytes(content.tobytes())
        try:
            read_checkpoint(path)
        except WeightsError as error:
            refused.append(str(error))
    assert len(refused) > 50
    assert all(text.isprintable() for text in refused)


def test_a_pickled_network_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, torch.nn.Conv2d(1, 1, 1))
    with pytest.raises(WeightsError, match="contains more than tensors"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"optimizers": [{"state": {}}], "iter": 5}, "the state of an optimizer without weights"),
        ({"a": 1, "b": 2}, "no state dict of named tensors .it contains 'a', 'b'"),
        ([torch.zeros(1)], "contains a list instead of named tensors"),
        ({}, "it contains nothing"),
        ({"w": torch.tensor([1, 2], dtype=torch.int8)}, "w is of type torch.int8"),
        ({"w": torch.tensor([1j])}, "w is of type torch.complex64"),
        ({"w": torch.tensor([float("nan")])}, "w has NaN or infinite values"),
        ({"w": torch.zeros(2, device="meta")}, "w is sparse, nested, quantised or without values"),
        ({"w": torch.zeros(2, dtype=torch.float8_e4m3fn)}, "w is of type torch.float8_e4m3fn"),
        ({"w" * 300: torch.zeros(1)}, "w is not a valid tensor name"),
        ({"\x1b[31mred": torch.zeros(1)}, r"\\x1b\[31mred is not a valid tensor name"),
    ],
)
def test_what_is_no_weights_is_refused(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(WeightsError, match=told):
        read_checkpoint(saved(tmp_path, content))


@pytest.mark.parametrize("number", [1_000, 2_000_000_000])
def test_a_small_file_that_claims_a_huge_tensor(tmp_path: Path, number: int) -> None:
    path = saved(tmp_path, {"w": torch.zeros(1).expand(number)})
    assert path.stat().st_size < 2_000
    with pytest.raises(WeightsError, match=f"describes tensors of {4 * number:,} bytes but has 1,"):
        read_checkpoint(path)


def test_too_many_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TENSORS", 1)
    with pytest.raises(WeightsError, match="has 2 tensors"):
        read_checkpoint(saved(tmp_path, {"a": A["w"], "b": B["w"]}))


def test_an_archive_that_swells_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(1_000_000))
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 100_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(WeightsError, match="has 1,000,000 bytes"):
        read_checkpoint(path)


def test_archives_that_cannot_be_listed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.pth"
    for offset in (9, 500):
        end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, 64, offset, 0)
        path.write_bytes(b"PK\x01\x02" + b"x" * 60 + end)
        with pytest.raises(WeightsError, match="is a damaged archive"):
            read_checkpoint(path)


def test_a_name_too_long_for_the_disk() -> None:
    with pytest.raises(WeightsError, match="File name too long"):
        read_checkpoint(Path("x" * 5000))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no checkpoint at all"])
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot read weights from"):
        read_checkpoint(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        read_checkpoint(tmp_path / "absent.pth")


@pytest.mark.parametrize(
    "prefix",
    ["model.", "net_g.", "netG.", "generator.module.", "model.module.", "net_g._orig_mod."],
)
def test_prefixes_of_training_scripts_are_removed(tmp_path: Path, prefix: str) -> None:
    read = read_checkpoint(saved(tmp_path, {f"{prefix}a.w": A["w"], f"{prefix}b.w": B["w"]}))
    assert read.tensors.keys() == {"a.w", "b.w"}
    assert read.prefix == prefix
    assert f"the prefix {prefix!r} was removed from the names" in read.notes


def test_a_sequence_called_model_keeps_its_name(tmp_path: Path) -> None:
    read = read_checkpoint(saved(tmp_path, {"model.0.w": A["w"], "module.1.w": B["w"]}))
    assert read.tensors.keys() == {"model.0.w", "module.1.w"}
    assert read_checkpoint(saved(tmp_path, {"module.model.0.w": A["w"]})).tensors.keys() == {
        "model.0.w"
    }


def test_a_part_called_model_among_others_stays(tmp_path: Path) -> None:
    read = read_checkpoint(saved(tmp_path, {"model.a.w": A["w"], "tail.w": B["w"]}))
    assert read.tensors.keys() == {"model.a.w", "tail.w"}


def test_indices_that_a_network_looks_up_are_kept_as_they_are(tmp_path: Path) -> None:
    indices = {"index": torch.tensor([1, 2]), "mask": torch.tensor([True, False])}
    read = read_checkpoint(saved(tmp_path, {**A, **indices}))
    assert {name: read.tensors[name].dtype for name in indices} == {
        "index": torch.int64,
        "mask": torch.bool,
    }


def test_counters_of_thop_are_left_out(tmp_path: Path) -> None:
    counters = {"total_ops": torch.zeros(1), "a.total_params": torch.zeros(1, dtype=torch.int64)}
    read = read_checkpoint(saved(tmp_path, {"model.a.w": A["w"], **counters}))
    assert read.tensors.keys() == {"a.w"}
    assert "ignored 2 counters of thop" in read.notes


def test_what_lies_among_the_weights_is_left_out_and_said(tmp_path: Path) -> None:
    content = {**A, "psnr": np.float64(28.1), "epoch": 3, "args": argparse.Namespace(scale=4)}
    read = read_checkpoint(saved(tmp_path, content))
    assert read.tensors.keys() == {"w"}
    assert read.notes == ("ignored: args, epoch, psnr",)
