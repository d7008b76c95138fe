"""Scoring: from a candidate and a suite to a record.

Images are upscaled and scored on the device, in batches of one size if that is faster, while
threads decode the next ones. Batching changes results only by float rounding.

Not here: what is scored (`zoo.bench.candidates`), on what (`zoo.bench.suites`), in which batches
(`zoo.bench.batches`), running a generator (`zoo.bench.forward`), the scores themselves
(`zoo.metrics`).
"""

from __future__ import annotations

import dataclasses
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo.bench.batches import decoded, most_pixels, plan_batches
from zoo.bench.candidates import Candidate, Upscaler, packages_of
from zoo.bench.forward import ALIKE, Forward, to_tensor
from zoo.bench.judges import Judges, codes_of, columns_of
from zoo.bench.pictures import PictureKeeper
from zoo.bench.probes import (
    STATISTICS_GAP_KEY,
    has_batch_norm,
    statistics_gap,
    with_batch_statistics,
)
from zoo.bench.suites import BenchImage, Suite, SuiteDataset
from zoo.cost.challenge import challenge_cost
from zoo.cost.measure import measured_cost
from zoo.errors import DataError, RecipeError
from zoo.fingerprints import own_code
from zoo.metrics import metric_key
from zoo.metrics.base import Comparison, Metric
from zoo.metrics.learned import trained_against
from zoo.metrics.protocol import PROTOCOL_VERSION
from zoo.records.challenge import CHALLENGE_COLUMNS
from zoo.records.record import (
    DatasetScores,
    ImageScores,
    Record,
    forget_failure,
    read_record,
    record_path,
    what_scored,
)
from zoo.records.remarks import REMARKS
from zoo.runs.device import Execution
from zoo.runs.provenance import identity_hash, machine, revision, versions

logger = logging.getLogger(__name__)
SCORING_VERSION = 2
"""Version of the scoring mathematics: raised when the same inputs give numbers that differ by more
than rounding does."""
SOFTWARE = ("torch", "piq", "timm", "numpy", "scipy")
"""Packages that the networks and metrics compute with."""
CODE = ("bench/forward.py", "bench/judges.py", "bench/probes.py")
"""Files of zoo's own that run a generator and score how: parts of a key, as those of components."""


@dataclass(slots=True)
class Clock:
    """Where the seconds of scoring went.

    Attributes:
        network: in the generator, for its images.
        metrics: in the metrics.
        cost: in the generator, to measure what it costs.
        total: in all.
    """

    network: float = 0.0
    metrics: float = 0.0
    cost: float = 0.0
    total: float = 0.0


