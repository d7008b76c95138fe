from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.data import sources
from zoo.data.images import hash_file, read_image
from zoo.data.pairs import find_pairs
from zoo.data.sources import (
    dataset_directory,
    dataset_names,
    list_images,
    open_source,
    validation_images,
)
from zoo.errors import DataError


def test_samples_are_colour_photographs_of_the_wheel() -> None:
    source = open_source("samples")
    assert [path.stem for path in source.validation_paths] == ["astronaut", "chelsea", "coffee"]
    assert len(source.training_paths) >= 3
    for path in (*source.training_paths, *source.validation_paths):
        image = read_image(path)
        assert image.ndim == 3
        assert min(image.shape[:2]) >= 256


def test_named_dataset_under_the_root(
    tmp_path: Path, make_images: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = make_images(*[(8, 8)] * 40, folder="root/Mine/HR")
    source = open_source("Mine", data_root=tmp_path / "root")
    assert len(source.validation_paths) == 2
    assert sorted(source.training_paths + source.validation_paths) == paths
    assert validation_images("Mine", data_root=tmp_path / "root") == tuple(paths)
    monkeypatch.setenv("ZOO_DATA", str(tmp_path / "root"))
    assert open_source("Mine") == source
    assert dataset_names(tmp_path / "root") == ["Mine"]


def test_a_dataset_falls_into_a_part_to_test_on_and_the_rest(
    tmp_path: Path, make_images: Callable[..., list[Path]]
) -> None:
    paths = make_images(*[(8, 8)] * 40, folder="root/Mine/HR")
    shutil.copy(paths[0], paths[0].with_name("copy.png"))
    root = tmp_path / "root"
    rest = open_source("Mine-rest10", data_root=root)
    tested = {hash_file(pair.hr_file) for pair in find_pairs("Mine-test10", 4, data_root=root)}
    assert tested == {hash_file(path) for path in validation_images("Mine-test10", data_root=root)}
    assert len(tested) == 10
    trained = {hash_file(path) for path in (*rest.training_paths, *rest.validation_paths)}
    assert len(trained) == 30
    assert not tested & trained
    with pytest.raises(DataError, match="Mine has 40 different images"):
        open_source("Mine-rest40", data_root=root)
    with pytest.raises(DataError, match="no dataset 'Other'"):
        open_source("Other-rest10", data_root=root)
    make_images((8, 8), (8, 9), folder="root/Mine-rest10/HR")
    assert len(open_source("Mine-rest10", data_root=root).training_paths) == 1


@pytest.mark.parametrize(("count", "held_out"), [(2, 1), (19, 1), (40, 2), (200, 8), (400, 8)])
def test_how_many_are_held_out(tmp_path: Path, count: int, held_out: int) -> None:
    for number in range(count):
        (tmp_path / f"{number}.png").write_bytes(str(number).encode())
    source = open_source(str(tmp_path))
    assert len(source.validation_paths) == held_out
    assert len(source.training_paths) == count - held_out
    assert not {*source.training_paths} & {*source.validation_paths}


def test_the_held_out_part_follows_content_not_names(
    tmp_path: Path, make_images: Callable[..., list[Path]]
) -> None:
    paths = make_images(*[(8, 8)] * 30)
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for number, path in enumerate(reversed(paths)):
        shutil.copy(path, renamed / f"{number:03d}.png")
    first, second = open_source(str(paths[0].parent)), open_source(str(renamed))
    hashes = [{hash_file(path) for path in part.validation_paths} for part in (first, second)]
    assert hashes[0] == hashes[1]


def test_a_copy_of_a_held_out_image_is_not_trained_on(
    make_images: Callable[..., list[Path]],
) -> None:
    folder = make_images(*[(8, 8)] * 5)[0].parent
    for path in list(folder.iterdir()):
        shutil.copy(path, folder / f"copy-{path.name}")
    source = open_source(str(folder))
    trained = {hash_file(path) for path in source.training_paths}
    assert not trained & {hash_file(path) for path in source.validation_paths}
    assert len(source.training_paths) == 8


def test_a_directory_lists_images_below_it_or_in_its_hr_folder(
    tmp_path: Path, make_images: Callable[..., list[Path]]
) -> None:
    make_images((8, 8), (8, 8), folder="photos/b")
    make_images((8, 8), folder="photos/a", seed=1)
    make_images((8, 8), folder="photos/.hidden", seed=2)
    (tmp_path / "photos" / "notes.txt").write_text("x")
    top = tmp_path / "photos"
    assert [path.relative_to(top).as_posix() for path in list_images(top)] == [
        "a/000.png",
        "b/000.png",
        "b/001.png",
    ]
    make_images((8, 8), folder="photos/HR", seed=3)
    assert [path.parent.name for path in list_images(top)] == ["HR"]


def test_a_directory_beside_the_user_needs_no_slash(
    tmp_path: Path, make_images: Callable[..., list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images((8, 8), (8, 8))
    monkeypatch.chdir(tmp_path)
    assert len(open_source("photos").training_paths) == 1
    assert len(open_source("./photos").training_paths) == 1


def test_a_missing_dataset_says_what_where_and_what_to_do(
    tmp_path: Path, make_images: Callable[..., list[Path]]
) -> None:
    make_images((8, 8), folder="Set5/HR")
    with pytest.raises(DataError) as caught:
        open_source("Set55", data_root=tmp_path)
    message = str(caught.value)
    for part in (str(tmp_path / "Set55" / "HR"), "did you mean 'Set5'", "ZOO_DATA", "--data DIR"):
        assert part in message
    with pytest.raises(DataError, match="did you mean 'div2k'"):
        open_source("div-2k", data_root=tmp_path)


def test_div2k_says_how_to_get_it_and_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=r"zoo data get div2k.*--data DIR"):
        open_source("div2k", data_root=tmp_path)
    for name, files in (
        ("DIV2K_train/HR", sources.DIV2K_TRAINING),
        ("DIV2K_valid_HR", sources.DIV2K_VALIDATION),
    ):
        (tmp_path / name).mkdir(parents=True)
        for file in files:
            (tmp_path / name / file).touch()
    source = open_source("div2k", data_root=tmp_path)
    assert len(source.training_paths) == 800
    assert [path.stem for path in source.validation_paths] == [f"{n:04d}" for n in range(801, 901)]
    assert validation_images("div2k", data_root=tmp_path) == source.validation_paths
    (tmp_path / "DIV2K_train/HR/0007.png").unlink()
    with pytest.raises(DataError, match=r"1 of 800 images are missing.*0007\.png"):
        open_source("div2k", data_root=tmp_path)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a\\b", "/etc", "a\0b"])
def test_names_do_not_leave_the_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="not the name of a dataset"):
        dataset_directory(name, tmp_path)


@pytest.mark.parametrize(
    ("sizes", "reason"), [([], "no images in"), ([(8, 8)], "one image is not enough")]
)
def test_too_few_images(
    tmp_path: Path,
    make_images: Callable[..., list[Path]],
    sizes: list[tuple[int, int]],
    reason: str,
) -> None:
    (tmp_path / "photos").mkdir()
    make_images(*sizes)
    with pytest.raises(DataError, match=reason):
        open_source(str(tmp_path / "photos"))


def test_copies_of_one_image_are_said_to_be_one(
    tmp_path: Path, make_images: Callable[..., list[Path]]
) -> None:
    (only,) = make_images((8, 8))
    shutil.copy(only, only.with_stem("copy"))
    with pytest.raises(DataError, match="its 2 files are copies of one image, and one image is"):
        open_source(str(tmp_path / "photos"))


def test_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist; --data needs a folder"):
        open_source(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "module", ["sources", "images", "resize", "patches", "sampling", "augment", "download"]
)
def test_listing_data_imports_neither_torch_nor_skimage(module: str) -> None:
    code = (
        f"import sys, zoo.data.{module}\n"
        "from zoo.data.sources import open_source\n"
        "open_source('samples')\n"
        "sys.exit(bool({'torch', 'skimage'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_named_validation_leaves_all_images_to_train_on(
    tmp_path: Path, make_images: Callable[..., list[Path]]
) -> None:
    photos = make_images(*[(8, 8)] * 30, folder="photos")
    others = make_images((8, 8), (8, 8), folder="root/Other/HR", seed=1)
    held_out = open_source(str(tmp_path / "photos"))
    assert held_out.counts() == "images: 29 for training, 1 for validation"
    named = open_source(str(tmp_path / "photos"), validation="Other", data_root=tmp_path / "root")
    assert named.training_paths == tuple(photos)
    assert named.validation_paths == tuple(others)
    assert named.found == (f"{tmp_path}/photos: 30 images taken",)
    one = make_images((8, 8), folder="one", seed=2)
    alone = open_source(str(one[0].parent), validation=str(tmp_path / "photos"))
    assert alone.training_paths == tuple(one), "nothing need be held out of it"


def test_what_is_validated_on_is_not_trained_on(
    tmp_path: Path, make_images: Callable[..., list[Path]]
) -> None:
    folder = make_images(*[(8, 8)] * 4, folder="photos")[0].parent
    with pytest.raises(DataError, match=r"no training images remain, because data\.validation="):
        open_source(str(folder), validation=str(folder))
    shared = tmp_path / "shared"
    shutil.copytree(folder, shared)
    (shared / "000.png").unlink()
    (shared / "001.png").unlink()
    source = open_source(str(folder), validation=str(shared))
    assert [path.name for path in source.training_paths] == ["000.png", "001.png"]
    assert source.found[-1] == (
        f"{folder}: 2 not used for training, because data.validation={shared} contains them"
    )
    samples = open_source("samples", validation="samples")
    assert samples == open_source("samples")


def test_sources_are_joined_and_nothing_held_out_is_trained_on(
    tmp_path: Path, make_images: Callable[..., list[Path]]
) -> None:
    first = make_images(*[(8, 8)] * 40, folder="root/One/HR")
    second = make_images(*[(9, 9)] * 20, folder="root/Two/HR")
    held_out = open_source("One", data_root=tmp_path / "root").validation_paths[0]
    copy = second[0].with_name("copy.png")
    shutil.copy(held_out, copy)
    joined = open_source("One+Two", data_root=tmp_path / "root")
    assert held_out in joined.validation_paths
    assert "One+Two: 1 copy of other images left out" in joined.found
    assert open_source("One+One", data_root=tmp_path / "root").counts() == (
        "images: 38 for training, 2 for validation"
    )
    with pytest.raises(DataError, match="joins nothing"):
        open_source("One+", data_root=tmp_path / "root")
    assert copy not in joined.training_paths
    assert {*joined.training_paths, *joined.validation_paths, copy} == {*first, *second, copy}
    both = open_source("One+Two", validation="One", data_root=tmp_path / "root")
    assert set(both.training_paths) == set(second)
    assert validation_images("One+Two", data_root=tmp_path / "root") == (*first, *second, copy)


def test_a_folder_may_have_a_plus_in_its_name(
    tmp_path: Path, make_images: Callable[..., list[Path]]
) -> None:
    paths = make_images(*[(8, 8)] * 4, folder="root/A+B/HR")
    for spec in ("A+B", str(tmp_path / "root" / "A+B")):
        assert validation_images(spec, data_root=tmp_path / "root") == tuple(paths)
