"""Scoring: generators on suites, each result a record. Imports nothing of training.

The package can be called: `zoo.bench("srresnet", profile="demo")` is `zoo.sweep.api.bench`.

Internal.
"""

from __future__ import annotations

from zoo.packages import make_callable

make_callable(__name__, "zoo.sweep.api:bench")
