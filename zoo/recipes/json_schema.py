"""The JSON schema of a registry file, for completion and checks in editors.

`python -m zoo.recipes.json_schema` writes it to `docs/registry.schema.json` of a clone. A file
refers to it in its first line: `# yaml-language-server: $schema=<path or URL>`. The schema knows
structure and types; only `zoo` knows names and the arguments of components.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import zoo
from zoo.recipes.registry_schema import RegistryFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PUBLISHED = Path(zoo.__file__).parent.parent / "docs" / "registry.schema.json"


def registry_schema() -> dict[str, Any]:
    """Return the JSON schema of a registry file."""
    schema = RegistryFile.model_json_schema()
    return {"$schema": DIALECT, "title": "zoo registry", **_tidy(schema)}


def schema_text() -> str:
    """Return the JSON schema as the published file holds it."""
    return json.dumps(registry_schema(), indent=2) + "\n"


def _tidy(node: Any, *, names: bool = False) -> Any:
    """Remove repetitions, titles and null defaults, and forbid other keys in mappings by name.

    Args:
        node: a part of pydantic's schema.
        names: whether the keys are names chosen by an author, not keywords of JSON schema.
    """
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy = {
        key: _tidy(item, names=key in ("properties", "$defs", "patternProperties"))
        for key, item in node.items()
        if names or not (key == "title" or (key == "default" and item is None))
    }
    if "patternProperties" in tidy and not names:
        tidy["additionalProperties"] = False
    return tidy


if __name__ == "__main__":
    PUBLISHED.write_text(schema_text(), encoding="utf-8")
