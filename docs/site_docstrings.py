"""Docstrings as the API reference needs them; griffe, which reads the source, calls this."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Show examples as code, and give the decorators the docstrings they have at run time."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Name the section as griffe does; it takes `Example:` for the title of a remark."""
        if obj.docstring is not None:
            value = re.sub(
                r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE
            )
            obj.docstring.value = value

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Document `register_generator` and the others: functions that are made, not written."""
        if attr.name.startswith("register_") and attr.module.path == "zoo.registry":
            made = getattr(importlib.import_module("zoo.registry"), attr.name)
            attr.docstring = griffe.Docstring(inspect.getdoc(made) or "", parent=attr)
            attr.value = None
            attr.labels.clear()
