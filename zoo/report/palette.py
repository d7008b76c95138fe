"""A shape and a colour for each recipe in plots, never a colour alone.

Colours are names of CSS variables, so that one drawing serves light and dark pages. matplotlib
draws with stand-in colours that `zoo.report.figures` replaces by the variables.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NUM_COLOURS = 7
SHAPES = ("o", "s", "^", "D", "v", "P", "X", "p")
INK = "#010203"
MUTED = "#010204"
LINE = "#010205"
PAPER = "#010206"
_FIRST_SERIES = 0x010210
VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    **{f"#{_FIRST_SERIES + n:06x}": f"var(--series-{n})" for n in range(NUM_COLOURS)},
}
_PATHS = {
    "o": "M8 3a5 5 0 1 0 0 10a5 5 0 1 0 0-10z",
    "s": "M3.5 3.5h9v9h-9z",
    "^": "M8 2.5l5.5 10.5h-11z",
    "D": "M8 2l6 6l-6 6l-6-6z",
    "v": "M8 13.5l5.5-10.5h-11z",
    "P": "M6 2.5h4v3.5h3.5v4h-3.5v3.5h-4v-3.5h-3.5v-4h3.5z",
    "X": "M5 2l3 3 3-3 3 3-3 3 3 3-3 3-3-3-3 3-3-3 3-3-3-3z",
    "p": "M8 2l6 4.4l-2.3 7.1h-7.4l-2.3-7.1z",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """How one row is drawn.

    Attributes:
        colour: matplotlib's stand-in colour.
        variable: the CSS colour it becomes.
        shape: matplotlib's marker.
        path: the same shape as an SVG path in a box of 16 x 16, for legends.
    """

    colour: str
    variable: str
    shape: str
    path: str


def marks(names: Sequence[str], baselines: Iterable[str] = ()) -> dict[str, Mark]:
    """Give each name a mark; no two alike up to 56 names, baselines in the colour of text.

    Args:
        names: the rows of the table, in their order.
        baselines: those of them that were not trained.
    """
    plain = set(baselines)
    found = {name: Mark(INK, VARIABLES[INK], "D", _PATHS["D"]) for name in names if name in plain}
    for number, name in enumerate(name for name in names if name not in plain):
        colour = f"#{_FIRST_SERIES + number % NUM_COLOURS:06x}"
        shape = SHAPES[number % len(SHAPES)]
        found[name] = Mark(colour, VARIABLES[colour], shape, _PATHS[shape])
    return found
