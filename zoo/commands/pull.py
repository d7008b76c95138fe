"""`zoo pull`: a model from the Hugging Face hub, kept here under its name."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.commands.options import Json
from zoo.commands.output import note, print_json, print_text

Repository = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Which model.")]
Revision = Annotated[
    str | None,
    typer.Option("--revision", metavar="NAME|SHA", help="A branch, tag or commit."),
]
Force = Annotated[bool, typer.Option("--force", help="Fetch it anew where it is here already.")]


def pull(
    repository: Repository,
    *,
    revision: Revision = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Fetch a model, its card and its records; `--model OWNER/NAME` works from then on, offline.

    Nothing else is fetched, no code in particular. HF_ENDPOINT names another hub.
    """
    from zoo.exchange import hub

    pulled = hub.pull(repository, revision=revision, force=force)
    details = pulled.model.details
    if as_json:
        document = {
            "repository": repository,
            "commit": pulled.commit,
            "folder": str(pulled.folder),
            "sha256": pulled.model.sha256,
            "files": list(pulled.files),
            "left": list(pulled.left),
            "model": details.model_dump(mode="json", by_alias=True),
        }
        print_json("zoo.pull/1", document)
        return
    for role, origin in details.plugins.items():
        if role.startswith("generator "):
            note(f"{role} needs a plugin: {origin}; a plugin is code, use it if you trust it")
    if pulled.left:
        note(f"not fetched, for no model needs it: {', '.join(pulled.left)}")
    note(f"use it with: zoo upscale photo.png --model {repository}")
    print_text(f"pulled: {repository} at {pulled.commit[:12]}, to {pulled.folder}")
