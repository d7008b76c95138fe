"""How hypothesis tries the program's input: the same examples in every run, however long each."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

REPEATABLE = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
