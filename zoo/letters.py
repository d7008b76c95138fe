"""Letters on their way out: none that acts on what shows it, none that an encoding cannot write.

Names and messages come from files of others. An escape code would colour a terminal or clear it; a
mark that turns the direction of writing would turn the line around it, on a page too.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

UNSEEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
"""Categories of Unicode that are not seen: controls, directions, private ones, half letters."""
STAND_INS = "zoo-stand-ins"
"""Name of the error handler that writes what an encoding has not by what it has."""
_SUSPECT = re.compile(r"[^\n\t\x20-\x7e]")
_WRITTEN_AS = {"±": "+/-", "↑": "^", "↓": "v", "…": "..."}


def visible(text: str) -> str:
    r"""Return text with control, direction and other unseen characters written out, as `\x1b`.

    Line ends and tabs stay as they are.
    """
    return _SUSPECT.sub(_written_out, text)


def on_one_line(text: str) -> str:
    """Return text as `visible` does, a space in the place of each line end."""
    return visible(" ".join(text.splitlines()))


def _written_out(found: re.Match[str]) -> str:
    letter = found[0]
    if unicodedata.category(letter) not in UNSEEN:
        return letter
    return letter.encode("unicode_escape").decode("ascii")


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    """Write letters that an encoding has not: a sign by its like in ASCII, another by its number.

    Raises:
        UnicodeError: the given one, if it is not one of writing.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    written = [
        _WRITTEN_AS.get(letter) or letter.encode("unicode_escape").decode("ascii")
        for letter in letters
    ]
    return "".join(written), error.end


codecs.register_error(STAND_INS, _stand_in)
