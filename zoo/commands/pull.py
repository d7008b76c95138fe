"""`zoo pull`: downloads a model from the Hugging Face hub and keeps it under its name."""

from __future__ import annotations

from typing import Annotated

import typer

from zoo.commands.options import Json
from zoo.commands.output import note, print_json, print_text

Repository = Annotated[
    str, typer.Argument(metavar="OWNER/NAME", help="Repository of the model on the hub.")
]
Revision = Annotated[
    str | None,
    typer.Option("--revision", metavar="NAME|SHA", help="Branch, tag or commit."),
]
Force = Annotated[bool, typer.Option("--force", help="Download it again, even if it is installed.")]


def pull(
    repository: Repository,
    *,
    revision: Revision = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Download a model, its card and its records; then `--model OWNER/NAME` works offline.

    Nothing else is downloaded, and never code. HF_ENDPOINT selects another hub.
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
            note(
                f"{role} needs a plugin: {origin}; a plugin is code, so use it only if you trust it"
            )
    if pulled.left:
        note(f"not downloaded, because no model needs it: {', '.join(pulled.left)}")
    note(f"use it with: zoo upscale photo.png --model {repository}")
    print_text(f"pulled: {repository} at {pulled.commit[:12]}, into {pulled.folder}")
