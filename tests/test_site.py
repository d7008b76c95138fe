"""The site of the documentation: its navigation, its pages, and the tutorial as it runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

import zoo

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MADE = {"api.md", "api-modules.md", "tutorial.md"}
"""Pages that docs/site_hook.py makes of docstrings and of a notebook."""
NO_DOCS = "no MkDocs: pip install -e '.[docs]'"


def entries(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from entries(part)


def navigation() -> list[str]:
    return list(entries(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("mkdocs", reason=NO_DOCS)
    monkeypatch.syspath_prepend(str(DOCS))
    import site_hook

    return site_hook


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason=NO_DOCS)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_every_page_is_in_the_navigation_once() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    notebooks = {path.with_suffix(".md").name for path in DOCS.glob("*.ipynb")}
    listed = navigation()
    assert pages | notebooks <= set(listed)
    assert len(listed) == len(set(listed))
    elsewhere = set(listed) - pages - MADE
    assert [page for page in elsewhere if not (ROOT / page).is_file()] == []


def test_every_decision_is_listed() -> None:
    index = (DOCS / "decisions" / "README.md").read_text()
    titles = [
        (path.read_text().splitlines()[0].split(". ", 1)[1], path.name)
        for path in sorted((DOCS / "decisions").glob("0*.md"))
    ]
    assert re.findall(r"^\d+\. \[(.+)\]\((.+)\)$", index, re.MULTILINE) == titles


def test_links_are_followed_to_files_of_the_repository(hook: ModuleType) -> None:
    text = (
        "[a](bench.md#forms) [b](../examples/plksr) [c](../registry.yaml) [d](https://x.y/bench.md)"
    )
    assert hook._links(text, DOCS / "data.md") == [
        ("../examples/plksr", ROOT / "examples" / "plksr" / "README.md"),
        ("../registry.yaml", ROOT / "registry.yaml"),
        ("bench.md", DOCS / "bench.md"),
    ]
    assert hook._links("[outside](../../../etc/passwd) [gone](gone.md)", DOCS / "data.md") == []


@pytest.mark.parametrize(
    "loads",
    [
        '<script src="https://unpkg.com/mermaid.js"></script>',
        "<link rel=stylesheet href=https://fonts.example/css>",
        '<img alt="badge" src="//example.org/badge.svg">',
    ],
)
def test_a_page_that_loads_from_the_network_is_refused(hook: ModuleType, loads: str) -> None:
    from mkdocs.exceptions import PluginError

    page = SimpleNamespace(file=SimpleNamespace(src_uri="page.md"))
    link = '<a href="https://example.org">a link</a>'
    assert hook.on_post_page(link, page=page) == link
    with pytest.raises(PluginError, match=r"page\.md loads from the network"):
        hook.on_post_page(link + loads, page=page)


@pytest.mark.slow
def test_the_site_has_every_public_name_diagram_and_output(site: Path) -> None:
    reference = (site / "api.html").read_text()
    names = set(zoo.__all__) - {"__version__"}
    headings = re.findall(
        r'<h2 id="[\w.]+" class="doc doc-heading">(.*?)</h2>', reference, re.DOTALL
    )
    assert {found[1] for each in headings if (found := re.search(r"zoo\.(\w+)", each))} == names
    assert reference.count("Examples:") >= len(names)
    assert "Register the decorated generator class" in reference
    assert "<svg" in (site / "architecture.html").read_text()
    tutorial = (site / "tutorial.html").read_text()
    assert tutorial.count('src="data:image/png') == 3
    assert "<td>srresnet-nobn-compact</td>" in tutorial


@pytest.mark.slow
def test_pages_from_outside_docs_are_linked_and_found(site: Path) -> None:
    assert 'href="bench.html"' in (site / "index.html").read_text()
    assert (site / "images" / "demo.png").read_bytes() == (DOCS / "images/demo.png").read_bytes()
    assert (site / "registry.yaml").read_bytes() == (ROOT / "registry.yaml").read_bytes()
    assert (site / "benchmarks" / "results" / "sweep" / "report.html").is_file()
    index = json.loads((site / "search" / "search_index.json").read_text())
    assert {"tutorial.html", "api.html", "bench.html"} <= {
        each["location"] for each in index["docs"]
    }


def kinds(notebook: Any) -> list[list[list[str]]]:
    return [
        [sorted(output.get("data", {})) for output in cell["outputs"]]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


@pytest.mark.slow
def test_the_tutorial_runs_and_shows_what_it_is_shipped_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nbclient", reason=NO_DOCS)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    out, work = tmp_path / "out.ipynb", tmp_path / "work"
    work.mkdir()
    shipped = (DOCS / "tutorial.ipynb").read_text()
    command = [sys.executable, str(DOCS / "run_tutorial.py"), str(out)]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert kinds(json.loads(out.read_text())) == kinds(json.loads(shipped))
    assert len(shipped) < 200_000
    assert "stderr" not in shipped
