"""Run docs/tutorial.ipynb in an empty folder and write it with its outputs to a file."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TUTORIAL = Path(__file__).with_name("tutorial.ipynb")


def executed(folder: Path) -> nbformat.NotebookNode:
    """Return the tutorial with the outputs of this machine.

    Standard error is left out: it has warnings about this machine and paths on it.

    Args:
        folder: where it runs and what it writes into.
    """
    notebook: nbformat.NotebookNode = nbformat.read(TUTORIAL, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, record_timing=False, resources=where).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    return notebook


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(executed(Path(folder)), sys.argv[1])
