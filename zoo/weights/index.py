"""One known file of a package, downloaded from the package index as pip is configured.

zoo asks pip only for its settings: no package is resolved, installed, imported or run, and the file
is compared with its known hash. Not here: reading members of such a file
(`zoo.weights.archives`), the download itself (`zoo.data.download`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from zoo.data import Progress
from zoo.data.download import CHUNK_BYTES, CONNECT_SECONDS, fetch, part_name, refuse_offline
from zoo.errors import IntegrityError, MachineError, WeightsError, ZooError
from zoo.files import explaining_refusals, file_sha256, from_home, read_file, write_atomically
from zoo.weights.pip_settings import IndexSettings, masked, pip_settings

if TYPE_CHECKING:
    import requests

ATTEMPTS, PAUSE_SECONDS = 5, 1.0  # of a download that breaks off
MAX_PAGE_BYTES = 100_000_000
_PAGES = "application/vnd.pypi.simple.v1+"  # PEP 691
ACCEPT = f"{_PAGES}json, {_PAGES}html;q=0.2, text/html;q=0.1"
_ABSENT, _UNREACHABLE, _WRONG, _BROKE_OFF = range(4)  # what a place says, the gravest last
_UNREADABLE = (OSError, ValueError, RuntimeError, AssertionError)  # requests, json, html.parser
Link = tuple[str, str | None]  # address of a file, and the sha256 that its page announces


def fetch_distribution(
    project: str,
    file_name: str,
    *,
    sha256: str,
    num_bytes: int,
    folder: Path,
    progress: Progress | None = None,
    settings: IndexSettings | None = None,
) -> Path:
    """Download one file of a package into a folder, from the first place with the right bytes.

    Args:
        project: the package's name.
        file_name: full name of the sdist or wheel.
        sha256: of the file.
        num_bytes: its size.
        folder: where it goes; a file that is there and right is not fetched again.
        progress: called with (bytes received, total bytes).
        settings: where to look; None for those of pip.

    Raises:
        IntegrityError: if what was found is not the known file.
        MachineError: if no place can be reached, or the folder cannot take the file.
        WeightsError: if every place was asked and none has it.
    """
    target = folder / file_name
    with explaining_refusals(target, num_bytes):
        if target.is_file() and file_sha256(target) == sha256:
            return target
        settings = settings or pip_settings()
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise MachineError(f"cannot write {target}: Permission denied")
        with _open_session(settings) as session:
            search = _Search(project, target, sha256, settings, session)
            for url in search.urls():
                try:
                    search.bring(url, num_bytes, progress)
                except IntegrityError as error:
                    search.note(url, error, _WRONG)
                except MachineError as error:
                    search.note(url, error, _BROKE_OFF)
                else:
                    return target
    raise search.failure()


@dataclass
class _Search:
    """Asks one place after another for a file, and remembers what each said."""

    project: str
    target: Path
    sha256: str
    settings: IndexSettings
    session: requests.Session
    notes: list[str] = field(default_factory=list)
    gravest: int = _ABSENT

    def urls(self) -> Iterator[str]:
        """Yield the addresses of files of the right name, asking a place when its turn comes."""
        for place in dict.fromkeys(self.settings.find_links):
            yield from self._ask(place, place)
        project = re.sub(r"[-_.]+", "-", self.project).lower()  # PEP 503
        indexes = (self.settings.index_url, *self.settings.extra_index_urls)
        for place in dict.fromkeys(filter(None, indexes)):
            yield from self._ask(place, f"{place.rstrip('/')}/{project}/")

    def note(self, place: str, words: object, kind: int) -> None:
        told = str(words)
        self.notes.append(told if told.startswith(place) else f"{place}: {told}")
        self.gravest = max(self.gravest, kind)

    def failure(self) -> ZooError:
        """Return the error that lists every place asked and what each said."""
        if not (self.settings.index_url or self.settings.extra_index_urls):
            self.notes.append("no-index is set, so zoo used no index")
        told = "; ".join(self.notes)
        return (WeightsError, MachineError, IntegrityError, MachineError)[self.gravest](
            f"pip's index and search locations do not deliver {self.target.name} ('pip config "
            f"list' shows the settings): {masked(told)}"
        )

    def _ask(self, place: str, page: str) -> Iterator[str]:
        try:
            folder = _local_path(page)
            if folder is None:
                links = self._links_on_web(_split_login(page)[0])
            else:
                links = self._links_on_disk(folder, _local_path(place) or folder)
        except (*_UNREADABLE, MachineError) as error:
            self.note(page, error, _UNREACHABLE)
            return
        self.note(page, "has a file of this name" if links else "does not have it", _ABSENT)
        for url, announced in links:
            if announced in (None, self.sha256):
                yield url
            else:
                self.note(url, f"announces another sha256, {announced}", _WRONG)

    def _links_on_disk(self, folder: Path, root: Path) -> list[Link]:
        paths = sorted(folder.iterdir()) if folder.is_dir() else [folder]
        found: list[Link] = []
        for path in dict.fromkeys((folder / self.target.name, *paths, root / self.target.name)):
            uri = path.absolute().as_uri()
            if path.name == self.target.name and path.is_file():
                found.append((uri, None))
            elif path.suffix.lower() in (".html", ".htm") and path.is_file():
                found += _links_of(read_file(path, MAX_PAGE_BYTES), "html", uri, self.target.name)
        return found

    def _links_on_web(self, page: str) -> list[Link]:
        if _file_named(page) == self.target.name:
            return [(page, None)]
        refuse_offline(page)
        body = bytearray()
        with self.session.get(page, headers={"Accept": ACCEPT}, stream=True) as response:
            if response.status_code in (404, 410):
                return []
            response.raise_for_status()
            for chunk in response.iter_content(CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_PAGE_BYTES:
                    raise ValueError(f"its page has more than {MAX_PAGE_BYTES:,} bytes")
        kind = response.headers.get("Content-Type", "")
        return _links_of(bytes(body), kind, response.url, self.target.name)

    def bring(self, url: str, num_bytes: int, progress: Progress | None) -> None:
        """Download or copy the file from one address."""
        path = _local_path(url)
        if path is not None:
            write_atomically(self.target, _read_known(path, self.sha256, num_bytes))
            if progress is not None:
                progress(num_bytes, num_bytes)
            return
        if url.rpartition("/")[2] != self.target.name:
            url = f"{url}#/{self.target.name}"  # `fetch` names the file so; no server sees it
        options: dict[str, Any] = {"known_hash": f"sha256:{self.sha256}", "num_bytes": num_bytes}
        options |= {"attempts": ATTEMPTS, "pause_seconds": PAUSE_SECONDS, "progress": progress}
        begun = self.target.with_name(part_name(self.target.name)).exists()
        try:
            fetch(url, self.target.parent, session=self.session, **options)
        except IntegrityError:
            if not begun:
                raise  # else the beginning may have been another file's
            fetch(url, self.target.parent, session=self.session, **options)


def _read_known(path: Path, sha256: str, num_bytes: int) -> bytes:
    try:
        content = read_file(path, num_bytes)
    except OSError as error:
        raise MachineError(f"zoo cannot read it: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise IntegrityError(
            f"it is not the expected file of {num_bytes:,} bytes with the sha256 {sha256}"
        )
    return content


class _Anchors(HTMLParser):
    """Collects where the links of a page lead."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.base = url
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if href and tag == "base":
            self.base = urljoin(self.base, href)
        elif href and tag == "a":
            self.found.append(href)