class Scorer:
    """Scores candidates on one suite.

    Args:
        suite: images and scale.
        metrics: by registered name.
        execution: device and numerics.
        records: folder of records.

    Attributes:
        self_test: what the self-test found for each dataset, kept in every record.
    """

    def __init__(
        self, suite: Suite, metrics: Mapping[str, Metric], execution: Execution, records: Path
    ) -> None:
        self.suite = suite
        self.execution = execution
        self.records = records
        self.columns = columns_of(metrics)
        self._codes = codes_of(metrics)
        self.self_test: dict[str, str] = {}
        self._metrics = {
            metric_key(name): metric
            for name, metric in metrics.items()
            if self.columns[metric_key(name)].unavailable is None
        }

    def metric(self, name: str) -> Metric | None:
        """Return the metric of that name; None if it is not scored by, or cannot be computed."""
        return self._metrics.get(metric_key(name))

    def key(self, candidate: Candidate) -> str:
        """Return the hash of everything that affects a candidate's record."""
        target = candidate.target.model_dump(mode="json", exclude={"command", "name"})
        training = None if candidate.training is None else candidate.training.model_dump()
        return identity_hash(
            {
                "protocol": PROTOCOL_VERSION,
                "scoring": SCORING_VERSION,
                "suite": self.suite.sha256,
                "target": target,
                "metrics": {
                    name: [
                        column.unavailable is None,
                        what_scored(column.provenance),
                        self._codes.get(name),
                    ]
                    for name, column in self.columns.items()
                },
                "software": {name: versions()[name] for name in SOFTWARE},
                "code": own_code(*CODE),
                "device": self.execution.device.type,
                "training": training,
                "error": candidate.error,
            }
        )

    def known(self, candidate: Candidate) -> Path | None:
        """Return the file of a candidate's record where there is a whole one already."""
        if not candidate.is_cacheable or candidate.error is not None:
            return None
        begun = self._begin(candidate)
        path = record_path(self.records, begun)
        if not path.exists():
            return None
        reason = self._why_again(path)
        if reason is not None:
            logger.warning("%s; zoo scores it again", reason)
            path.unlink()
            return None
        forget_failure(self.records, begun)
        return path

    def _why_again(self, path: Path) -> str | None:
        """Return why a record is not used: it is damaged, or a metric failed that may do now."""
        try:
            columns = read_record(path).columns
        except DataError as error:
            return str(error)
        lost = [
            column.label
            for key, column in columns.items()
            if column.unavailable and key in self.columns and not self.columns[key].unavailable
        ]
        return f"{path} lacks {', '.join(lost)}" if lost else None

    def score(self, candidate: Candidate, clock: Clock | None = None) -> Record:
        """Score a candidate on every image of the suite.

        Args:
            candidate: what to score.
            clock: filled with where the time went.

        Raises:
            RecipeError: if its scale is not the suite's.
            ShapeError: if it returns something else than the upscaled image.
            ZooError: if its weights are damaged or do not fit.
        """
        begin = time.perf_counter()
        clock = Clock() if clock is None else clock
        record = self._begin(candidate)
        if candidate.error is not None:
            return record
        if candidate.scale != self.suite.scale:
            raise RecipeError(
                f"{candidate.target.name} upscales x{candidate.scale}, but suite {self.suite.name} "
                f"is x{self.suite.scale}"
            )
        upscale = candidate.load()
        if isinstance(upscale, nn.Module):
            upscale = self.execution.place(upscale).eval()
        keeper = PictureKeeper(self.suite, record_path(self.records, record))
        forward = Forward(upscale, self.execution)
        judges = Judges(self._metrics, self.columns, self.execution)
        scored = []
        for dataset in self.suite.datasets:
            images = tuple(self._score_images(upscale, forward, dataset, judges, keeper, clock))
            known = {"skipped": dataset.skipped, "degradation": dataset.degradation}
            scored.append(DatasetScores(name=dataset.name, images=images, **known))
        cost = self._cost(upscale, clock)
        clock.total = time.perf_counter() - begin
        noticed = {"seconds": clock.total} | _noticed(forward, candidate)
        complete = record.model_copy(
            update={
                "columns": judges.columns() | CHALLENGE_COLUMNS,
                "datasets": tuple(judges.kept(dataset) for dataset in scored),  # one may be lost
                "cost": cost,
                "pictures": tuple(keeper.kept),
                "provenance": record.provenance | noticed,
            }
        )
        return complete if candidate.is_cacheable else self._named(complete, keeper)

    def _named(self, record: Record, keeper: PictureKeeper) -> Record:
        """Return a callable's record: its scores tell one version from another, without a hash."""
        scores = [dataset.model_dump() for dataset in record.datasets]
        key = identity_hash({"key": record.key, "scores": scores})
        named = record.model_copy(update={"key": key})
        return named.model_copy(update={"pictures": keeper.move_to(self.records, named)})

    def _cost(self, upscale: Upscaler, clock: Clock) -> dict[str, float]:
        since = time.perf_counter()
        with self.execution.scoring():
            cost = measured_cost(upscale, scale=self.suite.scale, device=self.execution.device)
        cost |= challenge_cost(upscale, scale=self.suite.scale)
        clock.cost = time.perf_counter() - since
        return cost

    def failure(self, candidate: Candidate, reason: str) -> Record:
        """Return the record that says why a candidate could not be scored."""
        failed = dataclasses.replace(candidate, error=reason)
        return self._begin(failed)

    def _begin(self, candidate: Candidate) -> Record:
        """Return a candidate's record before it is scored."""
        provenance = _provenance(self.execution) | {"self_test": self.self_test}
        components = {} if candidate.training is None else candidate.training.components
        conflicts = {
            key: trained_against(metric, components) for key, metric in self._metrics.items()
        }
        provenance["versions"] |= packages_of(candidate.target.generator.get("name", ""))
        provenance["trained_against"] = {key: found for key, found in conflicts.items() if found}
        return Record(
            key=self.key(candidate),
            protocol=PROTOCOL_VERSION,
            suite=self.suite.name,
            suite_sha256=self.suite.sha256,
            scale=self.suite.scale,
            target=candidate.target,
            columns=self.columns,
            training=candidate.training,
            error=candidate.error,
            provenance=provenance,
        )

    def _score_images(
        self,
        upscale: Upscaler,
        forward: Forward,
        dataset: SuiteDataset,
        judges: Judges,
        keeper: PictureKeeper,
        clock: Clock,
    ) -> list[ImageScores]:
        sizes = [dataset.sizes[name] for name in dataset.names]
        pixels = most_pixels(self.execution.device) * self.suite.scale**2
        scored: dict[str, ImageScores] = {}
        for images in decoded(dataset, plan_batches(sizes, pixels)):
            since = time.perf_counter()
            sr_images = forward(images)
            clock.network += time.perf_counter() - since
            for image, sr_image in zip(images, sr_images, strict=True):
                comparison = Comparison(
                    sr_image=sr_image,
                    hr_image=to_tensor(image.hr_image, self.execution.device),
                    lr_image=to_tensor(image.lr_image, self.execution.device),
                    scale=self.suite.scale,
                )
                since = time.perf_counter()
                scores = judges.score(comparison, f"{dataset.name}/{image.name}")
                clock.metrics += time.perf_counter() - since
                since = time.perf_counter()
                scores |= self._probe(upscale, forward, image, comparison)
                clock.network += time.perf_counter() - since
                keeper.keep(dataset.name, image.name, sr_image)
                scored[image.name] = _image_scores(image, scores)
        return [scored[name] for name in dataset.names]

    def _probe(
        self, upscale: Upscaler, forward: Forward, image: BenchImage, comparison: Comparison
    ) -> dict[str, float]:
        """Score what changes when the network is run in another way."""
        if not isinstance(upscale, nn.Module):
            return {}
        if not has_batch_norm(upscale):
            return {STATISTICS_GAP_KEY: 0.0}
        sides = comparison.sr_image.shape[-2:]
        if min(sides) <= 2 * self.suite.scale or image.lr_image.shape[:2] == (1, 1):
            return {}  # nothing is left without the border; one pixel has no statistics
        with with_batch_statistics(upscale):
            batch_image = forward.alone(image)
        gap = statistics_gap(
            comparison.sr_image, batch_image, comparison.hr_image, scale=self.suite.scale
        )
        return {STATISTICS_GAP_KEY: gap}


