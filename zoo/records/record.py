"""Records: one generator's per-image scores on one suite, with everything they depend on.

A record is one JSON file, `<records>/<suite>/<target>-<key>.json`, with a digest of itself. Its key
is a hash of everything that affects its numbers (weights, code, suite pixels, protocol, metrics).
If a record with the key exists, nothing is scored again; a changed protocol gives other keys. After
it is written, only its counter within the folder changes. Tables, claims and the report use only
records.

Not here: how scores are computed (`zoo.bench.evaluate`), what they mean (`zoo.compare.verdicts`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from zoo import losses
from zoo.errors import DataError
from zoo.files import SEAL, broken_seal, read_file, seal_of, write_atomically
from zoo.metrics import is_in_range
from zoo.recipes.explain import first_problem
from zoo.records.parts import Command, check_provenance
from zoo.runs.shapes import LARGEST, Number, Sha256

logger = logging.getLogger(__name__)
SCHEMA: Final = "zoo.record/1"
KEY_DIGITS = 12


class RecordPart(BaseModel):
    """Base of the parts of a record: frozen, unknown keys forbidden."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(RecordPart):
    """What a score or cost means: how it is headed, its unit and direction.

    Attributes:
        label: heading of its column.
        unit: unit of the value, empty if it has none.
        higher_is_better: the direction; None if neither is better.
        value_range: smallest and largest possible value, if there is one.
        unavailable: why it could not be computed here and what to do; its cells are empty.
        provenance: what it depends on beyond the protocol, hashes of weights among it.
    """

    label: str
    unit: str = ""
    higher_is_better: bool | None = True
    value_range: tuple[Number, Number] | None = None
    unavailable: str | None = None
    provenance: dict[str, str] = {}


class Target(RecordPart):
    """What was scored.

    Attributes:
        name: its row's heading: the recipe, the file's stem, the callable's name.
        kind: `baseline` needs no training; `run` is a run directory's weights; `weights` a file;
            `callable` a Python function.
        recipe: the recipe of a run or baseline.
        profile: the profile of a run; None otherwise.
        seed: the seed of a run; None otherwise.
        generator: name and arguments of the generator, empty for a callable.
        code_sha256: of the code of the generator, as it was scored; None for a callable.
        weights_sha256: of the weights file.
        identity_sha256: of everything that affected a run.
        pretraining_sha256: the identity of its pretraining, where it has one.
        command: how to make it again.
        variant: in what a run is not its recipe's under its profile, as `--set` writes it.
        spec: all that a run was told, as its `recipe.yaml`; empty for all else.
    """

    name: str
    kind: Literal["baseline", "run", "weights", "callable"]
    recipe: str | None = None
    profile: str | None = None
    seed: int | None = None
    generator: dict[str, Any] = {}
    code_sha256: Sha256 | None = None
    weights_sha256: Sha256 | None = None
    identity_sha256: Sha256 | None = None
    pretraining_sha256: Sha256 | None = None
    command: Command | None = None
    variant: tuple[str, ...] = ()
    spec: dict[str, Any] = {}


class ImageScores(RecordPart):
    """One image's scores, by metric key (`psnr_y`); a metric that is unavailable has none."""

    name: str
    height: int
    width: int
    hr_sha256: Sha256
    lr_sha256: Sha256
    scores: dict[str, float]


class DatasetScores(RecordPart):
    """A dataset of the suite: its images' scores, or why it was skipped.

    Attributes:
        degradation: how its LR files differ from the HR images downscaled by MATLAB's bicubic, in
            words; None if they do not, and where zoo made them.
    """

    name: str
    skipped: str | None = None
    degradation: str | None = None
    images: tuple[ImageScores, ...] = ()


class Curves(RecordPart):
    """How a run went: validation scores and critic signals over its steps.

    Attributes:
        steps: generator updates done at each validation.
        scores: validation scores by metric key (`psnr_y`, `haarpsi`), one for each step.
        train_steps: generator updates done at each logged training row.
        signals: logged training values by their key in `metrics.jsonl` (`discriminator_total`,
            `gradient_adversarial`), one for each training row; None if a row lacks it.
    """

    steps: tuple[int, ...] = ()
    scores: dict[str, tuple[Number, ...]] = {}
    train_steps: tuple[int, ...] = ()
    signals: dict[str, tuple[Number | None, ...]] = {}


