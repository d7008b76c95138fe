"""`zoo.upscale`: the same kind out as in."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from tests.upscaling.networks import Blur, Tinted, noise
from zoo.errors import RecipeError, ShapeError, UnknownNameError
from zoo.generators.bicubic import bicubic_upscale
from zoo.generators.srresnet import SRResNet
from zoo.models.find import find_model
from zoo.registry import GENERATORS
from zoo.upscaling import api
from zoo.upscaling.api import open_upscaler, upscale
from zoo.upscaling.pictures import Pixels

SAME = Blur(steps=0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7, 3), (5, 7, 1), (5, 7)])
def test_arrays(dtype: type, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).random(shape)
    image = image.astype(dtype) if dtype().dtype.kind == "f" else (image * 250).astype(dtype)
    result = upscale(image, model=SAME)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, image.repeat(2, axis=0).repeat(2, axis=1), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_tensors(dtype: torch.dtype) -> None:
    batch = torch.cat([noise(6, 5), noise(6, 5, seed=1)]).to(dtype)
    result = upscale(batch, model=SAME)
    assert result.dtype == dtype
    assert torch.equal(result, batch.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.equal(upscale(batch[0], model=SAME), result[0])


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_pillow_images_keep_their_mode(mode: str, colours: Pixels) -> None:
    if mode == "I;16":
        image = PillowImage.fromarray(colours[:, :, 0].astype(np.uint16) * 200)
    else:
        image = PillowImage.fromarray(colours).convert(mode)
    result = upscale(image, model=SAME)
    assert (result.mode, result.size) == (mode, (32, 24))


def test_a_path_becomes_an_upright_pillow_image(save: Callable[..., Path], colours: Pixels) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    path = save("x.jpg", colours, exif=exif)
    for given in (path, str(path)):
        assert upscale(given, model=SAME).size == (24, 32)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4), np.int32),
        np.zeros((0, 4), np.uint8),
        torch.zeros(1, 4, 4),
        torch.zeros(3, 4, 4, dtype=torch.uint8),
        torch.zeros(3, 0, 4),
    ],
)
def test_what_is_no_image_is_refused(image: Pixels | torch.Tensor) -> None:
    with pytest.raises(ShapeError, match=r"image|tensor"):
        upscale(image, model=SAME)


def test_models_by_name_and_as_objects() -> None:
    image = noise(6, 7)
    expected = bicubic_upscale(image, 4).clamp(0, 1)
    torch.testing.assert_close(upscale(image, model="bicubic"), expected)
    torch.testing.assert_close(upscale(image, model=find_model("bicubic")), expected)
    with pytest.raises(UnknownNameError):
        upscale(image, model="no-such-model")


def test_another_scale_than_the_one_expected_is_an_error() -> None:
    assert upscale(noise(3, 3), model=SAME, scale=2).shape[-1] == 6
    with pytest.raises(RecipeError, match="upscales x2, not x3"):
        upscale(noise(3, 3), model=SAME, scale=3)


def test_networks_of_models_are_kept_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_KEPT", 2)
    first = open_upscaler("bicubic", device="cpu")
    assert open_upscaler("bicubic", device="cpu") is first
    for tile in (64, 80):
        open_upscaler("bicubic", device="cpu", tile=tile)
    assert open_upscaler("bicubic", device="cpu") is not first


def test_a_generator_that_was_trained_on_is_not_an_old_one() -> None:
    generator, image = SRResNet(width=4, num_blocks=1), noise(6, 6)
    before = upscale(image, model=generator)
    with torch.no_grad():
        generator.tail.bias.add_(0.3)
    assert not torch.equal(upscale(image, model=generator), before)


@pytest.mark.parametrize("value", [-0.1, 1.1, 255, np.nan, np.inf])
def test_floats_beyond_white_and_black_are_refused(value: float) -> None:
    image = np.full((4, 5, 3), 0.5, np.float32)
    image[1, 2, 0] = value
    for given in (image, torch.from_numpy(image).permute(2, 0, 1)):
        with pytest.raises(ShapeError, match=r"floats of an image must be in \[0, 1\]"):
            upscale(given, model=SAME)


def test_an_empty_batch_stays_one() -> None:
    assert upscale(torch.zeros(0, 3, 4, 5), model=SAME).shape == (0, 3, 8, 10)


def test_grey_in_is_grey_out_for_every_kind_of_image(save: Callable[..., Path]) -> None:
    levels = np.linspace(30, 220, 48).astype(np.uint8).reshape(6, 8)
    array = np.stack([levels] * 3, axis=2)
    tensor = torch.from_numpy(array).permute(2, 0, 1).float() / 255
    coloured = noise(6, 8)
    network = Tinted()
    for image in (array, PillowImage.fromarray(array), save("x.png", array), save("x.jpg", array)):
        assert np.ptp(np.asarray(upscale(image, model=network)), axis=2).max() == 0
        tinted = np.asarray(upscale(image, model=network, keep_grey=False))
        assert np.ptp(tinted, axis=2).min() > 0
    batch = torch.cat([tensor[None], coloured])
    grey, other = upscale(batch, model=network)
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])
    assert torch.equal(other, upscale(coloured[0], model=network, keep_grey=False))
    assert not torch.equal(upscale(tensor, model=network, keep_grey=False)[0], grey[0])


def test_the_generator_stays_as_it_is() -> None:
    generator = SRResNet(width=4, num_blocks=1, scale=2).train()
    before = [parameter.stride() for parameter in generator.parameters()]
    upscale(noise(8, 8), model=generator)
    assert generator.training
    assert all(parameter.requires_grad for parameter in generator.parameters())
    assert [parameter.stride() for parameter in generator.parameters()] == before


def test_a_network_is_built_once_and_never_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    model, built = find_model(None), []
    cls = GENERATORS.get(model.details.generator_name)
    init = cls.__init__

    @functools.wraps(init)
    def counted(self: torch.nn.Module, **arguments: object) -> None:
        built.append(self)
        init(self, **arguments)

    monkeypatch.setattr(cls, "__init__", counted)
    monkeypatch.setattr("copy.deepcopy", None)
    api._kept.clear()
    upscale(noise(8, 8), model=model)
    assert len(built) == 1
