"""The real client of the hub against a stand-in server on loopback: push, pull, and what fails."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from tests.exchange.hub_server import Hub
from tests.exchange.made_up import digest, make_baseline, make_model, make_record
from zoo.data import sessions
from zoo.errors import DataError, IntegrityError, MachineError, WeightsError, ZooError
from zoo.exchange.bundle import read_bundle
from zoo.exchange.export import export_folder
from zoo.exchange.hub import Pulled, prepare, pull, push
from zoo.exchange.hub_errors import explained
from zoo.models.find import find_model
from zoo.models.store import store_path
from zoo.records.record import record_bytes

NAME = "somebody/small-net"
# huggingface_hub 2.4 uploads a large file in a way that its own HTTP library warns of
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an exported model's folder with a record and a baseline's."""
    place = tmp_path_factory.mktemp("exported") / "small-net"
    export_folder(make_model(), place, [make_record(), make_baseline()])
    return place


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """Return a copy of the folder, free to be damaged."""
    return Path(shutil.copytree(exported, tmp_path / "small-net"))


def send(folder: Path, name: str = NAME, *, private: bool = False, force: bool = False) -> str:
    upload = prepare(read_bundle(folder), name)
    return push(upload, message="Upload it", private=private, force=force)[0]


def files_on(hub: Hub, name: str = NAME) -> dict[str, bytes]:
    return hub.repositories[name].commits[-1][2]


def test_a_pulled_model_is_the_pushed_one_to_the_bit(hub: Hub, folder: Path) -> None:
    url = send(folder)
    pulled = pull(NAME)
    assert url == f"{hub.endpoint}/{NAME}/commit/{pulled.commit}"
    assert pulled.folder == store_path(NAME)
    assert hub.leaked == []
    for name in ("model.safetensors", "model.safetensors.sha256"):
        assert (pulled.folder / name).read_bytes() == (folder / name).read_bytes()
    assert len(list((pulled.folder / "records").glob("*.json"))) == 2
    ours = read_bundle(folder).model
    assert pulled.model.details == ours.details
    for key, tensor in ours.tensors.items():
        assert torch.equal(pulled.model.tensors[key], tensor)


