from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from zoo.bench import suites
from zoo.bench.definitions import read_suite, suite_folder, suite_names
from zoo.bench.session import self_test
from zoo.bench.suites import GalleryPicture, Suite, load_image, open_suite
from zoo.data.images import hash_pixels, read_image, write_png
from zoo.data.pairs import Pair
from zoo.data.resize import crop_to_multiple, downscale
from zoo.data.sources import open_source
from zoo.errors import DataError, IntegrityError, RecipeError, UnknownNameError
from zoo.metrics import BUILTINS, ON_REQUEST
from zoo.recipes.problems import ProblemsError

MINE = """version: 1
summary: mine
scale: 4
datasets: [Mine, Other]
gallery:
  - {dataset: Mine, image: a, crop: [4, 8, 12, 16]}
  - {dataset: Other, image: 2, crop: [0, 0, 16, 16]}
"""
Write = Callable[..., str]
Pixels = npt.NDArray[np.uint8]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes a suite into the working directory of the test."""
    monkeypatch.chdir(tmp_path)

    def write_file(text: str = MINE, name: str = "mine.yaml") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write_file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a data root with `Mine` (a, b in colour) and `Other` (c, d in grey)."""
    rng = np.random.default_rng(0)
    for name, shape in (("a", (33, 46, 3)), ("b", (24, 24, 3))):
        write_png(tmp_path / f"root/Mine/HR/{name}.png", rng.integers(0, 256, shape, np.uint8))
    for name in "cd":
        write_png(tmp_path / f"root/Other/HR/{name}.png", rng.integers(0, 256, (24, 28), np.uint8))
    return tmp_path / "root"


def problems_of(spec: str) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        read_suite(spec)
    return [str(problem) for problem in caught.value.problems]


