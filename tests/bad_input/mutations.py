"""Damaged and edited forms of JSON, YAML and JSONL files: each a pure function of a number."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import yaml

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 10**30, 10**400, 1e300, -1e300, 0.5, float("nan")),
    *("", "x", "'", '"', "a 'b", "\x00", "\x1b[31m", "\u202e", "../../x", "/etc/passwd", "1"),
    *(64 * "0", 300 * "n", [], {}, [[]], [None], {"": None}, [1, "a"], {"name": "rrdb"}),
)
TOKENS = (
    *(b"\x00", b"\xff\xfe", b"null", b"[", b"}", b",", b":", b'"', b"'", b"\n", b"-", b"1e999"),
    *(b"NaN", b"{"),
)
_DEEP = 100_000


def mutated(content: bytes, suffix: str, number: int) -> bytes:
    """Return another content for a file: one of its values changed, or its text."""
    chance = random.Random(f"{suffix} {number}")  # noqa: S311
    if chance.random() < 0.3:
        return _other_text(content, chance)
    if suffix == ".jsonl":
        lines = content.splitlines()
        index = chance.randrange(len(lines))
        lines[index] = _written(_other_value(json.loads(lines[index]), chance), ".json")
        return b"\n".join(lines) + b"\n"
    document = yaml.safe_load(content) if suffix == ".yaml" else json.loads(content)
    return _written(_other_value(document, chance), suffix)


def _written(document: Any, suffix: str) -> bytes:
    if suffix == ".yaml":
        return yaml.safe_dump(document, sort_keys=False).encode()
    return json.dumps(document).encode()


def _other_text(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    end = min(len(content), place + chance.randint(1, 40))
    flipped = bytes([content[place] ^ 1 << chance.randrange(8)])
    lines = content.splitlines(keepends=True)
    line = chance.randrange(len(lines))
    forms = [
        *(b"", b"[]", b"null", b"3", b'"a"', b"{}", b"\xef\xbb\xbf" + content, _DEEP * b"["),
        *(content[:place], content[place:], content[:place] + content[end:]),
        *(content[:place] + flipped + content[place + 1 :] for _ in range(4)),
        content[:place] + chance.choice(TOKENS) + content[place:],
        content[:place] + content[place:end] + content[place:],
        b"".join(lines[:line] + lines[line + 1 :]),
        b"".join([*lines[: line + 1], *lines[line:]]),
        b"".join(chance.sample(lines, len(lines))),
        content + content,
    ]
    return chance.choice(forms)


def _other_value(document: Any, chance: random.Random) -> Any:
    """Change one value of a document: to something odd or near, or take it away."""
    path = chance.choice(list(_paths(document)))
    if not path:
        return chance.choice(ODD)
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    key, value = path[-1], holder[path[-1]]
    kind = chance.choice(["odd", "odd", "near", "near", "gone", "more", "other"])
    if kind == "gone":
        del holder[key]
    elif kind == "near":
        holder[key] = _near(value, chance)
    elif kind == "more" and isinstance(holder, dict):
        holder[chance.choice(["extra", "", "weight", "seed"])] = chance.choice(ODD)
    elif kind == "more":
        holder.insert(key, chance.choice([*ODD, value]))
    elif kind == "other":  # the value of another place
        found = document
        for step in chance.choice(list(_paths(document))):
            found = found[step]
        holder[key] = json.loads(json.dumps(found))
    else:
        holder[key] = chance.choice(ODD)
    return document


def _near(value: Any, chance: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return chance.choice([value + 1, value * 1.1, -value, value / 2])
    if isinstance(value, str):
        return chance.choice([value + "x", value[:-1], value.upper(), value[::-1]])
    return [value]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value in a document, its own first."""
    yield path
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, item in inner:
        yield from _paths(item, (*path, key))
