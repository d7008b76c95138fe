"""Scoring: generators on suites, each result a record (internal). Imports nothing of training.

The package can be called: `zoo.bench("srresnet", profile="demo")` is `zoo.sweep.api.bench`.
"""

from __future__ import annotations

from typing import Final

from zoo.packages import make_callable

DEFAULT_SUITE: Final = "samples-x4"
"""The suite where none is named."""

make_callable(__name__, "zoo.sweep.api:bench")
