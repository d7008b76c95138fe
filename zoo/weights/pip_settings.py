"""The settings of pip that a download must follow.

zoo asks pip only for its settings. `zoo.weights.index` uses them.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from zoo.errors import MachineError
from zoo.files import from_home

DEFAULT_INDEX = "https://pypi.org/simple"  # pip's own default, as is the timeout
DEFAULT_TIMEOUT = 15.0
_SECTIONS = ("global", "install", "download", ":env:")  # of pip's settings; the last one wins
_ALIASES = {"default-timeout": "timeout", "pypi-url": "index-url"}


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Where and how pip looks for files; `repr` leaves out what may have a password in it."""

    index_url: str | None = field(default=DEFAULT_INDEX, repr=False)  # None: ask no index
    extra_index_urls: tuple[str, ...] = field(default=(), repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)  # folders, pages, files
    cert: str | None = None  # certificates to trust; None: those of requests
    client_cert: str | None = None  # this machine's certificate and its key
    proxy: str | None = field(default=None, repr=False)  # None: what the environment says
    trusted_hosts: tuple[str, ...] = ()  # `host` or `host:port`, whose certificates go unchecked
    timeout: float = DEFAULT_TIMEOUT  # seconds that a server may be silent


def pip_settings() -> IndexSettings:
    """Return pip's settings for this Python; without a pip, what `PIP_*` variables say.

    Raises:
        MachineError: if pip cannot tell them, as when one of its configuration files is damaged.
    """
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for key, value in _configured():
        section, _, name = key.partition(".")
        if value and section in sections:  # pip ignores empty values, too
            sections[section][_ALIASES.get(name, name)] = value
    options = {name: value for section in _SECTIONS for name, value in sections[section].items()}
    for name in {"cert", "client-cert"} & options.keys():
        options[name] = str(from_home(options[name]))
    no_index = options.get("no-index", "").lower() in ("y", "yes", "t", "true", "on", "1")
    seconds = re.fullmatch(r"\d+(\.\d*)?", options.get("timeout", ""))
    return IndexSettings(
        index_url=None if no_index else options.get("index-url", DEFAULT_INDEX),
        extra_index_urls=() if no_index else tuple(options.get("extra-index-url", "").split()),
        find_links=tuple(options.get("find-links", "").split()),
        cert=options.get("cert"),
        client_cert=options.get("client-cert"),
        proxy=options.get("proxy"),
        trusted_hosts=tuple(options.get("trusted-host", "").split()),
        timeout=max(float(seconds[0]), 0.1) if seconds else DEFAULT_TIMEOUT,
    )


def _configured() -> Iterator[tuple[str, str]]:
    """Yield pip's settings as it lists them, such as `global.cert` and `/etc/ssl/all.pem`."""
    # Not a module `pip` of the current folder; and `quiet` would hide what is asked for.
    quirks = {"PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8", "PIP_QUIET": "0"}
    options: dict[str, Any] = {"encoding": "utf-8", "errors": "replace", "timeout": 60}
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        told = subprocess.run(  # noqa: S603
            command, capture_output=True, check=False, env=os.environ | quirks, **options
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"cannot read the settings of pip: {error}") from error
    if "No module named pip" in told.stderr:
        named = (item for item in os.environ.items() if item[0].startswith("PIP_"))
        yield from ((f":env:.{name[4:].lower().replace('_', '-')}", value) for name, value in named)
    elif told.returncode:
        words = masked(told.stderr or told.stdout)
        raise MachineError(f"pip cannot read its settings; correct this: {words}")
    for line in told.stdout.splitlines() if not told.returncode else ():
        key, _, literal = line.partition("=")
        with contextlib.suppress(ValueError, SyntaxError):  # a line that is no setting
            yield key, str(ast.literal_eval(literal))


def masked(text: str) -> str:
    """Return a text in one line, and without the logins of its addresses."""
    return re.sub(r"//[^/\s]*@", "//****@", " ".join(text.split()))
