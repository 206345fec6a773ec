"""What a group commit writes: the appends of several callers that may be written together, and who may not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from accord.domain.ids import AgentId, RunId, StreamId
from accord.errors import Fenced, SequenceConflict
from accord.ports import Append, Head, Record, RunSummary
from accord.store.frontier import Frontier, end_of

Appends = Sequence[Append]
"""What one caller wants written, all or nothing."""


class Group:
    """The appends of several callers as one change: the last word on each stream, run and letter."""

    def __init__(self) -> None:
        self.expected: dict[StreamId, Head] = {}
        self.ends: dict[StreamId, Head] = {}
        self.epochs: dict[int, int] = {}
        self.records: list[Record] = []
        self.summaries: dict[RunId, RunSummary] = {}
        self.agents: list[tuple[AgentId, RunId]] = []
        """Agents who were given work, and of which run."""
        self.answers: dict[str, bytes] = {}
        """The first one to each letter."""

    def add(self, appends: Appends) -> None:
        """Take up one caller's appends, which the frontier has admitted."""
        for append in appends:
            self.expected.setdefault(append.stream, append.expected)
            self.ends[append.stream] = end_of(append)
            if append.fence is not None:
                self.epochs[append.fence.partition] = append.fence.epoch
            self.records.extend(append.records)
            if append.summary is not None:
                self.summaries[append.summary.run] = append.summary
                self.agents.extend([(agent, append.summary.run) for agent in append.agents])
            for answer in append.answers:
                self.answers.setdefault(answer.letter, answer.data)


def assumed(calls: Iterable[Appends]) -> Frontier:
    """What is so if all callers are right; the commit checks it."""
    frontier = Frontier()
    for appends in calls:
        for append in appends:
            frontier.heads.setdefault(append.stream, append.expected)
            if append.fence is not None:
                frontier.epochs.setdefault(append.fence.partition, append.fence.epoch)
    return frontier


def admitted(calls: Iterable[Appends], frontier: Frontier) -> tuple[Group, list[Exception | None]]:
    """The group of the calls that the frontier admits, and for each call its refusal."""
    group = Group()
    refusals: list[Exception | None] = []
    for appends in calls:
        try:
            frontier.admit(appends)
        except (SequenceConflict, Fenced) as refusal:
            refusals.append(refusal)
        else:
            group.add(appends)
            refusals.append(None)
    return group, refusals


def settle(futures: Sequence[asyncio.Future[Any]], outcomes: Sequence[Any]) -> None:
    """Tell each of these futures its outcome, unless nobody waits for it any more."""
    for written, outcome in zip(futures, outcomes, strict=True):
        if written.done():
            continue
        if isinstance(outcome, Exception):
            written.set_exception(outcome)
        else:
            written.set_result(outcome)
