"""The YAML at the head of a card, as the Hugging Face hub reads it.

Not here: the card below it (`zoo.exchange.cards`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import yaml

from zoo.exchange.results import SuiteResult
from zoo.models.details import Details
from zoo.text import plain

LIBRARY: Final = "zoo"
TASK: Final = "image-to-image"
_UNBROKEN: Final = 1_000_000
_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_WORDS = re.compile(r"cc0|[a-z]+|\d+(?:\.\d+)?")
_SPELLINGS: Final = {
    **dict.fromkeys(("license", "licence", "the", "version", "v", "gnu", "general", "public"), ""),
    **dict.fromkeys(("international", "software", "commons", "universal"), ""),
    "gplv": "gpl",
    "lgplv": "lgpl",
    "agplv": "agpl",
    "creative": "cc",
    "attribution": "by",
    "noncommercial": "nc",
    "sharealike": "sa",
    "noderivatives": "nd",
}
"""Words of licences' names, as the hub's identifiers have them."""
HUB_LICENCES: Final = frozenset(
    {
        *("afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd", "bsd-2-clause"),
        *("bsd-3-clause", "bsl-1.0", "cc", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0"),
        *("cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc-by-nc-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0"),
        *("cc0-1.0", "gpl", "gpl-2.0", "gpl-3.0", "isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "mit"),
        *("mpl-2.0", "odbl", "openrail", "pddl", "unlicense", "wtfpl", "zlib"),
    }
)
"""Licences that the hub knows by an identifier; any other is `other` with a name."""


def front_matter(details: Details, results: Sequence[SuiteResult]) -> str:
    """Return the YAML between its `---` lines; no value can end it or add a key."""
    content: dict[str, Any] = {
        "library_name": LIBRARY,
        "pipeline_tag": TASK,
        **_licence(details.licence),
        "tags": _tags(details),
    }
    datasets = _datasets(details)
    if datasets:
        content["datasets"] = datasets
    metrics = list(dict.fromkeys(score.key for result in results for score in result.scores))
    if metrics:
        content |= {"metrics": metrics, "model-index": [_index(details, results)]}
    text = yaml.safe_dump(
        content, sort_keys=False, allow_unicode=True, width=_UNBROKEN, default_flow_style=False
    )
    return f"---\n{text}---\n"


def _licence(licence: str | None) -> dict[str, str]:
    if licence is None:
        return {}
    identifier = hub_licence(licence)
    if identifier is not None:
        return {"license": identifier}
    name = re.sub(r"[^a-z0-9.]+", "-", licence.strip().casefold()).strip("-.")  # as the hub asks
    return {"license": "other", "license_name": name or "other"}


def hub_licence(text: str) -> str | None:
    """Return the hub's identifier of a licence as people write it; None where it has none.

    `MIT License`, `Apache 2`, `GPLv3`, `BSD 3-Clause` and `CC BY-NC-SA 4.0` are such spellings.
    """
    words = [_SPELLINGS.get(word, word) for word in _WORDS.findall(text.casefold())]
    identifier = "-".join(word for word in words if word)
    found = [name for name in (identifier, f"{identifier}.0") if name in HUB_LICENCES]
    return found[0] if found else None


def _tags(details: Details) -> list[str]:
    tags = ["super-resolution", f"x{details.scale}", plain(details.generator_name), details.origin]
    if details.training is not None:
        tags.append(plain(details.training.recipe))
    return list(dict.fromkeys(["zoo", *tags]))


def _datasets(details: Details) -> list[str]:
    """Return the training data if it has a name; a path on the author's machine is not a name."""
    if details.training is None or _DATASET.match(details.training.data) is None:
        return []
    return [details.training.data]


def _index(details: Details, results: Sequence[SuiteResult]) -> dict[str, Any]:
    found = []
    for result in results:
        for dataset in dict.fromkeys(score.dataset for score in result.scores):
            metrics = [
                {"type": score.key, "name": plain(score.label), "value": round(score.value, 6)}
                for score in result.scores
                if score.dataset == dataset
            ]
            name = f"{plain(dataset)} (suite {plain(result.suite)})"
            found.append(
                {
                    "task": {"type": TASK, "name": f"Super-resolution x{details.scale}"},
                    "dataset": {"type": plain(dataset), "name": name},
                    "metrics": metrics,
                }
            )
    return {"name": plain(details.name), "results": found}
