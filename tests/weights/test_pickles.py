"""The reader of pickled arrays against numpy's own, and against files made to do harm."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.errors import WeightsError
from zoo.weights import pickles
from zoo.weights.pickles import read_arrays

GENERATOR = np.random.default_rng(0)
PROTOCOLS = [3, 4, 5]
MODULES = [b"numpy.core.multiarray", b"numpy._core.multiarray"]
THIS_NUMPY = np.zeros(0).__reduce__()[0].__module__.encode()  # of `_reconstruct`


def arrays(*shape: int, kind: str = "<f4") -> np.ndarray[Any, Any]:
    return GENERATOR.standard_normal(shape).astype(kind)


class Plain(pickle.Pickler):
    """Writes arrays by `_reconstruct` in every protocol; numpy's own 5 has another way too."""

    def reducer_override(self, value: Any) -> Any:
        return value.__reduce__() if isinstance(value, np.ndarray) else NotImplemented


def pickled(value: object, protocol: int = 4, module: bytes = THIS_NUMPY) -> bytes:
    stream = io.BytesIO()
    Plain(stream, protocol).dump(value)
    content = stream.getvalue()
    if module == THIS_NUMPY:
        return content
    if protocol < 4:  # a line
        return content.replace(THIS_NUMPY, module)
    # a text with its length before it, in a frame with its own
    content = content.replace(bytes([len(THIS_NUMPY)]) + THIS_NUMPY, bytes([len(module)]) + module)
    size = int.from_bytes(content[3:11], "little") + len(module) - len(THIS_NUMPY)
    return content[:3] + size.to_bytes(8, "little") + content[11:]


def read(folder: Path, content: bytes) -> Any:
    path = folder / "weights.ckpt"
    path.write_bytes(content)
    return read_arrays(path)


def refused(folder: Path, content: bytes, match: str) -> None:
    with pytest.raises(WeightsError, match=match) as caught:
        read(folder, content)
    assert str(folder / "weights.ckpt") in str(caught.value)
    assert "could run code" in str(caught.value)
    assert "\n" not in str(caught.value)


def same(found: Any, expected: Any) -> bool:
    """Tell whether two nested dicts hold equal arrays, in type and order of bytes too."""
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[k], expected[k]) for k in expected)
    assert isinstance(found, np.ndarray)
    return bool(
        found.dtype == expected.dtype
        and found.flags.f_contiguous == expected.flags.f_contiguous
        and np.array_equal(found, expected)
    )


# --- what is read


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("module", MODULES)
def test_nested_arrays_come_back_as_numpy_reads_them(
    tmp_path: Path, protocol: int, module: bytes
) -> None:
    held = {
        "VGG16_0": {
            f"Conv_{index}": {"kernel": arrays(3, 3, 3, 4), "bias": arrays(4)} for index in range(3)
        },
        "scale": arrays(),
        "none": arrays(0, 3),
        "half": arrays(5, kind="<f2"),
        "double": arrays(2, 2, kind="<f8"),
    }
    content = pickled(held, protocol, module)
    assert module in content
    assert content[1] == protocol
    assert same(read(tmp_path, content), held)
    if module == THIS_NUMPY:
        assert same(pickle.loads(content), held)  # noqa: S301  our own


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_order_of_fortran(tmp_path: Path, protocol: int) -> None:
    held = {"a": np.asfortranarray(arrays(2, 3, 4)), "b": arrays(2, 3).T}
    assert same(read(tmp_path, pickled(held, protocol)), held)


def test_plain_values_and_shared_arrays(tmp_path: Path) -> None:
    shared = arrays(3)
    held = {"a": shared, "b": [shared, (1, 2.5, True, None, "text")], 7: {}}
    found = read(tmp_path, pickled(held))
    assert list(found) == ["a", "b", 7]
    assert found["b"][0] is found["a"]
    assert found["b"][1] == [1, 2.5, True, None, "text"]


def test_large_arrays_are_read_from_outside_frames(tmp_path: Path) -> None:
    held = {"a": arrays(200_000), "b": arrays(200_000)}
    assert same(read(tmp_path, pickled(held)), held)


# --- what is refused


class Stated:
    def __init__(self, *parts: Any) -> None:
        self.parts = parts

    def __reduce__(self) -> Any:
        return self.parts


