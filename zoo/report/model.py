"""What a page shows, as plain values: the templates print these and compute nothing."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from zoo.report.palette import Mark


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the provenance: a term and what is known; warnings are set apart."""

    term: str
    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """Words, and the command that they end with, if any."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many claims got a verdict."""

    verdict: str
    tone: str
    count: int


@dataclass(frozen=True, slots=True)
class ScoreHeading:
    """A column of a table.

    Attributes:
        key: its metric or cost key.
        label: what it is called.
        unit: unit of its cells, prefix included.
        better: `higher`, `lower`, or `zero` where 0 is right.
        group: the group of columns it belongs to.
        is_timed: whether it tells of the machine at that time as much as of a row; shown grey.
    """

    key: str
    label: str
    unit: str
    better: str
    group: str
    is_timed: bool = False


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """One number of a table.

    Attributes:
        text: the number as it is written.
        value: what it is sorted by; None if there is none.
        interval: its interval over seeds as it is written; of a time, the least and the most.
        ends: the ends of this interval, None if there is none.
        is_best: whether it is marked as the best of its column.
    """

    text: str
    value: float | None = None
    interval: str = ""
    ends: tuple[float, float] | None = None
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class SeedRow:
    """What one seed of a row gave."""

    label: str
    note: str
    cells: tuple[ScoreCell, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One recipe, file or function in a table.

    Attributes:
        name: as the table shows it: of a cell of a factorial, its levels.
        full_name: as commands and plots do.
        matrix: the factorial it is a cell of, empty if of none.
        mark: how it is drawn.
        is_baseline: whether it was not trained.
        note: how many seeds it has, or what it is.
        cells: its numbers.
        seeds: those of each seed.
    """

    name: str
    full_name: str
    matrix: str
    mark: Mark
    is_baseline: bool
    note: str
    cells: tuple[ScoreCell, ...]
    seeds: tuple[SeedRow, ...]


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The scores on one dataset, or the mean over a suite's datasets.

    Attributes:
        title: the dataset's name, or what the mean is over.
        note: how many images there are, or why there is nothing to show.
        groups: names of column groups with their number of columns.
        headings: the columns.
        rows: baselines first, cells of factorials last.
        folds: each factorial with cells in it, and their number.
        lacking: the columns without any value, and why.
        datasets: the datasets it is over.
    """

    title: str
    note: str
    groups: tuple[tuple[str, int], ...]
    headings: tuple[ScoreHeading, ...]
    rows: tuple[Row, ...]
    folds: tuple[tuple[str, int], ...]
    lacking: tuple[str, ...]
    datasets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """An estimate and its interval drawn on a small axis, in percent of the axis' width.

    Attributes:
        zero: where no effect is.
        band: ends of the region of effects too small to matter, None if none is stated.
        low, high, point: the interval and the estimate.
        labels: texts below the axis with their places.
        claimed: `higher` or `lower`, the side that a claim is about; empty if there is none.
        description: the same in words.
    """

    zero: float
    band: tuple[float, float] | None
    low: float
    high: float
    point: float
    labels: tuple[tuple[float, str], ...]
    claimed: str
    description: str


@dataclass(frozen=True, slots=True)
class ClaimCard:
    """A claim and what the records say of it: a row, and a card that it opens to.

    Attributes:
        name, statement, source: as the registry has them.
        verdict, tone: the verdict, and the class of its colour.
        network: the feature network that the claim is about, empty if about none.
        effect, interval, seeds: as they are written, empty if there is none.
        bar: the effect on the axis that all rows share, in multiples of what matters.
        told: the sentence to quote, and the command for what is missing.
        forest: the effect on an axis of its own.
        facts: further numbers.
        notes: what was excluded.
    """

    name: str
    statement: str
    source: str
    verdict: str
    tone: str
    network: str
    effect: str
    interval: str
    seeds: int
    bar: Forest | None
    told: Told
    forest: Forest | None
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing that follows the page's colours.

    Attributes:
        title: what it shows.
        description: the same in words, for those who do not see it.
        wide: the drawing as inline SVG.
        narrow: the same for a phone, where the wide one would be too small to read.
    """

    title: str
    description: str
    wide: Markup
    narrow: Markup | None = None


@dataclass(frozen=True, slots=True)
class PlaneRow:
    """One line of the legend of the perception-distortion plot."""

    number: int
    name: str
    mark: Mark
    distortion: str
    perception: str


@dataclass(frozen=True, slots=True)
class Plane:
    """The perception-distortion plot with the numbers behind it."""

    plot: Plot
    distortion: str
    perception: str
    dataset: str
    rows: tuple[PlaneRow, ...]


@dataclass(frozen=True, slots=True)
class CurveCard:
    """The course of one recipe's training."""

    name: str
    note: str
    plot: Plot


@dataclass(frozen=True, slots=True)
class EffectRow:
    """A main effect or interaction of a factorial.

    Attributes:
        name: its factors and, of a main effect, both levels.
        is_interaction: whether it is of two factors.
        estimate, interval: as they are written.
        is_clear: whether its sign is sure after correction.
        judged: `better` or `worse` where that is clear, else empty.
        forest: the same, drawn.
    """

    name: str
    is_interaction: bool
    estimate: str
    interval: str
    is_clear: bool
    judged: str
    forest: Forest


@dataclass(frozen=True, slots=True)
class EffectTable:
    """All effects of a factorial on one metric."""

    metric: str
    note: str
    sentence: str
    effects: tuple[EffectRow, ...]


@dataclass(frozen=True, slots=True)
class FactorialView:
    """A factorial: what was crossed, and the effects by metric.

    Attributes:
        name: its name in the registry.
        summary: the question it answers.
        factors: what was crossed, in words.
        tables: the effects on each metric that all cells have.
        lacking: for each other metric which cells lack it, and the command that makes them.
    """

    name: str
    summary: str
    factors: str
    tables: tuple[EffectTable, ...]
    lacking: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Shot:
    """One seed's crop of one image.

    Attributes:
        seed: the seed, empty if there is none.
        source: the crop as a data URI.
        caption: its scores.
    """

    seed: str
    source: str
    caption: str


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What one method makes of a gallery image, a shot for each seed."""

    name: str
    note: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class GalleryImage:
    """A gallery image: the same crop by every method.

    Attributes:
        dataset, image, note: where the crop is from.
        width, height: of the crop, in pixels.
        thumbnail: how many times a crop is upscaled in the list.
        narrow, wide: and under the slider, on a narrow and a wide page.
        exhibits: what each method made of it.
    """

    dataset: str
    image: str
    note: str
    width: int
    height: int
    thumbnail: int
    narrow: int
    wide: int
    exhibits: tuple[Exhibit, ...]


@dataclass(frozen=True, slots=True)
class Gallery:
    """All gallery images, and what can be chosen for them.

    Attributes:
        methods, seeds: what can be chosen.
        left, right: the methods under the slider at first.
        note, images: how crops were embedded, and the images.
        opening: of the first one low resolution, baseline, best methods and ground truth.
    """

    methods: tuple[str, ...]
    seeds: tuple[str, ...]
    left: str
    right: str
    note: str
    images: tuple[GalleryImage, ...]
    opening: tuple[Exhibit, ...]


@dataclass(frozen=True, slots=True)
class ReproductionRow:
    """The command that makes one row again, if there is one, and what went wrong with it."""

    name: str
    command: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The commands that make all rows again, the page, and each row."""

    bench: str
    report: str
    rows: tuple[ReproductionRow, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page, in its order."""

    title: str
    tally: tuple[Tally, ...]
    answers: tuple[str, ...]
    scope: str
    facts: tuple[Fact, ...]
    tables: tuple[ScoreTable, ...]
    glossary: tuple[Fact, ...]
    skipped: tuple[Fact, ...]
    failed: tuple[Fact, ...]
    claims: tuple[ClaimCard, ...]
    untested: tuple[tuple[str, Told], ...]
    plane: Plane | None
    curves: tuple[CurveCard, ...]
    crossed: dict[str, str]
    factorials: tuple[FactorialView, ...]
    gallery: Gallery | None
    reproduction: Reproduction
