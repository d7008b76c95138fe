"""Plain text and tables of it: hostile names made inert, grids written in four formats.

A grid is one table with unescaped cells. Each format escapes for its reader: a terminal, GitHub
Markdown, LaTeX, a spreadsheet.

Not here: which rows and columns a table has (`zoo.compare.tables`), in which digits and with which
marks its numbers are written (`zoo.compare.digits`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from zoo.letters import visible

MISSING: Final = "-"
WORTH_SAYING: Final = 30.0
"""Seconds of work without a message from which on zoo says how long it takes."""
Mark = Literal["", "best", "second"]
_NUMBERS = re.compile(r"-?[\d.]+( \[-?[\d.]+, -?[\d.]+\])?")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "`": "{`}",
    **{character: f"\\{character}" for character in "_%&#{}$"},
}


@dataclass(frozen=True, slots=True)
class TableText:
    """A table of plain text for a terminal, without control characters.

    Attributes:
        title: what it shows.
        columns: headings.
        rows: as many cells each as there are headings.
        notes: sentences to print below it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextCell:
    """Text of a cell, not escaped, and whether it is the best or second best of its column."""

    text: str
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class TextHeading:
    """Text of a column's heading, not escaped, and which way is better, None for neither."""

    text: str
    higher_is_better: bool | None = None


@dataclass(frozen=True, slots=True)
class Grid:
    """One table before it is written in a format; the first column is text, the others numbers."""

    title: str
    headings: tuple[TextHeading, ...]
    rows: tuple[tuple[TextCell, ...], ...]
    notes: tuple[str, ...] = ()


def plain(text: str) -> str:
    """Return text on one line, with control and invisible characters written out."""
    return visible(" ".join(text.split()))


def terminal_table(grid: Grid) -> TableText:
    """Return a grid as plain text; arrows tell the direction, nothing is marked."""
    return TableText(
        plain(grid.title),
        tuple(plain(_headed(heading, "↑", "↓")) for heading in grid.headings),
        tuple(tuple(plain(cell.text) for cell in row) for row in grid.rows),
        tuple(plain(note) for note in grid.notes),
    )


def markdown_table(grid: Grid) -> str:
    """Return a grid as GitHub's Markdown: the best in bold, the second best underlined."""
    headings = [_headed(heading, "↑", "↓") for heading in grid.headings]
    lines = [
        f"**{escape_markdown(grid.title)}**",
        "",
        _piped(escape_markdown(heading) for heading in headings),
        _piped("---" if number == 0 else "---:" for number in range(len(headings))),
    ]
    lines += [_piped(_marked_markdown(cell) for cell in row) for row in grid.rows]
    notes = [f"- {escape_markdown(note)}" for note in grid.notes]
    return "\n".join([*lines, *(["", *notes] if notes else []), ""])


def latex_table(grid: Grid) -> str:
    """Return a grid as a LaTeX table (booktabs): the best in bold, the second best underlined."""
    headings = [
        _headed(
            TextHeading(escape_latex(h.text), h.higher_is_better), r"$\uparrow$", r"$\downarrow$"
        )
        for h in grid.headings
    ]
    notes = " ".join(f"{escape_latex(note)}." for note in grid.notes).replace("..", ".")
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(grid.title)}. {notes}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(headings) - 1)}}}",
            r"\toprule",
            " & ".join(headings) + r" \\",
            r"\midrule",
            *(" & ".join(_marked_latex(cell) for cell in row) + r" \\" for row in grid.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escape_markdown(text: str) -> str:
    """Return text that GitHub's Markdown shows as it is: no markup, HTML, link or cell border."""
    escaped = plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = re.sub(r"([\\`*_{}\[\]#|~!@$]|:(?=\S))", r"\\\1", escaped)
    return re.sub(r"(?i)\bwww\.", lambda match: match[0][:-1] + r"\.", escaped)


def escape_latex(text: str) -> str:
    """Return text that LaTeX sets as it is, without commands, math or ligatures."""
    escaped = "".join(_LATEX.get(character, character) for character in plain(text))
    apart = escaped.replace("--", "-{-}").replace("''", "'{}'")
    # after the end of a row a bracket or a star would be its argument
    return f"{{}}{apart}" if apart.startswith(("[", "*")) else apart


def escape_csv(text: str) -> str:
    """Return text that no spreadsheet takes for a formula; quoting is the writer's."""
    one_line = plain(text)
    return f"'{one_line}" if one_line.startswith(("=", "+", "-", "@")) else one_line


def drawn_width(table: TableText) -> int:
    """Return the columns of a terminal that a drawn table takes, borders among them."""
    lines = [table.columns, *table.rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(table.columns))]
    return sum(widths) + 3 * len(widths) + 1


def _headed(heading: TextHeading, up: str, down: str) -> str:
    if heading.higher_is_better is None:
        return heading.text
    return f"{heading.text} {up if heading.higher_is_better else down}"


def _piped(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _marked_markdown(cell: TextCell) -> str:
    text = cell.text if _NUMBERS.fullmatch(cell.text) else escape_markdown(cell.text)
    if cell.mark == "best":
        return f"**{text}**"
    return f"<ins>{text}</ins>" if cell.mark == "second" else text


def _marked_latex(cell: TextCell) -> str:
    text = escape_latex(cell.text).replace("±", r"$\pm$")
    if cell.mark == "best":
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if cell.mark == "second" else text


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun: `1 seed`, `3 seeds`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def few(items: Sequence[str], most: int = 3, separator: str = ", ") -> str:
    """Join the first items and state how many follow: `a, b and 3 more`."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return separator.join(items[:most]) + more
