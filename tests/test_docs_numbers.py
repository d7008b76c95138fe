"""Numbers in documents that come from the records of the models that come with zoo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest

import zoo
from zoo.data.images import read_image
from zoo.data.sources import validation_images
from zoo.exchange.records import records_in
from zoo.metrics import metric_key
from zoo.models.file import read_details
from zoo.models.store import SHIPPED
from zoo.records.record import Record
from zoo.train.validation import Validator

REPOSITORY = Path(__file__).resolve().parents[1]
CONTENT, ADVERSARIAL = "srresnet-nobn-compact", "srgan-nobn-compact"
DATASETS = ("Set5", "Set14")


@pytest.fixture(scope="module")
def records() -> dict[str, Record]:
    found = [r for name in (CONTENT, ADVERSARIAL) for r in records_in(SHIPPED / name / "records")]
    return {record.target.name: record for record in found}


def page(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


def table(text: str, heading: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the table whose first line begins with `heading`."""
    lines = iter(text[text.index(heading) :].splitlines())
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def scores(record: Record, dataset: str, key: str) -> list[float]:
    (found,) = [each for each in record.datasets if each.name == dataset]
    return [image.scores[key] for image in found.images]


def require_shown(cell: str, value: float) -> None:
    """Require that a cell is the value, rounded to as many decimals as it has."""
    decimals = len(cell.partition(".")[2])
    assert cell == f"{value:.{decimals}f}"


def name_in(cell: str) -> str:
    quoted = re.match(r"`([a-z0-9-]+)`", cell)
    return quoted[1] if quoted else cell


def test_the_table_of_models(records: dict[str, Record]) -> None:
    headings, _, *rows = table(page("docs/models.md"), "| | PSNR-Y (dB) ↑ | SSIM-Y")
    keys = {column.label: key for key, column in records["bicubic"].columns.items()}
    labels = [re.sub(r"( \(dB\))? [↑↓]$", "", heading) for heading in headings[1:]]
    dataset, checked = "", 0
    for first, *cells in rows:
        if first.startswith("**"):
            dataset = first.strip("*")
            continue
        for label, cell in zip(labels, cells, strict=True):
            require_shown(cell, fmean(scores(records[name_in(first)], dataset, keys[label])))
            checked += 1
    assert checked == 48


def test_the_table_of_the_readme(records: dict[str, Record]) -> None:
    _, _, *rows = table(page("README.md"), "| | Set5 | Set14 |")
    assert [name_in(row[0]) for row in rows] == ["bicubic", CONTENT, ADVERSARIAL]
    for first, *cells in rows:
        for dataset, cell in zip(DATASETS, cells, strict=True):
            for key, text in zip(("psnr_y", "lpips_alex"), cell.split(", "), strict=True):
                require_shown(text, fmean(scores(records[name_in(first)], dataset, key)))


def test_which_model_each_metric_prefers(records: dict[str, Record]) -> None:
    names, _, counts = table(page("docs/metrics.md"), "| `psnr-y` | `ssim-y` |")
    for name, count in zip(map(name_in, names), counts, strict=True):
        key = metric_key(name)
        sign = 1 if records[CONTENT].columns[key].higher_is_better else -1
        gains = [
            sign * (ours - theirs)
            for dataset in DATASETS
            for ours, theirs in zip(
                scores(records[ADVERSARIAL], dataset, key),
                scores(records[CONTENT], dataset, key),
                strict=True,
            )
        ]
        assert len(gains) == 19
        assert int(count) == sum(gain > 0 for gain in gains), name


@pytest.mark.parametrize(
    ("document", "heading", "row"),
    [
        ("docs/metrics.md", "| | Set5 | Set14 | BSD100", None),
        ("benchmarks/README.md", "| x4 | published LPIPS", 2),
    ],
)
def test_the_self_test_of_lpips(
    records: dict[str, Record], document: str, heading: str, row: int | None
) -> None:
    _, _, *rows = table(page(document), heading)
    for number, dataset in enumerate(DATASETS):
        told = records["bicubic"].provenance["self_test"][dataset]
        found = re.search(r"LPIPS-Alex on whole images (\S+), published (\S+)", told)
        assert found
        here, published = (
            (rows[1][number + 1], rows[0][number + 1])
            if row is None
            else (rows[number][row], rows[number][row - 1])
        )
        assert (here, published) == found.groups()


@pytest.mark.slow
def test_the_table_of_tinted_greys() -> None:
    """Six networks' runs on small crops: in another order of sums a pixel may move by one level."""
    _, _, *rows = table(page("docs/upscale.md"), "| model | largest spread")
    assert [name_in(row[0]) for row in rows] == [CONTENT, ADVERSARIAL]
    for first, largest, mean, share in rows:
        spreads = np.stack([spread_of(path, name_in(first)) for path in grey_photographs()])
        assert abs(int(largest) - spreads.max()) <= 1
        assert float(mean) == pytest.approx(spreads.mean(), abs=0.01)
        assert float(share.removesuffix(" %")) == pytest.approx(100 * (spreads > 0).mean(), abs=1)


def grey_photographs() -> tuple[Path, ...]:
    return validation_images("samples-grey")


def spread_of(path: Path, model: str) -> np.ndarray:
    """Return how far the channels of each pixel are apart that a model makes of a grey middle."""
    grey = read_image(path)
    top, left = (side // 2 - 64 for side in grey.shape)
    middle = np.stack([grey[top : top + 128, left : left + 128]] * 3, axis=2)
    made = zoo.upscale(middle, model=model, device="cpu", keep_grey=False).astype(int)
    kept = zoo.upscale(middle[:32, :32], model=model, device="cpu")
    assert (kept == kept[:, :, :1]).all()
    return made.max(axis=2) - made.min(axis=2)


def test_lpips_with_a_border_cut(records: dict[str, Record]) -> None:
    found = {
        key: [f"{fmean(scores(records['bicubic'], dataset, key)):.3f}" for dataset in DATASETS]
        for key in ("lpips_alex", "lpips")
    }
    text = " ".join(page("docs/metrics.md").split())
    alex, vgg = found["lpips_alex"], found["lpips"]
    assert f"our values are {alex[0]} and {alex[1]}, and on VGG16 {vgg[0]} and {vgg[1]}" in text


def test_what_the_models_took_and_weigh() -> None:
    files = [SHIPPED / name / "model.safetensors" for name in (CONTENT, ADVERSARIAL)]
    trained = [read_details(file).training for file in files]
    content, adversarial = (each.seconds / 60 for each in trained if each is not None)
    text = " ".join(page("docs/models.md").split())
    assert round(content / 60) == 1
    assert (
        f"an hour for the content model, then {adversarial:.0f} minutes for the adversarial" in text
    )
    sizes = {f"{file.stat().st_size / 1e6:.1f} MB each" for file in files}
    assert all(size in page("README.md") for size in sizes)


def test_the_demo_adds_up() -> None:
    """Its runs are not published: what can be checked is bicubic, and the means of the rest."""
    text = page("README.md")
    _, _, *rows = table(text, "| command | gain over bicubic")
    means = []
    for _, gains, mean, _ in rows:
        require_shown(mean, fmean(float(gain) for gain in gains.split(", ")))
        means.append(float(mean))
    assert f"costs {means[1] - means[2]:.2f} dB" in text
    bicubic = fmean(Validator(validation_images("samples"), scale=4).bicubic().values())
    assert f"above bicubic ({bicubic:.2f} dB)" in text
