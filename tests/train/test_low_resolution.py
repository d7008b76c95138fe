"""Where low-resolution images of a run come from, and that a resumed run sees the same ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.train.bits import assert_same_bits, final_state
from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.observers import Notes, Stopper
from zoo.data.degrading import degraded
from zoo.data.images import read_image, write_png
from zoo.data.sources import open_source
from zoo.errors import DataError, RecipeError
from zoo.recipes.degrading import build_degradation
from zoo.runs.provenance import identity_hash
from zoo.train.identity import run_identity
from zoo.train.low_resolution import find_low_images
from zoo.train.prepare import prepare
from zoo.train.run import train


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Return a folder of four images in `gt`, and their halves' mean in `lq`."""
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 256, (48, 40, 3), dtype=np.uint8)
        write_png(tmp_path / f"mine/gt/{number}.png", pixels)
        write_png(tmp_path / f"mine/lq/{number}x4.png", np.ascontiguousarray(pixels[::4, ::4]))
    return tmp_path / "mine"


def test_given_images_are_trained_and_validated_on(
    make_spec: MakeSpec, make_options: MakeOptions, pairs: Path
) -> None:
    notes = Notes()
    spec = make_spec("srresnet", f"data.source={pairs}", "data.pairs=true")
    prepared = prepare(spec, make_options(observer=notes))
    assert f"{pairs}/lq: used as low-resolution images" in notes.notices
    for number, path in enumerate(prepared.source.training_paths):
        expected = read_image(path)[::4, ::4]
        assert np.array_equal(prepared.stream.store.lr(number), expected)
    (image,) = prepared.validator.images
    assert np.array_equal(image.lr_image, image.hr_image[::4, ::4])
    identity = run_identity(spec, prepared, None)
    assert identity["settings"]["data"]["pairs"] is True


def test_without_the_setting_they_are_named_and_not_used(
    make_spec: MakeSpec, make_options: MakeOptions, pairs: Path
) -> None:
    hashes = set()
    for folder in (pairs, pairs / "gt"):
        notes = Notes()
        spec = make_spec("srresnet", f"data.source={folder}")
        prepared = prepare(spec, make_options(observer=notes))
        unused = f"{pairs}/lq: low-resolution images not used; to train on them, set "
        assert unused + "data.pairs=true" in notes.notices
        hashes.add(identity_hash(run_identity(spec, prepared, None)))
    assert len(hashes) == 1


def test_a_mismatch_ends_it_before_training(
    make_spec: MakeSpec, make_options: MakeOptions, pairs: Path
) -> None:
    (pairs / "lq/1x4.png").rename(pairs / "lq/01x4.png")
    spec = make_spec("srresnet", f"data.source={pairs}", "data.pairs=true")
    with pytest.raises(DataError, match=r"do not match at scale . \(2 problems\): .*gt/1\.png: no"):
        prepare(spec, make_options())
    with pytest.raises(RecipeError, match="keep one of them"):
        make_spec("srresnet", "data.pairs=true", "data.degradation=jpeg")


def test_a_validation_set_without_files_is_made_and_told(
    make_spec: MakeSpec, pairs: Path, small_validation: str
) -> None:
    spec = make_spec("srresnet", f"data.source={pairs}", "data.pairs=true", small_validation)
    data, told = spec.settings.data, []
    source = open_source(data.source, validation=data.validation)
    low = find_low_images(spec.settings, source, told.append)
    assert low.validation is None
    assert low.training is not None
    assert told[-1].endswith("zoo makes them with MATLAB's bicubic")


def test_validation_has_the_degradation_of_training(
    make_spec: MakeSpec, make_options: MakeOptions, pairs: Path
) -> None:
    spec = make_spec("srresnet", f"data.source={pairs / 'gt'}", "data.degradation=noise")
    prepared = prepare(spec, make_options())
    (image,) = prepared.validator.images
    noise = build_degradation(spec.settings.data.degradation)
    assert np.array_equal(image.lr_image, degraded(image.hr_image, 4, noise))
    plain = prepare(make_spec("srresnet", f"data.source={pairs / 'gt'}"), make_options())
    assert prepared.validator.identity != plain.validator.identity
    assert prepared.data_hash == plain.data_hash, "the store has whole images"


def test_a_degradation_for_each_sample_refuses_a_store_on_the_device(
    make_spec: MakeSpec, make_options: MakeOptions, pairs: Path
) -> None:
    words = (f"data.source={pairs / 'gt'}", "runtime.store=device")
    with pytest.raises(RecipeError, match="cannot be used with the degradation 'noise'"):
        prepare(make_spec("srresnet", *words, "data.degradation=noise"), make_options())
    packed = ("data.degradation=blur", "data.degradation.sigma=[1, 1]")
    assert prepare(make_spec("srresnet", *words, *packed), make_options()).execution.store


@pytest.mark.slow
@pytest.mark.parametrize("degradation", ["real-esrgan", "bsrgan"])
def test_a_killed_and_resumed_run_ends_in_the_same_bits(
    make_spec: MakeSpec, make_options: MakeOptions, pairs: Path, degradation: str
) -> None:
    spec = make_spec("srresnet", f"data.source={pairs}", f"data.degradation={degradation}")
    whole = train(spec, make_options("whole"))
    options = make_options("killed")
    with pytest.raises(KeyError):
        train(spec, replace(options, observer=Stopper("content", 7, KeyError())))
    assert_same_bits(final_state(whole.directory), final_state(train(spec, options).directory))
    other = train(make_spec("srresnet", f"data.source={pairs}"), make_options("other"))
    with pytest.raises(AssertionError):
        assert_same_bits(final_state(whole.directory), final_state(other.directory))
