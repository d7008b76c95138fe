from __future__ import annotations

import base64
import errno
import hashlib
import json
import logging
import os
import shutil
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.weights.index_server import (
    CONTENT,
    MIB,
    NAME,
    OTHER,
    PAGE,
    PROJECT,
    SHA256,
    Handler,
    Index,
    file,
    guarded,
    json_page,
    listed,
    page,
    serve,
    silence,
    status,
)
from zoo.data import sessions
from zoo.data.download import CONNECT_SECONDS
from zoo.errors import IntegrityError, MachineError, WeightsError, ZooError
from zoo.weights import index
from zoo.weights.index import fetch_distribution
from zoo.weights.pip_settings import IndexSettings


def settings(*places: Index | str | Path, **changes: Any) -> IndexSettings:
    """Return settings whose indexes are these places."""
    urls = [place.simple if isinstance(place, Index) else str(place) for place in places]
    first = urls[0] if urls else None
    return IndexSettings(index_url=first, extra_index_urls=tuple(urls[1:]), **changes)


def get(folder: Path, told: IndexSettings | None, **changes: Any) -> Path:
    known: dict[str, Any] = {"sha256": SHA256, "num_bytes": len(CONTENT)}
    return fetch_distribution(PROJECT, NAME, folder=folder, settings=told, **known | changes)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "fetched" / "here"


# --- pages


def test_a_json_page_is_asked_for_by_the_normal_name(server: Index, target: Path) -> None:
    server.answers[PAGE] = json_page(
        listed(f"/wrong/{NAME}", filename="some_package_name-0.9.tar.gz"),
        listed(f"/files/{NAME}"),
    )
    server.answers[f"/files/{NAME}"] = file()
    seen: list[tuple[int, int]] = []
    path = get(target, settings(server), progress=lambda *amounts: seen.append(amounts))
    assert path == target / NAME
    assert path.read_bytes() == CONTENT
    assert server.asked == [PAGE, f"/files/{NAME}"]
    assert server.headers[0]["Accept"].startswith("application/vnd.pypi.simple.v1+json")
    assert "text/html" in server.headers[0]["Accept"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert names(target) == [NAME]


@pytest.mark.parametrize(
    "body",
    [
        f'<a href="../../files/{NAME}#sha256={SHA256}">x</a>',
        f"<A class=x HREF='/files/{NAME}#egg=x&amp;sha256={SHA256.upper()}' >x</A>",
        '<a href="some%5Fother-1.0.tar.gz">x</a><a href="/files/some%5Fpackage_name-1.0.tar.gz">x',
        f'<base href="/files/"><a name=x>x</a><a href={NAME}#md5=0123>x</a>',
        f'<a href="http://[bad">x</a><a href="/files/{NAME}">x</a>',
    ],
    ids=["relative", "upper case", "percent", "base", "beside a bad link"],
)
def test_an_html_page(server: Index, target: Path, body: str) -> None:
    server.answers[PAGE] = page(f"<!DOCTYPE html><html><body>{body}</body></html>")
    for name in (NAME, NAME.replace("_", "%5F", 1)):
        server.answers[f"/files/{name}"] = file()
    assert get(target, settings(server)).read_bytes() == CONTENT
    assert names(target) == [NAME]


def test_links_are_relative_to_where_the_page_is_in_the_end(server: Index, target: Path) -> None:
    server.answers[PAGE] = status(302, Location="/moved/deeper/index")
    server.answers["/moved/deeper/index"] = page(f'<a href="../{NAME}">x</a>')
    server.answers[f"/moved/{NAME}"] = status(301, Location="/store/0123")
    server.answers["/store/0123"] = file()
    assert get(target, settings(server)).read_bytes() == CONTENT
    assert f"/moved/{NAME}" in server.asked


def test_an_address_may_end_in_anything(server: Index, target: Path) -> None:
    query = f"/get?key={'k' * 300}/of/mine"
    server.answers[PAGE] = json_page(listed(query))
    server.answers[query] = file(breaks=1)
    assert get(target, settings(server)).read_bytes() == CONTENT
    assert names(target) == [NAME]
    assert query in server.asked


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("{", "application/json"),
        ("[]", "application/json"),
        ('{"files": {}}', "application/json"),
        ("[" * 100_000, "application/vnd.pypi.simple.v1+json"),
        (f'<a href="http://[bad/{NAME}">x</a>', "text/html"),
    ],
)
def test_a_damaged_page_is_told_and_the_next_place_asked(
    server: Index, mirror: Index, target: Path, body: str, kind: str
) -> None:
    server.answers[PAGE] = page(body, kind)
    with pytest.raises(MachineError, match=f"{server.url}{PAGE}: "):
        get(target, settings(server))
    serve(mirror)
    assert get(target, settings(server, mirror)).exists()


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"files": [7, {"url": 7}, {"filename": NAME}, {"filename": [NAME], "url": 1}]}),
        json.dumps({"files": [{"filename": NAME, "url": "ftp://one.invalid/x", "hashes": 3}]}),
    ],
)
def test_strange_entries_are_passed_over(server: Index, target: Path, body: str) -> None:
    server.answers[PAGE] = page(body, "application/json")
    with pytest.raises((WeightsError, MachineError), match=NAME):
        get(target, settings(server))


