"""`zoo card`: a model's card, generated from its description and its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.commands.options import Plugins, RecordRoot, RunRoot
from zoo.commands.output import print_text
from zoo.plugins import load_plugin_file
from zoo.runs import RUN_ROOT

What = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE|RUN_DIR",
        help="A run directory, a model file or folder, or a model name.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Output file; by default the card is printed."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]


def card(
    what: What,
    *,
    output: Output = None,
    records: RecordRoot = None,
    run_root: RunRoot = RUN_ROOT,
    plugin: Plugins,
    force: Force = False,
) -> None:
    """Print a model's card as Markdown: description, training, scores, limits.

    Its content comes from the model's file and from records with the hash of the model.
    """
    for path in plugin:
        load_plugin_file(path)

    from zoo.exchange.bundle import require_free
    from zoo.exchange.export import card_of
    from zoo.files import write_atomically

    if output is not None:
        require_free([output], force=force)
    text = card_of(what, run_root=run_root, records=records)
    if output is None:
        print_text(text.rstrip("\n"))
    else:
        write_atomically(output, text.encode())
        print_text(f"written: {output}")
