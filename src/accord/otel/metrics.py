"""The metrics as OpenTelemetry has them: the same families that Prometheus is told, sent every so often."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from prometheus_client.core import Metric as Family
from prometheus_client.samples import Sample

from accord.otel.spans import SCOPE

logger = logging.getLogger("accord.telemetry")

Families = Callable[[], Awaitable[Iterable[Family]]]

_Labels = tuple[tuple[str, str], ...]

CUMULATIVE: Final = AggregationTemporality.CUMULATIVE


class MetricsSender:
    """Sends metrics again and again, in a thread, as a collector may take its time."""

    def __init__(self, send: Callable[[MetricsData], bool], resource: Resource, every_s: float) -> None:
        self._send = send
        self._resource = resource
        self._every_s = every_s
        self._since = time.time_ns()

    @asynccontextmanager
    async def sending(self, families: Families) -> AsyncIterator[None]:
        """Send what `families` gives, every so often, inside."""
        task = asyncio.create_task(self._go_on(families), name="accord-otlp-metrics")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _go_on(self, families: Families) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                data = metrics_data(await families(), self._resource, self._since, time.time_ns())
                await asyncio.to_thread(self._send, data)
            except Exception:
                logger.exception("metrics are missing because of a fault of Accord's")


def metrics_data(families: Iterable[Family], resource: Resource, since: int, now: int) -> MetricsData:
    """These families, at `now`, counted since `since`: nanoseconds since 1970."""
    metrics = [metric for family in families for metric in _metrics(family, since, now)]
    scope = ScopeMetrics(scope=SCOPE, metrics=metrics, schema_url="")
    return MetricsData([ResourceMetrics(resource=resource, scope_metrics=[scope], schema_url="")])


def _metrics(family: Family, since: int, now: int) -> Iterator[Metric]:
    words, unit = family.documentation, "s" if family.name.endswith("_seconds") else "1"
    if family.type == "histogram":
        points = list(_histograms(family.samples, since, now))
        yield Metric(family.name, words, unit, Histogram(points, CUMULATIVE))
    elif family.type == "counter":
        numbers = [_number(one, since, now) for one in family.samples if one.name.endswith("_total")]
        yield Metric(f"{family.name}_total", words, unit, Sum(numbers, CUMULATIVE, is_monotonic=True))
    else:
        yield Metric(family.name, words, unit, Gauge([_number(one, since, now) for one in family.samples]))


def _number(sample: Sample, since: int, now: int) -> NumberDataPoint:
    return NumberDataPoint(dict(sample.labels), since, now, sample.value)


def _histograms(samples: Iterable[Sample], since: int, now: int) -> Iterator[HistogramDataPoint]:
    """One for each set of labels; their buckets do not add up here."""
    buckets: dict[_Labels, list[tuple[float, float]]] = defaultdict(list)
    sums: dict[_Labels, float] = {}
    for sample in samples:
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "le"))
        if sample.name.endswith("_bucket"):
            buckets[labels].append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[labels] = sample.value
    for labels, found in buckets.items():
        found.sort()
        up_to = [int(count) for _, count in found]
        yield HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=since,
            time_unix_nano=now,
            count=up_to[-1],
            sum=sums.get(labels, 0.0),
            bucket_counts=[count - before for count, before in zip(up_to, [0, *up_to[:-1]], strict=True)],
            explicit_bounds=[bound for bound, _ in found[:-1]],
            min=None,  # type: ignore[arg-type]  # nobody knows it, and the message has a way to say so
            max=None,  # type: ignore[arg-type]  # as above
        )
