"""Makes a model of a run directory: its weights, and the facts from its provenance."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import DataError
from zoo.files import file_sha256
from zoo.models.details import INIT_SHA256, Pretraining, TrainingFacts, described
from zoo.models.model import Model
from zoo.recipes.schema import Initial, RunSpec
from zoo.runs.coherence import read_run
from zoo.runs.commands import recorded_sources, resume_command, train_command

_BUILT_IN = "built-in"


def model_of_run(path: Path) -> Model:
    """Return the generator of a finished run (its moving average) as a model.

    Raises:
        DataError: if no run is there, or it is not finished.
        IntegrityError: if its weights are damaged, or its files do not agree with each other.
    """
    run = read_run(path)
    if run is None:
        raise DataError(f"{path} is not a run directory: it has no recipe.yaml and provenance.json")
    spec, provenance, directory = run.spec, run.provenance, run.directory
    if run.summary is None or not run.is_finished:
        resume = resume_command(spec, path, provenance)
        raise DataError(f"{path} is not finished; resume it with: {resume}")
    tensors, _ = directory.read_weights(run.identity_sha256)
    session = provenance["sessions"][-1]
    details = described(
        name=f"{spec.recipe}-{spec.profile}",
        summary=f"recipe {spec.recipe}, profile {spec.profile}, seed {spec.seed}",
        generator=spec.settings.generator.model_dump(mode="json"),
        scale=spec.settings.scale,
        origin="trained",
        source=_start(spec.init),
        training=_training(spec, provenance, run.summary),
        plugins={
            role: origin for role, origin in session["components"].items() if origin != _BUILT_IN
        },
    )
    return Model(details, tensors, path, file_sha256(directory.weights))


def _training(
    spec: RunSpec, provenance: Mapping[str, Any], summary: Mapping[str, Any]
) -> TrainingFacts:
    identity, session = provenance["identity"], provenance["sessions"][-1]
    sources = recorded_sources(provenance)
    return TrainingFacts(
        recipe=spec.recipe,
        profile=spec.profile,
        seed=spec.seed,
        command=_typed(session["command"]) or train_command(spec, sources),
        steps=summary["steps"],
        seconds=summary["seconds"],
        verdict=summary["verdict"],
        identity_sha256=provenance["identity_sha256"],
        data=spec.settings.data.source,
        data_sha256=identity["data"],
        settings=spec.settings.model_dump(mode="json"),
        pretraining=_pretraining(spec, identity["pretraining"], sources),
        components=summary["components"],
        versions=session["versions"],
        device=_device(session),
        git=session["git"],
    )


def _pretraining(spec: RunSpec, identity: str | None, sources: Sequence[str]) -> Pretraining | None:
    if spec.pretraining is None or identity is None:
        return None
    inner = spec.pretraining
    command = train_command(inner, sources)
    return Pretraining(recipe=inner.recipe, identity_sha256=identity, command=command)


def _start(init: Initial | None) -> dict[str, str]:
    return {} if init is None else {"init": init.label, INIT_SHA256: init.sha256}


def _typed(words: list[str]) -> str | None:
    """Return the command as it was typed, None if no `zoo train` was: a script, a sweep.

    That it started over, which deletes a run, makes no other run.
    """
    kept = [word for word in words[1:] if word != "--fresh"]
    return shlex.join(["zoo", *kept]) if kept[:1] == ["train"] else None


def _device(session: Mapping[str, Any]) -> str:
    if session["device_name"] == "cpu":
        threads = session["execution"]["threads"]
        return f"CPU, {threads} thread" + ("" if threads == 1 else "s")
    return str(session["device_name"])