def test_a_suite_with_a_degradation_makes_its_own_images(
    write: Write, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = open_suite(write(), data_root=root)
    write_lr_files(root, np.copy)
    write(MINE + "degradation: {name: noise, sigma: [9, 9]}\n")
    suite = open_suite("mine.yaml", data_root=root)
    assert "Mine: 2 LR files not used: the suite has the degradation 'noise'" in caplog.text
    for dataset, plain in zip(suite.datasets, before.datasets, strict=True):
        told = f"{dataset.name}: zoo made the LR images with the degradation 'noise'"
        assert str(dataset.degradation).startswith(told)
        for image, other in zip(dataset, plain, strict=True):
            assert image.hr_sha256 == other.hr_sha256
            assert image.lr_image.shape == other.lr_image.shape
            assert image.lr_sha256 != other.lr_sha256
    assert suite.sha256 != before.sha256
    assert suite.sha256 == open_suite("mine.yaml", data_root=root).sha256, "a fixed seed"
    assert "published scores are of bicubic ones" in self_test(suite)["Mine"]
    for text, message in (
        ("nosie", "unknown degradation 'nosie'; did you mean 'noise'"),
        ("{name: noise, sgma: 3}", "unknown argument 'sgma' of 'noise'; did you mean 'sigma'"),
    ):
        write(MINE + f"degradation: {text}\n")
        assert message in problems_of("mine.yaml")[0]


def test_bicubic_as_a_degradation_with_arguments_uses_no_files(
    write: Write, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = open_suite(write(), data_root=root)
    write_lr_files(root, lambda image: 255 - image)
    write(MINE + "degradation: {name: bicubic}\n")
    suite = open_suite("mine.yaml", data_root=root)
    assert "Mine: 2 LR files not used: the suite has the degradation 'bicubic'" in caplog.text
    assert suite.sha256 == before.sha256
    assert all(image.lr_file is None for dataset in suite.datasets for image in dataset)
    assert "its LR images are made with" not in self_test(suite)["Mine"]


def test_the_suites_that_come_with_zoo() -> None:
    several = {f"{name}-x{scale}" for name in ("classical", "samples") for scale in (2, 3, 4, 8)}
    assert suite_names() == sorted({*several, "div2k-x4", "study-x4"})
    for name in suite_names():
        definition = read_suite(name)
        assert name.endswith(f"-x{definition.content.scale}")
        assert definition.content.gallery
        everything = tuple(name for name in BUILTINS if name not in ON_REQUEST)
        assert definition.metrics == everything or name == "study-x4"
    by_vgg16 = {"lpips", "dists"}
    assert not by_vgg16 & {*read_suite("study-x4").metrics}
    for scale in (2, 3, 4, 8):
        classical = read_suite(f"classical-x{scale}").content.datasets
        assert classical == ("Set5", "Set14", "BSD100", "Urban100")
    assert read_suite("div2k-x4").content.datasets == ("DIV2K_valid",)


@pytest.mark.parametrize(
    "scale", [4, *(pytest.param(s, marks=pytest.mark.slow) for s in (2, 3, 8))]
)
def test_the_samples_work_anywhere(scale: int) -> None:
    suite = open_suite(f"samples-x{scale}")
    assert suite.scale == scale
    assert [dataset.names for dataset in suite.datasets] == [
        ["astronaut", "chelsea", "coffee"],
        ["camera", "coins", "moon", "brick", "grass", "gravel"],
    ]
    colour, grey = suite.datasets
    assert all(image.hr_image.ndim == 3 for image in colour)
    assert all(image.hr_image.ndim == image.lr_image.ndim == 2 for image in grey)
    assert suite.num_images == 9
    assert len(suite.gallery) == 4
    assert open_suite(f"samples-x{scale}").sha256 == suite.sha256
    assert all("published" in said for said in self_test(suite).values())


def test_suites_travel_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "zoo"
    shutil.copytree(suite_folder(), package / "suites")
    monkeypatch.setattr("zoo.__file__", str(package / "__init__.py"))
    assert suite_folder() == package / "suites"
    assert "samples-x4" in suite_names()


def test_a_suite_of_ones_own(write: Write, root: Path) -> None:
    calls: list[tuple[int, int]] = []
    suite = open_suite(write(), data_root=root, progress=lambda *amounts: calls.append(amounts))
    assert (suite.name, suite.summary, suite.scale) == ("mine", "mine", 4)
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    mine, other = suite.datasets
    image = mine[0]
    pixels = crop_to_multiple(read_image(root / "Mine/HR/a.png"), 4)
    assert image.hr_image.shape == (32, 44, 3)
    assert np.array_equal(image.hr_image, pixels)
    assert np.array_equal(image.lr_image, downscale(pixels, 4))
    assert (image.hr_sha256, image.lr_sha256) == (hash_pixels(pixels), hash_pixels(image.lr_image))
    assert image.lr_file is None
    assert [image.name for image in mine[0:2]] == ["a", "b"]
    assert mine[-1].name == "b"
    assert len(other) == 2
    with pytest.raises(IndexError):
        other[2]
    assert suite.gallery == (
        GalleryPicture("Mine", "a", (4, 8, 12, 16)),
        GalleryPicture("Other", "d", (0, 0, 16, 16)),
    )


def test_the_hash_is_of_all_that_shapes_the_numbers(write: Write, root: Path) -> None:
    def sha256() -> str:
        return open_suite("mine.yaml", data_root=root).sha256

    write()
    first = sha256()
    write(MINE.replace("summary: mine", "summary: other words"))
    shutil.copy(root / "Mine/HR/a.png", root / "Mine/HR/a.bmp")
    (root / "Mine/HR/a.bmp").unlink()
    assert sha256() == first
    hashes = {first}
    write(MINE.replace("[4, 8, 12, 16]", "[4, 8, 12, 12]"))
    hashes.add(sha256())
    write(MINE.replace("[Mine, Other]", "[Other, Mine]"))
    hashes.add(sha256())
    write()
    (root / "Mine/HR/b.png").rename(root / "Mine/HR/bb.png")
    hashes.add(sha256())
    (root / "Mine/HR/bb.png").rename(root / "Mine/HR/b.png")
    assert sha256() == first
    pixels = read_image(root / "Mine/HR/b.png")
    pixels[20, 3, 1] ^= 1
    write_png(root / "Mine/HR/b.png", pixels)
    hashes.add(sha256())
    shutil.rmtree(root / "Other")
    hashes.add(sha256())
    assert len(hashes) == 6


def write_lr_files(
    root: Path, change: Callable[[Pixels], Pixels], *, swapped: bool = False
) -> None:
    """Write LR files of `Mine`: its HR images made small, then changed."""
    for name in "ab":
        hr_file = root / f"Mine/HR/{name if not swapped else 'ba'['ab'.index(name)]}.png"
        lr_image = downscale(crop_to_multiple(read_image(hr_file), 4), 4)
        write_png(root / f"Mine/LR_bicubic/X4/{name}x4.png", np.ascontiguousarray(change(lr_image)))


CHANGES: dict[str, tuple[Callable[[Pixels], Pixels], str]] = {
    "shifted": (
        lambda image: np.roll(image, (1, -2), (0, 1)),
        "shifted by 1 row down and 2 columns left",
    ),
    "halved": (lambda image: image // 2, "no shift within 2 pixels halves it"),
    "a channel lost": (lambda image: image * np.uint8([1, 1, 0]), "no shift within 2 pixels"),
    "one pixel": (lambda image: np.where(np.indices(image.shape).sum(0), image, 255 - image), ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_given_files_that_are_not_bicubic_are_said_or_refused(
    write: Write, root: Path, change: str
) -> None:
    before = open_suite(write(), data_root=root)
    write_lr_files(root, np.copy)
    assert open_suite("mine.yaml", data_root=root).sha256 == before.sha256
    work, said = CHANGES[change]
    write_lr_files(root, work)
    suite = open_suite("mine.yaml", data_root=root)
    told = suite.datasets[0].degradation or ""
    assert told.startswith("Mine: 2 of 2 LR files are not their HR images downscaled with MATLAB's")
    assert re.search(r"largest difference \d+ levels, mean \d+\.\d\d; ", told)
    assert said in told
    assert suite.datasets[1].degradation is None
    write(MINE + "degradation: bicubic\n")
    refused = open_suite("mine.yaml", data_root=root).datasets[0]
    assert not refused
    assert f"{told}. The suite expects bicubic LR files: remove {root}/Mine/LR_bicubic/X4" in (
        refused.skipped or ""
    )


def test_files_swapped_between_images_and_nearest_neighbours_are_refused(
    write: Write, tmp_path: Path
) -> None:
    """Photographs, of one size: random pixels would be unlike anything."""
    root, shapes = tmp_path / "root", {}
    photographs = [read_image(path)[:240, :240] for path in open_source("samples").training_paths]
    for name, photograph in zip("ab", photographs, strict=False):
        write_png(root / f"Mine/HR/{name}.png", np.ascontiguousarray(photograph))
        shapes[name] = photograph
    write("version: 1\nsummary: x\nscale: 4\ndatasets: [Mine]\ndegradation: bicubic\n")
    write_lr_files(root, np.copy)
    assert open_suite("mine.yaml", data_root=root).datasets[0].skipped is None
    write_lr_files(root, np.copy, swapped=True)
    with pytest.raises(DataError, match="2 of 2 LR files are not their HR images"):
        open_suite("mine.yaml", data_root=root)
    for name, photograph in shapes.items():
        nearest = np.ascontiguousarray(photograph[2::4, 2::4])
        write_png(root / f"Mine/LR_bicubic/X4/{name}x4.png", nearest)
    with pytest.raises(DataError, match="2 of 2 LR files are not their HR images"):
        open_suite("mine.yaml", data_root=root)


def test_the_suites_that_come_with_zoo_expect_bicubic_files() -> None:
    assert {read_suite(name).content.degradation for name in suite_names()} == {"bicubic"}


def test_low_resolution_files_are_used_and_checked(write: Write, root: Path) -> None:
    write()
    write_lr_files(root, np.copy)
    dataset = open_suite("mine.yaml", data_root=root).datasets[0]
    assert dataset.degradation is None
    image = dataset[0]
    assert image.lr_file == root / "Mine/LR_bicubic/X4/ax4.png"
    assert np.array_equal(image.lr_image, read_image(image.lr_file))
    for shape in ((6, 7, 3), (6, 6)):
        write_png(image.lr_file.with_name("bx4.png"), np.zeros(shape, np.uint8))
        skipped = open_suite("mine.yaml", data_root=root).datasets[0].skipped
        assert skipped is not None
        assert "bx4.png" in skipped
        assert "not the same image" in skipped


def test_an_absent_dataset_is_skipped_and_the_rest_goes_on(write: Write, root: Path) -> None:
    shutil.rmtree(root / "Mine")
    suite = open_suite(write(), data_root=root)
    mine, other = suite.datasets
    assert len(mine) == 0
    assert f"searched for {root / 'Mine/HR'}" in str(mine.skipped)
    assert (other.skipped, len(other)) == (None, 2)
    assert [picture.dataset for picture in suite.gallery] == ["Other"]
    shutil.rmtree(root / "Other")
    with pytest.raises(DataError, match=r"any of its datasets: Mine is .*; Other is"):
        open_suite("mine.yaml", data_root=root)


def test_a_damaged_image_skips_its_dataset(write: Write, root: Path) -> None:
    damaged = root / "Mine/HR/b.png"
    damaged.write_bytes(damaged.read_bytes()[:-40])
    mine, other = open_suite(write(), data_root=root).datasets
    assert str(damaged) in str(mine.skipped)
    assert (len(mine), mine.names) == (0, [])
    assert len(other) == 2


def test_images_beyond_the_memory_are_read_again(
    write: Write, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites, "KEPT_BYTES", 5000)
    suite = open_suite(write(), data_root=root)
    mine, other = suite.datasets
    kept = [[dataset[index] is dataset[index] for index in (0, 1)] for dataset in (mine, other)]
    assert kept == [[True, False], [False, False]]
    assert [image.hr_sha256 for image in other] == [hr for _, hr, _ in other.hashes]
    write_png(root / "Mine/HR/a.png", np.zeros((33, 46, 3), np.uint8))
    write_png(root / "Other/HR/d.png", np.zeros((24, 28), np.uint8))
    with pytest.raises(IntegrityError, match="changed while zoo was using it"):
        list(other)


def test_an_image_smaller_than_the_scale(tmp_path: Path) -> None:
    write_png(tmp_path / "dot.png", np.zeros((3, 9, 3), np.uint8))
    with pytest.raises(DataError, match=r"dot\.png is smaller than the scale"):
        load_image(Pair("dot", tmp_path / "dot.png", None), 4)


def test_unknown_suites_and_files(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'samples-x4'\? \(see: zoo list sui"):
        read_suite("sample-x4")
    with pytest.raises(RecipeError, match="cannot read"):
        read_suite("absent.yaml")
    with pytest.raises(RecipeError, match="'My Suite' is not in kebab case"):
        read_suite("./My Suite.yaml")
    with pytest.raises(RecipeError, match="zoo already has a suite called"):
        read_suite(write(MINE, "samples-x4.yaml"))
    assert read_suite(str(suite_folder() / "samples-x4.yaml")).name == "samples-x4"


def test_every_mistake_has_its_line_and_all_are_told_at_once(write: Write) -> None:
    text = MINE.replace("summary", "sumary").replace("scale: 4", "scale: 17")
    text = text.replace("[4, 8, 12, 16]", "[4, 8, 0, 16]").replace("image: 2", "image: 0")
    found = problems_of(write(text))
    assert [problem.partition(": ")[0] for problem in found] == [
        *("mine.yaml:1", "mine.yaml:2", "mine.yaml:3", "mine.yaml:6", "mine.yaml:7")
    ]
    assert any("needs 'summary'" in problem for problem in found)
    assert any("unknown key 'sumary'; did you mean 'summary'?" in problem for problem in found)
    assert any("a crop is [x, y, width, height]" in problem for problem in found)


def test_names_are_checked_against_each_other(write: Write) -> None:
    text = MINE.replace("[Mine, Other]", "[Mine, Other, Mine]").replace(
        "dataset: Other", "dataset: Othr"
    )
    found = problems_of(write(text.replace("[4, 8,", "[4, 7,") + "metrics: [psnr-y, ssimy]\n"))
    assert [problem.split(" ", 1)[1] for problem in found] == [
        "datasets.2: 'Mine' appears twice",
        "gallery.0.crop: [4, 7, 12, 16] should be multiples of the scale, 4",
        "gallery.1.dataset: 'Othr' is not a dataset of this suite; did you mean 'Other'?",
        "metrics.1: unknown metric 'ssimy'; did you mean 'ssim-y'? (see: zoo list metrics)",
    ]
    assert [problem.split(" ", 1)[0] for problem in found] == [
        *("mine.yaml:4:", "mine.yaml:6:", "mine.yaml:7:", "mine.yaml:8:")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a suite must be a mapping"),
        ("- 1", "a suite must be a mapping"),
        (MINE.replace("[Mine, Other]", "[../Mine]"), "is not the name of a dataset"),
        (MINE.replace("[Mine, Other]", "[]"), "datasets"),
        (MINE.replace("[Mine, Other]", "&x [Mine, *x]"), "anchors and aliases"),
        (MINE.replace("mine\n", "!!python/object/apply:os.system [ls]\n", 1), "is not allowed"),
        (MINE + "metrics: [1]\n", "should be"),
    ],
)
def test_hostile_files(write: Write, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_suite(write(text))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("image: a", "image: aa", "mine.yaml:6: gallery.0: Mine has no image 'aa'; did you mean"),
        ("image: 2", "image: 3", "mine.yaml:7: gallery.1: Other has 2 images, no number 3"),
        ("[4, 8, 12, 16]", "[36, 8, 12, 16]", "is outside 'a', 44x32 pixels"),
    ],
)
def test_a_gallery_that_does_not_fit_the_images(
    write: Write, root: Path, before: str, after: str, message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        open_suite(write(MINE.replace(before, after)), data_root=root)
    assert message in str(caught.value)


def test_metrics_may_be_chosen(write: Write, root: Path) -> None:
    suite: Suite = open_suite(write(MINE + "metrics: [psnr-y, ssim-y]\n"), data_root=root)
    assert suite.metrics == ("psnr-y", "ssim-y")


def test_the_classical_images_at_hand(shared_data: Path) -> None:
    suite = open_suite("classical-x4", data_root=shared_data)
    by_name = {dataset.name: dataset for dataset in suite.datasets}
    assert [len(by_name[name]) for name in ("Set5", "Set14")] == [5, 14]
    assert [image.name for image in by_name["Set14"] if image.hr_image.ndim == 2] == ["003"]
    assert by_name["Set5"][0].lr_file == shared_data / "Set5/LR_bicubic/X4/001.png"
    assert not [name for name in ("Set5", "Set14") if by_name[name].degradation], "MATLAB's own"
