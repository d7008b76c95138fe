"""`zoo push`: uploads a model to the Hugging Face hub in one commit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.commands.options import Json, Plugins, RecordRoot, RunRoot
from zoo.commands.output import Table, note, print_json, print_table, print_text
from zoo.plugins import load_plugin_file
from zoo.runs import RUN_ROOT

if TYPE_CHECKING:
    from zoo.exchange.bundle import Bundle
    from zoo.exchange.hub import Upload

What = Annotated[
    str,
    typer.Argument(
        metavar="DIR|NAME|FILE|RUN_DIR",
        help="An exported folder, or anything that `zoo export` accepts.",
    ),
]
Repository = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Repository on the hub.")]
Private = Annotated[
    bool,
    typer.Option("--private", help="Make the repository private; refuse to push to a public one."),
]
Message = Annotated[
    str | None, typer.Option("--message", "-m", metavar="TEXT", help="Message of the commit.")
]
Force = Annotated[
    bool,
    typer.Option(
        "--force", help="Replace a card or model in the repository that zoo did not push."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and exit.")]


def push(
    what: What,
    repository: Repository,
    *,
    private: Private = False,
    message: Message = None,
    dry_run: DryRun = False,
    force: Force = False,
    records: RecordRoot = None,
    run_root: RunRoot = RUN_ROOT,
    plugin: Plugins,
    as_json: Json = False,
) -> None:
    """Upload a model, its card and its records to a hub, in one commit.

    Log in with `hf auth login`, or set HF_TOKEN. HF_ENDPOINT selects another hub.
    """
    for path in plugin:
        load_plugin_file(path)

    from zoo.exchange import hub

    with _bundle(what, records, run_root) as bundle:
        upload = hub.prepare(bundle, repository)
        sizes, url, deleted = upload.sizes, None, list[str]()
        if not as_json:
            _show(upload, hub.endpoint(), bundle)
        if not dry_run:
            told = message or f"Upload {bundle.model.details.name} with zoo"
            url, deleted = hub.push(upload, message=told, private=private, force=force)
    if as_json:
        document = {"repository": repository, "endpoint": hub.endpoint(), "files": sizes}
        print_json("zoo.push/1", document | {"commit": url, "deleted": deleted})
    else:
        if deleted:
            note(
                "deleted in the repository, because the model no longer has them: "
                f"{', '.join(deleted)}"
            )
        print_text("--dry-run: nothing was sent" if url is None else f"pushed: {url}")


@contextmanager
def _bundle(what: str, records: Path | None, run_root: Path) -> Iterator[Bundle]:
    """Read an exported folder, or export the named model into a temporary folder."""
    from zoo.exchange.bundle import is_bundle, read_bundle
    from zoo.exchange.export import exported, find_source
    from zoo.exchange.records import records_for

    if is_bundle(Path(what)) and records is None:
        yield read_bundle(Path(what))
        return
    model = find_source(what, run_root=run_root)
    with exported(model, records_for(model, run_root, records)) as bundle:
        yield bundle


def _show(upload: Upload, endpoint: str, bundle: Bundle) -> None:
    rows = [(name, f"{size:,}") for name, size in upload.sizes.items()]
    print_table(Table(f"{upload.repository} on {endpoint}", ("file", "bytes"), rows))
    if bundle.model.details.licence is None:
        note("the model has no licence; add one with `zoo export --licence` before you publish it")
