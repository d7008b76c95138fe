"""What users get wrong: each mistake is one paragraph that helps, an exit code, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Zoo = Callable[..., Result]

SMOKE = ("--profile", "smoke")
SRRESNET = ("show", "srresnet", *SMOKE)
USAGE = [
    (("trian",), "Did you mean 'train'"),
    (("train",), "RECIPE"),
    (("train", "srresnet", "--sed", "1"), "--seed"),
    (("train", "srresnet", "--seed", "-1"), "greater than or equal to 0"),
    (("train", "srresnet", "--seed", "one"), "--seed"),
    (("show", "generator", "rrdb", "too"), "too"),
]
MISTAKES = [
    (("list", "recipies"), "did you mean 'recipes'"),
    (("show", "esrgn"), "did you mean 'esrgan'"),
    (("show", "generator", "rrbd"), "did you mean 'rrdb'"),
    (("show", "profile", "dmo"), "did you mean 'demo'"),
    (("show", "metric", "pnsr-y"), "did you mean 'psnr-y'"),
    (("train", "esrgan-wgnagp", *SMOKE), "did you mean 'esrgan-wgangp'"),
    (("train", "srresnet", "--profile", "smok"), "did you mean 'smoke'"),
    ((*SRRESNET, "--set", "training.step=5"), "did you mean 'steps'"),
    ((*SRRESNET, "--set", "training.learning_rate=fast"), "'fast' should be a number"),
    ((*SRRESNET, "--set", "training.steps"), "write path=value"),
    ((*SRRESNET, "--set", "generator.num_block=3"), "did you mean 'num_blocks'"),
    ((*SRRESNET, "--set", "generator.norm=bacth"), "did you mean 'batch'"),
    ((*SRRESNET, "--set", "generator=rrbd"), "did you mean 'rrdb'"),
    ((*SRRESNET, "--set", "scale=5"), "2, 3, 4 or 8"),
    ((*SRRESNET, "--set", "losses.mse=-1"), "greater than or equal to 0"),
    ((*SRRESNET, "--set", "pretraining.training.steps=3"), "has no pretraining stage"),
    (("show", "esrgan-wgangp", *SMOKE, "--set", "discriminator.norm=batch"), "use 'layer'"),
    (("train", "bicubic", *SMOKE), "needs no training"),
    (("train", "srresnet", *SMOKE, "--data", "/no/such/folder"), "/no/such/folder does not exist"),
    (("train", "srresnet", *SMOKE, "--data", "Set55"), "no dataset 'Set55'"),
    (("list", "--registry", "no-such.yaml"), "cannot read the registry no-such.yaml"),
    (("list", "--plugin", "no-such.py"), "does not exist"),
    (("data", "get", "dov2k"), "did you mean 'div2k'"),
    (("data", "verify", "dov2k"), "no dataset 'dov2k'"),
    (("weights", "add", "vgg18", "file.pth"), "unknown weights 'vgg18'"),
    (("weights", "add", "vgg19", "no-such.pth"), "no-such.pth"),
]
BAD_REGISTRIES = [
    ("recipes:\n  mine: {extends: srresnett}\n", "did you mean 'srresnet'"),
    ("recipes:\n  a: {extends: b}\n  b: {extends: a}\n", "a -> b -> a"),
    ("recipes:\n  mine: {generator: rrdb\n", "mine.yaml:"),
    ("recipes:\n  mine: {generator: rrdb, lossess: {l1: 1}}\n", "did you mean 'losses'"),
    ("recipes:\n  srgan: {generator: rrdb}\n", "already defined"),
]
BAD_PLUGINS = [
    ("import no_such_module\n", "No module named 'no_such_module'"),
    ("def broken(:\n", ".py:1"),
    ("raise ValueError('not today')\n", "ValueError: not today"),
]


def check(result: Result, hint: str, exit_code: int = 2) -> None:
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "\n\n" not in result.stderr
    assert "Traceback" not in result.stderr
    assert hint in result.stderr


@pytest.mark.parametrize("command", ["bench", "card", "show", "check"])
def test_names_that_no_file_system_has(zoo: Zoo, command: str) -> None:
    result = zoo(command, "x" * 300)
    assert result.exit_code in (2, 5), result.output
    assert "Traceback" not in result.stderr
    assert "x" * 30 in result.stderr


@pytest.mark.parametrize(("arguments", "hint"), USAGE)
def test_usage(zoo: Zoo, arguments: tuple[str, ...], hint: str) -> None:
    result = zoo(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    assert hint in result.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES]
)
def test_mistakes(zoo: Zoo, tmp_path: Path, arguments: tuple[str, ...], hint: str) -> None:
    extra = ("--run-root", tmp_path, "--device", "cpu") if arguments[0] == "train" else ()
    check(zoo(*arguments, *extra), hint)


@pytest.mark.parametrize(("text", "hint"), BAD_REGISTRIES)
def test_registries(zoo: Zoo, registry_file: Callable[[str], Path], text: str, hint: str) -> None:
    check(zoo("list", "--registry", registry_file(text)), hint)


@pytest.mark.parametrize(("text", "hint"), BAD_PLUGINS)
def test_plugins(zoo: Zoo, tmp_path: Path, text: str, hint: str) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(text)
    check(zoo("list", "--plugin", plugin), hint)


def test_a_duplicate_name_shows_both_origins(zoo: Zoo, plugin_file: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.py"
    second.write_text(plugin_file.read_text())
    result = zoo("list", "--plugin", plugin_file, "--plugin", second)
    check(result, str(plugin_file))
    assert str(second) in result.stderr


def test_a_device_that_is_not_there_is_the_machines(zoo: Zoo, tmp_path: Path) -> None:
    check(
        zoo("train", "srresnet", *SMOKE, "--device", "cuda:99", "--run-root", tmp_path),
        "usable CUDA devices",
        exit_code=5,
    )


def test_a_component_that_ends_the_program_is_named(
    zoo: Zoo, plugin_file: Path, tmp_path: Path
) -> None:
    text = plugin_file.read_text().replace("return self.body(lr_image)", "raise SystemExit(0)")
    plugin_file.write_text(text)
    asked = ("srresnet", *SMOKE, "--set", "generator=plugged-net", "--plugin", plugin_file)
    result = zoo("train", *asked, "--device", "cpu", "--run-root", tmp_path)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr
    line = text[: text.index("raise SystemExit")].count("\n") + 1
    assert f"{plugin_file}:{line} ends the program (SystemExit: 0)" in result.stderr
