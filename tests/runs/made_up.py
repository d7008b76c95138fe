"""Run directories as training leaves them, made without training."""

from __future__ import annotations

from typing import Any

from zoo.recipes.schema import RunSpec
from zoo.runs.directory import RunDirectory
from zoo.runs.provenance import identity_hash

SESSION = {
    "started": "2026-01-01T00:00:00+00:00",
    "host": "here",
    "command": ["zoo"],
    "device_name": "cpu",
    "execution": {"threads": 1},
    "choice": None,
    "versions": {"torch": "2"},
    "git": None,
    "components": {},
}
SUMMARY: dict[str, Any] = {
    "steps": 12,
    "validation": "0123456789abcdef",
    "psnr_y": 20.0,
    "psnr_y_images": {"one": 20.0},
    "psnr_y_bicubic": 25.0,
    "psnr_y_bicubic_images": {"one": 25.0},
    "verdict": "stable",
    "seconds": 7.0,
    "pictures": [],
    "components": {},
}


def identity_of(spec: RunSpec, **parts: Any) -> dict[str, Any]:
    """Return an identity of a specification; parts are put in the place of what is made up."""
    settings = spec.settings.model_dump(mode="json", exclude={"runtime"})
    used = {
        name: {key: value for key, value in loss.items() if value is not None}
        for name, loss in settings["losses"].items()
        if loss["weight"] > 0
    }
    return {
        "format": 1,
        "seed": spec.seed,
        "settings": settings | {"losses": used},
        "num_steps": spec.settings.training.steps or 12,
        "data": 64 * "0",
        "components": {},
        "packages": {},
        "execution": {"device": "cpu", "precision": "float32"},
        "pretraining": None,
    } | parts


def begin_run(
    directory: RunDirectory,
    spec: RunSpec,
    *,
    session: dict[str, Any] = SESSION,
    **parts: Any,
) -> str:
    """Begin a run in a directory and return its identity's hash."""
    directory.path.mkdir(parents=True, exist_ok=True)
    identity = identity_of(spec, **parts)
    directory.begin_session(spec, identity, session)
    return identity_hash(identity)


def finish_run(directory: RunDirectory, identity: str) -> None:
    """Write the weights, which are none, and the summary of a run."""
    directory.weights.write_bytes(b"")
    directory.write_summary(SUMMARY, identity)
