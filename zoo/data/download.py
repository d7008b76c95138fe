"""Downloads one file: resumable, checked by size and hash.

pooch verifies and moves the file. The downloader is zoo's own, because pooch's starts from zero
after each interruption. Not here: unpacking (`zoo.data.extract`), which files
(`zoo.data.datasets`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data import Progress
from zoo.errors import IntegrityError, MachineError
from zoo.files import fitting_name

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 16
MAX_BYTES = 20_000_000_000  # limit of a file whose size the catalogue does not have
CONNECT_SECONDS = 3.0  # for each address of a server; four are common
TIMEOUT_SECONDS = (10.0, 60.0)  # to connect, and between two reads
HTTP_PARTIAL = 206
HTTP_RANGE_REFUSED = 416


class ResumingDownloader:
    """A pooch downloader that resumes an earlier attempt, of this process or another.

    Args:
        part: file that collects the bytes; it stays when the attempt fails.
        num_bytes: size of the whole file; None to take the server's word for it, up to
            `MAX_BYTES`.
        progress: called with (bytes received, total bytes); the latter is 0 if unknown.
        attempts: how often to try again while the server breaks off.
        pause_seconds: waiting time before the second attempt; it doubles each time.
        session: sends the requests, with its certificates and proxies; see `zoo.data.sessions`.
    """

    def __init__(
        self,
        part: Path,
        num_bytes: int | None,
        progress: Progress | None = None,
        *,
        session: requests.Session,
        attempts: int = 5,
        pause_seconds: float = 1.0,
    ) -> None:
        self._part = part
        self._num_bytes = num_bytes
        self._progress = progress
        self._attempts = attempts
        self._pause_seconds = pause_seconds
        self._session = session

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Download `url` and move it to `output_file` once it has the right size.

        Raises:
            IntegrityError: if it has another size, or the server states one above `MAX_BYTES`.
            MachineError: if the disk has no room for what the server states.
        """
        refuse_offline(url)
        if self._received() > self._limit:
            self._part.unlink()
        self._receive_all(url)
        received = self._received()
        if received != self._num_bytes and not (self._num_bytes is None and received <= MAX_BYTES):
            self._part.unlink(missing_ok=True)
            raise IntegrityError(
                f"{url} has {received} bytes instead of {self._limit}: it is another file, or an "
                "error page of the server; zoo removed it"
            )
        self._part.replace(output_file)

    @property
    def _limit(self) -> int:
        return MAX_BYTES if self._num_bytes is None else self._num_bytes

    def _receive_all(self, url: str) -> None:
        import requests

        attempt = 1
        while self._received() != self._num_bytes:
            try:
                self._receive(url)
            except (
                requests.ConnectionError,
                requests.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ) as error:
                if attempt == self._attempts:
                    raise
                reason = _reason(error)
                logger.warning(
                    "the download of %s was interrupted (%s); zoo resumes it", url, reason
                )
            else:
                return
            time.sleep(self._pause_seconds * 2 ** (attempt - 1))
            attempt += 1

    def _receive(self, url: str) -> None:
        import requests

        # Without `identity` a server may compress, and byte offsets would mean something else.
        headers = {"Accept-Encoding": "identity"}
        received = self._received()
        if received:
            headers["Range"] = f"bytes={received}-"
        with self._session.get(
            url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS
        ) as response:
            if response.status_code == HTTP_RANGE_REFUSED:
                self._part.unlink(missing_ok=True)
                raise requests.ConnectionError(
                    "the server cannot resume the download; zoo starts it again"
                )
            response.raise_for_status()
            goes_on = response.status_code == HTTP_PARTIAL and response.headers.get(
                "Content-Range", ""
            ).startswith(f"bytes {received}-")
            if self._num_bytes is None:
                self._accept(url, _announced_size(response.headers, goes_on=goes_on))
            with self._part.open("ab" if goes_on else "wb") as file:
                for chunk in response.iter_content(CHUNK_BYTES):
                    file.write(chunk)
                    self._report(file.tell())
                    if file.tell() > self._limit:
                        return

    def _accept(self, url: str, announced: int | None) -> None:
        """Take the size that a server states, before the first byte is written."""
        if announced is not None and announced > MAX_BYTES:
            raise IntegrityError(
                f"the server announces {announced / 1e9:.1f} GB for {url}, more than the "
                f"limit of {MAX_BYTES / 1e9:.1f} GB: it is not the file that zoo expects"
            )
        if announced is not None:
            check_disk(self._part.parent, announced - self._received())
        self._num_bytes = announced

    def _received(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _report(self, received: int) -> None:
        if self._progress is not None:
            self._progress(received, self._num_bytes or 0)


def _announced_size(headers: Mapping[str, str], *, goes_on: bool) -> int | None:
    """Return the size of the whole file as the server states it, None if it does not."""
    stated = headers.get("Content-Range", "") if goes_on else headers.get("Content-Length", "")
    digits = stated.rpartition("/")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else None


def fetch(
    url: str,
    folder: Path,
    *,
    known_hash: str | None,
    num_bytes: int | None,
    progress: Progress | None = None,
    attempts: int = 5,
    pause_seconds: float = 1.0,
    session: requests.Session | None = None,
) -> Path:
    """Download one file into a folder; a file that is there and right is not downloaded again.

    Args:
        url: where it is.
        folder: where it goes, under its own name.
        known_hash: `sha256:` or `md5:` and hexadecimal digits; None if none is known, and the
            caller compares what comes with what is.
        num_bytes: its size; None if only its hash is known, and the server states the size.
        progress: called with (bytes received, total bytes); the latter is 0 if unknown.
        attempts: how often to try again while the server breaks off.
        pause_seconds: waiting time before the second attempt; it doubles each time.
        session: sends the requests, with its certificates and proxies; None for a plain one.

    Raises:
        IntegrityError: if what came is not the file; it has been removed.
        MachineError: if no server answers, or all too slowly, `ZOO_OFFLINE=1` forbids it, or the
            disk has no room.
    """
    import pooch

    from zoo.data.sessions import open_session

    name = url.rsplit("/", 1)[-1]
    part = folder / part_name(name)
    folder.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel(logging.WARNING)  # pooch prints what it does; we report progress
    opening = open_session() if session is None else contextlib.nullcontext(session)
    with _explaining(url, part, known_hash), opening as opened:
        downloader = ResumingDownloader(
            part,
            num_bytes,
            progress,
            session=opened,
            attempts=attempts,
            pause_seconds=pause_seconds,
        )
        return Path(pooch.retrieve(url, known_hash, name, folder, downloader=downloader))


@contextlib.contextmanager
def _explaining(url: str, part: Path, known_hash: str | None) -> Iterator[None]:
    """Put into words why a file did not come or is not the right one."""
    import requests

    try:
        yield
    except requests.RequestException as error:
        raise MachineError(
            f"cannot download {url}: {_reason(error)}. The received part is in {part}; run the "
            "same command again to resume"
        ) from error
    except ValueError as error:  # pooch's word for a wrong hash
        raise IntegrityError(
            f"{url} is not the expected file ({known_hash}), so zoo removed it; try again. If that "
            "does not help, the file has changed at its source"
        ) from error


def _reason(error: BaseException) -> BaseException:
    """Return the error of a server that was too slow from within those around it."""
    from zoo.data.sessions import SlowServerError

    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, SlowServerError):
        inner = inner.__cause__ or inner.__context__
    return inner or error


