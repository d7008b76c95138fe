from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.data.images import read_image, write_png
from zoo.errors import DataError
from zoo.exchange.contact_sheet import SIDE, write_contact_sheet
from zoo.generators.bicubic import bicubic_upscale
from zoo.metrics.protocol import quantize
from zoo.models.details import Details
from zoo.models.model import Model


@pytest.fixture
def bicubic() -> Model:
    return Model(Details(name="b", generator={"name": "bicubic"}, scale=2, origin="fixed"), {})


def test_cells_are_bicubic_and_each_models_output(tmp_path: Path, bicubic: Model) -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (SIDE + 20, SIDE + 10, 3), dtype=np.uint8)
    write_png(tmp_path / "in.png", pixels)
    write_contact_sheet(tmp_path / "sheet.png", tmp_path / "in.png", [("one", bicubic)] * 2)
    sheet = read_image(tmp_path / "sheet.png")
    middle = torch.from_numpy(pixels[10:-10, 5:-5].copy()).permute(2, 0, 1)[None] / 255
    expected = quantize(bicubic_upscale(middle, 2)[0]).permute(1, 2, 0).numpy()
    side = 2 * SIDE
    for index in range(3):
        left = 8 + index * (side + 8)
        assert np.array_equal(sheet[24 : 24 + side, left : left + side], expected)
    assert sheet.shape == (24 + side + 8, 3 * (side + 8) + 8, 3)
    assert sheet[:24].min() < 100, "labels are drawn"


def test_a_small_grey_picture(tmp_path: Path, bicubic: Model) -> None:
    write_png(tmp_path / "in.png", np.full((5, 9), 128, np.uint8))
    write_contact_sheet(tmp_path / "sheet.png", tmp_path / "in.png", [("one", bicubic)])
    assert read_image(tmp_path / "sheet.png").shape == (24 + 10 + 8, 2 * (18 + 8) + 8, 3)


def test_without_models_there_is_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="needs a model"):
        write_contact_sheet(tmp_path / "sheet.png", tmp_path / "in.png", [])