class Call:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> Any:
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("place", ["alone", "key", "value", "beside arrays"])
def test_nothing_runs(tmp_path: Path, protocol: int, place: str) -> None:
    mark = tmp_path / "was-here"
    call = Call(os.system, f"touch {mark}")
    held: Any = {
        "alone": call,
        "key": {(1, call): 1},
        "value": {"a": {"b": call}},
        "beside arrays": {"b": {"kernel": arrays(2) if protocol > 2 else 0.0}, "c": [call]},
    }[place]
    content = pickled(held, protocol)
    refused(tmp_path, content, f"it names {os.system.__module__}.system")
    assert not mark.exists()
    program = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    subprocess.run(
        [sys.executable, "-c", program, tmp_path / "weights.ckpt"], check=False, timeout=60
    )
    assert mark.exists(), "a pickle that harms nobody proves nothing"


@pytest.mark.parametrize(
    "function",
    [
        *(builtins.eval, builtins.getattr, builtins.open, np.load, np.frombuffer),
        *(np.zeros, pickle.loads, pickles._Array, pickles._Type, pickles.read_arrays),
    ],
    ids=lambda function: function.__name__,
)
def test_no_other_name_is_taken(tmp_path: Path, function: Any) -> None:
    content = pickle.dumps({"a": Call(function, "x")}, 4)
    refused(tmp_path, content, rf"it names .*{function.__name__}")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "core.multiarray._reconstruct"),
        ("numpy", "ndarray.tofile"),
        ("numpy", "dtype.type"),
        ("numpy.core", "multiarray._reconstruct"),
        ("numpy ", "ndarray"),
        ("zoo.weights.pickles", "_Array.__init__.__globals__"),
    ],
)
def test_no_path_through_an_allowed_name(tmp_path: Path, module: str, name: str) -> None:
    text = b"".join(b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, name))
    refused(tmp_path, b"\x80\x04" + text + b"\x93.", f"it names {module}.{name}")


def test_the_other_two_ways_of_python_to_write_arrays_are_not_read(tmp_path: Path) -> None:
    """Protocol 2 writes bytes by a codec, and numpy's own 5 by a function: a fourth name each."""
    for protocol, name in ((2, "_codecs.encode"), (5, "_frombuffer")):
        refused(tmp_path, pickle.dumps({"a": arrays(3)}, protocol), rf"it names \S*{name}")


def test_numpys_own_reconstruction_is_never_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = pickled({"a": arrays(2, 3)})

    def refuse(*_: Any) -> None:
        raise AssertionError("numpy was asked")

    function = np.zeros(0).__reduce__()[0]
    monkeypatch.setattr(sys.modules[function.__module__], "_reconstruct", refuse)
    assert read(tmp_path, content)["a"].shape == (2, 3)
    with pytest.raises(AssertionError, match="numpy was asked"):
        pickle.loads(content)  # noqa: S301  our own


@pytest.mark.parametrize(
    "array",
    [
        np.array([{"a": 1}, None], dtype=object),
        arrays(3, kind=">f4"),
        arrays(3, kind="<i4"),
        np.array(["text"]),
        np.array([b"bytes"]),
        arrays(3, kind="<c8"),
        np.zeros(2, dtype=[("a", "<f4")]),
        np.zeros(2, dtype="datetime64[s]"),
        np.zeros(2, dtype=bool),
    ],
    ids=lambda array: array.dtype.str,
)
def test_other_types_than_floats(tmp_path: Path, array: np.ndarray[Any, Any]) -> None:
    refused(tmp_path, pickled({"a": array}), "numbers of type|little-endian floats")


def test_a_number_of_numpy_is_no_array(tmp_path: Path) -> None:
    refused(tmp_path, pickled({"a": np.float32(1)}), r"it names \S*multiarray\.scalar")


def stated(shape: Any, content: Any, *, kind: str = "f4", fortran: Any = False) -> bytes:
    """Return a pickle of one array whose state says this."""
    make, arguments, (version, *_) = np.zeros(1).__reduce__()
    state = (version, shape, np.dtype(kind), fortran, content)
    return pickle.dumps({"a": Stated(make, arguments, state)}, 4)


def test_the_state_of_an_array(tmp_path: Path) -> None:
    assert read(tmp_path, stated((2, 3), bytes(24)))["a"].shape == (2, 3)


@pytest.mark.parametrize(
    "state",
    [
        ((2, 3), bytes(23)),
        ((2, 3), bytes(25)),
        ((2, 3), bytes(28)),
        ((2, 3), b""),
        ((2**62,), bytes(8)),
        ((2**31, 2**31, 2**31), bytes(8)),
        ((2**70,), bytes(8)),
        ((-2,), bytes(8)),
        (("2",), bytes(8)),
        (None, bytes(8)),
        ((1.5,), bytes(8)),
        ((2,), "text"),
        ((2,), [1.0, 2.0]),
        ((2,), None),
    ],
    ids=repr,
)
def test_an_array_whose_state_cannot_be(tmp_path: Path, state: tuple[Any, Any]) -> None:
    refused(tmp_path, stated(*state), "not a plain pickle of float arrays")


