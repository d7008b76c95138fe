"""The house rules, read from the source itself: layers, sizes, names, imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

from zoo.recipes.book import load_book
from zoo.registry import REGISTRIES

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*sorted((ROOT / "zoo").rglob("*.py")), *ROOT.glob("cli.py")]
BENCHMARKS = sorted((ROOT / "benchmarks").rglob("*.py"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}

LAYERS = [
    {"errors"},
    {"files", "letters", "packages", "signals", "streams", "text"},
    {"registry", "plugins", "fingerprints", "components"},
    {"apart"},
    {"generators", "discriminators", "adversaries", "losses", "metrics", "degradations"}
    | {"data", "weights", "features"},
    {"recipes"},
    {"runs", "records"},
    {"models", "compare", "cost"},
    {"train", "bench", "upscaling"},
    {"sweep", "report", "testing", "exchange", "scaffold", "tracking"},
    {"api", "doctor", "pretrained"},
    {"commands", "cli", "__main__"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
STRANGERS = [("train", "bench"), ("bench", "train"), ("report", "train")]
"""Pairs of which the first never imports the second, whatever their layers."""

ORDINARY_WORDS = {"none", "bicubic", "mse", "l1", "perceptual", "blur", "noise", "jpeg", "chain"}
"""Names of components that are also values of arguments: a norm, an interpolation, a distance, a
panel of metrics."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def part_of(path: Path) -> str:
    """Return the room of the house that a file is in: `zoo/recipes/book.py` is in `recipes`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "zoo" and len(parts) > 1 else parts[0]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def of_every_file(
    rule: Callable[[Path], None], files: Sequence[Path] = SOURCES
) -> Callable[[], None]:
    """Make one test of a rule: it names each file that breaks it."""

    def test() -> None:
        broken = []
        for path in files:
            try:
                rule(path)
            except AssertionError as error:
                broken.append(f"{name_of(path)}: {error}")
        assert not broken, "\n".join(broken)

    test.__doc__ = rule.__doc__
    return test


in_benchmarks_too = partial(of_every_file, files=[*SOURCES, *BENCHMARKS])


@in_benchmarks_too
def test_files_are_short_and_named_for_what_they_hold(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    assert path.stem not in VAGUE_NAMES
    assert path.stem == path.stem.lower()
    assert ast.get_docstring(tree_of(path)), "a module says what lives in it"


@in_benchmarks_too
def test_functions_fit_a_screen(path: Path) -> None:
    long = [
        f"{node.name} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


@of_every_file
def test_library_code_neither_asserts_nor_prints(path: Path) -> None:
    bad = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Assert) and part_of(path) != "testing":
            bad.append(f"line {node.lineno}: assert")
        is_print = isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print"
        if is_print and part_of(path) != "commands":
            bad.append(f"line {node.lineno}: print")
        if isinstance(node, ast.ExceptHandler) and _is_silent(node):
            bad.append(f"line {node.lineno}: an exception is swallowed")
    assert bad == []


@of_every_file
def test_one_door_opens_what_is_read(path: Path) -> None:
    """`zoo.files` waits for no pipe, reads no device and takes no file that fills the memory."""
    if name_of(path) in ("zoo/files.py", "zoo/__init__.py"):  # the latter imports nothing of zoo
        return
    opened = [
        f"line {node.lineno}: open it by zoo.files"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call) and _reads_by_itself(node)
    ]
    assert opened == []


def _reads_by_itself(call: ast.Call) -> bool:
    """Tell whether a call is `path.read_text()`, `path.read_bytes()` or an `open` for reading."""
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "read_bytes"):
        return True
    if isinstance(call.func, ast.Name) and call.func.id == "open":
        return True
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "open") or call.keywords:
        return False
    modes = [each.value for each in call.args if isinstance(each, ast.Constant)]
    return not call.args or any(str(mode).startswith("r") for mode in modes)


def _is_silent(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler takes any exception and does nothing about it."""
    broad = handler.type is None or getattr(handler.type, "id", None) in (
        "Exception",
        "BaseException",
    )
    return broad and all(isinstance(step, ast.Pass | ast.Continue) for step in handler.body)


class _Imports(ast.NodeVisitor):
    """Collects the modules of zoo that a file imports at run time, in functions too."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []

    def visit_If(self, node: ast.If) -> None:
        names = {getattr(part, "id", getattr(part, "attr", None)) for part in ast.walk(node.test)}
        for child in node.orelse if "TYPE_CHECKING" in names else [*node.body, *node.orelse]:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [(node.lineno, alias.name) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module == "zoo":
            self.found += [(node.lineno, f"zoo.{alias.name}") for alias in node.names]
        else:
            self.found.append((node.lineno, node.module or "."))


def imported_parts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and part for each import of another part of zoo."""
    visitor = _Imports()
    visitor.visit(tree_of(path))
    for line, module in visitor.found:
        parts = module.split(".")
        if parts[0] == "zoo" and len(parts) > 1 and parts[1] != part_of(path):
            yield line, parts[1]


