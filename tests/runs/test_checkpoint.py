from __future__ import annotations

import random
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import files
from zoo.errors import CheckpointError, MachineError
from zoo.files import sweep_temporary_files, write_atomically
from zoo.runs import checkpoint
from zoo.runs.checkpoint import (
    KEEP,
    latest_step,
    load_latest,
    random_state,
    restore_random_state,
    save_checkpoint,
    seed_everything,
)


def draw() -> tuple[float, float, float]:
    return float(torch.rand(())), random.random(), float(np.random.rand())  # noqa: S311, NPY002


def test_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    tensor = torch.randn(3, 4)
    save_checkpoint(tmp_path, 7, {"weights": {"a": tensor}, "seconds": 1.5})
    state = load_latest(tmp_path)
    assert state is not None
    assert state["step"] == 7
    assert state["seconds"] == 1.5
    assert torch.equal(state["weights"]["a"], tensor)


def test_every_random_generator_goes_on_where_it_was(tmp_path: Path) -> None:
    seed_everything(3)
    draw()
    save_checkpoint(tmp_path, 1, {"random": random_state(torch.device("cpu"))})
    expected = [draw() for _ in range(3)]
    seed_everything(99)
    state = load_latest(tmp_path)
    assert state is not None
    restore_random_state(state["random"], torch.device("cpu"))
    assert [draw() for _ in range(3)] == expected


def test_there_is_none_in_an_empty_folder(tmp_path: Path) -> None:
    assert load_latest(tmp_path) is None
    assert latest_step(tmp_path) == 0


def test_the_last_ones_are_kept_with_their_hashes(tmp_path: Path) -> None:
    for step in range(1, 6):
        save_checkpoint(tmp_path, step, {})
    assert KEEP == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000000004.pt",
        "step-000000004.pt.sha256",
        "step-000000005.pt",
        "step-000000005.pt.sha256",
    ]


def test_a_flipped_bit_is_seen_and_the_one_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save_checkpoint(tmp_path, 1, {"value": 1})
    path = save_checkpoint(tmp_path, 2, {"value": torch.zeros(1000)})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    state = load_latest(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert "step-000000002.pt is damaged" in caplog.text


def test_what_is_saved_after_damage_is_never_dropped_for_it(tmp_path: Path) -> None:
    for step in (8, 9):
        save_checkpoint(tmp_path, step, {}).write_bytes(b"torn")
    save_checkpoint(tmp_path, 4, {})
    state = load_latest(tmp_path)
    assert state is not None
    assert state["step"] == 4
    assert latest_step(tmp_path) == 4


def test_damage_to_every_checkpoint_is_an_integrity_error(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, {})
    path.write_bytes(b"torn")
    with pytest.raises(CheckpointError, match="--fresh") as caught:
        load_latest(tmp_path)
    assert caught.value.exit_code == 4


def test_what_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the advice would be to start over, which deletes it."""
    path = save_checkpoint(tmp_path, 1, {})

    def refuse(path: Path, _max_bytes: int = 0) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(files, "read_file", refuse)  # root may read anything
    with pytest.raises(MachineError, match=f"cannot read {path}: Permission denied"):
        load_latest(tmp_path)


def test_a_checkpoint_without_its_hash_is_not_believed(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {})
    newer = save_checkpoint(tmp_path, 2, {})
    newer.with_name(f"{newer.name}.sha256").unlink()
    state = load_latest(tmp_path)
    assert state is not None
    assert state["step"] == 1


def test_a_full_disk_is_told_with_sizes_and_loses_nothing(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(
            MachineError,
            match=r"cannot write .*step-000000002.pt.* size limit .* needs [\d,]+ bytes",
        ) as caught:
            save_checkpoint(tmp_path, 2, {"large": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert caught.value.exit_code == 5
    state = load_latest(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert not list(tmp_path.glob(".*.tmp"))


def test_leftovers_of_a_kill_are_swept(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    leftover = tmp_path / "checkpoints" / ".step-000000002.pt.123.tmp"
    leftover.write_bytes(b"half")
    sweep_temporary_files(tmp_path)
    assert not leftover.exists()


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, 3)  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("moment", ["after", "within"])
def test_a_folder_deleted_while_a_checkpoint_is_written_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """As somebody does who makes room while a run goes on."""
    folder, times = tmp_path / "checkpoints", 0

    def delete() -> None:
        nonlocal times
        times += 1
        if times == 1:
            shutil.rmtree(folder)

    def write_and_delete(path: Path, content: memoryview) -> str:
        digest = files.write_hashed(path, content)
        delete()
        return digest

    def delete_and_write(path: Path, content: bytes | memoryview) -> None:
        delete()
        write_atomically(path, content)

    save_checkpoint(folder, 1, {})
    if moment == "after":
        monkeypatch.setattr(checkpoint, "write_hashed", write_and_delete)
    else:
        monkeypatch.setattr(files, "write_atomically", delete_and_write)
    save_checkpoint(folder, 2, {"seconds": 1.5})
    assert times > 1
    state = load_latest(folder)
    assert state is not None
    assert (state["step"], state["seconds"]) == (2, 1.5)
