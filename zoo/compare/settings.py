"""Settings in which runs differ, as columns of a table: the value of every row, set or not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.compare.comparisons import Row


def setting_columns(rows: Sequence[Row]) -> dict[str, list[str | None]]:
    """Return the settings that were set beside a recipe and profile in any row.

    Args:
        rows: of any targets.

    Returns:
        By path, such as `generator.num_blocks`, one value a row: as it was set, otherwise what its
        recipe and profile say; None where a row has no such setting.
    """
    given = [dict(one.partition("=")[::2] for one in row.variant) for row in rows]
    paths = dict.fromkeys(path for settings in given for path in settings)
    return {
        path: [
            settings.get(path, _resolved(row.spec, path))
            for settings, row in zip(given, rows, strict=True)
        ]
        for path in paths
    }


def _resolved(spec: Mapping[str, Any] | None, path: str) -> str | None:
    """Return a setting's value in a specification, of a pretraining for `pretraining.PATH`."""
    if spec is None:
        return None
    head, _, rest = path.partition(".")
    if head == "pretraining":
        return _resolved(spec.get("pretraining"), rest)
    value: Any = spec.get("settings")
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value if isinstance(value, str) else json.dumps(value)