def test_a_pulled_model_is_found_by_its_name_offline(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(folder)
    pull(NAME)
    asked = len(hub.requests)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert find_model(NAME).details.name == "small-net"
    assert len(hub.requests) == asked


def test_a_push_is_one_commit_with_a_card_for_that_place(hub: Hub, folder: Path) -> None:
    send(folder)
    commits = hub.repositories[NAME].commits
    assert [message for _, message, _ in commits] == ["initial", "Upload it"]
    text = files_on(hub)["README.md"].decode()
    assert f"zoo pull {NAME}" in text
    assert f"zoo upscale photo.png -o upscaled --model {NAME}" in text
    assert files_on(hub)["model.safetensors"] == (folder / "model.safetensors").read_bytes()


def test_a_second_push_takes_away_records_that_are_no_longer_the_models(
    hub: Hub, folder: Path
) -> None:
    send(folder)
    stale = [name for name in files_on(hub) if name.startswith("records/")]
    shutil.rmtree(folder / "records")
    send(folder)
    assert len(stale) == 2
    assert not [name for name in files_on(hub) if name.startswith("records/")]
    assert ".gitattributes" in files_on(hub)


@pytest.mark.slow
def test_pushing_the_same_again_commits_nothing_else_away(hub: Hub, folder: Path) -> None:
    send(folder)
    before = files_on(hub)
    send(folder)
    assert files_on(hub) == before


def test_a_private_repository_is_made_and_opens_to_its_owner_only(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(folder, private=True)
    assert hub.repositories[NAME].private
    assert pull(NAME).model.details.name == "small-net"
    shutil.rmtree(store_path(NAME))
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(WeightsError, match=r"401.*private and you are not logged in.*HF_TOKEN"):
        pull(NAME)
    assert not store_path(NAME).exists()


def test_what_was_asked_to_be_private_is_not_sent_to_a_public_place(hub: Hub, folder: Path) -> None:
    hub.add(NAME, {})
    with pytest.raises(DataError, match=r"exists and is public.*nothing was sent"):
        send(folder, private=True)
    assert len(hub.repositories[NAME].commits) == 1


@pytest.mark.parametrize(
    ("token", "name", "message"),
    [
        (None, NAME, r"401.*HF_TOKEN"),
        ("wrong", NAME, r"401.*HF_TOKEN"),
        ("secret", "else/net", r"refuses access to else/net \(403\).*do not have the permission"),
    ],
    ids=["no token", "unknown token", "another's"],
)
def test_a_push_without_permission_sends_nothing(
    hub: Hub,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    name: str,
    message: str,
) -> None:
    monkeypatch.delenv("HF_TOKEN") if token is None else monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(WeightsError, match=message) as caught:
        send(folder, name)
    assert "\n" not in str(caught.value)
    assert name not in hub.repositories
    assert not hub.stored


def test_a_push_refuses_a_damaged_folder_before_it_asks_anybody(hub: Hub, folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(IntegrityError, match="damaged or was replaced"):
        send(folder)
    assert hub.requests == []


def test_somebody_elses_commit_in_between_is_not_written_over(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import HfApi

    send(folder)
    (folder / "records").rename(folder / "elsewhere")
    look = HfApi.model_info

    def then_it_changes(self: HfApi, *arguments: object, **options: object) -> object:
        found = look(self, *arguments, **options)  # type: ignore[arg-type]
        hub.repositories[NAME].commit("theirs", files_on(hub) | {"notes.txt": b"x"})
        return found

    monkeypatch.setattr(HfApi, "model_info", then_it_changes)
    with pytest.raises(WeightsError, match=r"at the same time \(412\)"):
        send(folder)
    assert hub.repositories[NAME].commits[-1][1] == "theirs"


def test_only_what_a_bundle_has_is_fetched(hub: Hub, folder: Path) -> None:
    send(folder)
    extra = {
        "modeling.py": b"import os; os.abort()",
        "pytorch_model.bin": b"\x80\x04.",
        "records/evil.py": b"",
        "records/deep/er.json": b"{}",
        "records/.hidden.json": b"{}",
        "other.safetensors": b"",
        "README.md.bak": b"",
    }
    hub.repositories[NAME].commit("more", files_on(hub) | extra)
    hub.requests.clear()
    pulled = pull(NAME)
    assert not hub.fetched() & set(extra)
    assert set(extra) <= set(pulled.left)
    kept = {path.relative_to(pulled.folder).as_posix() for path in pulled.folder.rglob("*")}
    assert kept == set(pulled.files) | {"records"}


def _tampered(files: dict[str, bytes]) -> dict[str, bytes]:
    content = bytearray(files["model.safetensors"])
    content[-1] ^= 1
    return files | {"model.safetensors": bytes(content)}


def _rehashed(files: dict[str, bytes]) -> dict[str, bytes]:
    """Change a tensor and the hash beside it: the hash in the file's own header is left."""
    import hashlib

    changed = _tampered(files)
    line = hashlib.sha256(changed["model.safetensors"]).hexdigest() + "  model.safetensors\n"
    return changed | {"model.safetensors.sha256": line.encode()}


def _other_hash(files: dict[str, bytes]) -> dict[str, bytes]:
    line = f"{digest('another file')}  model.safetensors\n"
    return files | {"model.safetensors.sha256": line.encode()}


@pytest.mark.parametrize("change", [_tampered, _rehashed, _other_hash])
def test_a_file_that_is_not_what_its_hash_says_is_not_kept(
    hub: Hub, folder: Path, change: object
) -> None:
    send(folder)
    hub.repositories[NAME].commit("bad", change(files_on(hub)))  # type: ignore[operator]
    with pytest.raises(IntegrityError, match="Nothing was kept") as caught:
        pull(NAME)
    assert caught.value.exit_code == 4
    assert NAME in str(caught.value)
    assert not store_path(NAME).exists()


def test_bytes_that_change_on_the_way_are_noticed(hub: Hub, folder: Path) -> None:
    send(folder)
    (key,) = hub.stored
    content = hub.stored[key]
    hub.stored[key] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(IntegrityError, match="differs from the file that the hub announced"):
        pull(NAME)


def test_a_bad_pull_leaves_the_model_that_is_here(hub: Hub, folder: Path) -> None:
    send(folder)
    before = pull(NAME)
    hub.repositories[NAME].commit("bad", _tampered(files_on(hub)))
    with pytest.raises(IntegrityError):
        pull(NAME, force=True)
    assert find_model(NAME).sha256 == before.model.sha256


@pytest.mark.slow
def test_what_is_here_is_fetched_again_only_by_force(hub: Hub, folder: Path) -> None:
    send(folder)
    pull(NAME)
    asked = len(hub.requests)
    with pytest.raises(DataError, match="--force"):
        pull(NAME)
    assert len(hub.requests) == asked
    assert isinstance(pull(NAME, force=True), Pulled)


def test_an_older_revision_can_be_had(hub: Hub, folder: Path) -> None:
    send(folder)
    first = hub.repositories[NAME].commits[-1][0]
    hub.repositories[NAME].commit("emptied", {})
    with pytest.raises(WeightsError, match="it contains no model"):
        pull(NAME)
    assert pull(NAME, revision=first).commit == first
    with pytest.raises(WeightsError, match="no such revision"):
        pull(NAME, revision="f" * 40, force=True)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "it contains no model"),
        ({"RRDB_x4.pth": b"x"}, r"RRDB_x4\.pth of another tool.*zoo import"),
        ({"model.safetensors": b"x"}, r"no model\.safetensors\.sha256.*zoo import"),
    ],
)
def test_a_repository_without_a_model_of_zoos_says_so(
    hub: Hub, files: dict[str, bytes], message: str
) -> None:
    hub.add(NAME, files)
    with pytest.raises(WeightsError, match=message):
        pull(NAME)
    assert hub.fetched() == set()


def test_foreign_weights_under_our_name_are_not_taken(hub: Hub, tmp_path: Path) -> None:
    import hashlib

    from safetensors.torch import save

    content = save({"weight": torch.zeros(2)})
    line = f"{hashlib.sha256(content).hexdigest()}  model.safetensors\n".encode()
    hub.add(NAME, {"model.safetensors": content, "model.safetensors.sha256": line})
    with pytest.raises(WeightsError, match=r"written by another tool.*zoo import"):
        pull(NAME)
    assert not store_path(NAME).exists()


@pytest.mark.parametrize(
    ("name", "size"),
    [("README.md", 2**40), ("model.safetensors", None), ("README.md", -1), ("README.md", "big")],
)
def test_files_too_large_are_not_begun(hub: Hub, folder: Path, name: str, size: Any) -> None:
    send(folder)
    hub.repositories[NAME].sizes[name] = size
    hub.requests.clear()
    with pytest.raises(WeightsError, match=f"{name} is .*bytes; nothing was"):
        pull(NAME)
    assert hub.fetched() == set()


def test_a_missing_repository_says_so(hub: Hub) -> None:
    with pytest.raises(WeightsError, match=r"has no somebody/nothing that you can access \(404\)"):
        pull("somebody/nothing")


@pytest.mark.parametrize("name", ["net", "a/b/c", "../x", "a/..", "/etc/x", "a/b\n", ""])
def test_a_name_that_is_no_repository_asks_nobody(hub: Hub, folder: Path, name: str) -> None:
    with pytest.raises(WeightsError, match="is not a repository name"):
        pull(name)
    with pytest.raises(WeightsError, match="is not a repository name"):
        send(folder, name)
    assert hub.requests == []


def test_a_server_that_goes_away_half_way_leaves_nothing(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(folder)
    hub.cut = 2000
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client waits between its tries
    with pytest.raises(MachineError, match=r"connection to .* failed.*nothing was kept") as caught:
        pull(NAME)
    assert caught.value.exit_code == 5
    assert "\n" not in str(caught.value)
    assert list(store_path(NAME).parents[1].iterdir()) == []


def test_a_hub_that_sends_a_byte_now_and_then_is_given_up(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "WINDOW_SECONDS", 0.2)
    send(folder)
    hub.pause = 0.002
    with pytest.raises(MachineError, match=r"the server is too slow: .*nothing was kept"):
        pull(NAME)


def test_no_network_is_said_at_once(
    folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens on `discard`
    with pytest.raises(MachineError, match=r"connection to http://127\.0\.0\.1:9 failed"):
        pull(NAME)
    with pytest.raises(MachineError, match=r"nothing was committed\. Check the network"):
        send(folder)


def test_what_zoo_did_not_put_there_is_replaced_only_by_force(hub: Hub, folder: Path) -> None:
    theirs = {"README.md": b"by hand", "model.safetensors": b"other", "notes.txt": b"x"}
    hub.add(NAME, theirs)
    with pytest.raises(
        DataError, match=r"README\.md, model\.safetensors, which zoo did not upload"
    ):
        send(folder)
    assert files_on(hub) == theirs
    send(folder, force=True)
    assert files_on(hub)["notes.txt"] == b"x"
    assert files_on(hub)["README.md"] != b"by hand"
    send(folder)  # now it is a repository of zoo's


def test_passwords_and_tokens_are_not_told(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint.replace("//", "//me:passw0rd@"))
    monkeypatch.setenv("HF_TOKEN", "h\u00e4-token")
    hub.broken = True
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    for act in (lambda: pull(NAME), lambda: send(folder)):
        with pytest.raises(ZooError) as caught:
            act()
        assert "passw0rd" not in str(caught.value)
        assert "h\u00e4-token" not in str(caught.value)
    monkeypatch.setenv("HF_ENDPOINT", "http://me:passw0rd@127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "secret")
    with pytest.raises(MachineError, match=r"connection to http://127\.0\.0\.1:9 failed"):
        pull(NAME)


def test_offline_is_respected(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(MachineError, match="ZOO_OFFLINE forbids"):
        pull(NAME)
    with pytest.raises(MachineError, match="ZOO_OFFLINE forbids"):
        send(folder)
    assert hub.requests == []


@contextmanager
def files_at_most(num_bytes: int) -> Iterator[None]:
    """Let the kernel refuse larger files: a disk that is full answers in the same place."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_no_more_is_said_and_nothing_kept(hub: Hub, folder: Path) -> None:
    send(folder)
    size = (folder / "model.safetensors").stat().st_size
    with files_at_most(size - 1), pytest.raises(MachineError, match="exceed the size limit") as got:
        pull(NAME)
    assert "network" not in str(got.value)
    assert "nothing was kept" in str(got.value)
    assert list(store_path(NAME).parents[1].iterdir()) == []


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, "the disk is full; free some space; nothing was kept"),
        (errno.EACCES, "Permission denied: place; nothing was kept"),
    ],
)
def test_a_fault_of_the_disk_is_not_said_to_be_the_networks(number: int, told: str) -> None:
    with pytest.raises(MachineError, match=told), explained(NAME, "https://hub", "pulled"):
        raise OSError(number, os.strerror(number), "place")


def test_records_this_version_cannot_read_are_left_out(
    hub: Hub, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    send(folder)
    odd = {"records/odd.json": json.dumps({"schema": "zoo.record/9"}).encode()}
    hub.repositories[NAME].commit("odd", files_on(hub) | odd)
    assert len(read_bundle(pull(NAME).folder).records) == 2
    assert "odd.json is not a record" in caplog.text


def test_a_record_of_another_model_is_not_pushed(hub: Hub, folder: Path) -> None:
    other = make_record(weights_sha256=digest("o"), identity_sha256=digest("p"), name="other")
    (folder / "records" / "other.json").write_bytes(record_bytes(other))
    send(folder)
    assert len([name for name in files_on(hub) if name.startswith("records/")]) == 2


HOTEL = b"<html>\nlog in to this hotel's network\n</html>"


@pytest.mark.parametrize(
    ("status", "page", "error"),
    [
        (500, HOTEL, MachineError),
        (200, HOTEL, WeightsError),
        (418, HOTEL, WeightsError),
        (200, b"[]", WeightsError),
        (200, b'{"id": "x", "sha": null, "siblings": "x"}', WeightsError),
        (200, b'{"id": "x", "sha": "a", "siblings": [{"rfilename": 5}]}', WeightsError),
    ],
)
def test_answers_that_are_no_hubs_are_said_in_one_paragraph(
    hub: Hub, folder: Path, status: int, page: bytes, error: type[ZooError]
) -> None:
    hub.page = (status, page)
    for act in (lambda: pull(NAME), lambda: send(folder)):
        with pytest.raises(error, match="nothing was") as caught:
            act()
        assert "\n" not in str(caught.value)


def test_a_hub_name_is_downloaded_once(hub: Hub, folder: Path) -> None:
    send(folder)
    weights = zoo.load(f"hf-hub:{NAME}").state_dict()
    asked = len(hub.requests)
    again = zoo.load(f"hf-hub:{NAME}").state_dict()
    assert len(hub.requests) == asked
    assert all(torch.equal(value, again[key]) for key, value in weights.items())
    assert find_model(f"hf-hub:{NAME}").sha256 == find_model(NAME).sha256
