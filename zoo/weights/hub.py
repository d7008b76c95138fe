"""ImageNet weights from the Hugging Face hub, or from its cache on this machine.

timm would do the same but for two things: without a connection it retries for half a minute, and
it does not tell which file it read.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from zoo.data.download import CONNECT_SECONDS, check_connection
from zoo.errors import IntegrityError, WeightsError
from zoo.files import file_sha256

FILE_NAME = "model.safetensors"

logger = logging.getLogger(__name__)


def cached(repository: str | None) -> Path | None:
    """Return a repository's file in the hub's cache, or None; no network access."""
    if repository is None:
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, FILE_NAME)
    return Path(found) if isinstance(found, str) else None


def fetch(repository: str) -> Path:
    """Return a repository's file from the hub's cache, downloading it first if necessary.

    Raises:
        WeightsError: if it is not there and cannot be obtained: offline, or the hub refuses.
        MachineError: if the hub cannot be reached.
        IntegrityError: if the cached bytes are not those the hub announced.
    """
    path = cached(repository) or _download(repository)
    _verify(path)
    return path


def _download(repository: str) -> Path:
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    from zoo.data.sessions import hub_with_floor

    if constants.HF_HUB_OFFLINE:
        raise WeightsError("HF_HUB_OFFLINE forbids access to the hub")
    check_connection(constants.ENDPOINT)  # its client would retry for half a minute
    logger.info("downloading %s of %s from %s", FILE_NAME, repository, constants.ENDPOINT)
    try:
        with hub_with_floor():
            return Path(hf_hub_download(repository, FILE_NAME, etag_timeout=CONNECT_SECONDS))
    except (EntryNotFoundError, _http_error(), OSError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"the hub does not deliver {repository}: {reason}") from error


def _http_error() -> type[Exception]:
    """Return the base of what the hub's client raises for a connection that breaks.

    It is that of the HTTP library beneath, which is not the same in every version of the client;
    its own error for a bad status always derives from it.
    """
    from huggingface_hub.errors import HfHubHTTPError

    return next(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError")


def announced_sha256(path: Path) -> str | None:
    """Return a cached file's hash as the hub announced it, None for a file too small to have one.

    The cache names the contents of large files by it.
    """
    blob = path.resolve().name
    return blob if re.fullmatch(r"[0-9a-f]{64}", blob) else None


def _verify(path: Path) -> None:
    announced = announced_sha256(path)
    if announced is not None and file_sha256(path) != announced:
        raise IntegrityError(f"{path} in the hub's cache is damaged; delete it and try again")
