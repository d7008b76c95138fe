"""Which files are meant, where results go, and every conflict before any work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.errors import DataError, MachineError, RecipeError
from zoo.upscaling.jobs import Job, find_inputs, plan_jobs, refuse_existing

FILES = ("a.png", "b.JPG", "c.bmp", "notes.txt", ".hidden.png", "sub/d.tif", "sub/deeper/e.webp")


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of empty files, from which the process looks at them."""
    for name in FILES:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return Path("photos")


def targets(
    *words: str | Path, output: str | None = None, form: str | None = None, recursive: bool = False
) -> list[str]:
    place = None if output is None else Path(output)
    found = find_inputs([str(word) for word in words], recursive=recursive, output=place)
    jobs, _ = plan_jobs(found, place, form=form, scale=4)
    return [str(job.target) for job in jobs]


def test_beside_the_input_with_the_scale_in_its_name(photos: Path) -> None:
    assert targets(photos / "a.png", photos / "b.JPG", photos / "c.bmp") == [
        "photos/a-x4.png",
        "photos/b-x4.JPG",
        "photos/c-x4.png",
    ]


def test_a_folder_keeps_its_structure(photos: Path) -> None:
    assert targets(photos, output="out") == ["out/a.png", "out/b.JPG", "out/c.png"]
    assert targets(photos, output="out", recursive=True, form="webp") == [
        "out/a.webp",
        "out/b.webp",
        "out/c.webp",
        "out/sub/d.webp",
        "out/sub/deeper/e.webp",
    ]


def test_other_files_in_folders_are_counted(photos: Path) -> None:
    assert find_inputs(["photos"], recursive=False).num_others == 1


def test_patterns_that_the_shell_left_alone(photos: Path) -> None:
    assert targets("photos/*.png", output="out") == ["out/a.png"]
    assert targets("photos/**/*.tif", output="out") == ["out/sub/d.tif"]
    assert targets("photos/s*", output="out") == ["out/sub/d.tif"]
    assert targets("photos/[ab].*", output="out") == ["out/a.png", "out/b.JPG"]


def test_a_name_with_brackets_is_a_file(photos: Path) -> None:
    (photos / "x[1].png").touch()
    assert targets("photos/x[1].png") == ["photos/x[1]-x4.png"]


def test_a_file_named_twice_is_done_once(photos: Path) -> None:
    assert targets("photos/a.png", "photos/../photos/a.png", "photos/*.png") == ["photos/a-x4.png"]


def test_one_input_into_one_file(photos: Path) -> None:
    assert targets("photos/a.png", output="big.webp") == ["big.webp"]
    assert targets("photos/a.png", output="out") == ["out/a.png"]
    with pytest.raises(RecipeError, match="must be a folder"):
        targets("photos", output="big.webp")
    for suffix in (".bmp", ".avif"):
        with pytest.raises(RecipeError, match=f"zoo writes png, .* not {suffix}"):
            targets("photos/a.png", output=f"big{suffix}")
    with pytest.raises(RecipeError, match="does not fit --format jpg"):
        targets("photos/a.png", output="big.png", form="jpg")


@pytest.mark.parametrize("word", ["photos/none.png", "photos/*.gif", "photos/sub/deeper/*.png"])
def test_nothing_there_is_an_error(photos: Path, word: str) -> None:
    with pytest.raises(DataError, match=r"does not exist|no file matches"):
        find_inputs([word], recursive=False)


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images in .*--recursive"):
        find_inputs([str(tmp_path)], recursive=False)


def test_two_inputs_with_one_output_are_an_error(photos: Path) -> None:
    (photos / "a.jpg").touch()
    with pytest.raises(DataError, match=r"same output: out/a.png \(from photos/a.jpg\), out/a.png"):
        targets(photos, output="out", form="png")
    assert len(targets(photos, output="out")) == 4


def test_an_input_is_never_written_over(photos: Path) -> None:
    (photos / "a-x4.png").touch()
    for output in ("photos", None):
        words = ["photos/a.png"] if output else ["photos/a.png", "photos/a-x4.png"]
        with pytest.raises(DataError, match="is an input"):
            targets(*words, output=output)
    with pytest.raises(DataError, match="is an input"):
        targets("photos/a.png", output="photos/../photos/a.png")


def test_what_an_earlier_run_made_is_not_made_larger_still(photos: Path) -> None:
    (photos / "a-x4.png").touch()
    jobs, num_made = plan_jobs(find_inputs(["photos"], recursive=False), None, form=None, scale=4)
    assert num_made == 1
    assert "photos/a-x4-x4.png" not in [str(job.target) for job in jobs]
    (photos / "out").mkdir()
    (photos / "out" / "a.png").touch()
    again = targets(photos, output="photos/out", recursive=True)
    assert not any("out/out" in target for target in again)


def test_outputs_that_are_there_are_all_named(tmp_path: Path) -> None:
    jobs = [Job(tmp_path / f"{number}.png", tmp_path / f"{number}-x4.png") for number in range(13)]
    refuse_existing(jobs)
    for job in jobs:
        job.target.touch()
    with pytest.raises(
        DataError, match=r"0-x4.png, .* and 3 more exist already: overwrite with --force"
    ):
        refuse_existing(jobs)


def test_a_link_does_not_make_an_input_an_output(photos: Path) -> None:
    (photos / "link.png").symlink_to("a.png")
    with pytest.raises(DataError, match=r"photos/a.png would be overwritten, but it is an input"):
        targets("photos/link.png", output="photos/a.png")


def test_a_place_that_cannot_hold_results_is_told_before_any_work(photos: Path) -> None:
    Path("file").touch()
    for output in ("file", "file/below"):
        with pytest.raises(DataError, match="file is a file"):
            targets(photos, output=output)
    Path("big.png").mkdir()
    (photos / "a-x4.png").mkdir()
    with pytest.raises(DataError, match=r"a-x4.png would be written as a file, but it is a folder"):
        targets("photos/a.png")
    assert targets("photos/a.png", output="big.png") == ["big.png/a.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_told_before_any_work(photos: Path) -> None:
    Path("sealed").mkdir(mode=0o500)
    with pytest.raises(MachineError, match="no permission to write into the folder sealed"):
        targets(photos, output="sealed/deeper")


@pytest.mark.parametrize("word", ["", "a" * 300, "photos/\0.png"])
def test_what_cannot_be_a_name_is_an_error(photos: Path, word: str) -> None:
    assert photos.is_dir()
    with pytest.raises(DataError, match=r"does not exist|empty path"):
        find_inputs([word], recursive=False)