class TrainingSummary(RecordPart):
    """What is known of the training of a run.

    Attributes:
        steps: generator updates.
        seconds: wall-clock time of the stage.
        verdict: the monitor's (`zoo.runs.verdicts.Verdict`).
        measures: one number a run by key, see `zoo.bench.dynamics`.
        budget: what must be alike for runs to be compared, see `zoo.records.budget`.
        curves: values over time.
        components: provenance of its components' weights, random ones among them.
        num_images: images it was trained on; None if its run does not say.
    """

    steps: int
    seconds: Number
    verdict: str
    measures: dict[str, float] = {}
    budget: dict[str, str] = {}
    curves: Curves = Curves()
    components: dict[str, dict[str, str]] = {}
    num_images: int | None = None


class RecordedImage(RecordPart):
    """A super-resolved image kept for the report, as it was scored.

    Attributes:
        dataset: the dataset of the suite.
        image: the image's name in it.
        file: path relative to the record's folder.
        sha256: of the file.
    """

    dataset: str
    image: str
    file: Annotated[str, Field(pattern=r"^[^\x00]{1,1000}$")]
    sha256: Sha256


class Record(RecordPart):
    """One generator's scores on one suite.

    Attributes:
        schema_name: which form of record this is.
        key: hash of everything that affects the results (`zoo.bench.evaluate.Scorer.key`).
        protocol: version of the protocol the numbers follow.
        suite: name of the suite.
        suite_sha256: of the suite's definition and its images' pixels.
        scale: upscaling factor.
        target: what was scored.
        columns: what each score and cost means, by key.
        datasets: scores by dataset and image, in the suite's order.
        cost: parameters, operations, memory and time, by key; see `zoo.cost.measure`.
        training: how the run went, None if nothing was trained.
        pictures: images kept for the report.
        error: why scoring or training failed; such a record has no scores.
        provenance: device, versions, git revision, time, command and seconds of the scoring.
        order: where it stands among the records of its folder: microseconds since 1970 by the
            clock, and more than every record that was there. A clock that was ahead once puts no
            record above those that come later.
        digest_sha256: of the rest of the record, in its file alone.
    """

    schema_name: Literal["zoo.record/1"] = Field(default=SCHEMA, alias="schema")
    key: str
    protocol: int
    suite: str
    suite_sha256: Sha256
    scale: int
    target: Target
    columns: dict[str, Column]
    datasets: tuple[DatasetScores, ...] = ()
    cost: dict[str, Number] = {}
    training: TrainingSummary | None = None
    pictures: tuple[RecordedImage, ...] = ()
    error: str | None = None
    provenance: Annotated[dict[str, Any], AfterValidator(check_provenance)] = {}
    order: int = 0
    digest_sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _explains_its_numbers(self) -> Self:
        judges = self.provenance.get("trained_against", {})
        named = {key for scores in self.scored.values() for key in scores}.union(self.cost, judges)
        if not named <= self.columns.keys():
            raise ValueError(f"the record has no column for {min(named - self.columns.keys())!r}")
        return self

    @property
    def stand_ins(self) -> dict[str, str]:
        """Losses of its recipe that compared by another network than their name says, and which."""
        return losses.stand_ins({} if self.training is None else self.training.components)

    @property
    def scored(self) -> dict[tuple[str, str], Mapping[str, float]]:
        """The scores by (dataset, image), in the suite's order."""
        return {
            (dataset.name, image.name): image.scores
            for dataset in self.datasets
            for image in dataset.images
        }


def what_scored(provenance: Mapping[str, str]) -> dict[str, str]:
    """Return the provenance of a metric without what its weights were verified by.

    The weights are the same whether or not they were verified.
    """
    return {key: value for key, value in provenance.items() if not key.endswith("verified")}


def record_path(root: Path, record: Record) -> Path:
    """Return where a record is below a folder of records.

    What failed has one place a target, for it is no result: it is replaced when it fails again, and
    goes when it is scored.
    """
    kind = _failed(record.target) if record.error is not None else record.key[:KEY_DIGITS]
    return root / record.suite / f"{_slug(record.target)}-{kind}.json"


