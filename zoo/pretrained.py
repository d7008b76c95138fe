"""`zoo.Model`: a model that comes from a folder or a hub, and goes there.

The methods have the names and meanings of the hub's own client (`from_pretrained`,
`save_pretrained`, `push_to_hub`). Not here: what a model is (`zoo.models.model`), how a hub is
spoken to (`zoo.exchange.hub`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Self

from zoo.errors import RecipeError
from zoo.exchange.export import Request, export_folder, exported, find_source
from zoo.exchange.hub import prepare, pull, push
from zoo.exchange.records import records_for
from zoo.models import model
from zoo.models.store import HUB_PREFIX, is_repository, model_files, without_hub_prefix
from zoo.records.record import Record
from zoo.runs import RUN_ROOT


class Model(model.Model):
    """A generator's weights and their description.

    Attributes:
        details: the description.
        tensors: the state dict of its generator; floating-point values in float32.
        path: the file or run directory it was read from; None if it was made in memory.
        sha256: sha256 of the weights file; None if there is none.

    Example:
        >>> import zoo
        >>> model = zoo.Model.from_pretrained("srresnet-nobn-compact")
        >>> model.details.generator_name, model.details.scale
        ('srresnet', 4)
        >>> generator = model.build()
        >>> folder = model.save_pretrained("my-net")
    """

    __slots__ = ()

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        revision: str | None = None,
        force_download: bool = False,
        run_root: str | Path = RUN_ROOT,
    ) -> Self:
        """Return a model from a folder, a file, a run, a name, or a repository on the hub.

        Args:
            name: as in `zoo.load`. `owner/name` and `hf-hub:owner/name` are downloaded if neither
                an installed model nor a file has this name.
            revision: a branch, tag or commit of the repository; it is downloaded again.
            force_download: whether to download the repository again.
            run_root: folder of runs, for recipes.

        Raises:
            RecipeError: if `revision` or `force_download` is given for what is not of the hub.
            ZooError: if there is no such model, or it is damaged.
            MachineError: if the hub cannot be reached.
        """
        again = force_download or revision is not None
        pull_if_absent(str(name), revision=revision, again=again)
        found = find_source(name, run_root=Path(run_root))
        return cls(**{each.name: getattr(found, each.name) for each in fields(found)})

    def save_pretrained(
        self, folder: str | Path, *, records: Iterable[Record] | None = None, force: bool = False
    ) -> Path:
        """Write the model's folder, as `zoo export` does: weights, sha256, card and records.

        Args:
            folder: where to; made if necessary.
            records: scores for the card; by default those beside the model and in `runs/records`.
            force: whether existing files are overwritten.

        Raises:
            DataError: if a file exists and `force` is not set.
            MachineError: if it cannot be written.
        """
        export_folder(self, Path(folder), self._records(records), Request(force=force))
        return Path(folder)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool = False,
        records: Iterable[Record] | None = None,
        force: bool = False,
    ) -> str:
        """Upload the model's folder in one commit, as `zoo push` does; return its address.

        Args:
            repo_id: `owner/name`; the repository is made if necessary.
            commit_message: of the commit.
            private: whether a new repository is private; one that exists must be.
            records: see `save_pretrained`.
            force: whether to replace a model that zoo did not push.

        Raises:
            DataError: if the repository has another tool's model, or is public against `private`.
            WeightsError: if the hub refuses.
            MachineError: if it cannot be reached.
        """
        message = commit_message or f"Upload {self.details.name} with zoo"
        with exported(self, self._records(records)) as bundle:
            upload = prepare(bundle, repo_id)
            return push(upload, message=message, private=private, force=force)[0]

    def _records(self, given: Iterable[Record] | None) -> list[Record]:
        return list(records_for(self, RUN_ROOT, None) if given is None else given)


def pull_if_absent(name: str, *, revision: str | None = None, again: bool = False) -> None:
    """Download a repository of the hub if it is named and not installed.

    Args:
        name: any name of a model; `owner/name` is a repository if no file or folder has this name.
        revision: a branch, tag or commit.
        again: whether to download it even if it is installed.

    Raises:
        RecipeError: if it is to be downloaded again and is not of the hub.
    """
    repository = without_hub_prefix(name)
    is_meant = name.startswith(HUB_PREFIX) or (
        is_repository(repository) and not Path(repository).exists()
    )
    if again and not is_meant:
        raise RecipeError(
            f"{name} is not a repository of the hub: omit revision and force_download, or name one "
            "as hf-hub:owner/name"
        )
    if is_meant and (again or repository not in model_files()):
        pull(repository, revision=revision, force=again)