@pytest.mark.parametrize("body", ["<![foo [ bar ]]>", "<a href", "\xff\x00", "<!"])
def test_strange_markup_is_no_crash(server: Index, target: Path, body: str) -> None:
    server.answers[PAGE] = page(body)
    with pytest.raises(ZooError, match=NAME):
        get(target, settings(server))


def test_a_page_without_end_is_not_read_to_it(
    server: Index, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "MAX_PAGE_BYTES", 1000)
    server.answers[PAGE] = page("x" * 2000)
    with pytest.raises(MachineError, match="more than 1,000 bytes"):
        get(target, settings(server))


def test_a_page_of_the_web_names_no_file_of_this_machine(
    server: Index, target: Path, tmp_path: Path
) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    uri = (tmp_path / NAME).as_uri()
    server.answers[PAGE] = page(f'<a href="{uri}">x</a>')
    with pytest.raises(WeightsError, match="does not have it"):
        get(target, settings(server))
    server.answers[PAGE] = page(f'<base href="{tmp_path.as_uri()}/"><a href="{NAME}">x</a>')
    with pytest.raises(WeightsError, match="does not have it"):
        get(target, settings(server))


# --- places that fail


def test_every_place_that_was_asked_is_named(
    server: Index, mirror: Index, target: Path, tmp_path: Path
) -> None:
    mirror.answers[PAGE] = json_page()
    told = settings(server, mirror, tmp_path / "none", find_links=(str(tmp_path),))
    with pytest.raises(WeightsError) as caught:
        get(target, told)
    for place in (tmp_path, f"{server.url}{PAGE}", f"{mirror.url}{PAGE}", tmp_path / "none"):
        assert str(place) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_file_with_another_announced_hash_is_passed_over(
    server: Index, mirror: Index, target: Path
) -> None:
    other = hashlib.sha256(OTHER).hexdigest()
    server.answers[PAGE] = json_page(listed(f"/files/{NAME}", other))
    with pytest.raises(IntegrityError, match=f"announces another sha256, {other}"):
        get(target, settings(server))
    serve(mirror)
    assert get(target, settings(server, mirror)).exists()
    assert set(server.asked) == {PAGE}


def test_wrong_bytes_send_to_the_next_place(server: Index, mirror: Index, target: Path) -> None:
    serve(server, file(OTHER))
    with pytest.raises(IntegrityError) as caught:
        get(target, settings(server))
    assert f"{server.url}/files/{NAME}" in str(caught.value)
    assert caught.value.exit_code == 4
    assert names(target) == []
    serve(mirror)
    assert get(target, settings(server, mirror)).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT + b"x", CONTENT[:-1], b"<html>log in</html>"])
def test_another_size_is_refused(server: Index, target: Path, content: bytes) -> None:
    serve(server, file(content))
    with pytest.raises(IntegrityError, match="bytes instead of"):
        get(target, settings(server))
    assert names(target) == []


def test_a_file_that_is_announced_as_huge_is_not_received(server: Index, target: Path) -> None:
    def send(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 50))
        handler.end_headers()
        for _ in range(64):
            handler.wfile.write(b"x" * MIB)

    serve(server, send)
    with pytest.raises(IntegrityError, match="another file"):
        get(target, settings(server))
    assert names(target) == []


def test_a_broken_connection_is_resumed(server: Index, target: Path) -> None:
    serve(server, file(breaks=2))
    assert get(target, settings(server)).read_bytes() == CONTENT
    ranges = [headers.get("Range") for headers in server.headers[1:]]
    assert ranges == [None, f"bytes={MIB}-", f"bytes={2 * MIB}-"]


