"""Training: from a run's specification to a trained generator in a run directory.

The package can be called: `zoo.train("srresnet", profile="smoke")` is `zoo.train.api.train`.
"""

from __future__ import annotations

from zoo.packages import make_callable

make_callable(__name__, "zoo.train.api:train")
