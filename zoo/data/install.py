"""`zoo data get` and `zoo data verify`: datasets of the catalogue, placed under the data root.

Each part of a dataset goes to its place in one move, with a manifest of its files' hashes beside
it. Not here: the facts (`zoo.data.catalogue`), reading what is there (`zoo.data.sources`).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from zoo.data import Progress, places
from zoo.data.catalogue import CATALOGUE, Archive, Dataset
from zoo.data.download import check_disk, fetch
from zoo.data.extract import extract
from zoo.data.images import hash_file, read_image
from zoo.data.sources import list_images
from zoo.errors import DataError, IntegrityError, UnknownNameError

logger = logging.getLogger(__name__)

# Lies in the images' folder; hidden, so that it is never taken for an image.
MANIFEST = ".zoo-manifest.json"


def find_dataset(name: str) -> Dataset:
    """Return the catalogue's entry of that name.

    Raises:
        UnknownNameError: if there is none.
    """
    if name not in CATALOGUE:
        raise UnknownNameError("dataset", name, CATALOGUE, see="zoo data list")
    return CATALOGUE[name]


def is_installed(archive: Archive, root: Path) -> bool:
    """Tell whether a part is in its place: its manifest names as many files as it should have."""
    manifest = _read_manifest(root / archive.target)
    return manifest is not None and len(manifest) == archive.num_images


def get_dataset(
    dataset: Dataset,
    *,
    data_root: str | os.PathLike[str] | None = None,
    mirror: str | None = None,
    keep_archives: bool = False,
    progress: Progress | None = None,
    pause_seconds: float = 1.0,
) -> tuple[Path, ...]:
    """Fetch, unpack and place a dataset; parts that are in place are left alone.

    Args:
        dataset: what to get, see `find_dataset`.
        data_root: folder of datasets; by default `zoo.data.places.data_root()`.
        mirror: URL of a folder that serves the same files, to use instead of the publisher's.
        keep_archives: whether to keep the archives after unpacking.
        progress: called with (bytes there, bytes in all) of the file being fetched.
        pause_seconds: waiting time before a broken connection is tried again.

    Returns:
        The folders of its parts.

    Raises:
        IntegrityError: if a file is not what the catalogue says.
        MachineError: if the disk is too small, or the network is absent or forbidden.
    """
    root = places.data_root(data_root)
    root.mkdir(parents=True, exist_ok=True)
    # A second process waits here, then finds everything in place.
    with FileLock(root / f".{dataset.name}.lock"):
        missing = [archive for archive in dataset.archives if not is_installed(archive, root)]
        downloads = root / ".downloads"
        for archive in missing:
            # Twice: photographs do not compress, so an archive unpacks to about its own size.
            check_disk(root, 2 * archive.num_bytes - _size_of_part(downloads, archive))
            path = fetch(
                f"{mirror.rstrip('/')}/{archive.file_name}" if mirror else archive.url,
                downloads,
                known_hash=archive.known_hash,
                num_bytes=archive.num_bytes,
                progress=progress,
                pause_seconds=pause_seconds,
            )
            _place(path, archive, root)
            if not keep_archives:
                path.unlink()
    return tuple(root / archive.target for archive in dataset.archives)


def verify_images(paths: Sequence[Path], progress: Progress | None = None) -> list[str]:
    """Check images against their manifest, or, where there is none, by decoding them.

    Args:
        paths: image files.
        progress: called after each image.

    Returns:
        One line for each image that is missing, changed or damaged; empty if all are well.
    """
    manifests = {folder: _read_manifest(folder) for folder in {path.parent for path in paths}}
    problems = []
    for number, path in enumerate(paths):
        recorded = (manifests[path.parent] or {}).get(path.name)
        try:
            if recorded is None:
                read_image(path)
            elif hash_file(path) != recorded:
                problems.append(f"{path} is not the file that was installed: its sha256 differs")
        except DataError as error:
            problems.append(str(error))
        if progress is not None:
            progress(number + 1, len(paths))
    return problems


def _place(path: Path, archive: Archive, root: Path) -> None:
    """Unpack beside the target, check, write the manifest, and move all into place at once."""
    target = root / archive.target
    unpacked = root / f".{path.name}.unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    try:
        extract(path, unpacked)
        folder = unpacked / archive.folder
        images = list_images(folder) if folder.is_dir() else ()
        if len(images) != archive.num_images:
            raise IntegrityError(
                f"{path} has {len(images)} images in {archive.folder}, not {archive.num_images}"
            )
        manifest = {image.relative_to(folder).as_posix(): hash_file(image) for image in images}
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            logger.warning("replacing %s: it was not complete", target)
            shutil.rmtree(target)
        folder.replace(target)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _read_manifest(folder: Path) -> dict[str, str] | None:
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise IntegrityError(
            f"{path} is damaged ({error}); remove {folder} and get the dataset again"
        ) from error


def _size_of_part(downloads: Path, archive: Archive) -> int:
    for name in (archive.file_name, f"{archive.file_name}.part"):
        if (downloads / name).is_file():
            return (downloads / name).stat().st_size
    return 0
