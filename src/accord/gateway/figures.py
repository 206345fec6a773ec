"""The node's own figures as metrics: read when somebody asks, so that nothing is spent on them else."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from accord.domain import event as e
from accord.domain.run import Run
from accord.engine.cluster import depths
from accord.engine.figures import COMMIT_BOUNDS_EVENTS, COMMIT_BOUNDS_S
from accord.engine.ledger import Slot
from accord.engine.node import Node
from accord.ports import OPEN
from accord.service import state_of
from accord.telemetry import METRICS
from accord.telemetry.metrics import ERRORS_OF

STUCK_AFTER: Final = timedelta(minutes=1)
"""A run that was not woken for so long after its time is stuck."""

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
_CAUSES: Final = ("agent_lost", "lease", "timeout")
_KINDS: Final[Mapping[str, Any]] = {"gauge": GaugeMetricFamily, "counter": CounterMetricFamily}


class Engine(Collector):
    """Reads the node's figures."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._parts = node.parts
        self._queued: int | None = None

    async def look(self) -> None:
        """Ask the bus how much waits there; while it does not tell, that is not shown."""
        partitions = tuple(self._parts.partitions.fences)
        told = await depths(self._parts.ports.bus, partitions)
        self._queued = sum(told.values()) if len(told) == len(partitions) else None

    def describe(self) -> list[Metric]:
        """Nothing: names are known when they are asked for."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The node as it is now."""
        now = self._parts.ports.clock.now()
        yield from self._runs(now)
        yield from self._hand_offs()
        yield from self._agents(now)
        yield from self._journal()
        yield from self._transport()

    def _runs(self, now: datetime) -> Iterator[Metric]:
        parts, events = self._parts, self._parts.figures.events
        slots = list(parts.ledger.slots())
        late = [now - slot.wake_at for slot in slots if slot.wake_at is not None and slot.wake_at < now]
        overdue = [one for one in late if one > parts.tuning.sweep_every]
        none: dict[str, float] = dict.fromkeys(OPEN, 0)
        yield _by("accord_runs", {**none, **Counts[str](state_of(slot.run) for slot in slots)})
        yield _one("accord_runs_started_total", events[e.RunStarted])
        yield _by("accord_runs_ended_total", {state: events[kind] for state, kind in RUNS_ENDED.items()})
        yield _one("accord_runs_stuck", sum(_is_stuck(slot, now) for slot in slots))
        yield _one("accord_wake_ups_overdue", len(overdue))
        yield _one("accord_wake_up_overdue_seconds", max(overdue, default=timedelta()).total_seconds())
        yield _one("accord_tasks_waiting", parts.dispatcher.waiting)
        yield _one("accord_tasks_unserved", parts.dispatcher.unserved)
        hungry = min(parts.dispatcher.hungry().values(), default=now)
        yield _one("accord_tasks_starved_seconds", max((now - hungry).total_seconds(), 0.0))

    def _hand_offs(self) -> Iterator[Metric]:
        parts, figures = self._parts, self._parts.figures
        events = figures.events
        yield _one("accord_attempts_assigned_total", events[e.AttemptAssigned])
        yield _by("accord_attempts_ended_total", {end: events[kind] for end, kind in ATTEMPTS_ENDED.items()})
        yield _by("accord_attempts_expired_total", {cause: figures.expired[cause] for cause in _CAUSES})
        yield _one("accord_attempts_held", sum(parts.router.held_by_agents().values()))
        yield _one("accord_hand_offs_total", events[e.AttemptSucceeded])
        yield _by("accord_gate_refusals_total", parts.incidents.refused)
        yield _one("accord_incidents_total", parts.incidents.recorded)
        denied = parts.authority.denied
        yield _by("accord_policy_denials_total", {"agent": denied["agent"], "principal": denied["principal"]})

    def _agents(self, now: datetime) -> Iterator[Metric]:
        parts, breakers = self._parts, self._parts.router.breakers
        agents, instances = parts.registry.present()
        yield _one("accord_agents_present", agents)
        yield _one("accord_instances_present", instances)
        yield _one("accord_places", sum(one.capacity.total for _, one in parts.registry.all_instances()))
        yield _one("accord_agents_out", breakers.open)
        yield _one("accord_agents_taken_out_total", breakers.count)
        yield _one("accord_agents_quarantined", len(parts.holds.quarantined))
        yield from self._keys(now)

    def _keys(self, now: datetime) -> Iterator[Metric]:
        """Of keys that end by themselves and may sign; where none does, nothing is told of when."""
        ending = [one for one in self._parts.registry.all_keys() if one.expires_at is not None and one.usable(now)]
        last = [one for one in ending if one.retires_at is None]
        yield _one("accord_keys_expiring", sum(one.expires_soon(now) for one in last))
        ends = min((one.expires_at for one in ending if one.expires_at is not None), default=None)
        if ends is not None:
            yield _one("accord_key_expiry_seconds", (ends - now).total_seconds())

    def _journal(self) -> Iterator[Metric]:
        figures, partitions = self._parts.figures, self._parts.partitions
        yield _histogram("accord_commit_seconds", COMMIT_BOUNDS_S, figures.commits, figures.commit_s)
        yield _histogram("accord_commit_events", COMMIT_BOUNDS_EVENTS, figures.commit_sizes, figures.commit_events)
        yield _one("accord_partitions_owned", len(partitions.fences))
        yield _one("accord_partitions_gained_total", partitions.gains)
        yield _one("accord_partitions_lost_total", partitions.losses)
        yield _one("accord_runs_taken_over_total", figures.taken_over)
        yield _one("accord_batches_given_up_total", figures.given_up)
        yield _by("accord_errors_total", {of: figures.errors[of] for of in ERRORS_OF})

    def _transport(self) -> Iterator[Metric]:
        parts, spans = self._parts, self._parts.ports.spans
        yield _one("accord_processes_heard", parts.router.commons.processes - 1)
        if self._queued is not None:
            yield _one("accord_messages_queued", self._queued)
        yield _one("accord_messages_unsent", self._node.orchestrator.unsent)
        yield _one("accord_spans_total", 0 if spans is None else spans.made)
        yield _one("accord_spans_dropped_total", 0 if spans is None else spans.dropped)


def _is_stuck(slot: Slot, now: datetime) -> bool:
    late = slot.wake_at is not None and now - slot.wake_at > STUCK_AFTER
    return late or _has_nothing_to_do(slot.run)


def _has_nothing_to_do(run: Run) -> bool:
    """Whether the run goes on, and yet no task of it is under way and no other run is waited for."""
    return not (run.ended or run.paused or len(run.busy) or len(run.leaving))


def _one(name: str, value: float) -> Metric:
    one = METRICS[name]
    metric: Metric = _KINDS[one.kind](one.family, one.words, value)
    return metric


def _by(name: str, values: Mapping[str, float]) -> Metric:
    one = METRICS[name]
    family: Any = _KINDS[one.kind](one.family, one.words, labels=one.labels)
    for value, count in sorted(values.items()):
        family.add_metric((value,), count)
    metric: Metric = family
    return metric


def _histogram(name: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> Metric:
    """The counts are of each bound alone; buckets add up."""
    one, buckets, so_far = METRICS[name], [], 0
    for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        so_far += count
        buckets.append((bound, float(so_far)))
    return HistogramMetricFamily(one.family, one.words, buckets, total)