def write_record(root: Path, record: Record) -> Path:
    """Write a record, whole or not at all, and return its file; a result that is there is kept."""
    path = record_path(root, record)
    if record.error is not None or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, record_bytes(record))
    if record.error is None:
        forget_failure(root, record)
    return path


def record_bytes(record: Record) -> bytes:
    """Return the content of a record's file: JSON, with a digest of itself at its end."""
    digest = seal_of(json.loads(record.model_dump_json(by_alias=True)))
    whole = record.model_copy(update={SEAL: digest})
    return whole.model_dump_json(by_alias=True, indent=1).encode() + b"\n"


def forget_failure(root: Path, record: Record) -> None:
    """Remove what is recorded of a failure of a target that is scored now."""
    record_path(root, record.model_copy(update={"error": ""})).unlink(missing_ok=True)


def read_record(path: Path) -> Record:
    """Read one record.

    Raises:
        DataError: if the file is not one, or not as it was written: the digest it has of itself is
            another, or a score lies outside its metric's range. One without a digest is refused
            too: who takes that away could change the rest.
    """
    try:
        document = json.loads(read_file(path))
        record = Record.model_validate(document)
    except ValidationError as error:
        reason = first_problem(error)
        raise DataError(f"{path} is not a record of this version of zoo: {reason}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not a record: it is not JSON ({error})") from error
    except OSError as error:
        raise DataError(f"cannot read the record {path}: {error.strerror}") from error
    faults = [fault for fault in (broken_seal(document), *_out_of_range(record)) if fault]
    if faults:
        raise DataError(f"{path} is not trustworthy: {'; '.join(faults)}; score it again")
    return record.model_copy(update={SEAL: None})


def _out_of_range(record: Record) -> Iterator[str]:
    """Return which numbers are none that their columns allow."""
    measured = {} if record.training is None else record.training.measures
    places = [("the run", measured), *((f"{a}/{b}", s) for (a, b), s in record.scored.items())]
    for where, scores in places:
        for key, value in scores.items():
            column = record.columns.get(key)
            low, high = limits = (column and column.value_range) or (-LARGEST, LARGEST)
            if not is_in_range(value, limits):
                label = key if column is None else column.label
                yield f"{label} of {where} is {value:g}, outside of {low:g} to {high:g}"


def read_records(root: Path, *, suite: str | None = None) -> list[Record]:
    """Read all records below a folder as `find_records` does; what is not a record is logged."""
    found, damaged = find_records(root, suite=suite)
    for problem in damaged:
        logger.warning("excluded: %s", problem)
    return found


def find_records(root: Path, *, suite: str | None = None) -> tuple[list[Record], list[str]]:
    """Read all records below a folder, sorted by target and time; say which files are none.

    Args:
        root: folder of records.
        suite: name of the only suite to read, None for all.
    """
    found, damaged = [], []
    for path in sorted(root.glob(f"{suite or '*'}/*.json")):
        try:
            found.append(read_record(path))
        except DataError as error:
            damaged.append(str(error))
    return sorted(found, key=_order), damaged


def age_of(record: Record) -> tuple[int, str, str]:
    """Return what sorts the records of a folder, the oldest first.

    Their time distinguishes only those that nothing else does, such as those of two machines.
    """
    return record.order, str(record.provenance.get("created", "")), record.key


def newest(records: Iterable[Record]) -> list[Record]:
    """Return the newest record of each target, seed, profile and suite."""
    latest: dict[tuple[Any, ...], Record] = {}
    for record in sorted(records, key=age_of):
        target = record.target
        latest[record.suite, target.name, target.kind, target.profile, target.seed] = record
    return sorted(latest.values(), key=_order)


def _order(record: Record) -> tuple[Any, ...]:
    target = record.target
    seed = -1 if target.seed is None else target.seed
    is_trained, profile = target.kind != "baseline", target.profile or ""
    return record.suite, is_trained, target.name, profile, seed, age_of(record)


def _failed(target: Target) -> str:
    """Return what a failure's file ends with; a long name is distinguished by its hash."""
    if target.name == target.recipe or target.kind != "run":
        return "failed"
    return f"failed-{hashlib.sha256(target.name.encode()).hexdigest()[:KEY_DIGITS]}"


def _slug(target: Target) -> str:
    parts = [target.name, target.profile, None if target.seed is None else f"seed-{target.seed}"]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(part for part in parts if part))[:120]
