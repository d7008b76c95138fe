from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = "benchmarks/protocol_pitfalls.py"


@pytest.mark.slow
def test_the_committed_table_is_what_the_script_prints(shared_data: Path) -> None:
    environment = {**os.environ, "ZOO_DATA": str(shared_data), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, SCRIPT],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == (REPOSITORY / "benchmarks/results/protocol.md").read_text()
