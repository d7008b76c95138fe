"""`zoo data get` and `zoo data verify`: installs datasets of the catalogue under the data root.

Each part of a dataset is moved into place at once, with a manifest of its files' hashes. Not here:
the facts (`zoo.data.datasets`), reading installed datasets (`zoo.data.sources`).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from zoo.data import Progress, paths
from zoo.data.datasets import CATALOGUE, Archive, ArchiveFolder, Dataset
from zoo.data.download import check_disk, fetch, part_name
from zoo.data.extract import extract
from zoo.data.images import SUFFIXES, hash_file, read_image
from zoo.data.sources import list_images
from zoo.errors import DataError, IntegrityError, UnknownNameError
from zoo.files import file_sha256, read_file

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
    """Return whether all folders of an archive are in place, whether or not zoo made them."""
    return all(_is_in_place(part, root) for part in archive.parts)


def installed_images(
    dataset: Dataset, *, data_root: str | os.PathLike[str] | None = None
) -> tuple[Path, ...]:
    """Return the images of a dataset of the catalogue, in a fixed order.

    Raises:
        DataError: if a part of it is not in its place.
    """
    root = paths.data_root(data_root)
    missing = [str(root / part.target) for part in dataset.parts if not _is_in_place(part, root)]
    if missing:
        raise DataError(
            f"{dataset.name} is not complete: searched for {', '.join(missing)}. Get it with `zoo "
            f"data get {dataset.name}`, or choose another data root with ZOO_DATA"
        )
    return tuple(image for part in dataset.parts for image in list_images(root / part.target))


def get_dataset(
    dataset: Dataset,
    *,
    data_root: str | os.PathLike[str] | None = None,
    mirror: str | None = None,
    keep_archives: bool = False,
    progress: Progress | None = None,
    pause_seconds: float = 1.0,
) -> tuple[Path, ...]:
    """Download, unpack and place a dataset; parts that are in place are left alone.

    Args:
        dataset: what to get, see `find_dataset`.
        data_root: folder of datasets; by default `zoo.data.paths.data_root()`.
        mirror: URL of a folder that serves the same files, to use instead of the publisher's.
        keep_archives: whether to keep the archives after unpacking.
        progress: called with (bytes received, total bytes) of the file being downloaded.
        pause_seconds: waiting time before a broken connection is tried again.

    Returns:
        The folders of its parts.

    Raises:
        DataError: if a folder holds other files, which zoo did not put there.
        IntegrityError: if a file is not what the catalogue says.
        MachineError: if the disk is too small, or the network is absent or forbidden.
    """
    root = paths.data_root(data_root)
    root.mkdir(parents=True, exist_ok=True)
    # A second process waits here, then finds everything in place.
    with FileLock(root / f".{dataset.name}.lock"):
        missing = [archive for archive in dataset.archives if not is_installed(archive, root)]
        downloads = root / ".downloads"
        for archive in missing:
            _refuse_strangers(archive, root)
            if archive.num_bytes is not None:
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
    return tuple(root / part.target for part in dataset.parts)


def verify_images(paths: Sequence[Path], progress: Progress | None = None) -> list[str]:
    """Check images against their manifest, or, if there is none, by decoding them.

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
                problems.append(f"{path} differs from the installed file: its sha256 is different")
        except DataError as error:
            problems.append(str(error))
        if progress is not None:
            progress(number + 1, len(paths))
    return problems


def _is_in_place(part: ArchiveFolder, root: Path) -> bool:
    folder = root / part.target
    manifest = _read_manifest(folder)
    if manifest is not None:
        return len(manifest) == part.num_images
    return folder.is_dir() and _count(folder) == part.num_images


def _refuse_strangers(archive: Archive, root: Path) -> None:
    """Raise where files are in the way that are not ours to replace, whatever they are."""
    for part in archive.parts:
        folder = root / part.target
        if _is_in_place(part, root) or not _has_strangers(folder):
            continue
        found = _count(folder) if folder.is_dir() else 0
        what = f"{found} images" if found else "files"
        raise DataError(
            f"{folder} contains {what} that zoo did not put there, and the dataset has "
            f"{part.num_images} images: move them away, or choose another data root with ZOO_DATA"
        )


def _has_strangers(folder: Path) -> bool:
    """Return whether a folder has anything in it and no manifest of ours."""
    if not folder.is_dir():
        return folder.exists()
    return _read_manifest(folder) is None and any(folder.iterdir())


def _place(path: Path, archive: Archive, root: Path) -> None:
    """Unpack beside the targets, check all parts, and move each into place at once."""
    if archive.known_hash is None:
        unverified = "%s was not verified: its publisher states no hash. Its sha256 is %s"
        logger.warning(unverified, path.name, file_sha256(path))
    unpacked = root / f".{path.name}.unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(parents=True)
    try:
        check_disk(root, path.stat().st_size)
        extract(path, unpacked)
        for part in archive.parts:
            _write_manifest(path, part, unpacked / part.folder)
        for part in archive.parts:
            if not _is_in_place(part, root):
                _move(unpacked / part.folder, root / part.target)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _write_manifest(path: Path, part: ArchiveFolder, folder: Path) -> None:
    """Record the hashes of a part's images, after checking that it has as many as it should."""
    found = _count(folder) if folder.is_dir() else 0
    if found != part.num_images:
        raise IntegrityError(f"{path} has {found} images in {part.folder}, not {part.num_images}")
    manifest = {
        image.relative_to(folder).as_posix(): hash_file(image) for image in list_images(folder)
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")


def _move(folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and _read_manifest(target) is not None:
        logger.warning("replacing %s: it was not complete", target)
        shutil.rmtree(target)
    elif target.exists():
        target.rmdir()  # fails unless empty, so that no file is removed
    folder.replace(target)


def _count(folder: Path) -> int:
    """Return how many images a folder has."""
    return sum(1 for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def _read_manifest(folder: Path) -> dict[str, str] | None:
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        return TypeAdapter(dict[str, str]).validate_json(read_file(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]["msg"]
        raise IntegrityError(
            f"{path} is damaged ({first}); remove {folder} and get the dataset again"
        ) from error


def _size_of_part(downloads: Path, archive: Archive) -> int:
    for name in (archive.file_name, part_name(archive.file_name)):
        if (downloads / name).is_file():
            return (downloads / name).stat().st_size
    return 0
