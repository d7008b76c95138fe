"""Runs: the directory each leaves behind, and the device it is executed on. Trains nothing.

Internal.
"""

from pathlib import Path
from typing import Final

RUN_ROOT: Final = Path("runs")
"""Folder of runs where none is named."""