def part_name(name: str) -> str:
    """Return the name of what has come of a file that is being downloaded."""
    return fitting_name(name, ".part")


def refuse_offline(url: str) -> None:
    """Raise a `MachineError` if the user has forbidden the network with `ZOO_OFFLINE`."""
    if os.environ.get("ZOO_OFFLINE", "0") not in ("", "0"):
        raise MachineError(f"zoo needs {url}, but ZOO_OFFLINE forbids downloads; unset it")


def check_connection(url: str) -> None:
    """Raise a `MachineError` if a server does not answer one short request.

    For clients that would try again and again on a connection that cannot be made.
    """
    import requests

    from zoo.data.sessions import open_session

    try:
        with open_session() as session:
            session.head(url, timeout=CONNECT_SECONDS, allow_redirects=True)
    except requests.RequestException as error:
        raise MachineError(f"cannot reach {url} ({type(error).__name__})") from error


def check_disk(folder: Path, num_bytes: int) -> None:
    """Raise a `MachineError` if the disk of `folder` has less than `num_bytes` free."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < num_bytes:
        raise MachineError(
            f"{folder} needs {num_bytes / 1e9:.1f} GB, but its disk has only "
            f"{free / 1e9:.1f} GB free; free some space, or choose another data root with "
            "ZOO_DATA"
        )
