"""Runs: the directory each leaves behind, and the device it runs on (internal). Trains nothing."""

from pathlib import Path
from typing import Final

RUN_ROOT: Final = Path("runs")
"""Folder of runs where none is named."""