def _links_of(body: bytes, kind: str, url: str, file_name: str) -> list[Link]:
    """Return the links to files of one name on a page of an index, JSON or HTML."""
    schemes = {"http", "https", urlsplit(url).scheme}  # no page of the web names local files
    links: list[Link] = []
    if "json" in kind:
        page = json.loads(body)
        files = page.get("files") if isinstance(page, dict) else None
        if not isinstance(files, list):
            raise ValueError("its page lists no files")
    else:
        parser = _Anchors(url)
        parser.feed(body.decode("utf-8", errors="replace"))
        url = parser.base
        files = [{"filename": _file_named(href), "url": href} for href in parser.found]
    for file in files:
        if isinstance(file, dict) and file.get("filename") == file_name:
            address, fragment = urldefrag(urljoin(url, str(file.get("url"))))
            hashes = file.get("hashes")
            announced = hashes.get("sha256") if isinstance(hashes, dict) else None
            if urlsplit(address).scheme in schemes:
                found = re.search("sha256=([0-9a-f]{64})", f"sha256={announced} {fragment}".lower())
                links.append((address, found[1] if found else None))
    return links


def _file_named(url: str) -> str:
    return unquote(re.split("[?#]", url)[0]).rpartition("/")[2]


def _local_path(place: str) -> Path | None:
    if place.lower().startswith("file:"):
        return Path(url2pathname(urlsplit(place).path))
    return None if "://" in place else from_home(place)


