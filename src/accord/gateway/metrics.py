"""Metrics for Prometheus: what the node and the gateway do, read when they are asked for.

Times are in seconds. All counters begin at 0 when the process starts.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Counts
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.types import Scope

from accord.domain import event as e
from accord.engine.figures import COMMIT_BOUNDS_S
from accord.engine.node import Node
from accord.errors import BusUnavailable
from accord.gateway.colleagues import Colleagues, Place
from accord.ports import partition_subject
from accord.service import state_of

BUS_WITHIN_S: Final = 1.0
"""A bus that takes longer to tell its depths is not waited for."""

METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

RUNS_ENDED: Final[Mapping[str, type[e.Event]]] = {
    "completed": e.RunCompleted,
    "failed": e.RunFailed,
    "cancelled": e.RunCancelled,
}
ATTEMPTS_ENDED: Final[Mapping[str, type[e.Event]]] = {
    "succeeded": e.AttemptSucceeded,
    "rejected": e.AttemptRejected,
    "failed": e.AttemptFailed,
    "expired": e.AttemptExpired,
    "cancelled": e.AttemptCancelled,
}


class Metrics:
    """The metrics of one gateway, in a registry of their own."""

    def __init__(self, node: Node) -> None:
        self._registry = CollectorRegistry()
        self._colleagues: Colleagues | None = None
        self._engine = _Engine(node)
        self._registry.register(self._engine)
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "accord_http_requests", "HTTP requests", ("method", "route", "status"), registry=self._registry
        )
        self._request_s = Histogram(
            "accord_http_request_seconds", "Until the answer begins", ("route",), registry=self._registry
        )

    def request(self, scope: Scope, status: int, took_s: float) -> None:
        """Count a request, under the route that served it: paths hold names, and there is no end of them."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._requests.labels(method, route, str(status or "none")).inc()
        self._request_s.labels(route).observe(took_s)

    @asynccontextmanager
    async def shared(self, place: Place | None) -> AsyncIterator[None]:
        """Tell these metrics to the other workers of this server inside, and theirs with them."""
        if place is None:
            yield
            return
        async with Colleagues.open(place, self._text) as self._colleagues:
            yield

    async def _text(self) -> bytes:
        await self._engine.look()
        return generate_latest(self._registry)

    async def exposed(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that is asked for, and its media type."""
        encoder, media_type = choose_encoder(accept)
        if self._colleagues is not None:
            return encoder(await self._colleagues.gathered()), media_type
        await self._engine.look()
        return encoder(self._registry), media_type


class _Engine(Collector):
    """Reads the node's own figures."""

    def __init__(self, node: Node) -> None:
        self._parts = node.parts
        self._queued: int | None = None

    async def look(self) -> None:
        """Ask the bus how much waits there; while it does not tell, that is not shown."""
        bus, partitions = self._parts.ports.bus, tuple(self._parts.partitions.fences)
        self._queued = None
        with suppress(BusUnavailable, TimeoutError):
            async with asyncio.timeout(BUS_WITHIN_S):
                self._queued = sum(await asyncio.gather(*(bus.depth(partition_subject(one)) for one in partitions)))

    def describe(self) -> list[Metric]:
        """Nothing: names are known when they are asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The node as it is now."""
        parts = self._parts
        runs = Counts[str](state_of(slot.run) for slot in parts.ledger.slots())
        yield _family(GaugeMetricFamily, "accord_runs", "Runs under way here", "state", runs)
        yield GaugeMetricFamily("accord_tasks_waiting", "Tasks that wait for an agent", parts.dispatcher.waiting)
        yield GaugeMetricFamily("accord_partitions_owned", "Partitions of this process", len(parts.partitions.fences))
        if self._queued is not None:
            words = "Messages of agents that wait on the bus for this process"
            yield GaugeMetricFamily("accord_messages_queued", words, self._queued)
        agents, instances = parts.registry.present()
        yield GaugeMetricFamily("accord_agents_present", "Agents with an instance here", agents)
        yield GaugeMetricFamily("accord_instances_present", "Instances of agents that are here", instances)
        breakers = parts.router.breakers
        yield GaugeMetricFamily("accord_agents_out", "Breakers of agents that are open here", breakers.open)
        yield CounterMetricFamily("accord_agents_taken_out", "Breakers of agents that have opened", breakers.count)
        others = parts.router.commons.processes - 1
        yield GaugeMetricFamily("accord_processes_heard", "Other processes that tell what they hold", others)
        yield from self._counters()

    def _counters(self) -> Iterator[Metric]:
        events, refused = self._parts.figures.events, self._parts.incidents.refused
        ended = {state: events[kind] for state, kind in RUNS_ENDED.items()}
        yield _family(CounterMetricFamily, "accord_runs_ended", "Runs that have ended", "state", ended)
        yield CounterMetricFamily("accord_runs_started", "Runs that have started", events[e.RunStarted])
        yield CounterMetricFamily("accord_hand_offs", "Results accepted and journalled", events[e.AttemptSucceeded])
        yield CounterMetricFamily("accord_attempts_assigned", "Tasks given to agents", events[e.AttemptAssigned])
        ends = {end: events[kind] for end, kind in ATTEMPTS_ENDED.items()}
        yield _family(CounterMetricFamily, "accord_attempts_ended", "Attempts that have ended", "end", ends)
        yield _family(CounterMetricFamily, "accord_gate_refusals", "Messages refused", "code", refused)
        yield self._commits()

    def _commits(self) -> Metric:
        figures, buckets, total = self._parts.figures, [], 0
        for bound, count in zip((*map(str, COMMIT_BOUNDS_S), "+Inf"), figures.commits, strict=True):
            total += count
            buckets.append((bound, float(total)))
        return HistogramMetricFamily("accord_commit_seconds", "Appends to the journal", buckets, figures.commit_s)


def _family(kind: Any, name: str, words: str, label: str, values: Mapping[str, int]) -> Metric:
    family: Any = kind(name, words, labels=(label,))
    for value, count in sorted(values.items()):
        family.add_metric((value,), count)
    metric: Metric = family
    return metric
