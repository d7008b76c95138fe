"""A strict YAML reader that remembers the line of every key.

The subset is the YAML 1.2 core schema without its pitfalls: `1e-4` is a number, `off` is a string,
and duplicate keys, anchors, aliases, merge keys and tags are errors. A registry is data: nothing in
it can run code, and reading takes linear time in a bounded size.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from zoo.errors import RecipeError
from zoo.files import read_text
from zoo.recipes.problems import KeyPath, Place, Problem, display_path

MAX_BYTES = 256_000
MAX_DEPTH = 16
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(slots=True)
class Document:
    """A parsed file: plain data, the place of every key path, and the problems found."""

    file: str
    data: Any = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> Place:
        """Return the place of `path`, or of its nearest ancestor that was written."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.file, 1))

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Return what is wrong at `path`."""
        return Problem(self.place(path), path, message)


class _Plain:
    """A PyYAML loader for plain data only.

    It refuses everything else: the line is recorded, and null takes its place.
    """

    depth = 0

    def __init__(self, text: str) -> None:
        super().__init__(text)  # type: ignore[call-arg]
        self.refused: list[tuple[int, str]] = []

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose one node; refuses aliases, anchors, tags and deep nesting."""
        event = self.peek_event()  # type: ignore[attr-defined]
        mark = event.start_mark
        tag = getattr(event, "tag", None)
        if self.depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(None, None, f"more than {MAX_DEPTH} levels deep", mark)
        if event.anchor is not None:
            message = "anchors and aliases are not allowed here; repeat the text, or use `extends`"
            self.refused.append((mark.line + 1, message))
        elif tag is not None:
            self.refused.append((mark.line + 1, f"tag {tag!r} is not allowed: a registry is data"))
        null = yaml.ScalarNode("", "", mark, mark)
        if isinstance(event, yaml.AliasEvent):
            self.get_event()  # type: ignore[attr-defined]
            return null
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[misc]
        self.depth -= 1
        return node if tag is None else null


class _PlainLoader(_Plain, yaml.SafeLoader):
    """With PyYAML's types."""


class _Loader(_PlainLoader):
    """Without implicit types: `parse_scalar` reads scalars."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  the name is PyYAML's


if yaml.__with_libyaml__:

    class _FastLoader(_Plain, yaml.composer.Composer, yaml.CSafeLoader):
        """The same on libyaml's parser, which is several times as fast."""

        yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers

        def __init__(self, text: str) -> None:
            yaml.composer.Composer.__init__(self)
            yaml.CSafeLoader.__init__(self, text)
            self.refused = []


def read_dumped(path: Path) -> Any:
    """Read a file that `yaml.safe_dump` wrote, with PyYAML's types.

    Raises:
        RecipeError: for any other file: too large or too deep, with anchors, aliases or tags.
        OSError: if it cannot be read.
    """
    text = read_text(path, MAX_BYTES)
    try:
        loader = _PlainLoader(text)
        node = loader.get_single_node()
        data = None if node is None or loader.refused else loader.construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise RecipeError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if loader.refused:
        line, what = loader.refused[0]
        raise RecipeError(f"{path}:{line}: {what}")
    return data


def read_document(path: Path) -> Document:
    """Read a registry file.

    Raises:
        RecipeError: if the file is missing, too large, not text, or not YAML at all.
    """
    name = display_path(path)
    try:
        text = read_text(path, MAX_BYTES)
    except OSError as error:
        raise RecipeError(f"cannot read the registry {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{name} is not UTF-8 text (byte {error.start})") from error
    return parse_document(text, name)


def parse_document(text: str, file: str) -> Document:
    """Parse YAML text; mistakes that leave the rest readable are collected in `problems`.

    Raises:
        RecipeError: if the text is not YAML, or uses features that a registry does not need; the
            message has the line.
    """
    document = Document(file)
    try:
        loader, node = _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        raise RecipeError(f"{where}: not YAML: {error.problem or error.context}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise RecipeError(f"{file}:{line}: not text: character {error.character!r}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF"
        raise RecipeError(f"{file}: not YAML: {error}") from error
    document.problems += [Problem(Place(file, line), (), what) for line, what in loader.refused]
    if node is not None:
        document.data = _Builder(document).build(node, ())
    return document


def _compose(text: str) -> tuple[_Plain, yaml.Node | None]:
    """Return the loader and the root node of a text, None if there is no node."""
    if yaml.__with_libyaml__ and "\t" not in text:  # libyaml takes tabs that YAML forbids
        try:
            fast = _FastLoader(text)
            return fast, fast.get_single_node()
        except (yaml.YAMLError, ValueError, OverflowError):
            pass  # PyYAML's own parser knows the line of every error
    loader = _Loader(text)
    return loader, loader.get_single_node()


def parse_scalar(text: str) -> Any:
    """Read a plain scalar: integer, number, true, false, null, or else the string itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


class _Builder:
    """Turns YAML nodes into plain data, noting places and problems as it goes."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        place = Place(self.document.file, node.start_mark.line + 1)
        self.document.places.setdefault(path, place)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, place, path)

    def _scalar(self, node: yaml.Node, place: Place, path: KeyPath) -> Any:
        quoted = getattr(node, "style", None)
        value = str(node.value) if quoted else parse_scalar(str(node.value))
        if isinstance(value, float) and not math.isfinite(value):
            self._problem(place, path, "the number is too large")
            return None
        if isinstance(value, str) and not _is_unicode(value):
            self._problem(place, path, f"{value!r} is not Unicode text")
            return None
        return value

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = Place(self.document.file, key_node.start_mark.line + 1)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.value == "<<":
                self._problem(place, path, "a key must be a plain scalar")
                continue
            key = str(key_node.value)
            if key in result:
                first = self.document.places[*path, key]
                self._problem(
                    place, (*path, key), f"duplicate key {key!r}, first used in line {first.line}"
                )
                continue
            self.document.places[*path, key] = place
            result[key] = self.build(value_node, (*path, key))
        return result

    def _problem(self, place: Place, path: KeyPath, message: str) -> None:
        self.document.problems.append(Problem(place, path, message))


def _is_unicode(text: str) -> bool:
    """Return whether text can be written in UTF-8; an escape may make half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
