"""Tasks that the policy bars from everybody: which they are, since when, and why. Nothing of it is kept: it is found
out when somebody asks, by the policies in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from accord.domain.capability import CapabilityRange
from accord.domain.graph import node_of
from accord.domain.ids import AgentId, TaskId
from accord.domain.progress import capability_of
from accord.domain.run import Run, Want
from accord.engine.authority import Authority, Denial
from accord.engine.registry import Registry
from accord.service import Barred

WHY_MOST = 5
"""Reasons that are told of a task."""


def barred(run: Run, registry: Registry, authority: Authority) -> list[Barred]:
    """What the policy bars from everybody, in topological order; the items of a task as one."""
    if run.ended or run.paused:
        return []
    found: dict[tuple[TaskId, int, tuple[str, ...], str], Barred] = {}
    for task, want in _waiting(run):
        key = node_of(task), want.option, want.labels, want.purpose
        if key in found:
            one = found[key]
            found[key] = replace(one, count=one.count + 1, since=min(one.since, want.since))
        elif (first := _barred(run, task, want, registry, authority)) is not None:
            found[key] = first
    place = {name: number for number, name in enumerate(run.graph.order)}
    return sorted(found.values(), key=lambda one: place[one.task])


def _waiting(run: Run) -> Iterator[tuple[TaskId, Want]]:
    """What waits for an agent, and has none."""
    for task in sorted(run.busy):
        state = run.state(task)
        if state.wants and not any(attempt.live for attempt in state.attempts):
            yield task, state.wants[0]


def _barred(run: Run, task: TaskId, want: Want, registry: Registry, authority: Authority) -> Barred | None:
    wanted, denial = capability_of(run, task, want), authority.denials(run, task, want)
    denied: list[tuple[AgentId, str, Denial]] = []
    for agent, offered in _offers(wanted, registry):
        one = denial(agent, offered)
        if one is None:
            return None
        denied.append((agent, offered, one))
    if not denied:
        return None
    agent, offered, (action, _) = denied[0]
    why = dict.fromkeys(f"{action}: {decision.words()}" for _, _, (action, decision) in denied)
    return Barred(
        task=node_of(task),
        count=1,
        since=want.since,
        capability=str(wanted),
        labels=want.labels,
        agent=agent,
        offers=offered,
        action=action,
        why=tuple(why)[:WHY_MOST],
    )


def _offers(wanted: CapabilityRange, registry: Registry) -> Sequence[tuple[AgentId, str]]:
    """Who offers it, and in which version: those who are present, else all that are known."""
    present = [(one.agent, one.capability) for one in registry.peers(wanted).candidates]
    if present:
        return present
    cards = (one.card for one in registry.known(wanted))
    return [(one.agent, str(each.ref)) for one in cards for each in one.contracts() if wanted.matches(each.ref)]
