"""The identity of a run: everything that affects its results, and a hash of it.

Two runs of one identity are the same run, whatever the names of their recipes. A directory belongs
to one identity, and runs share a pretraining by its identity. Names, the locations of data and
weights, and how often a run logs, validates and saves are not part of it. Versions of torch and the
number of threads change only the last bits and are recorded separately (`zoo.runs.directory`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.losses.base import SOURCE
from zoo.recipes.build import Components, component_origins
from zoo.recipes.rules import parts
from zoo.recipes.schema import MONITORING, RunSpec
from zoo.runs.changes import loaded_otherwise
from zoo.runs.provenance import package_version
from zoo.train.prepare import Prepared

FORMAT = 1
"""Version of the training mathematics: raised when the same settings give other numbers."""
DRAWING = ("numpy", "scipy", "pillow")
"""Packages whose versions decide what a degradation draws, filters and compresses."""
LENGTH = ("steps", "epochs")
PLACES = ("source", "validation")
EXECUTION = ("device", "precision", "channels_last", "compile", "tf32")


def run_identity(spec: RunSpec, prepared: Prepared, pretraining: str | None) -> dict[str, Any]:
    """Return everything that affects the results of a run.

    Args:
        spec: its complete specification.
        prepared: its data and components.
        pretraining: hash of the identity of its pretraining, or of the file that it starts from;
            None if there is neither.
    """
    settings = spec.settings.model_dump(mode="json", exclude={"runtime"})
    for name in (*MONITORING, *LENGTH):
        settings["training"].pop(name, None)
    if settings["training"]["on_divergence"] == "raise":  # such a run has no numbers after it
        del settings["training"]["on_divergence"]
    for name in PLACES:
        del settings["data"][name]
    settings["losses"] = _losses(settings["losses"], prepared.components)
    executed = prepared.execution.describe()
    provenance = prepared.components.provenance
    weights = spec.init_discriminator
    discriminator = {} if weights is None else {"init_discriminator": weights.sha256}
    return {
        "format": FORMAT,
        "seed": spec.seed,
        "settings": settings,
        "num_steps": prepared.num_steps,
        "data": prepared.data_hash,
        "components": {
            name: {key: value for key, value in found.items() if key != SOURCE}
            for name, found in provenance.items()
        },
        "packages": _packages(spec, prepared),
        "execution": {name: executed[name] for name in EXECUTION},
        "pretraining": pretraining,
        **discriminator,
        **loaded_otherwise(spec),
    }


def _losses(settings: Mapping[str, Any], components: Components) -> dict[str, Any]:
    """Return the settings of the losses that affect the results.

    Arguments that only locate something, and later arguments that are not set, are omitted.
    """
    return {
        name: {
            key: value
            for key, value in settings[name].items()
            if key not in loss.places and not (value is None and key in loss.later)
        }
        for name, loss in components.losses.items()
    }


def _packages(spec: RunSpec, prepared: Prepared) -> dict[str, str]:
    """Return the installed packages of the components, with versions.

    A component of zoo's own may run the code of another package, which it names as `package`. A
    degradation that is drawn for each sample computes with `DRAWING` in every step.
    """
    origins = component_origins(spec.settings)
    packages = {role: str(origin) for role, origin in origins.items() if origin.kind == "package"}
    computing = [getattr(part.component, "package", None) for part in parts(spec.settings)]
    computing += DRAWING if prepared.is_drawn else ()
    return packages | {name: package_version(name) for name in computing if name is not None}
