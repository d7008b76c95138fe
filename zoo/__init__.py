"""A plugin-based benchmark and model zoo for single-image super-resolution GANs.

These names are all that a plugin, a script or a notebook needs: `zoo.list`, `zoo.create`,
`zoo.load`, `zoo.train`, `zoo.bench`, `zoo.upscale`, and the base classes and decorators of
components. `__init__.pyi` lists them. Each is imported on first use: `import zoo` alone imports
neither torch nor a component.
"""

from __future__ import annotations

from typing import Any

from zoo.packages import lazy_names

_getattr, __dir__, __all__ = lazy_names(__name__)
__all__ += ["__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    return _version() if name == "__version__" else _getattr(name)


def _version() -> str:
    """Return the installed version, or that of the clone from which zoo is imported."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("srgan-zoo")
    except PackageNotFoundError:
        return _checkout_version()


def _checkout_version() -> str:
    import tomllib
    from pathlib import Path

    project = Path(__file__).parent.parent / "pyproject.toml"
    with project.open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])
