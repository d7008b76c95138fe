"""Checks in a process of their own: what comes back, and what a crash costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest

from zoo.apart import CrashError
from zoo.errors import WeightsError
from zoo.exchange.export import Request, export_folder
from zoo.exchange.onnx import export_model
from zoo.models.details import Details
from zoo.models.model import Model
from zoo.plugins import load_plugin_file
from zoo.registry import GENERATORS
from zoo.testing import apart as module
from zoo.testing.apart import ApartError, apart, told
from zoo.testing.contract import Contract
from zoo.testing.generators import GeneratorContract
from zoo.testing.verdicts import contract_of, judged

SPAN = '''
import torch
import torch.nn.functional as F
from torch import nn
from zoo import Generator, register_generator


class Merged(Generator):
    """Two convolutions that are one in evaluation, as in SPAN."""

    def __init__(self, *, scale: int = 4, width: int = 8) -> None:
        super().__init__(scale=scale)
        self.wide = nn.Conv2d(3, width, 3, padding=1)
        self.narrow = nn.Conv2d(width, 3 * scale**2, 1)

    def merged(self):
        weight = (self.narrow.weight[:, :, 0, 0] @ self.wide.weight.flatten(1))
        bias = self.narrow.weight[:, :, 0, 0] @ self.wide.bias + self.narrow.bias
        return weight.reshape(-1, *self.wide.weight.shape[1:]), bias


@register_generator("merged-in-place")
class InPlace(Merged):
    def __init__(self, *, scale: int = 4, width: int = 8) -> None:
        super().__init__(scale=scale, width=width)
        self.eval_conv = nn.Conv2d(3, 3 * scale**2, 3, padding=1).requires_grad_(False)

    def forward(self, lr_image):
        if self.training:
            return nn.functional.pixel_shuffle(self.narrow(self.wide(lr_image)), self.scale)
        wide, bias = self.wide.weight.data.clone().detach(), self.wide.bias.data.clone().detach()
        narrow = self.narrow.weight.data.clone().detach()
        weight = F.conv2d(wide.flip(2, 3).permute(1, 0, 2, 3), narrow).flip(2, 3)
        bias = (narrow * bias.reshape(1, -1, 1, 1)).sum((1, 2, 3)) + self.narrow.bias.data
        self.eval_conv.weight.data = weight.permute(1, 0, 2, 3)
        self.eval_conv.bias.data = bias
        return nn.functional.pixel_shuffle(self.eval_conv(lr_image), self.scale)


@register_generator("merged-as-tensors")
class AsTensors(Merged):
    def forward(self, lr_image):
        weight, bias = self.merged()
        return nn.functional.pixel_shuffle(F.conv2d(lr_image, weight, bias, padding=1), self.scale)
'''
OK = {"status": "ok", "detail": "largest difference 0", "place": None, "trace": None}


class Checked(Contract):
    """A contract of one check, which says that it ran here."""

    @apart
    def test_risky(self) -> None:
        """It does not crash."""
        self.measured = "here"


class Part:
    """What it is about."""

    def __init__(self, *, sizes: tuple[int, ...] = (1, 2)) -> None:
        self.sizes = sizes


def contract(component: type = Part) -> Checked:
    made = Checked()
    made.component, made.arguments = component, {"sizes": (3,)}
    return made


Calls = list[tuple[str, Mapping[str, Any], Sequence[Path]]]


def answering(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any] | Exception) -> Calls:
    """Have `call_apart` give an answer; return what it is asked."""
    calls: Calls = []

    def call(target: str, arguments: Mapping[str, Any], plugins: Sequence[Path]) -> dict[str, Any]:
        calls.append((target, arguments, plugins))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(module, "call_apart", call)
    return calls


def test_what_another_process_measured_is_what_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls, made = answering(monkeypatch, OK), contract()
    verdict = judged(made, "test_risky", "It does not crash.")
    assert (verdict.status, verdict.detail) == ("ok", "largest difference 0")
    (target, arguments, plugins) = calls[0]
    assert (target, plugins) == ("zoo.testing.apart:told", [])
    assert arguments["component"] == f"{__name__}:Part"
    assert (arguments["arguments"], arguments["check"]) == ({"sizes": (3,)}, "test_risky")


def test_a_failure_keeps_its_line_and_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = {"status": "FAILED", "detail": "wrong", "place": "net.py:7", "trace": "Traceback"}
    answering(monkeypatch, failure)
    verdict = judged(contract(), "test_risky", "")
    assert (verdict.status, verdict.detail) == ("FAILED", "wrong")
    assert (verdict.place, verdict.trace) == ("net.py:7", "Traceback")


def test_what_was_skipped_there_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, {**OK, "status": "skipped", "detail": "no compiler"})
    with pytest.raises(SkipTest, match="no compiler"):
        contract().test_risky()


def test_a_crash_is_a_failure_that_says_how_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, CrashError("its process ended by SIGSEGV"))
    with pytest.raises(ApartError, match=r"ended by SIGSEGV: a crash inside torch.*plain tensors"):
        contract().test_risky()


def test_what_cannot_be_imported_there_is_checked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    class Local(Part):
        pass

    calls = answering(monkeypatch, {"status": "absent"})
    for component in (Local, Part):
        made = contract(component)
        made.test_risky()
        assert made.measured == "here"
    assert len(calls) == 1, "of a local class nobody else is asked"
    assert told("acme_absent:Contract", "acme_absent:Net", {}, "test_risky")["status"] == "absent"


def test_the_other_side_reads_arguments_as_a_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_APART", "1")
    arguments = {"sizes": [5, 6]}
    verdict = told(f"{__name__}:Checked", f"{__name__}:Part", arguments, "test_risky")
    assert (verdict["status"], verdict["detail"]) == ("ok", "here")


def test_what_torch_may_crash_in_is_apart() -> None:
    risky = [name for name in GeneratorContract.checks() if name in ("test_compile", "test_onnx")]
    assert all(hasattr(getattr(GeneratorContract, name), "__wrapped__") for name in risky)
    assert len(risky) == 2


@pytest.mark.slow
def test_a_network_that_torch_crashes_on_costs_its_line_and_its_export(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "span.py"
    path.write_text(SPAN)
    snapshot = GENERATORS.snapshot()
    try:
        load_plugin_file(path)
        crashing, sound = GENERATORS.get("merged-in-place"), GENERATORS.get("merged-as-tensors")
        verdict = judged(contract_of("generators", crashing, {}), "test_onnx", "")
        assert verdict.status == "FAILED"
        assert verdict.detail.startswith("its process ended by SIGSEGV: a crash inside torch")
        assert judged(contract_of("generators", sound, {}), "test_onnx", "").status == "ok"
        details = Details(
            name="x", generator={"name": "merged-in-place"}, scale=2, origin="imported"
        )
        model = Model(details, crashing(scale=2).state_dict())
        with pytest.raises(WeightsError, match="ended by SIGSEGV while zoo translated InPlace"):
            export_folder(model, tmp_path / "net", [], Request(form="onnx"))
        assert not (tmp_path / "net").exists()
        details = details.model_copy(update={"generator": {"name": "merged-as-tensors"}})
        report = export_model(
            Model(details, sound(scale=2).state_dict()), tmp_path / "x.onnx", metadata={}
        )
        assert report.path.is_file()
        assert report.difference < 1e-4
    finally:
        GENERATORS.restore(snapshot)
