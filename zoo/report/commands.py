"""Commands on the page: separate from prose, with a copy button, broken only between options.

Not here: which commands make a page again (`zoo.report.reproduce`).
"""

from __future__ import annotations

import shlex

from zoo.report.model import Told
from zoo.runs.commands import words_of


def told(text: str, command: str) -> Told:
    """Take the command that a text ends with out of it; what follows it are further options."""
    before, found, after = text.partition(command) if command else (text, "", "")
    return Told(f"{before.rstrip(' :')}.", f"{found}{after}".rstrip(".")) if found else Told(text)


def pieces(line: str) -> list[str]:
    """Return what of a line of a command stays together: a word, or an option with its value."""
    found: list[str] = []
    for word in words_of(line):
        is_value = bool(found) and found[-1].startswith("--") and " " not in found[-1]
        if is_value and not word.startswith("-"):
            found[-1] += f" {shlex.quote(word)}"
        else:
            found.append(shlex.quote(word))
    return found or [line]
