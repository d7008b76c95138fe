"""`zoo pull`: downloads a model and keeps it under a name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.commands.import_ import Accept
from zoo.commands.options import Json
from zoo.commands.output import note, print_json, print_text, progress
from zoo.errors import RecipeError
from zoo.models.store import without_hub_prefix

if TYPE_CHECKING:
    from zoo.exchange.published import Kept

_OPENMODELDB = "openmodeldb:"
Repository = Annotated[
    str,
    typer.Argument(
        metavar="OWNER/NAME|openmodeldb:ID|URL",
        help="A repository on the hub, a model of OpenModelDB, or a file with its --sha256.",
    ),
]
Revision = Annotated[
    str | None,
    typer.Option("--revision", metavar="NAME|SHA", help="Branch, tag or commit on the hub."),
]
Sha256 = Annotated[
    str | None, typer.Option("--sha256", metavar="DIGEST", help="sha256 of the file at URL.")
]
Again = Annotated[
    bool, typer.Option("--overwrite", help="Download it again, even if it is installed.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Both: --overwrite and --accept-failed-trial.")
]


def pull(
    repository: Repository,
    *,
    revision: Revision = None,
    sha256: Sha256 = None,
    overwrite: Again = False,
    accept: Accept = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Download a model; then `--model` with its name works offline.

    Of a repository come the model, its card and its records, and never code. Other files are
    checked by sha256 and read as data. HF_ENDPOINT and ZOO_OPENMODELDB select other servers.
    """
    is_url = repository.startswith(("https://", "http://"))
    if (sha256 is not None) != is_url:
        raise RecipeError("a URL needs --sha256, and only a URL has it: zoo pull URL --sha256 ...")
    if is_url or repository.startswith(_OPENMODELDB):
        how = {"force": overwrite or force, "accept": accept or force}
        _pull_file(repository, sha256, revision, how, as_json=as_json)
    else:
        again = overwrite or force
        _pull_repository(without_hub_prefix(repository), revision, force=again, as_json=as_json)


def _pull_file(
    what: str,
    sha256: str | None,
    revision: str | None,
    how: Mapping[str, bool],
    *,
    as_json: bool,
) -> None:
    from zoo.exchange.published import pull_openmodeldb, pull_url

    if revision is not None:
        raise RecipeError("--revision is for repositories on the hub")
    with progress("downloading", of_bytes=True) as advance:
        kept = (
            pull_openmodeldb(what.removeprefix(_OPENMODELDB), progress=advance, **how)
            if sha256 is None
            else pull_url(what, sha256, progress=advance, **how)
        )
    _report(kept, as_json=as_json)


def _report(kept: Kept, *, as_json: bool) -> None:
    details = kept.model.details
    if as_json:
        document = {
            "name": kept.name,
            "url": kept.url,
            "folder": str(kept.folder),
            "sha256": kept.model.sha256,
            "model": details.model_dump(mode="json", by_alias=True),
        }
        print_json("zoo.pull/1", document)
        return
    for line in kept.notes:
        note(line)
    if details.licence is None:
        note("its licence is not known")
    note(f"use it with: zoo upscale photo.png --model {kept.name}")
    print_text(f"pulled: {kept.name} from {kept.url}, into {kept.folder}")


def _pull_repository(repository: str, revision: str | None, *, force: bool, as_json: bool) -> None:
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
