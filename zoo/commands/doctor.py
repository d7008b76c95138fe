"""`zoo doctor`: whether training can run on this machine, and with what."""

from __future__ import annotations

from dataclasses import asdict

import typer

from zoo.commands.options import Json, Plugins, Registries
from zoo.commands.output import Table, note, print_json, print_table
from zoo.commands.project import project_of
from zoo.plugins import load_plugin_file


def doctor(
    context: typer.Context, *, registry: Registries, plugin: Plugins, as_json: Json = False
) -> None:
    """Check versions, devices, folders, data, weights, plugins; exit 1 if training cannot run.

    All mistakes of a registry are listed: structure, names, and arguments of components.
    """
    from zoo.doctor import examine

    for file in plugin:
        load_plugin_file(file)
    project = project_of(context)
    findings = examine(project.run_root, registry, datasets=project.data_root, project=project.file)
    failed = [finding for finding in findings if finding.status == "failed"]
    if as_json:
        rows = [asdict(finding) for finding in findings]
        print_json("zoo.doctor/1", {"can_train": not failed, "findings": rows})
    else:
        cells = [(f.section, f.name, f.status, f.detail) for f in findings]
        print_table(Table("zoo doctor", ("section", "name", "status", "detail"), cells))
        note("training can run" if not failed else f"training cannot run: {len(failed)} failed")
    raise typer.Exit(1 if failed else 0)
