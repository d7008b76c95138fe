"""Names of new components: what is made of them, and which are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from zoo.errors import PluginError
from zoo.scaffold.names import MAX_NAME, check_importable, names_of


def test_one_name_makes_all_the_others() -> None:
    names = names_of("my-net2")
    assert (names.component, names.module, names.class_name) == ("my-net2", "my_net2", "MyNet2")
    assert (names.distribution, names.package) == ("zoo-my-net2", "zoo_my_net2")


@pytest.mark.parametrize(
    "name", ["", "MyNet", "my_net", "my--net", "-net", "net-", "my net", "../net", "né", "my-net\n"]
)
def test_names_are_kebab_case(name: str) -> None:
    with pytest.raises(PluginError, match="kebab case"):
        names_of(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("class", "keyword of Python"),
        ("none", "keyword of Python"),
        ("3d-net", "start with a digit"),
        ("exception", "hide Python's own"),
        ("test-net", "pytest would collect"),
        ("conftest", "pytest would collect"),
        ("n" * (MAX_NAME + 1), f"the limit is {MAX_NAME}"),
    ],
)
def test_names_that_python_or_pytest_would_trip_over_are_refused(name: str, why: str) -> None:
    with pytest.raises(PluginError, match=why):
        names_of(name)


@pytest.mark.parametrize("module", ["torch", "zoo", "pytest"])
def test_a_module_that_is_installed_is_refused_with_its_place(module: str, tmp_path: Path) -> None:
    place = re.escape(f"/{module}/__init__.py")
    with pytest.raises(PluginError, match=f"{module!r} is already installed .*{place}"):
        check_importable(module, tmp_path)


def test_a_module_of_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="Python has a module 'random'"):
        check_importable("random", tmp_path)


def test_a_new_module_is_free(tmp_path: Path) -> None:
    check_importable("a_net_of_nobody", tmp_path)


def test_the_plugin_itself_is_not_in_its_own_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_net_of_nobody.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    check_importable("a_net_of_nobody", tmp_path)
    with pytest.raises(PluginError, match="already installed"):
        check_importable("a_net_of_nobody", tmp_path / "elsewhere")
