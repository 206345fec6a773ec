"""The metrics, by Prometheus's rules for names: base units, and `_total` behind what only grows.

All that is counted begins at 0 when its process starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

MetricKind = Literal["gauge", "counter", "histogram"]


class MetricSpec(NamedTuple):
    """One metric. `labels` are the names of its labels; the bounds of histograms are where they are counted."""

    name: str
    kind: MetricKind
    words: str
    labels: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The name of its family, as `prometheus_client` has it."""
        return self.name.removesuffix("_total")


_METRICS: Final = (
    # runs and tasks
    MetricSpec("accord_runs", "gauge", "Runs under way here, by state", ("state",)),
    MetricSpec("accord_runs_started_total", "counter", "Runs that have started"),
    MetricSpec("accord_runs_ended_total", "counter", "Runs that have ended, by state", ("state",)),
    MetricSpec("accord_runs_stuck", "gauge", "Runs under way with nothing to do, or not woken for over a minute"),
    MetricSpec("accord_wake_ups_overdue", "gauge", "Runs that should have been woken before the last sweep"),
    MetricSpec("accord_wake_up_overdue_seconds", "gauge", "How long the longest of them is overdue; 0 where none is"),
    MetricSpec("accord_tasks_waiting", "gauge", "Tasks that wait for an agent"),
    MetricSpec("accord_tasks_unserved", "gauge", "Of these, tasks of a capability that no agent here offers"),
    MetricSpec("accord_tasks_starved_seconds", "gauge", "How long nobody has had room for what waits longest"),
    # hand-offs
    MetricSpec("accord_attempts_assigned_total", "counter", "Tasks given to agents"),
    MetricSpec("accord_attempts_ended_total", "counter", "Attempts that have ended, by how", ("end",)),
    MetricSpec("accord_attempts_expired_total", "counter", "Attempts whose time ran out, by why", ("cause",)),
    MetricSpec("accord_attempts_held", "gauge", "Attempts that agents hold"),
    MetricSpec("accord_hand_offs_total", "counter", "Results accepted and journalled"),
    MetricSpec("accord_gate_refusals_total", "counter", "Messages refused, by code", ("code",)),
    MetricSpec("accord_incidents_total", "counter", "Incidents recorded"),
    MetricSpec("accord_policy_denials_total", "counter", "What the policy did not allow, to whom", ("to",)),
    # agents and keys
    MetricSpec("accord_agents_present", "gauge", "Agents with an instance here"),
    MetricSpec("accord_instances_present", "gauge", "Instances of agents that are here"),
    MetricSpec("accord_places", "gauge", "Attempts that the agents here can hold together"),
    MetricSpec("accord_agents_out", "gauge", "Breakers of agents that are open here"),
    MetricSpec("accord_agents_taken_out_total", "counter", "Breakers of agents that have opened"),
    MetricSpec("accord_agents_quarantined", "gauge", "Agents in quarantine"),
    MetricSpec("accord_keys_expiring", "gauge", "Keys of agents that end soon, and have no successor"),
    MetricSpec("accord_key_expiry_seconds", "gauge", "Until the next key of an agent ends by itself"),
    # journal, partitions, bus
    MetricSpec("accord_commit_seconds", "histogram", "How long appends to the journal took"),
    MetricSpec("accord_commit_events", "histogram", "Events of one append"),
    MetricSpec("accord_partitions_owned", "gauge", "Partitions of this process"),
    MetricSpec("accord_partitions_gained_total", "counter", "Partitions that came to be of this process"),
    MetricSpec("accord_partitions_lost_total", "counter", "Partitions that were lost or given up"),
    MetricSpec("accord_runs_taken_over_total", "counter", "Open runs of partitions that were gained"),
    MetricSpec("accord_processes_heard", "gauge", "Other processes that tell what they hold"),
    MetricSpec("accord_messages_queued", "gauge", "Messages of agents that wait on the bus for this process"),
    MetricSpec("accord_messages_unsent", "gauge", "Messages that wait for the bus, or for the key store"),
    MetricSpec("accord_batches_given_up_total", "counter", "Turns of which nothing became durable"),
    MetricSpec("accord_errors_total", "counter", "Faults that were met and survived, by whose they are", ("of",)),
    # the process
    MetricSpec("accord_http_requests_total", "counter", "HTTP requests", ("method", "route", "status")),
    MetricSpec("accord_http_request_seconds", "histogram", "Until the answer to a request begins", ("route",)),
    MetricSpec("accord_loop_lag_seconds", "histogram", "How late the event loop comes to what is due"),
    MetricSpec("accord_spans_total", "counter", "Spans that were made for export"),
    MetricSpec("accord_spans_dropped_total", "counter", "Spans that no collector has taken: it was slow, or away"),
)

METRICS: Final[Mapping[str, MetricSpec]] = {one.name: one for one in _METRICS}
"""By name, in the order in which they are told."""

ERRORS_OF: Final = ("store", "bus", "keys", "accord")
"""Whose faults are told apart."""
