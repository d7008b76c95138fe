"""Drawings as inline SVG that takes the page's fonts and colours, light or dark.

matplotlib lays out and draws; what it writes is cut down to shapes and text. The same values give
the same bytes.

Not here: what is drawn (`zoo.report.perception_distortion`), plain lines (`zoo.report.panels`).
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from markupsafe import Markup

from zoo.report.palette import INK, LINE, MUTED, VARIABLES

_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text: selectable, and in the page's font
    "text.parse_math": False,  # names are shown as they are
    "font.size": 11.0,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11.0,
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
}
_POINTS_PER_INCH = 72
_COORDINATES = re.compile(r' (?:d|x|y|width|height|transform)="[^"]*"')
_LONG_DECIMALS = re.compile(r"(\.\d\d)\d+")
_NO_DATES = {"Date": None, "Creator": None, "Format": None, "Type": None}


@contextmanager
def drawing(width: int, height: int) -> Iterator[tuple[Any, Any]]:
    """Yield a figure and its axes in the report's style.

    Args:
        width: in points, which the page shows as pixels.
        height: in points.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS), warnings.catch_warnings():
        # the page's own fonts show the letters that matplotlib's font has not
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        size = (width / _POINTS_PER_INCH, height / _POINTS_PER_INCH)
        figure = Figure(figsize=size, dpi=_POINTS_PER_INCH, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        for patch in (figure.patch, axes.patch):
            patch.set(facecolor="none", edgecolor="none")
        yield figure, axes


def to_svg(figure: Any, *, title: str, description: str, salt: str) -> Markup:
    """Write a figure as inline SVG.

    Args:
        figure: drawn within `drawing`.
        title: its name for those who do not see it.
        description: what it shows.
        salt: different for each figure of a page, so that their identifiers are.
    """
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": salt}):
        # `savefig` would draw everything once more before, to no canvas
        figure.canvas.print_svg(buffer, metadata=_NO_DATES)
    return Markup(_cut_down(buffer.getvalue(), title, description))  # noqa: S704  escaped there


def _cut_down(text: str, title: str, description: str) -> str:
    """Keep the shapes; name colours by variables, fonts not at all; say what it shows."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="([^"]+)"', text)
    viewed = box.group(1) if box else "0 0 1 1"
    head = (
        f'<svg class="plot" viewBox="{viewed}" role="img">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    )
    text = re.sub(r"^<svg[^>]*>", lambda _: head, text)
    # groups are named alike in every figure; a page must not hold an identifier twice
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r"font: ([0-9.]+px)[^;\"]*", r"font-size: \1", text)
    text = _COORDINATES.sub(lambda found: _LONG_DECIMALS.sub(r"\1", found.group()), text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    return re.sub(r"\s*\n\s*", "\n", text).strip()
