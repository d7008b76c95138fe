from __future__ import annotations

import importlib.metadata

import pytest

from zoo.runs import provenance
from zoo.runs.provenance import versions


def test_a_checkout_that_is_not_installed_has_versions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.metadata.version

    def version(package: str) -> str:
        if package == "srgan-zoo":
            raise importlib.metadata.PackageNotFoundError(package)
        return known(package)

    monkeypatch.setattr(provenance, "version", version)
    monkeypatch.setattr(provenance, "package_version", provenance.package_version.__wrapped__)
    found = versions()
    assert found["srgan-zoo"] == "not installed"
    assert found["timm"] == known("timm")
