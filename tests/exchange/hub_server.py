"""A stand-in for the Hugging Face hub: the part of its protocol that the client uses, on loopback.

The real client talks to it over HTTP: repositories with commits, large files by the LFS batch
protocol and a second address, regular files within the commit, HEAD and GET of `resolve` with the
hub's headers, tokens and private repositories.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

LARGE = (".safetensors", ".bin", ".pth", ".pkl")


@dataclass
class Repository:
    """Files by name after each commit, the oldest first."""

    private: bool = False
    commits: list[tuple[str, str, dict[str, bytes]]] = field(default_factory=list)
    sizes: dict[str, Any] = field(default_factory=dict)

    def commit(self, message: str, files: dict[str, bytes]) -> str:
        content = json.dumps([len(self.commits), message, sorted(files)])
        sha = hashlib.sha1(content.encode()).hexdigest()  # noqa: S324  as git does
        self.commits.append((sha, message, files))
        return sha

    def at(self, revision: str | None) -> tuple[str, dict[str, bytes]] | None:
        if revision in (None, "main"):
            return self.commits[-1][0], self.commits[-1][2]
        return next(((sha, files) for sha, _, files in self.commits if sha == revision), None)


@dataclass
class Hub:
    """What the server holds, and what it was asked.

    Attributes:
        tokens: owner of each token.
        repositories: by `owner/name`.
        requests: method and path of each request, the query left out.
        cut: bytes of a file after which the connection breaks and nobody answers any more.
        pause: seconds between the bytes of a large file; None sends it whole.
        page: status and content of every answer, instead of a hub's.
        stored: contents of large files by sha256.
        leaked: tokens that came with requests to that other host.
        endpoint: the hub's address.
        store: that of large files: another host to the client, which sends no token there.
    """

    tokens: dict[str, str] = field(default_factory=lambda: {"secret": "somebody"})
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    cut: int | None = None
    pause: float | None = None
    broken: bool = False
    page: tuple[int, bytes] | None = None
    stored: dict[str, bytes] = field(default_factory=dict)
    leaked: list[str] = field(default_factory=list)
    endpoint: str = ""
    store: str = ""

    def add(self, name: str, files: dict[str, bytes], *, private: bool = False) -> Repository:
        repository = Repository(private)
        repository.commit("initial", files)
        self.repositories[name] = repository
        return repository

    def fetched(self) -> set[str]:
        """Return the files whose content was asked for."""
        found = {re.sub(r"^/[^/]+/[^/]+/resolve/[^/]+/", "", path) for method, path in self.requests
                 if method == "GET" and "/resolve/" in path}  # fmt: skip
        return {unquote(name) for name in found}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are sent apart: the second waits 40 ms else
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path))
        if self.hub.broken:
            self.close_connection = True
            self.connection.close()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.hub.page is not None:
            self.send(self.hub.page[1], self.hub.page[0])
            return
        for pattern, action in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match is not None:
                action(self, body, **match.groupdict())
                return
        self._refuse(404, "", f"no such address: {path}")

    do_GET = do_POST = do_PUT = do_HEAD = _handle  # noqa: N815  the names http.server calls

    @property
    def user(self) -> str | None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        return self.hub.tokens.get(token)

    def answer(self, value: Any, status: int = 200, **headers: str) -> None:
        self.send(json.dumps(value).encode(), status, **headers)

    def send(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hub.cut is not None and len(content) > self.hub.cut:
            self.wfile.write(content[: self.hub.cut])
            self.wfile.flush()
            self.hub.broken = True
            self.close_connection = True
            self.connection.close()
            return
        for value in content if self.hub.pause and len(content) > 2000 else b"":
            try:
                self.wfile.write(bytes([value]))
            except OSError:  # the client has left
                return
            time.sleep(self.hub.pause)
        self.wfile.write(content)

    def _refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X_Error_Message": message} | ({"X_Error_Code": code} if code else {})
        self.answer({"error": message}, status, **headers)

    def readable(self, name: str) -> Repository | None:
        """Return a repository this user may read; answer as the hub does where there is none."""
        found = self.hub.repositories.get(name)
        if found is None or (found.private and self.user != owner_of(name)):
            self._refuse(404 if self.user else 401, "RepoNotFound", "Repository not found")
            return None
        return found

    def writable(self, name: str) -> Repository | None:
        found = self.readable(name)
        if found is not None and self.user != owner_of(name):
            self._refuse(403 if self.user else 401, "", "you have no permission to write")
            return None
        return found

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if self.user is None:
            self._refuse(401, "", "Invalid credentials in Authorization header")
        elif asked["organization"] != self.user:
            self._refuse(403, "", f"you have no rights in the namespace {asked['organization']}")
        elif name in self.hub.repositories:
            self.answer({"url": f"{self.hub.endpoint}/{name}"}, 409)
        else:
            private = asked.get("visibility") == "private" or bool(asked.get("private"))
            self.hub.add(name, {".gitattributes": b"*.safetensors filter=lfs\n"}, private=private)
            self.answer({"url": f"{self.hub.endpoint}/{name}"})

    def validate(self, body: bytes) -> None:
        text = json.loads(body)["content"]
        head = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
        try:
            good = head is not None and isinstance(yaml.safe_load(head[1]), dict)
        except yaml.YAMLError:
            good = False
        errors = [] if good else [{"message": "the metadata are not YAML"}]
        self.answer({"errors": errors, "warnings": []}, 200 if good else 400)

    def info(self, _: bytes, name: str, revision: str | None = None) -> None:
        found = self.readable(name)
        if found is None:
            return
        at = found.at(revision)
        if at is None:
            self._refuse(404, "RevisionNotFound", "Invalid rev id")
            return
        siblings = [_sibling(file, content, found) for file, content in sorted(at[1].items())]
        self.answer({"id": name, "sha": at[0], "private": found.private, "siblings": siblings})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        if self.writable(name) is None:
            return
        asked = json.loads(body)["files"]
        files = [
            {"path": one["path"], "shouldIgnore": False,
             "uploadMode": "lfs" if one["path"].endswith(LARGE) else "regular"}
            for one in asked
        ]  # fmt: skip
        self.answer({"files": files})

    def batch(self, body: bytes, name: str) -> None:
        if self.writable(name) is None:
            return
        objects = []
        for one in json.loads(body)["objects"]:
            actions = {"upload": {"href": f"{self.hub.store}/store/{one['oid']}"},
                       "verify": {"href": f"{self.hub.endpoint}/verify"}}  # fmt: skip
            there = one["oid"] in self.hub.stored
            objects.append({**one, **({} if there else {"actions": actions})})
        self.answer({"transfer": "basic", "objects": objects})

    def store(self, body: bytes, oid: str) -> None:
        if "Authorization" in self.headers:
            self.hub.leaked.append(self.headers["Authorization"])
        if self.command == "PUT":
            if hashlib.sha256(body).hexdigest() != oid:
                self._refuse(400, "", "the content has another hash")
                return
            self.hub.stored[oid] = body
            self.answer({})
        else:
            self.send(self.hub.stored[oid])

    def verify(self, body: bytes) -> None:
        asked = json.loads(body)
        good = len(self.hub.stored.get(asked["oid"], b"")) == asked["size"]
        self.answer({}, 200 if good else 404)

    def commit(self, body: bytes, name: str, revision: str) -> None:
        found = self.writable(name)
        if found is None:
            return
        files, head = dict(found.commits[-1][2]), found.commits[-1][0]
        message = ""
        for line in body.splitlines():
            key, value = (one := json.loads(line))["key"], one["value"]
            if key == "header":
                message = value["summary"]
                if value.get("parentCommit") not in (None, head):
                    self._refuse(412, "", "a commit has happened since")
                    return
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        sha = found.commit(message, files)
        url = f"{self.hub.endpoint}/{name}/commit/{sha}"
        self.answer({"commitUrl": url, "commitOid": sha})

    def resolve(self, _: bytes, name: str, revision: str, file: str) -> None:
        found = self.readable(name)
        if found is None:
            return
        at = found.at(revision)
        if at is None or file not in at[1]:
            code = "RevisionNotFound" if at is None else "EntryNotFound"
            self._refuse(404, code, "not found")
            return
        content = at[1][file]
        headers = {"X_Repo_Commit": at[0]}
        if file.endswith(LARGE):
            oid = hashlib.sha256(content).hexdigest()
            self.hub.stored.setdefault(oid, content)
            headers |= {"X_Linked_ETag": f'"{oid}"', "X_Linked_Size": str(len(content))}
            place = f"{self.hub.store}/store/{oid}"
            self.send(b"", 302, Location=place, **headers)
            return
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324
        self.send(content, ETag=f'"{blob}"', **headers)


_NAME = r"(?P<name>[^/]+/[^/]+?)"
_REVISION = r"(?P<revision>[^/]+)"
_ROUTES = [
    (r"/api/repos/create", _Handler.create),
    (r"/api/validate-yaml", _Handler.validate),
    (rf"/api/models/{_NAME}", _Handler.info),
    (rf"/api/models/{_NAME}/revision/{_REVISION}", _Handler.info),
    (rf"/api/models/{_NAME}/preupload/{_REVISION}", _Handler.preupload),
    (rf"/api/models/{_NAME}/commit/{_REVISION}", _Handler.commit),
    (rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    (r"/store/(?P<oid>[0-9a-f]{64})", _Handler.store),
    (r"/verify", _Handler.verify),
    (rf"/{_NAME}/resolve/{_REVISION}/(?P<file>.+)", _Handler.resolve),
]


def owner_of(name: str) -> str:
    return name.partition("/")[0]


def _sibling(name: str, content: bytes, repository: Repository) -> dict[str, Any]:
    size = repository.sizes.get(name, len(content))
    found: dict[str, Any] = {"rfilename": name, "size": size, "blobId": "0" * 40}
    if name.endswith(LARGE):
        digest = hashlib.sha256(content).hexdigest()
        found["lfs"] = {"size": size, "sha256": digest, "pointerSize": 130}
    return found


@contextmanager
def serving() -> Iterator[Hub]:
    """Run a hub on a free port of this machine."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    hub.store = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def logged_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Hub]:
    """Run a hub for the client, logged in as `somebody`, its files in a folder."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the stand-in speaks LFS
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub-cache"))
    monkeypatch.setenv("HF_TOKEN", "secret")
    with serving() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        yield running
        close_session()  # before the server goes: its connections are kept open
