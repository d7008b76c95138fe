"""What MkDocs lacks: pages from outside docs/, an API reference, notebooks and diagrams.

Pages are written for GitHub: a link is relative to the file it is in. Here each link is followed to
the file in the repository. A Markdown file or notebook becomes a page of the site, any other file a
download, and the link is rewritten to lead there. A link to a folder leads to its README.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import griffe
import mmdr
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

from zoo.packages import homes

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
LINK = re.compile(r"(?<=\]\()[^)\s#:]+(?=[)#])")
DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MENTION = re.compile(r"`(zoo(?:\.\w+)+)(?:\(\))?`")
IMPORT = re.compile(r"^from (zoo\.[\w.]+) import ([\w, ]+)$", re.MULTILINE)
FETCHED = re.compile(r'<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)="?(?:https?:)?//[^>]*>')


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give headings the anchors that they have on GitHub."""
    config.mdx_configs["toc"]["slugify"] = slugify(case="lower")
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the API reference, the notebooks, and every file that a page links to."""
    texts: dict[Path, str] = {}
    waiting = [REPOSITORY / "README.md", *DOCS.rglob("*.md"), *DOCS.glob("*.ipynb")]
    while waiting:
        path = waiting.pop()
        if path not in texts:
            texts[path] = _markdown(path)
            waiting += [target for _, target in _links(texts[path], path)]
    for path in texts:
        _add(files, config, path)
    files.append(File.generated(config, "api.md", content=_public_names()))
    files.append(
        File.generated(config, "api-modules.md", content=_names_in_modules(texts.values()))
    )
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Let links lead to pages of the site, and draw diagrams written in Mermaid."""
    path = _path(page.file)
    for link, target in _links(markdown, path):
        uri = posixpath.relpath(_uri(target), posixpath.dirname(page.file.src_uri))
        markdown = re.sub(rf"(?<=\]\(){re.escape(link)}(?=[)#])", uri, markdown)
    return DIAGRAM.sub(_diagram, markdown)


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Refuse a page that would load something from the network."""
    if found := FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} loads from the network: {found[0]}")
    return output


def _markdown(path: Path) -> str:
    """Return a file as Markdown; what is neither Markdown nor a notebook has no text."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return "\n\n".join(part for cell in cells for part in _cell(cell))
    return path.read_text(encoding="utf-8") if path.suffix == ".md" else ""


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    """Yield a cell of a notebook as Markdown: its text or code, then its outputs."""
    source = "".join(cell["source"])
    yield source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```"
    for output in cell.get("outputs", ()):
        data = {kind: "".join(value) for kind, value in output.get("data", {}).items()}
        if "image/png" in data:
            yield f"![output](data:image/png;base64,{data['image/png'].strip()})"
        elif "text/html" in data:
            table = re.search(r"<thead>.*</tbody>", data["text/html"], re.DOTALL)
            yield f"<table>{table[0]}</table>" if table else data["text/html"]
        else:
            text = data.get("text/plain", "".join(output.get("text", ())))
            yield f"```text\n{text.rstrip()}\n```"


def _links(markdown: str, path: Path) -> list[tuple[str, Path]]:
    """Return the links of a file that lead to files of the repository, with their targets."""
    found = []
    for link in sorted({*LINK.findall(markdown)}):
        target = (path.parent / link).resolve()
        target = target / "README.md" if target.is_dir() else target
        if target.is_file() and target.is_relative_to(REPOSITORY):
            found.append((link, target))
    return found


def _uri(path: Path) -> str:
    """Return the path of a file in the site: below docs/ where it is there, else as it is."""
    inside = path.is_relative_to(DOCS)
    return path.relative_to(DOCS if inside else REPOSITORY).as_posix().replace(".ipynb", ".md")


def _path(file: File) -> Path:
    """Return the file of the repository that a page is made from."""
    uri = Path(file.src_uri)
    places = (DOCS / uri, (DOCS / uri).with_suffix(".ipynb"))
    return next((path for path in places if path.is_file()), REPOSITORY / uri)


def _add(files: Files, config: MkDocsConfig, path: Path) -> None:
    """Add a file of the repository to the site, unless MkDocs found it by itself."""
    uri = _uri(path)
    if files.get_file_from_path(uri) is not None:
        return
    if path.suffix == ".ipynb":
        files.append(File.generated(config, uri, content=_markdown(path)))
    else:
        files.append(File.generated(config, uri, abs_src_path=str(path)))


def _diagram(found: re.Match[str]) -> str:
    """Return a Mermaid diagram as SVG, so that no reader's browser has to fetch Mermaid."""
    svg = mmdr.render(found[1]).svg()
    return f'<div class="diagram">{svg}</div>'


def _public_names() -> str:
    """Return a page with each name of `zoo.__all__`, documented where it is defined."""
    parts = ["# Public names", "Import these from `zoo`; [a guide](python.md) shows them in use."]
    parts += [_entry(f"{home}.{name}", f"zoo.{name}", 2) for name, home in homes("zoo").items()]
    return "\n\n".join(parts)


def _names_in_modules(texts: Iterable[str]) -> str:
    """Return a page with each name in a module of zoo that the pages import or mention."""
    package = griffe.load("zoo", search_paths=[REPOSITORY])
    found = {
        name for text in texts for mention in _mentions(text) for name in _names(package, mention)
    }
    found -= {f"{home}.{name}" for name, home in homes("zoo").items()}
    modules = sorted({name.rpartition(".")[0] for name in found})
    parts = [
        "# Names in modules",
        "The names in modules of zoo that these pages import or mention.",
    ]
    for module in modules:
        parts.append(f"## `{module}`")
        own = sorted(name for name in found if name.rpartition(".")[0] == module)
        parts += [_entry(name, name.rpartition(".")[2], 3) for name in own]
    return "\n\n".join(parts)


def _mentions(text: str) -> Iterator[str]:
    """Yield the dotted names of zoo that a text imports, or has as code."""
    for module, names in IMPORT.findall(text):
        yield from (f"{module}.{name.strip()}" for name in names.split(","))
    yield from MENTION.findall(text)


def _names(package: griffe.Object | griffe.Alias, mention: str) -> list[str]:
    """Return the function or class that is mentioned, or all that a mentioned module exports."""
    try:
        found = package[mention.removeprefix("zoo.")]
    except KeyError:  # a group of entry points, a module of the past
        return []
    if found.is_module:
        return [f"{mention}.{name}" for name in map(str, found.exports or ())]
    return [mention] if mention.count(".") > 1 else []


def _entry(identifier: str, heading: str, level: int) -> str:
    return (
        f"::: {identifier}\n    options:\n      heading: {heading}\n"
        f"      toc_label: {heading}\n      heading_level: {level}"
    )
