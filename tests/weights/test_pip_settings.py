from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zoo.errors import MachineError
from zoo.weights.pip_settings import DEFAULT_TIMEOUT, IndexSettings, pip_settings


def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = tmp_path / "pip.conf"
    path.write_text(text)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))


def test_without_any_setting_the_defaults_of_pip_hold() -> None:
    assert pip_settings() == IndexSettings()
    assert IndexSettings().index_url == "https://pypi.org/simple"


def test_settings_come_from_the_configuration_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
        [global]
        index-url = https://user:p%40ss=word'@one.invalid/simple
        extra_index_url =
            https://two.invalid/simple
            https://three.invalid/simple
        find-links = /one/place ~/wheels
        cert = ~/all.pem
        client-cert = /own.pem
        proxy = http://proxy.invalid:3128
        trusted-host = one.invalid two.invalid:8443
        timeout = 7.5
        no-index = false
        [freeze]
        timeout = 1
    """
    configure(tmp_path, monkeypatch, text.replace("\n        ", "\n"))
    assert pip_settings() == IndexSettings(
        index_url="https://user:p%40ss=word'@one.invalid/simple",
        extra_index_urls=("https://two.invalid/simple", "https://three.invalid/simple"),
        find_links=("/one/place", "~/wheels"),
        cert=str(Path.home() / "all.pem"),
        client_cert="/own.pem",
        proxy="http://proxy.invalid:3128",
        trusted_hosts=("one.invalid", "two.invalid:8443"),
        timeout=7.5,
    )


def test_the_environment_goes_before_a_commands_section_before_all_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """
        [global]
        index-url = https://global.invalid
        cert = /global.pem
        find-links = /global
        proxy = http://global.invalid
        [install]
        index-url = https://install.invalid
        cert = /install.pem
        find-links = /install
        [download]
        index-url = https://download.invalid
        cert = /download.pem
    """
    configure(tmp_path, monkeypatch, text.replace("\n        ", "\n"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.invalid")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "42")
    monkeypatch.setenv("PIP_PROXY", "")  # as if it were not there
    told = pip_settings()
    assert told.index_url == "https://environment.invalid"
    assert told.cert == "/download.pem"
    assert told.find_links == ("/install",)
    assert told.proxy == "http://global.invalid"
    assert told.timeout == 42


@pytest.mark.parametrize(("value", "num_indexes"), [("1", 0), ("yes", 0), ("0", 2)])
def test_no_index_leaves_find_links_alone(
    monkeypatch: pytest.MonkeyPatch, value: str, num_indexes: int
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", value)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://extra.invalid")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    told = pip_settings()
    assert len([told.index_url, *told.extra_index_urls]) - (not told.index_url) == num_indexes
    assert told.find_links == ("/wheels",)


@pytest.mark.parametrize("value", ["-3", "nan", ""])
def test_a_timeout_that_is_none_is_the_default(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PIP_TIMEOUT", value)
    assert pip_settings().timeout == DEFAULT_TIMEOUT


def test_a_value_that_pip_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TIMEOUT", "soon")
    with pytest.raises(MachineError, match=r"correct this: .*soon"):
        pip_settings()


def test_without_pip_its_variables_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    monkeypatch.setattr(sys, "executable", str(bare / "bin" / "python"))
    configure(tmp_path, monkeypatch, "[global]\ncert = /not/read.pem\n")
    monkeypatch.setenv("PIP_INDEX_URL", "https://one.invalid/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://two.invalid\nhttps://three.invalid")
    assert pip_settings() == IndexSettings(
        index_url="https://one.invalid/simple",
        extra_index_urls=("https://two.invalid", "https://three.invalid"),
    )


def test_a_damaged_configuration_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configure(tmp_path, monkeypatch, "index-url = https://one.invalid\n")
    with pytest.raises(MachineError, match=r"pip cannot read its settings.*pip\.conf"):
        pip_settings()


def test_a_python_that_cannot_be_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(MachineError, match="cannot read the settings of pip"):
        pip_settings()


def test_pip_is_asked_whatever_the_folder_and_its_own_habits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('a pip of somebody else')\n")
    monkeypatch.chdir(tmp_path)
    configure(tmp_path, monkeypatch, "[global]\nquiet = 3\ncert = /all.pem\n")
    monkeypatch.setenv("PIP_QUIET", "3")
    assert pip_settings().cert == "/all.pem"
    monkeypatch.delenv("PIP_QUIET")
    monkeypatch.setenv("PIP_VERBOSE", "2")
    assert pip_settings().cert == "/all.pem"


def test_reading_settings_imports_neither_pip_nor_what_is_heavy() -> None:
    code = (
        "import sys, zoo.weights.index; zoo.weights.index.pip_settings();"
        "print([name for name in ('pip', 'torch', 'requests') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


def test_settings_do_not_show_passwords() -> None:
    url = "https://me:secret@one.invalid"
    shown = repr(IndexSettings(url, (url,), (url,), proxy=url))
    assert "secret" not in shown
