"""The contact sheet of training samples: exactly what training draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import MakeSpec
from zoo.data.images import read_image, write_png
from zoo.data.panels import GAP, NAME_HEIGHT
from zoo.data.patches import PatchStore
from zoo.data.sources import open_source
from zoo.data.stream import PatchStream
from zoo.errors import UnknownNameError
from zoo.recipes.degrading import build_degradation
from zoo.train.observer import Observer
from zoo.train.prepare import sampling_plan
from zoo.train.preview import MIN_SIDE, write_preview


@pytest.mark.parametrize("name", ["bicubic", "noise"])
def test_it_shows_the_first_samples(make_spec: MakeSpec, tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(0)
    for number in range(4):
        pixels = rng.integers(0, 256, (48, 40 + 8 * number, 3), dtype=np.uint8)
        write_png(tmp_path / f"photos/{number}.png", pixels)
    folder = str(tmp_path / "photos")
    spec = make_spec("srresnet", f"data.source={folder}", f"data.degradation={name}")
    told: list[str] = []

    class Told(Observer):
        def notice(self, message: str) -> None:
            told.append(message)

    write_preview(tmp_path / "sheet.png", spec, data_root=None, observer=Told())
    assert told[-1] == "images: 3 for training, 1 for validation"
    sheet = read_image(tmp_path / "sheet.png")
    height, width = NAME_HEIGHT + MIN_SIDE + GAP, 2 * (MIN_SIDE + GAP)
    assert sheet.shape == (4 * height + GAP, 4 * width + GAP, 3)

    store = PatchStore.open_or_build(open_source(folder).training_paths, 4, tmp_path)
    degrading = build_degradation(spec.settings.data.degradation)
    stream = PatchStream(store, plan=sampling_plan(spec), batch_size=16, degrading=degrading)
    lr_images, hr_images = stream.dataset(0).batch(0, 16)
    side = lr_images.shape[-1]
    for number in range(16):
        top, left = (
            place * each for place, each in zip(divmod(number, 4), (height, width), strict=True)
        )
        tile = sheet[GAP + top : top + height, GAP + left : left + width]
        for place, patches in enumerate((lr_images, hr_images)):
            panel = tile[NAME_HEIGHT:, place * (MIN_SIDE + GAP) :][:, :MIN_SIDE]
            step = MIN_SIDE // patches.shape[-1]
            shown = panel[step // 2 :: step, step // 2 :: step]
            assert np.array_equal(shown, patches[number].permute(1, 2, 0).numpy())
    assert MIN_SIDE % (4 * side) == 0


def test_what_is_missing_is_an_error(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec("srresnet").model_copy()
    data = spec.settings.data
    broken = data.model_copy(update={"degradation": data.degradation.model_copy(
        update={"name": "gone"})})  # fmt: skip
    settings = spec.settings.model_copy(update={"data": broken})
    with pytest.raises(UnknownNameError, match="unknown degradation 'gone'"):
        write_preview(
            tmp_path / "sheet.png",
            spec.model_copy(update={"settings": settings}),
            data_root=None,
            observer=Observer(),
        )
