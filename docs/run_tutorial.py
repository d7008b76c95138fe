"""Run the tutorial in an empty folder; as a program, keep in docs/tutorial.ipynb what it shows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TUTORIAL = Path(__file__).with_name("tutorial.ipynb")


def executed(folder: Path) -> nbformat.NotebookNode:
    """Return the tutorial with the outputs of this machine.

    Args:
        folder: where it runs and what it writes into.
    """
    notebook = nbformat.read(TUTORIAL, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    client = NotebookClient(notebook, timeout=600, record_timing=False, resources=where)
    client.execute()
    return notebook


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(executed(Path(folder)), TUTORIAL)
