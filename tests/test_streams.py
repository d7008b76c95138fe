from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zoo.streams import lasting_streams


class Refusing(io.StringIO):
    """A stream that is written to in vain."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO])
def test_a_stream_that_takes_no_more_raises_nothing_and_is_remembered(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(sys, "stdout", Refusing(number))
    monkeypatch.setattr(sys, "stderr", Refusing(number))
    with lasting_streams() as results:
        sys.stdout.write("a result")
        sys.stderr.write("a note")
        sys.stderr.flush()
        assert results is not None
        assert results.failure is not None
        assert results.failure.errno == number
    assert isinstance(sys.stdout, Refusing)


def test_a_program_without_streams_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with lasting_streams() as results:
        assert results is None


@pytest.mark.parametrize(
    ("errors", "shown"), [("strict", rb"+/- \u6f22"), ("replace", b"? ?"), ("ignore", b" ")]
)
def test_letters_get_stand_ins_unless_the_user_chose_otherwise(
    monkeypatch: pytest.MonkeyPatch, errors: str, shown: bytes
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", errors=errors)
    monkeypatch.setattr(sys, "stdout", stream)
    with lasting_streams():
        sys.stdout.write("± 漢")
    assert raw.getvalue() == shown
    assert (sys.stdout, stream.errors) == (stream, errors)


SCRIPT = """
import sys
from zoo.streams import lasting_streams
with lasting_streams():
    for number in range(20000):
        print("a long line of a log", number)
        print("a long line of a log", number, file=sys.stderr, flush=True)
open(sys.argv[1], "w").write("done")
"""


@pytest.mark.parametrize("full", [True, False], ids=["full", "head"])
def test_work_goes_on_when_real_streams_end(tmp_path: Path, *, full: bool) -> None:
    """Also at the end of Python, which writes what is held back: it says so and exits with 120."""
    reader, writer = os.pipe()
    target: Any = open("/dev/full", "w") if full else os.fdopen(writer, "w")  # noqa: PTH123, SIM115
    os.close(reader)
    done = tmp_path / "done"
    command = [sys.executable, "-c", SCRIPT, str(done)]
    with target:
        assert subprocess.run(command, stdout=target, stderr=target, check=False).returncode == 0
    assert done.read_text() == "done"
