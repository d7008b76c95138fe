"""Model cards: what a model is, how it was trained and what it scores, in Markdown.

The content of a card comes from the model's description, its tensors and its records. Nothing is
written by hand, and unknown facts are stated as unknown. The text around the values is in
`templates/card.md.j2`, where every value is escaped unless it was made as Markdown here.

Not here: the YAML at its head (`zoo.exchange.front_matter`), its tables of scores
(`zoo.exchange.results`), files and folders (`zoo.exchange.bundle`).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from zoo.compare.comparisons import COSTS_OF
from zoo.cost.measure import Cost, generator_cost
from zoo.errors import DataError, ZooError
from zoo.exchange.front_matter import front_matter
from zoo.exchange.records import WEIGHTS_SHA256, earlier_weights, evidence
from zoo.exchange.results import SuiteResult, results
from zoo.exchange.travel import travelling, without_folders
from zoo.exchange.usage import (
    commands,
    generator_origin,
    onnx_python,
    python,
)
from zoo.models.details import Details, TrainingFacts
from zoo.models.model import Model
from zoo.models.store import MODEL_FILE
from zoo.records.record import Record
from zoo.text import escape_markdown, plain

UNKNOWN: Final = "unknown"
SMALL: Final = 2_000_000
"""Parameters below which a card says that the network is small; SRResNet has 1.5 million."""
ONNX: Final = ".onnx"


@dataclass(frozen=True, slots=True)
class CardContent:
    """All that the template shows.

    Attributes:
        details: what the model says of itself.
        file: name of the file the card is for.
        is_onnx: whether that is an ONNX file.
        sha256: of the file; None if it is not written yet.
        shell: commands that use it; empty for an ONNX file.
        python: Python that uses it.
        plugin: origin of a generator that is not built in, else None.
        plugin_sha256: of the plugin's code, see `zoo.fingerprints`.
        other_plugins: the other components that are not built in, with their origin.
        cost: parameters and operations; None if the generator cannot be built here.
        cost_problem: why not.
        results: scores by suite.
        is_adversarial: whether an adversary shaped it; None if it is unknown.
        training: rows of the table of its training.
        settings: rows of the table of every setting.
        generator: rows of the table of the generator's arguments.
        command: what trained it; folders of the machine are excluded. Empty where nothing did.
        is_stage: whether that command trained it as the first stage of another recipe.
        source: what an imported or interpolated model was made from.
        made_from: sha256 of each weights file that this one was made from, the latest first.
    """

    details: Details
    file: str
    is_onnx: bool
    sha256: str | None
    shell: str
    python: str
    plugin: str | None
    plugin_sha256: str | None
    other_plugins: Sequence[tuple[str, str]]
    cost: Cost | None
    cost_problem: str
    results: Sequence[SuiteResult]
    is_adversarial: bool | None
    training: Sequence[tuple[str, str]] = ()
    settings: Sequence[tuple[str, str]] = ()
    generator: Sequence[tuple[str, str]] = ()
    command: str = ""
    is_stage: bool = False
    source: Sequence[tuple[str, str]] = ()
    made_from: Sequence[str] = ()
    costs_of: str = COSTS_OF
    small: int = SMALL
    unknown: str = UNKNOWN


def card(
    model: Model,
    records: Iterable[Record] = (),
    *,
    file: str = MODEL_FILE,
    repository: str | None = None,
    known_as: str | None = None,
) -> str:
    """Return the card of a model as Markdown, with the hub's YAML at its head.

    Args:
        model: what it is of.
        records: any records; those that are not the model's are not used.
        file: name of the file it is beside, `.safetensors` or `.onnx`.
        repository: where it will be found, `owner/name`; its use is then shown from there.
        known_as: what finds it here without a file beside the card: its name, or its run.

    Raises:
        DataError: if it is a fixed method without weights.
    """
    require_weights(model)
    model = replace(model, details=travelling(model.details))
    content = card_content(
        model, list(records), file=file, repository=repository, known_as=known_as
    )
    body = _template().render(card=content)
    tidy = re.sub(r"\n{3,}", "\n\n", body)
    return front_matter(model.details, content.results) + "\n" + tidy.strip() + "\n"


def require_weights(model: Model) -> None:
    """Refuse a model that has nothing to bring out.

    Raises:
        DataError: if it is a fixed method without weights.
    """
    if not model.tensors:
        raise DataError(
            f"{model.details.name} is a fixed method without weights: it cannot be exported and "
            "has no card"
        )


def card_content(
    model: Model,
    records: Sequence[Record],
    *,
    file: str,
    repository: str | None,
    known_as: str | None,
) -> CardContent:
    """Put together what a card shows, see `card`."""
    details, training = model.details, model.details.training
    cost, problem = _cost(model)
    is_onnx = PurePath(file).suffix == ONNX
    origin = generator_origin(details)
    role = f"generator {details.generator_name}"
    components = {} if training is None else training.components
    return CardContent(
        details=details,
        file=file,
        is_onnx=is_onnx,
        sha256=model.sha256,
        shell="" if is_onnx else commands(details, known_as or file, repository),
        python=onnx_python(file) if is_onnx else python(details, known_as or repository or file),
        plugin=origin,
        plugin_sha256=components.get(role, {}).get("plugin_sha256"),
        other_plugins=[(r, o) for r, o in details.plugins.items() if r != role],
        cost=cost,
        cost_problem=problem,
        results=results(model, evidence(model, records)),
        is_adversarial=_is_adversarial(details),
        training=[] if training is None else list(_training_rows(training)),
        settings=[] if training is None else _flat(_settings(training)),
        generator=_flat({k: v for k, v in details.generator.items() if k != "name"}),
        command="" if training is None else training.command,
        is_stage=training is not None and training.recipe not in training.command.split(),
        source=[(k, v) for k, v in details.source.items() if k != WEIGHTS_SHA256],
        made_from=earlier_weights(details),
    )


def _cost(model: Model) -> tuple[Cost | None, str]:
    try:
        return generator_cost(model.build()), ""
    except ZooError as error:  # a plugin that is not here: the card is of what is known
        return None, str(without_folders(str(error)))


def _is_adversarial(details: Details) -> bool | None:
    if details.training is None:
        return None
    return details.training.settings.get("adversary") is not None


def _training_rows(training: TrainingFacts) -> Iterable[tuple[str, str]]:
    yield "recipe", training.recipe
    yield "profile", training.profile
    yield "seed", str(training.seed)
    yield "steps", f"{training.steps:,} updates of the generator"
    yield "time", f"{training.seconds:,.0f} seconds for this stage"
    yield "device", training.device or UNKNOWN
    yield "monitor's verdict", training.verdict
    yield "training images", _shown_data(training.data)
    for role, known in training.components.items():
        if known:
            yield f"weights of {role}", ", ".join(f"{key} {value}" for key, value in known.items())
    versions = ", ".join(f"{package} {version}" for package, version in training.versions.items())
    yield "versions", versions or UNKNOWN
    yield "revision of zoo", _revision(training.git)


def _shown_data(data: str) -> str:
    """Return the name of the training images; of a folder its last part."""
    name = PurePath(data).name
    return data if name == data else f"{name}, a folder of images"


def _revision(git: Mapping[str, Any] | None) -> str:
    if git is None:
        return "an installed package, see versions"
    return f"{git.get('commit', UNKNOWN)}{' with local changes' if git.get('dirty') else ''}"


def _settings(training: TrainingFacts) -> dict[str, Any]:
    """Return every setting but the generator's, which has a table of its own."""
    settings = {key: value for key, value in training.settings.items() if key != "generator"}
    data = settings.get("data")
    if isinstance(data, dict) and isinstance(data.get("source"), str):
        settings["data"] = data | {"source": _shown_data(data["source"])}
    return settings


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Return nested settings as dotted paths and values, as they are overridden with `--set`."""
    if isinstance(value, Mapping) and (value or not path):
        return [
            row
            for key, item in value.items()
            for row in _flat(item, f"{path}.{key}" if path else str(key))
        ]
    return [(path, _value(value))]


def _value(value: Any) -> str:
    if value is None or value == {}:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return str(value)


@functools.cache
def _template() -> Template:
    environment = Environment(  # noqa: S701  Markdown is not HTML: `finalize` escapes every value
        loader=PackageLoader("zoo.exchange"),
        undefined=StrictUndefined,
        finalize=_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"pairs": _pairs, "fence": _fenced, "literal": _literal, "code": _code}
    return environment.get_template("card.md.j2")


def _escaped(value: object) -> object:
    return value if isinstance(value, Markup) else Markup(escape_markdown(str(value)))  # noqa: S704


def _pairs(rows: Iterable[tuple[str, str]]) -> Markup:
    """Return a table of two columns without headings."""
    lines = [f"| {escape_markdown(key)} | {escape_markdown(value)} |" for key, value in rows]
    return Markup("\n".join(["| | |", "|---|---|", *lines]))  # noqa: S704  escaped above


def _fenced(text: str, language: str) -> Markup:
    """Return a block of code that its text cannot end, invisible characters written out."""
    lines = ["".join(plain(char) or " " for char in line) for line in text.splitlines()]
    runs = [len(run) for run in re.findall(r"`+", text)]
    fence = "`" * max(3, *(length + 1 for length in runs), 3)
    block = [f"{fence}{language}", *lines, fence]
    return Markup("\n".join(block))  # noqa: S704  inert within the fence


def _code(text: str) -> Markup:
    """Return text as code within a line."""
    shown = plain(text)
    runs = [len(run) for run in re.findall(r"`+", shown)]
    tick = "`" * (max(runs, default=0) + 1)
    pad = " " if runs else ""
    return Markup(f"{tick}{pad}{shown}{pad}{tick}")  # noqa: S704  inert within the ticks


def _literal(text: str) -> Markup:
    """Return Markdown that was made, and escaped, by zoo itself."""
    return Markup(text)  # noqa: S704