@of_every_file
def test_imports_go_down(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        parts = {other for _, other in imported_parts(path)}
        assert parts == {"packages"}, "`import zoo` imports nothing else of zoo by itself"
        return
    assert part in RANK, f"{part} is in no layer: say in LAYERS where it stands"
    wrong = [
        f"line {line}: {part} imports {other}"
        for line, other in imported_parts(path)
        if RANK[other] > RANK[part] or (part, other) in STRANGERS
    ]
    assert wrong == []


def test_parts_of_one_layer_import_each_other_in_one_direction() -> None:
    pairs = {(part_of(path), other) for path in SOURCES for _, other in imported_parts(path)}
    # the registry asks for entry points inside a function, on first use
    mutual = {pair for pair in pairs if pair[::-1] in pairs} - {
        ("registry", "plugins"),
        ("plugins", "registry"),
    }
    assert mutual == set()


FILLED = {
    "zoo/models/model.py": "generators",
    "zoo/train/trainer.py": "all parts of a training, from its checkpoint",
    "zoo/features/network.py": "feature networks",
    "zoo/exchange/spandrel.py": "networks of another library",
    "zoo/testing/networks.py": "a contract",
}
"""Files that put weights into networks, and into which."""
BUILT = {
    "zoo/recipes/build.py": "what a run starts from",
    "zoo/models/model.py": "what has weights",
    "zoo/bench/candidates.py": "baselines, which have none",
    "zoo/models/partial.py": "what shows where an upsampler begins",
}
"""Files that build generators, and for what."""


def test_weights_become_a_network_by_one_door() -> None:
    """`zoo.models.model` fills generators; nobody else builds one to fill it."""
    calls: dict[str, set[str]] = {"load_state_dict": set(), "build_generator": set()}
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                calls.get(called, set()).add(name_of(path))
    assert calls["load_state_dict"] == FILLED.keys()
    assert calls["build_generator"] == BUILT.keys()


def logic_strings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and text of each string that is no docstring, annotation or register name."""
    tree = tree_of(path)
    exempt: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            exempt.add(id(node.value))  # docstrings, and those below constants
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None:
                exempt.update(id(part) for part in ast.walk(annotation))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in exempt
        ):
            yield node.lineno, node.value


MEASURING = {"metrics", "features", "bench", "compare", "report"}
"""Parts that name metrics, some of which are called as a loss is."""


@cache
def component_names() -> dict[str, str]:
    """Return each component's name and the part of zoo it lives in."""
    return {
        name: kind
        for kind, registry in REGISTRIES.items()
        if kind != "metrics"  # columns of every table, and named in the protocol
        for name in registry.names()
        if name not in ORDINARY_WORDS
    }


@of_every_file
def test_no_component_is_named_in_logic_outside_its_own_part(path: Path) -> None:
    """A component's name belongs to its folder and to the catalogue of weights."""
    homes = component_names()
    part = part_of(path)
    measured = REGISTRIES["metrics"].names() if part in MEASURING else []
    named = [
        f"line {line}: {text!r}"
        for line, text in logic_strings(path)
        if text in homes and part not in (homes[text], "weights") and text not in measured
    ]
    assert named == []


@cache
def recipe_names() -> re.Pattern[str]:
    """Return what finds a recipe's name as a word of its own."""
    recipes = sorted(load_book().recipes.keys() - component_names().keys() - ORDINARY_WORDS)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, recipes))})(?![\w-])")


@of_every_file
def test_no_recipe_is_named_in_logic(path: Path) -> None:
    """Delete `esrgan` everywhere but in registry.yaml, tests and docs, and nothing breaks.

    Examples in a command's help are documentation.
    """
    named = [
        f"line {line}: {text!r}"
        for line, text in logic_strings(path)
        if recipe_names().search(text) and not (part_of(path) == "commands" and " " in text)
    ]
    assert named == []


def test_every_module_has_tests_where_one_looks_for_them() -> None:
    """A like-named test module, or a line in tests/README.md; never both."""
    text = (ROOT / "tests" / "README.md").read_text()
    lines = re.findall(r"^\| ((?:`[\w/]+`(?:, )?)+) \| `([\w/]+)` \|$", text, re.MULTILINE)
    elsewhere = {
        module: test for modules, test in lines for module in re.findall(r"`(.*?)`", modules)
    }
    missing = [test for test in elsewhere.values() if not (ROOT / f"tests/{test}.py").is_file()]
    assert missing == []
    untested = set()
    for path in SOURCES:
        if path.stem not in ("__init__", "__main__", "cli"):
            module = path.relative_to(ROOT / "zoo").with_suffix("")
            like_named = ROOT / "tests" / module.parent / f"test_{module.name.strip('_')}.py"
            untested |= set() if like_named.is_file() else {module.as_posix()}
    assert untested == elsewhere.keys()