def test_a_place_that_breaks_off_for_good_sends_to_the_next(
    server: Index, mirror: Index, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "ATTEMPTS", 2)
    serve(server, file(breaks=99, after=MIB // 4))
    with pytest.raises(MachineError, match="run the same command again to resume") as caught:
        get(target, settings(server))
    assert caught.value.exit_code == 5
    assert (target / f"{NAME}.part").stat().st_size == MIB // 2
    serve(mirror)
    assert get(target, settings(server, mirror)).read_bytes() == CONTENT
    assert mirror.headers[-1]["Range"] == f"bytes={MIB}-"
    assert names(target) == [NAME]


def test_the_beginning_of_another_file_does_no_harm(
    server: Index, mirror: Index, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "ATTEMPTS", 1)
    serve(server, file(b"\0" * len(CONTENT), breaks=99))
    serve(mirror)
    assert get(target, settings(server, mirror)).read_bytes() == CONTENT
    assert [headers.get("Range") for headers in mirror.headers[1:]] == [f"bytes={MIB}-", None]


def test_a_right_file_that_cannot_come_weighs_more_than_a_wrong_one(
    server: Index, mirror: Index, target: Path
) -> None:
    server.answers[PAGE] = json_page(listed("/x", "0" * 64))
    mirror.answers[PAGE] = json_page(listed("/gone"))
    with pytest.raises(MachineError, match=r"announces another sha256.*404"):
        get(target, settings(server, mirror))


def test_an_error_of_the_server_may_pass(
    server: Index, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _: None)
    server.answers[PAGE] = status(503, Retry_After="3600")
    with pytest.raises(MachineError, match="503"):
        get(target, settings(server))
    assert server.asked == [PAGE] * 3
    serve(server)
    right, left = server.answers[PAGE], [2]

    def mend(handler: Handler) -> None:
        left[0] -= 1
        (status(500) if left[0] else right)(handler)

    server.answers[PAGE] = mend
    assert get(target, settings(server)).exists()


@pytest.mark.parametrize("code", [401, 403, 418])
def test_a_refusal_is_no_absence(server: Index, target: Path, code: int) -> None:
    server.answers[PAGE] = status(code)
    with pytest.raises(MachineError, match=str(code)):
        get(target, settings(server))
    assert server.asked == [PAGE]


def test_a_server_that_is_not_there_is_asked_once(
    server: Index, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "PAUSE_SECONDS", 60.0)
    server.stop()
    url = f"{server.url}/files/{NAME}"
    started = time.perf_counter()
    with pytest.raises(MachineError, match="refused"):
        get(target, settings(server, find_links=(url,)))
    assert time.perf_counter() - started < 5


def test_no_address_of_a_server_is_waited_for_long(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[Any] = []

    def connect(_: Any, timeout: float, **__: Any) -> None:
        waited.append(timeout)
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    monkeypatch.setattr(index, "PAUSE_SECONDS", 60.0)
    far = f"http://one.invalid/{NAME}"
    with pytest.raises(MachineError, match=r"two\.invalid.*timed out"):
        get(target, settings("http://two.invalid", find_links=(far,), timeout=500.0))
    assert waited == [CONNECT_SECONDS] * 2


def test_a_silent_server_is_not_waited_for(
    server: Index, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers[PAGE] = silence
    with pytest.raises(MachineError, match="timed out"):
        get(target, settings(server, timeout=0.2))
    assert server.asked == [PAGE]
    monkeypatch.setattr(index, "ATTEMPTS", 2)
    serve(server, silence)
    with pytest.raises(MachineError, match="timed out"):
        get(target, settings(server, timeout=0.2))
    assert server.asked[1:] == [PAGE, *[f"/files/{NAME}"] * 2]


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    server: Index, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "WINDOW_SECONDS", 0.2)
    monkeypatch.setattr(index, "ATTEMPTS", 1)

    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        while not handler.server.released.wait(0.002):
            handler.wfile.write(b"<")

    server.answers[PAGE] = drip
    with pytest.raises(MachineError, match=r"the server is too slow: \d+ bytes in"):
        get(target, settings(server))
    serve(server, drip)
    with pytest.raises(MachineError, match=r"the server is too slow: \d+ bytes in"):
        get(target, settings(server))


@pytest.mark.parametrize(
    "place", ["http://[bad/simple", "http://one.invalid:port/simple", "http:///simple", "ftp://x"]
)
def test_an_address_that_is_none_is_told(target: Path, place: str) -> None:
    with pytest.raises((MachineError, WeightsError), match="do not deliver"):
        get(target, settings(place, find_links=(place, f"{place}/{NAME}")))


def test_a_redirect_to_nowhere_is_told(server: Index, target: Path) -> None:
    serve(server, status(302, Location="http://127.0.0.1:port/x"))
    with pytest.raises(MachineError, match="cannot download"):
        get(target, settings(server))
    server.answers[PAGE] = status(302, Location=PAGE)
    with pytest.raises(MachineError, match="redirects"):
        get(target, settings(server))


def test_nowhere_to_look(target: Path) -> None:
    with pytest.raises(WeightsError, match="no-index is set"):
        get(target, settings())


# --- logins, certificates, proxies


LOGIN = "me:s%40cret"  # as written in an address


def with_login(server: Index, path: str = "/simple") -> str:
    return f"http://{LOGIN}@127.0.0.1:{server.server_port}{path}"


def test_the_login_of_an_index_opens_its_page_and_its_files(
    server: Index, mirror: Index, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    login = "me:s@cret"
    server.answers[PAGE] = guarded(login, json_page(listed(f"{server.url}/files/{NAME}")))
    server.answers[f"/files/{NAME}"] = guarded(login, file(breaks=1))
    with pytest.raises(MachineError, match="401"):
        get(target, settings(server))
    with caplog.at_level(logging.DEBUG, logger="zoo"):
        assert get(target, settings(with_login(server))).exists()
    assert "was interrupted" in caplog.text
    assert "cret" not in caplog.text
    assert f"/files/{NAME}" in server.asked

    server.answers[PAGE] = guarded(login, json_page(listed(f"{mirror.url}/files/{NAME}")))
    mirror.answers[f"/files/{NAME}"] = file()
    shutil.rmtree(target)
    assert get(target, settings(with_login(server))).exists()
    assert "Authorization" not in mirror.headers[0]


def test_the_login_does_not_follow_a_redirect_to_another_server(
    server: Index, mirror: Index, target: Path
) -> None:
    server.answers[PAGE] = guarded("me:s@cret", json_page(listed("/there")))
    server.answers["/there"] = status(302, Location=f"{mirror.url}/here")
    mirror.answers["/here"] = file()
    assert get(target, settings(with_login(server))).exists()
    assert "Authorization" in server.headers[-1]
    assert "Authorization" not in mirror.headers[0]


def test_two_indexes_of_one_server_have_their_own_logins(server: Index, target: Path) -> None:
    server.answers[f"/a{PAGE}"] = guarded("me:s@cret", json_page())
    server.answers[f"/b{PAGE}"] = guarded("you:", json_page(listed(f"/b/files/{NAME}")))
    server.answers[f"/b/files/{NAME}"] = guarded("you:", file())
    other = f"http://you@127.0.0.1:{server.server_port}/b/simple/"
    assert get(target, settings(with_login(server, "/a/simple/"), other)).exists()


def test_messages_have_no_password(server: Index, target: Path, tmp_path: Path) -> None:
    server.answers[PAGE] = json_page(listed(with_login(server, "/gone")))
    links = (with_login(server, f"/{NAME}"), f"https://{LOGIN}@[bad/simple")
    told = settings(with_login(server), find_links=links)
    with pytest.raises(MachineError) as caught:
        get(target, told)
    assert "cret" not in str(caught.value)
    assert f"http://****@127.0.0.1:{server.server_port}/simple/" in str(caught.value)


def test_netrc_opens_an_index(server: Index, target: Path, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s@cret\n")
    serve(server)
    for path, answer in list(server.answers.items()):
        server.answers[path] = guarded("me:s@cret", answer)
    assert get(target, settings(server)).exists()


def test_a_proxy_is_used_for_page_and_file(
    server: Index, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = "http://one.invalid"
    server.answers[f"{far}{PAGE}"] = json_page(listed("http://two.invalid/x"))
    server.answers["http://two.invalid/x"] = file()
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # what pip says goes before it
    proxy = f"http://{LOGIN}@127.0.0.1:{server.server_port}"
    assert get(target, settings(f"{far}/simple", proxy=proxy)).exists()
    expected = base64.b64encode(b"me:s@cret").decode()
    assert {h["Proxy-Authorization"] for h in server.headers} == {f"Basic {expected}"}
    with pytest.raises(MachineError) as caught:
        get(target / "again", settings(f"{far}/simple", proxy=f"http://{LOGIN}@127.0.0.1:9"))
    assert "cret" not in str(caught.value)


def test_a_proxy_of_the_environment_is_used(
    server: Index, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers[f"http://one.invalid{PAGE}"] = json_page(listed("/x"))
    server.answers["http://one.invalid/x"] = file()
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{server.server_port}")
    assert get(target, settings("http://one.invalid/simple")).exists()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return a file with a key and a certificate that it signed itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    key, path = tmp_path / "key.pem", tmp_path / "own.pem"
    options = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    options += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(path)]
    subprocess.run([openssl, "req", "-x509", *options], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


def over_tls(server: Index, certificate: Path, *, both: bool = False) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if both:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return f"https://127.0.0.1:{server.server_port}/simple"


def test_certificates(
    server: Index, target: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(server)
    place = over_tls(server, certificate)
    monkeypatch.setattr(index, "PAUSE_SECONDS", 60.0)
    file_url = place.replace("simple", f"files/{NAME}")
    for host in ("127.0.0.1:1", "two.invalid"):
        with pytest.raises(MachineError, match="CERTIFICATE_VERIFY_FAILED"):
            get(target, settings(place, trusted_hosts=(host,), find_links=(file_url,)))
    assert server.asked == []
    for number, changes in enumerate(
        (
            {"cert": str(certificate)},
            {"trusted_hosts": ("127.0.0.1",)},
            {"trusted_hosts": (f"127.0.0.1:{server.server_port}",)},
        )
    ):
        assert get(target / str(number), settings(place, **changes)).exists()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")  # pip's goes before it
    assert get(target / "more", settings(place, cert=str(certificate))).exists()
    with pytest.raises(MachineError, match=r"/no/such/other\.pem"):
        get(target, settings(place, cert="/no/such/other.pem"))


def test_this_machines_own_certificate(server: Index, target: Path, certificate: Path) -> None:
    serve(server)
    place = over_tls(server, certificate, both=True)
    with pytest.raises(MachineError):
        get(target, settings(place, cert=str(certificate), timeout=5.0))
    told = settings(place, cert=str(certificate), client_cert=str(certificate))
    assert get(target, told).exists()
    with pytest.raises(MachineError, match=r"/no/such/own\.pem"):
        get(target / "x", settings(place, cert=str(certificate), client_cert="/no/such/own.pem"))


# --- places on this machine


@pytest.mark.parametrize("form", ["folder", "uri", "file", "file uri", "page", "page beside", "~"])
def test_find_links_on_disk(
    server: Index, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    folder = tmp_path / "my wheels"
    inner = folder if "page" not in form else folder / "inner"
    inner.mkdir(parents=True)
    (inner / NAME).write_bytes(CONTENT)
    (folder / "other-1.0.whl").write_bytes(b"x")
    (folder / "links.html").write_text(f"<a href='inner/{NAME}#sha256={SHA256}'>x</a>")
    monkeypatch.setenv("HOME", str(tmp_path))
    place = {
        "folder": str(folder),
        "uri": folder.as_uri(),
        "file": str(folder / NAME),
        "file uri": (folder / NAME).as_uri(),
        "page": str(folder / "links.html"),
        "page beside": folder.as_uri(),
        "~": "~/my wheels",
    }[form]
    seen: list[tuple[int, int]] = []
    told = settings(server, find_links=(str(tmp_path / "none"), place))
    path = get(target, told, progress=lambda *amounts: seen.append(amounts))
    assert path.read_bytes() == CONTENT
    assert seen == [(len(CONTENT), len(CONTENT))]
    assert server.asked == []


@pytest.mark.parametrize("form", ["page", "file"])
def test_find_links_on_the_web(server: Index, target: Path, form: str) -> None:
    server.answers["/links"] = page(f'<a href="/files/{NAME}">x</a>')
    server.answers[f"/files/{NAME}"] = file()
    place = f"{server.url}/links" if form == "page" else f"{server.url}/files/{NAME}"
    assert get(target, settings(find_links=(place,))).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [OTHER, CONTENT[:-1], b""])
def test_a_file_on_disk_is_not_trusted(
    server: Index, target: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(IntegrityError, match="it is not the expected file"):
        get(target, settings(find_links=(str(tmp_path),)))
    assert names(target) == []
    serve(server)
    assert get(target, settings(server, find_links=(str(tmp_path),))).read_bytes() == CONTENT


@pytest.mark.parametrize("form", ["uri", "path", "project's files", "all files"])
def test_an_index_on_disk(server: Index, target: Path, tmp_path: Path, form: str) -> None:
    simple = tmp_path / "pypi" / "simple"
    project = simple / "some-package-name"
    project.mkdir(parents=True)
    if form in ("uri", "path"):
        link = f'<a href="../../files/{NAME}#sha256={SHA256}">x</a>'
        (project / "index.html").write_text(f"<!DOCTYPE html><html><body>{link}</body></html>")
    folder = {"project's files": project, "all files": simple}.get(form, tmp_path / "pypi/files")
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(CONTENT)
    place = str(simple) if form == "path" else f"{simple.as_uri()}/"
    assert get(target, settings(server, place)).read_bytes() == CONTENT


def test_an_index_on_disk_may_announce_another_hash_or_lack_the_file(
    target: Path, tmp_path: Path
) -> None:
    project = tmp_path / "some-package-name"
    project.mkdir()
    (project / "index.html").write_text(f'<a href="{NAME}x">x</a><a href="gone/{NAME}">x</a>')
    with pytest.raises(MachineError, match="zoo cannot read it: No such file"):
        get(target, settings(tmp_path.as_uri()))
    (project / "index.html").write_text(f'<a href="{NAME}#sha256={"0" * 64}">x</a>')
    with pytest.raises(IntegrityError, match="another sha256"):
        get(target, settings(tmp_path.as_uri()))


# --- this machine


def test_a_file_that_is_there_and_right_needs_nothing(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.mkdir(parents=True)
    (target / NAME).write_bytes(CONTENT)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert get(target, None) == target / NAME


def test_a_damaged_file_is_fetched_again(server: Index, target: Path, tmp_path: Path) -> None:
    serve(server)
    target.mkdir(parents=True)
    (target / NAME).write_bytes(b"damaged")
    assert get(target, settings(server)).read_bytes() == CONTENT
    (tmp_path / NAME).write_bytes(CONTENT)
    (target / NAME).write_bytes(b"damaged")
    assert get(target, settings(find_links=(str(tmp_path),))).read_bytes() == CONTENT


def test_the_settings_of_pip_are_used(
    server: Index, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(server)
    monkeypatch.setenv("PIP_INDEX_URL", server.simple)
    assert get(target, None).exists()


def test_offline_asks_no_server_but_looks_on_disk(
    server: Index, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(server)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    places = settings(server, find_links=(f"{server.url}/files/{NAME}",))
    with pytest.raises(MachineError, match="ZOO_OFFLINE"):
        get(target, places)
    assert server.asked == []
    (tmp_path / NAME).write_bytes(CONTENT)
    assert get(target, settings(server, find_links=(str(tmp_path),))).exists()


def test_a_folder_that_cannot_be_made_is_told(server: Index, tmp_path: Path) -> None:
    serve(server)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(MachineError, match="cannot write"):
        get(tmp_path / "taken", settings(server))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_told(
    server: Index, target: Path, tmp_path: Path
) -> None:
    serve(server)
    (tmp_path / NAME).write_bytes(CONTENT)
    target.mkdir(parents=True)
    target.chmod(0o555)
    for told in (settings(server), settings(find_links=(str(tmp_path),))):
        with pytest.raises(MachineError, match="Permission denied"):
            get(target, told)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("place", ["index", "disk"])
def test_what_the_disk_refuses_is_told(
    server: Index,
    target: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    place: str,
) -> None:
    serve(server)
    (tmp_path / NAME).write_bytes(CONTENT)
    opened = Path.open

    def refuse(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if path.parent == target and mode != "rb":
            raise OSError(code, os.strerror(code))
        return opened(path, mode, *rest, **more)

    monkeypatch.setattr(Path, "open", refuse)
    told = settings(find_links=(str(tmp_path),)) if place == "disk" else settings(server)
    words = "the disk is full; it needs 3,072,000 bytes" if code == errno.ENOSPC else "Read-only"
    with pytest.raises(MachineError, match=words):
        get(target, told)
