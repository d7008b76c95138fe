from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import piq
import pytest
import torch

from zoo.bench import selftest
from zoo.bench.reference_protocol import PROTOCOL, Chain, Scores, resized, structural_similarity
from zoo.bench.selftest import (
    PUBLISHED,
    SelfTestError,
    check_bicubic,
    score_bicubic,
    why_unchecked,
)
from zoo.bench.suites import BenchImage, load_image, open_suite
from zoo.data.images import hash_pixels, read_image, to_rgb, write_png
from zoo.data.pairs import KNOWN_SETS, KnownSet, Pair, find_pairs
from zoo.data.resize import downscale, upscale
from zoo.errors import IntegrityError
from zoo.metrics import protocol

SCALE = 4
Images = list[BenchImage]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return three photographs, two in colour and one grey, one of them large."""
    folder = tmp_path_factory.mktemp("Tiny")
    cuts = {"astronaut": np.s_[:400, :400], "coffee": np.s_[100:228, 200:360]}
    cuts["camera"] = np.s_[100:260, 200:360]
    pairs = [*find_pairs("samples", SCALE), *find_pairs("samples-grey", SCALE)]
    found = {pair.name: pair.hr_file for pair in pairs}
    for name, cut in cuts.items():
        write_png(folder / f"{name}.png", read_image(found[name])[cut])
    return sorted(folder.iterdir())


@pytest.fixture
def load(files: list[Path]) -> Callable[[], Images]:
    return lambda: [load_image(Pair(path.stem, path, None), SCALE) for path in files]


@pytest.fixture
def tiny(load: Callable[[], Images], monkeypatch: pytest.MonkeyPatch) -> Images:
    """Publish the scores of the three photographs, as the second implementation finds them."""
    images = load()
    scores = [
        PROTOCOL.score(resized(image.lr_image, *image.hr_image.shape[:2]), image.hr_image, SCALE)
        for image in images
    ]
    psnr, ssim = np.mean(scores, axis=0)
    monkeypatch.setitem(PUBLISHED, ("Tiny", SCALE), Scores(float(psnr), float(ssim)))
    monkeypatch.setitem(KNOWN_SETS, "Tiny", KnownSet(3, "draw it", ("Tiny",)))
    return images


def link_of(images: Images) -> str:
    """Return the link that the self-test names."""
    with pytest.raises(SelfTestError) as caught:
        check_bicubic("Tiny", SCALE, *score_bicubic(images, SCALE), images)
    assert "self-test of Tiny x4: bicubic scores" in str(caught.value)
    assert caught.value.link in str(caught.value)
    assert caught.value.exit_code == IntegrityError.exit_code
    return str(caught.value.link)


def with_images(images: Images, **changes: Callable[[BenchImage], Any]) -> Images:
    return [
        replace(image, **{key: change(image) for key, change in changes.items()})
        for image in images
    ]


def test_it_passes_where_all_is_well(tiny: Images) -> None:
    scores = score_bicubic(tiny, SCALE)
    assert scores == pytest.approx(PUBLISHED["Tiny", SCALE], abs=1e-4)
    check_bicubic("Tiny", SCALE, *scores, tiny)


@pytest.mark.parametrize(
    ("psnr", "ssim", "passes"),
    [
        (0.0199, 0.0, True),
        (-0.0199, -0.00099, True),
        (0.0201, 0.0, False),
        (0.0, 0.00101, False),
        (float("nan"), 0.0, False),
    ],
)
def test_the_tolerance(tiny: Images, psnr: float, ssim: float, *, passes: bool) -> None:
    published = PUBLISHED["Tiny", SCALE]
    values = published.psnr + psnr, published.ssim + ssim
    if passes:
        check_bicubic("Tiny", SCALE, *values, tiny)
    else:
        with pytest.raises(SelfTestError):
            check_bicubic("Tiny", SCALE, *values, tiny)


def full_range(image: torch.Tensor) -> torch.Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64)
    if image.shape[-3] == 1:
        return image
    return (image.double() * weights[:, None, None]).sum(-3, keepdim=True)


def unrounded(image: torch.Tensor) -> torch.Tensor:
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64) / 255
    if image.shape[-3] == 1:
        return image
    return 16 + (image.double() * weights[:, None, None]).sum(-3, keepdim=True)


def grey_in_studio_range(image: torch.Tensor) -> torch.Tensor:
    repeats = 3 if image.shape[-3] == 1 else 1
    return genuine_luma(image.repeat_interleave(repeats, dim=-3))


genuine_luma = protocol.to_luma


@pytest.mark.parametrize(
    ("luma", "link"),
    [
        (full_range, "full-range luma"),
        (unrounded, "float luma"),
        (lambda image: image, "RGB"),
        (grey_in_studio_range, "grey as RGB"),
    ],
)
def test_another_luma_is_named(
    tiny: Images, monkeypatch: pytest.MonkeyPatch, luma: Any, link: str
) -> None:
    monkeypatch.setattr(protocol, "to_luma", luma)
    # unrounded luma moves scores by about the tolerance: it is told apart, if not always refused
    monkeypatch.setattr(selftest, "TOLERANCE", Scores(0.002, 0.0001))
    assert link_of(tiny) == link


def test_an_uncut_border_is_named(tiny: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "crop_border", lambda image, _border: image)
    assert link_of(tiny) == "border"


def test_downsampling_before_ssim_is_named(tiny: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = piq.ssim
    monkeypatch.setattr(piq, "ssim", lambda *a, **k: genuine(*a, **{**k, "downsample": True}))
    assert link_of(tiny) == "SSIM downsampling"


def without_antialiasing(image: Any, scale: int) -> Any:
    height, width = image.shape[:2]
    return resized(image, height // scale, width // scale, antialias=False)


def test_a_downscale_without_antialiasing_is_named(
    tiny: Images, load: Callable[[], Images], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.data.degrading.downscale", without_antialiasing)
    images = load()
    with pytest.raises(SelfTestError, match="without antialiasing; zoo made them"):
        check_bicubic("Tiny", SCALE, *score_bicubic(images, SCALE), images)
    assert link_of(images) == "low-resolution images"


def test_low_resolution_files_of_another_maker_are_named(tiny: Images) -> None:
    def averaged(image: BenchImage) -> Any:
        height, width, *channels = image.hr_image.shape
        blocks = image.hr_image.reshape(height // 4, 4, width // 4, 4, *channels)
        return np.round(blocks.mean(axis=(1, 3))).astype(np.uint8)

    others = with_images(tiny, lr_image=averaged, lr_file=lambda image: Path(f"{image.name}.png"))
    with pytest.raises(SelfTestError, match="not as MATLAB makes them; they were read from files"):
        check_bicubic("Tiny", SCALE, *score_bicubic(others, SCALE), others)


def test_a_grey_image_stored_as_rgb_is_named(tiny: Images) -> None:
    coloured = with_images(
        tiny,
        hr_image=lambda image: to_rgb(image.hr_image),
        lr_image=lambda image: to_rgb(image.lr_image),
    )
    assert link_of(coloured) == "grey image stored as RGB"


def test_other_photographs_are_named(tiny: Images) -> None:
    def blurred(image: BenchImage) -> Any:
        return upscale(image.lr_image, SCALE)

    others = with_images(
        tiny, hr_image=blurred, lr_image=lambda image: downscale(blurred(image), SCALE)
    )
    assert link_of(others) == "high-resolution images"


def test_photographs_that_were_not_cut_are_named(tiny: Images) -> None:
    others = with_images(tiny, hr_image=lambda image: image.hr_image[1:])
    with pytest.raises(SelfTestError, match="not cut to a multiple of the scale"):
        check_bicubic("Tiny", SCALE, 20.0, 0.5, others)


def test_another_number_of_images_is_named(tiny: Images) -> None:
    scores = PUBLISHED["Tiny", SCALE]
    with pytest.raises(SelfTestError, match="there are 2, not 3") as caught:
        check_bicubic("Tiny", SCALE, *scores, tiny[:2])
    assert caught.value.link == "number of images"


def test_what_no_known_slip_explains_is_said(tiny: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    def repeated(image: Any, scale: int) -> Any:
        return image.repeat(scale, axis=0).repeat(scale, axis=1)

    monkeypatch.setattr(selftest, "upscale", repeated)
    assert link_of(tiny) == "upscaling or scoring"


def test_every_dataset_is_checked_or_says_why_not() -> None:
    for name in KNOWN_SETS:
        assert (why_unchecked(name, 4) is None) == ((name, 4) in PUBLISHED)
    assert "DIV2K_valid at x4" in str(why_unchecked("DIV2K_valid", 4))
    assert "Set5 at x3" in str(why_unchecked("Set5", 3))
    assert "is not a public test set" in str(why_unchecked("samples", 4))
    assert "not self-tested" in str(why_unchecked("DIV2K_valid", 4))
    check_bicubic("DIV2K_valid", 4, 1.0, 0.1, [])  # nothing to hold it against


def test_the_second_implementation_agrees_with_the_first(tiny: Images) -> None:
    for image in tiny:
        height, width = image.hr_image.shape[:2]
        assert np.array_equal(resized(image.hr_image, height // 4, width // 4), image.lr_image)
        sr_image = resized(image.lr_image, height, width)
        assert np.array_equal(sr_image, upscale(image.lr_image, 4))
        assert score_bicubic([image], 4) == pytest.approx(
            PROTOCOL.score(sr_image, image.hr_image, 4), abs=5e-5
        )


def test_closed_forms_of_the_second_implementation() -> None:
    plane = np.full((40, 40), 100, np.uint8)
    assert PROTOCOL.score(plane + np.uint8(1), plane, 4).psnr == pytest.approx(48.1308, abs=1e-4)
    flat = plane.astype(float)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 100 * 110 + c1) / (100**2 + 110**2 + c1)
    assert structural_similarity(flat, flat + 10) == pytest.approx(expected)
    white = np.full((40, 40, 3), 255, np.uint8)
    black = np.zeros_like(white)
    studio = Chain(luma="studio").score(white, black, 4).psnr
    assert studio == pytest.approx(20 * np.log10(255 / 219))
    assert Chain(luma="full-range").score(white, black, 4).psnr == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "psnr", "ssim"),
    [
        ("Set5", 28.418, 0.8101),
        pytest.param("Set14", 25.993, 0.7023, marks=pytest.mark.slow),
    ],
)
def test_the_published_values_are_hit(
    shared_data: Path, name: str, psnr: float, ssim: float
) -> None:
    suite = open_suite("classical-x4", data_root=shared_data)
    (dataset,) = (dataset for dataset in suite.datasets if dataset.name == name)
    scores = score_bicubic(dataset, 4)
    assert scores.psnr == pytest.approx(psnr, abs=5e-4)
    assert scores.ssim == pytest.approx(ssim, abs=5e-5)
    check_bicubic(name, 4, *scores, dataset)
    made = [load_image(pair, 4) for pair in remake(find_pairs(name, 4, data_root=shared_data))]
    assert [image.lr_sha256 for image in made] == [image.lr_sha256 for image in dataset]


def remake(pairs: tuple[Pair, ...]) -> list[Pair]:
    return [replace(pair, lr_file=None) for pair in pairs]


@pytest.mark.slow
def test_the_grey_image_of_set14(shared_data: Path) -> None:
    images = [load_image(pair, 4) for pair in find_pairs("Set14", 4, data_root=shared_data)]
    coloured = with_images(
        images,
        hr_image=lambda image: to_rgb(image.hr_image),
        lr_image=lambda image: to_rgb(image.lr_image),
        hr_sha256=lambda image: hash_pixels(to_rgb(image.hr_image)),
    )
    scores = score_bicubic(coloured, 4)
    assert scores.psnr == pytest.approx(26.09, abs=5e-3)
    with pytest.raises(SelfTestError) as caught:
        check_bicubic("Set14", 4, *scores, coloured)
    assert caught.value.link == "grey image stored as RGB"
    assert "003, 010" in str(caught.value)
