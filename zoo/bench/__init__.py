"""Scoring: the quality and the cost of a generator. Does not import training.

The package can be called: `zoo.bench("srresnet", profile="demo")` is `zoo.bench.api.bench`.
"""

from __future__ import annotations

from zoo.packages import make_callable

make_callable(__name__, "zoo.bench.api:bench")
