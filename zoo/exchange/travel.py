"""Removes paths of this machine from everything that is exported with a model.

Only the last part of an absolute path is kept, wherever it is: in a command, a setting, or an
error message. Not here: what is exported (`zoo.exchange.bundle`).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from typing import Any, Final

from zoo.data.paths import data_root, zoo_home
from zoo.exchange.usage import shown_command, shown_origin, shown_word
from zoo.models.details import Details

COMMAND: Final = "command"
DATA: Final = ("data", "source", "validation")
"""What names training images: by a name, or a folder, which is still seen to be one."""
_PATH: Final = re.compile(r"(?<![\w.:/~)\]-])~?/(?:[^\s/'\"`,;()|]+/)+([^\s/'\"`,;()|]*)")
"""A path of two parts or more; no address, no quotient such as `dB/step`."""


def without_folders(value: Any, key: str = "") -> Any:
    """Return JSON data with every absolute path in its texts cut to its last part.

    Args:
        value: text, number, list or mapping.
        key: what it is called: the words of a `command` are paths as a whole.
    """
    if isinstance(value, Mapping):
        return {name: without_folders(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        words = [shown_word(str(word)) for word in value] if key == COMMAND else value
        return [without_folders(item) for item in words]
    if not isinstance(value, str):
        return value
    if key == COMMAND:
        return shown_command(value)
    shown = _cut(shown_origin(value))
    return f"./{shown}" if key in DATA and value.startswith("/") else shown


def travelling(details: Details) -> Details:
    """Return what a model says of itself as it leaves the machine: without its folders."""
    return Details.model_validate(without_folders(details.model_dump(by_alias=True)))


def _cut(text: str) -> str:
    if "/" not in text:
        return text
    for folder in _folders():  # they may have spaces in them
        text = text.replace(f"{folder}/", "/./")
    return _PATH.sub(r"\1", text)


def _folders() -> list[str]:
    """Return folders of this machine that paths in messages begin with, the longest first."""
    places = [os.path.expanduser("~"), tempfile.gettempdir(), str(zoo_home()), str(data_root())]  # noqa: PTH111  does not fail without a home
    return sorted((place for place in places if len(place) > 1), key=len, reverse=True)
