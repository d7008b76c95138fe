"""The metrics of a benchmark: their columns, and how a failing metric is handled.

A failing metric loses only its own column, and the message names the metric.

Not here: what is scored (`zoo.bench.evaluate`), the metrics (`zoo.metrics`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

from zoo.bench.dynamics import MEASURE_COLUMNS
from zoo.bench.probes import STATISTICS_GAP_COLUMN, STATISTICS_GAP_KEY
from zoo.cost.measure import COST_COLUMNS
from zoo.errors import PluginError, ZooError, staying
from zoo.fingerprints import code_hash, scoring_hash
from zoo.metrics import is_in_range, metric_key
from zoo.metrics.base import Comparison, Metric
from zoo.records.record import Column, DatasetScores
from zoo.registry import METRICS
from zoo.runs.device import Execution

logger = logging.getLogger(__name__)


class Judges:
    """Scores the images of one candidate by several metrics.

    Args:
        metrics: by key; all of them can be computed here.
        columns: what each is called, by key.
        execution: where and how they compute.

    Attributes:
        lost: why a metric scores no more, by key: it raised, or left the range that it declares.
    """

    def __init__(
        self, metrics: Mapping[str, Metric], columns: Mapping[str, Column], execution: Execution
    ) -> None:
        self._metrics = metrics
        self._columns = columns
        self._execution = execution
        self.lost: dict[str, str] = {}

    def score(self, comparison: Comparison, where: str) -> dict[str, float]:
        """Score one image by each metric that can; a score that is not a number is excluded.

        Args:
            comparison: the image.
            where: what messages call it.
        """
        side = min(comparison.sr_image.shape[-2:]) - 2 * comparison.scale
        scores = {}
        for key, metric in self._metrics.items():
            if key in self.lost or side < metric.min_side:
                continue
            try:
                with staying():
                    score = float(self._score(metric, comparison))
            except Exception as error:
                logger.debug("%s on %s", key, where, exc_info=True)
                self._lose(key, f"raised {type(error).__name__} on {where} ({error})")
                continue
            if not math.isfinite(score):
                logger.warning("%s of %s is %s: left out", self._columns[key].label, where, score)
            elif not is_in_range(score, metric.value_range):
                self._lose(key, f"gave {score:.6g} for {where}, {_outside(metric)}")
            else:
                scores[key] = score
        return scores

    def columns(self) -> dict[str, Column]:
        """Return the columns; one that is lost says why."""
        return {
            key: column.model_copy(update={"unavailable": self.lost[key]})
            if key in self.lost
            else column
            for key, column in self._columns.items()
        }

    def kept(self, dataset: DatasetScores) -> DatasetScores:
        """Return a dataset's scores without those of metrics that were lost on the way."""
        images = tuple(
            image.model_copy(
                update={"scores": {k: v for k, v in image.scores.items() if k not in self.lost}}
            )
            for image in dataset.images
        )
        return dataset.model_copy(update={"images": images})

    def _score(self, metric: Metric, comparison: Comparison) -> float:
        """Score one image where the metric can, on the device in true float32."""
        if not metric.on_device:
            return metric.score(comparison.to("cpu"))
        on_cpu = self._execution.device.type == "cpu"
        with nullcontext() if on_cpu else self._execution.scoring():
            return metric.score(comparison)

    def _lose(self, key: str, what: str) -> None:
        reason = f"the metric itself {what}: mend it, and score again"
        self.lost[key] = reason
        logger.warning("no column %s: %s", self._columns[key].label, reason)


def _outside(metric: Metric) -> str:
    low, high = metric.value_range or (-math.inf, math.inf)
    return f"outside the range that it declares, {low:g} to {high:g}"


def create_metrics(names: Sequence[str] | None = None) -> dict[str, Metric]:
    """Create metrics by their registered names, all there are by default.

    Raises:
        UnknownNameError: if there is no such metric.
        PluginError: if one of those asked for cannot be imported or made.
    """
    return {name: _made(name) for name in names or METRICS.names()}


def _made(name: str) -> Metric:
    component = METRICS.get(name)
    try:
        with staying():
            return component()
    except ZooError:
        raise
    except Exception as error:
        raise PluginError(f"metric {name!r} cannot be made: {error!r}") from error


def columns_of(metrics: Mapping[str, Metric]) -> dict[str, Column]:
    """Return what each score, probe, cost and measure of a record means, by key."""
    scores = {metric_key(name): _column(name, metric) for name, metric in metrics.items()}
    probes = {STATISTICS_GAP_KEY: STATISTICS_GAP_COLUMN}
    return scores | probes | COST_COLUMNS | MEASURE_COLUMNS


def codes_of(metrics: Mapping[str, Metric]) -> dict[str, str]:
    """Return the hash of the code of each metric, by key."""
    return {metric_key(name): scoring_hash(type(metric)) for name, metric in metrics.items()}


def _column(name: str, metric: Metric) -> Column:
    """Return what a metric says of itself; one that cannot even do that scores nothing."""
    try:
        with staying():
            unavailable, provenance = metric.unavailable(), metric.provenance()
    except ZooError:
        raise
    except Exception as error:  # noqa: BLE001  a plugin's may raise anything
        unavailable, provenance = f"the metric itself raised {error!r}: mend it", {}
    return Column(
        label=metric.label or name,
        unit=metric.unit,
        higher_is_better=metric.higher_is_better,
        value_range=metric.value_range,
        unavailable=unavailable,
        provenance={**provenance, **_origin(name, metric)},
    )


def _origin(name: str, metric: Metric) -> dict[str, str]:
    """Return what tells one version of a plugin's metric from another."""
    origin = METRICS.origin(name) if name in METRICS.names() else None
    if origin is None or origin.kind == "built-in":
        return {}
    return {"origin": code_hash(type(metric)) or str(origin)}
