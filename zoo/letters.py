"""Makes text safe to print: no control characters, nothing that an encoding cannot represent.

Names and messages come from other people's files. An escape code could colour or clear a terminal;
a character that changes the writing direction could reverse the rest of a line or page.
"""

from __future__ import annotations

import codecs
import re
import unicodedata

UNSEEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
"""Unicode categories of invisible characters: controls, directions, private use, surrogates."""
STAND_INS = "zoo-stand-ins"
"""Name of the error handler that replaces characters that an encoding lacks."""
_SUSPECT = re.compile(r"[^\n\t\x20-\x7e]")
_WRITTEN_AS = {"±": "+/-", "↑": "^", "↓": "v", "…": "..."}


def visible(text: str) -> str:
    r"""Return text with control, direction and other invisible characters written as `\x1b`.

    Line ends and tabs are kept.
    """
    return _SUSPECT.sub(_written_out, text)


def on_one_line(text: str) -> str:
    """Return text as `visible` does, with spaces instead of line ends."""
    return visible(" ".join(text.splitlines()))


def _written_out(found: re.Match[str]) -> str:
    letter = found[0]
    if unicodedata.category(letter) not in UNSEEN:
        return letter
    return letter.encode("unicode_escape").decode("ascii")


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that an encoding lacks by similar ASCII ones or by their number.

    Raises:
        UnicodeError: the given one, if it is not an encoding error.
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