def _noticed(forward: Forward, candidate: Candidate) -> dict[str, list[str]]:
    """Return what a record's provenance says of its candidate, or of one that draws its images."""
    found = [candidate.remark] if candidate.remark else []
    drift = forward.drift()
    if drift > ALIKE:
        found.append(
            f"is random: upscaling the same image twice gave a difference of up to {drift:.2g} "
            "(for values in [0, 1]), so its scores are those of one draw"
        )
        logger.warning("%s %s", candidate.target.name, found[-1])
    return {REMARKS: found} if found else {}


def _image_scores(image: BenchImage, scores: dict[str, float]) -> ImageScores:
    height, width = image.hr_image.shape[:2]
    return ImageScores(
        name=image.name,
        height=height,
        width=width,
        hr_sha256=image.hr_sha256,
        lr_sha256=image.lr_sha256,
        scores=scores,
    )


def _provenance(execution: Execution) -> dict[str, Any]:
    on_gpu = execution.device.type == "cuda"
    return {
        "created": datetime.now(UTC).isoformat(timespec="microseconds"),
        "device": torch.cuda.get_device_name(execution.device) if on_gpu else "cpu",
        "machine": machine(),
        "execution": execution.describe(),
        "scoring": SCORING_VERSION,
        "versions": versions(),
        "git": revision(),
        "command": sys.argv,
    }