def _split_login(url: str) -> tuple[str, tuple[str, str] | None]:
    found = re.match(r"(\w+://)([^/\s]*)@", url)
    if not found:
        return url, None
    name, _, password = found[2].partition(":")
    return found[1] + url[found.end() :], (unquote(name), unquote(password))


def _origin(url: str) -> tuple[str, str, int]:
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or (80, 443)[parts.scheme == "https"]
    return "", "", 0


def _words(error: OSError) -> str:
    """Return why a server was not reached, without the names of the errors around it."""
    reason: Any = error.args[0] if error.args else error
    told = ""
    while isinstance(inner := getattr(reason, "reason", None), Exception):
        reason = inner
        if isinstance(behind := getattr(reason, "original_error", None), Exception):
            reason, told = behind, "the proxy: "
    return told + re.sub(r"^\w+\(host=[^)]*\): ", "", str(reason) or str(error))


def _open_session(settings: IndexSettings) -> requests.Session:
    """Return a session that reaches pages and files as pip would."""
    import requests
    from requests.adapters import Retry
    from urllib3.exceptions import InsecureRequestWarning

    from zoo.data.sessions import FloorAdapter, open_session

    places = (*settings.find_links, settings.index_url or "", *settings.extra_index_urls)
    logins = {place: login for place, login in map(_split_login, places) if login}
    trusted = {host.lower() for host in settings.trusted_hosts}
    reached: set[tuple[str, str, int]] = set()

    class Adapter(FloorAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
            url: str = request.url
            origin = _origin(url)
            options["timeout"] = (CONNECT_SECONDS, settings.timeout)
            options["verify"] = settings.cert or options.get("verify", True)
            if settings.proxy:
                options["proxies"] = {"http": settings.proxy, "https": settings.proxy}
            known = [place for place in logins if _origin(place) == origin]
            if known:  # of several on one server, the one whose path is most alike
                place = max(known, key=lambda place: len(os.path.commonpath((place, url))))
                request.prepare_auth(logins[place], url)
            with warnings.catch_warnings():
                if trusted & {origin[1], f"{origin[1]}:{origin[2]}"}:
                    options["verify"] = False
                    warnings.simplefilter("ignore", InsecureRequestWarning)
                try:
                    response = super().send(request, *args, **options)
                except OSError as error:
                    if origin in reached:
                        raise  # `fetch` tries again after this, and not after what follows
                    raise requests.RequestException(_words(error)) from error
            reached.add(origin)
            return response

    retry = Retry(2, 0, read=False, other=0, backoff_factor=0.5, status_forcelist=range(500, 505))
    retry.respect_retry_after_header = False  # it may ask for an hour
    session = open_session(Adapter(max_retries=retry))
    session.cert = settings.client_cert
    return session