def test_an_array_without_a_state(tmp_path: Path) -> None:
    make, arguments, _ = np.zeros(1).__reduce__()
    refused(tmp_path, pickle.dumps({"a": Call(make, *arguments)}, 4), "without content")
    refused(tmp_path, pickle.dumps({"a": np.ndarray}, 4), "it contains a type")
    refused(tmp_path, pickle.dumps({"a": np.dtype("f4")}, 4), "it contains a _Type")
    for state in ((1, 2), "text", 7):
        held = {"a": Stated(make, arguments, state)}
        refused(tmp_path, pickle.dumps(held, 4), "a state that numpy does not write")


@pytest.mark.parametrize("value", [b"bytes", {1, 2}, frozenset("a"), bytearray(b"x"), 1j])
def test_other_values(tmp_path: Path, value: object) -> None:
    refused(tmp_path, pickle.dumps({"a": value}, 5), "it contains a|it names")


def test_what_is_outside_of_the_file(tmp_path: Path) -> None:
    class Outside(pickle.Pickler):
        def persistent_id(self, value: Any) -> Any:
            return ("storage", "0") if value == "there" else None

    stream = io.BytesIO()
    Outside(stream, 4).dump({"a": "there"})
    refused(tmp_path, stream.getvalue(), r"refers to \('storage', '0'\) outside")
    pickled_apart: list[Any] = []
    content = pickle.dumps(pickle.PickleBuffer(bytes(8)), 5, buffer_callback=pickled_apart.append)
    refused(tmp_path, content, "buffers")


def test_a_torn_file(tmp_path: Path) -> None:
    content = pickled({"a": arrays(3), "b": {"c": arrays(2, 2)}})
    for length in range(len(content)):
        with pytest.raises(WeightsError, match="cannot read weights"):
            read(tmp_path, content[:length])


@pytest.mark.parametrize("content", [b"not a pickle", b"\x80\x63.", b"PK\x03", b".", b"N", b"0."])
def test_no_pickle(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content, "not a plain pickle")


def test_flipped_bits_never_crash(tmp_path: Path) -> None:
    content = pickled({"a": arrays(2), "b": {"c": arrays(1, 2)}})
    for position in range(len(content) * 8):
        damaged = bytearray(content)
        damaged[position // 8] ^= 1 << position % 8
        try:
            read(tmp_path, bytes(damaged))
        except WeightsError:
            continue


# --- what would take all memory, all time, or the stack


def test_a_container_within_itself(tmp_path: Path) -> None:
    loop: list[Any] = []
    loop.append({"a": loop})
    refused(tmp_path, pickle.dumps(loop, 4), "recursion")
    content = b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b"."
    refused(tmp_path, content, "recursion")


def test_a_few_bytes_that_stand_for_billions(tmp_path: Path) -> None:
    value: Any = [0] * 10
    for _ in range(9):
        value = [value] * 10
    content = pickle.dumps(value, 4)
    assert len(content) < 1000
    started = time.perf_counter()
    refused(tmp_path, content, "more than 1,000,000 values")
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize(
    "content",
    [b"\x80\x02Nr\xff\xff\xff\x7f.", b"Np2147483647\n.", b"N" + b"p9" + b"0" * 30 + b"\n."],
    ids=["LONG_BINPUT", "PUT", "PUT of any size"],
)
def test_a_place_far_away(tmp_path: Path, content: bytes) -> None:
    """Python would make room for all places before it: 32 GB for 14 bytes."""
    refused(tmp_path, content, "it stores something at place [29]")


def test_a_size_that_the_file_does_not_have(tmp_path: Path) -> None:
    refused(tmp_path, b"\x80\x04\x8e" + (1 << 50).to_bytes(8, "little") + b"abc.", "not a plain")
    refused(tmp_path, b"\x80\x04\x95" + (1 << 62).to_bytes(8, "little") + b"N.", "not a plain")


# --- what would stay after the file is read


def test_a_pickle_leaves_nothing_behind(tmp_path: Path) -> None:
    """BUILD sets attributes of what is on the stack: here, of the three names themselves."""
    before = {stand_in: dict(vars(stand_in)) for stand_in in set(pickles._ALLOWED.values())}
    for module, name in pickles._ALLOWED:
        named = f"c{module}\n{name}\n".encode()
        for state in (b"}X\x01\x00\x00\x00aK\x01s", b"N}X\x01\x00\x00\x00aK\x01s\x86"):
            refused(tmp_path, b"\x80\x02" + named + state + b"b.", "not a plain pickle")
    assert {stand_in: dict(vars(stand_in)) for stand_in in before} == before


def test_a_missing_file_is_the_callers(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "none.ckpt")
