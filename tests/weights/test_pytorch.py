"""Files of torch.save with other things beside the weights, and files that are something else."""

from __future__ import annotations

import argparse
import datetime as dt
import gzip
import io
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from zoo.errors import WeightsError
from zoo.weights.pytorch import LeftOut, is_pytorch, is_safetensors, what_it_is
from zoo.weights.tensors import read_data, read_tensors

WEIGHTS = {"body.weight": torch.arange(64.0).reshape(8, 8)}
BESIDE = {
    "numpy scalar": np.float64(28.5),
    "numpy array": np.arange(3.0),
    "array of objects": np.array([{"a": 1}], dtype=object),
    "namespace": argparse.Namespace(scale=4, lr=np.float32(1e-4), out=Path("x")),
    "simple namespace": types.SimpleNamespace(a=1),
    "path": Path("runs"),
    "date": dt.datetime(2026, 1, 1),  # noqa: DTZ001  as scripts write it
}


def bytes_of(content: object, *, legacy: bool = False) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=not legacy)
    return stream.getvalue()


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("beside", BESIDE.values(), ids=list(BESIDE))
def test_weights_are_read_whatever_harmless_lies_beside_them(
    tmp_path: Path, beside: object, *, legacy: bool
) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(bytes_of({"state_dict": WEIGHTS, "beside": beside}, legacy=legacy))
    loaded = read_data(path)
    assert isinstance(loaded, dict)
    assert torch.equal(loaded["state_dict"]["body.weight"], WEIGHTS["body.weight"])
    assert isinstance(loaded["beside"], LeftOut)
    assert vars(loaded["beside"]) == {}
    kept = [each for each in torch.serialization.get_safe_globals() if isinstance(each, tuple)]
    assert LeftOut not in [each[0] for each in kept]


def test_what_stands_in_is_no_weight(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(bytes_of({**WEIGHTS, "psnr": np.float64(28.5)}))
    with pytest.raises(WeightsError, match="contains more than named tensors"):
        read_tensors(path)


class Net(torch.nn.Module):
    """A network that was pickled whole."""


def test_an_object_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(bytes_of(Net()))
    with pytest.raises(
        WeightsError, match=rf"it refers to {__name__}\.Net, and a pickled object can"
    ):
        read_data(path)


@pytest.mark.parametrize(("name", "form"), [("a.pth", "st"), ("b.safetensors", "pt"), ("c", "st")])
def test_a_file_is_what_it_begins_with_whatever_its_name(
    tmp_path: Path, name: str, form: str
) -> None:
    path = tmp_path / name
    path.write_bytes(save(WEIGHTS) if form == "st" else bytes_of(WEIGHTS))
    assert (is_safetensors(path), is_pytorch(path)) == (form == "st", form == "pt")
    assert torch.equal(read_tensors(path)["body.weight"], WEIGHTS["body.weight"])


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 67010245\n"
PAGE = b"\n <!DOCTYPE html>\n<html><title>Google Drive - Virus scan warning</title></html>"


def zipped(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"x")
    return stream.getvalue()


OTHERS = [
    (b"", "it is empty, 0 bytes; download it again"),
    (LFS, "it is a Git LFS pointer instead of the file; get .*git lfs pull"),
    (PAGE, "it is a web page instead of the file"),
    (b"<html><body>404</body></html>", "it is a web page"),
    (b"\xef\xbb\xbf<!-- saved from a browser --><html></html>", "it is a web page"),
    (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "it is a web page"),
    (b"404: Not Found", "it is text, not weights, and starts with '404: Not Found'"),
    (bytes_of(WEIGHTS)[:-100], "it is truncated; download it again"),
    (bytes_of(WEIGHTS, legacy=True)[:-100], "it is damaged or truncated"),
    (save(WEIGHTS)[:40], "it is truncated"),
    (save(WEIGHTS)[:-40], "it is damaged or truncated: download it again"),
    (gzip.compress(bytes_of(WEIGHTS)), "it is a gzip archive; unpack it first"),
    (zipped("net/RRDB.pth"), "it is a zip archive of 'net/RRDB.pth', not a file of torch.save"),
    (zipped("net/code/net.py"), "it is a TorchScript archive, which is code"),
    (b"\x89HDF\r\n\x1a\n....", "it is an HDF5 file"),
    (b"\x81no checkpoint at all", "it is damaged or truncated, is not a PyTorch file"),
]


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".ckpt"])
@pytest.mark.parametrize(("content", "told"), OTHERS, ids=[told[:40] for _, told in OTHERS])
def test_what_is_no_file_of_weights_is_named(
    tmp_path: Path, content: bytes, told: str, suffix: str
) -> None:
    path = tmp_path / f"net{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot read weights from") as caught:
        read_data(path)
    if what_it_is(path) is not None or suffix == ".pth":
        assert caught.match(told)
