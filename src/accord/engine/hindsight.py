"""Hindsight: experience from the runs that have ended last, whichever process had them. Nothing is kept beside the
journal, so a restart forgets nothing, every replica knows the same, and who works on runs does nothing for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from accord.codec import decode_event
from accord.domain.experience import Done, Experience, Observed, TaskExperience, Try, observed
from accord.domain.graph import node_of, undone_id
from accord.domain.ids import AgentId, RunId, StreamId, TaskId
from accord.errors import StoreCorrupt
from accord.ports import Clock, Journal, Record, RunQuery, RunState, RunSummary
from accord.recent import Recent

RUNS: Final = 64
"""So many runs that have ended are read at a time, the newest first."""
LOOKED_AT: Final = 256
"""Among so many of the newest runs they are sought when a process begins: the others may be under way."""
RUNS_OF_TEMPLATE: Final = 16
"""So many of a template that is asked for, where the newest runs were not of it."""
EVENTS: Final = 1000
"""Of a run that has more, nothing is read."""
EVENTS_AT_A_TIME: Final = 5000

TRIES: Final = 32
"""The attempts that are remembered of each capability, task, and agent with a capability: the newest ones, so that
what has changed is soon forgotten.
"""
TEMPLATES: Final = 256
CAPABILITIES: Final = 512
PAIRS: Final = 4096
"""So many are remembered; which nothing was learned of for longest goes first."""

FRESH: Final = timedelta(seconds=5)
"""Whoever asks again within that time is told the same."""
OVERLAP: Final = timedelta(seconds=10)
"""So far the clocks of processes may differ, and commits be late: what has ended since then is looked for again."""

_ENDED: Final[tuple[RunState, ...]] = ("completed", "failed", "cancelled")


def _tries() -> deque[Try]:
    return deque(maxlen=TRIES)


class _Template:
    """What is known of a template."""

    def __init__(self) -> None:
        self.whole: deque[Done] = deque(maxlen=TRIES)
        self.skipped: deque[tuple[TaskId, ...]] = deque(maxlen=TRIES)
        self.tries: dict[TaskId, deque[Try]] = {}
        self.done: dict[TaskId, deque[Done]] = {}

    def tasks(self) -> dict[TaskId, TaskExperience]:
        """By task, what is known of it."""
        named = dict.fromkeys([*self.tries, *self.done])
        return {one: TaskExperience(tuple(self.tries.get(one, ())), tuple(self.done.get(one, ()))) for one in named}


class _Read(msgspec.Struct, frozen=True):
    """A run that was read."""

    updated_at: datetime
    """Its last event then: one that was taken up again has a later one when it ends."""
    told: Observed | None


class Hindsight:
    """A round, and who is asked for experience. What it has learned from a run it learns only once."""

    every = timedelta(seconds=60)

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._turn = asyncio.Lock()
        self._looked_at: datetime | None = None
        self._read: Recent[RunId, _Read] = Recent(16 * RUNS)
        self._asked: Recent[str, None] = Recent(TEMPLATES)
        self._capabilities: Recent[str, deque[Try]] = Recent(CAPABILITIES)
        self._agents: Recent[tuple[AgentId, str], deque[Try]] = Recent(PAIRS)
        self._templates: Recent[str, _Template] = Recent(TEMPLATES)
        self._runs = 0
        self.heard: Callable[[RunSummary, Observed], None] = lambda summary, run: None
        """Told of each run that was read."""

    async def go(self) -> None:
        """Read what has ended since the last time; the first time, what has ended last. Raises StoreUnavailable."""
        async with self._turn:
            await self._look()

    async def experience(self, template: str | None = None) -> Experience:
        """What is known by now, with the tasks of a template, `name@version`. Raises StoreUnavailable."""
        async with self._turn:
            if self._looked_at is None or self._clock.now() - self._looked_at > FRESH:
                await self._look()
            if template is not None and template not in self._asked:
                self._asked[template] = None
                await self._read_all(RunQuery(template=template, states=_ENDED, limit=RUNS_OF_TEMPLATE))
        of = self._templates.get(template) if template is not None else None
        return Experience(
            runs=self._runs,
            capabilities={name: tuple(tries) for name, tries in self._capabilities.items()},
            templates=dict(self._whole_runs()),
            tasks=of.tasks() if of is not None else {},
            skipped=tuple(of.skipped) if of is not None else (),
        )

    def of_agents(self) -> dict[tuple[AgentId, str], tuple[Try, ...]]:
        """What is known of agents, by their ids and capabilities' names."""
        return {key: tuple(tries) for key, tries in self._agents.items()}

    def _whole_runs(self) -> Iterator[tuple[str, tuple[Done, ...]]]:
        """Completed runs, by the name of their template: of several versions the one that was seen last counts."""
        for template, known in self._templates.items():
            if known.whole:
                yield template.partition("@")[0], tuple(known.whole)

    async def _look(self) -> None:
        now, since = self._clock.now(), self._looked_at
        if since is None:
            await self._read_all(RunQuery(limit=LOOKED_AT))
        else:
            await self._read_all(RunQuery(states=_ENDED, updated_since=since - OVERLAP, limit=RUNS))
        self._looked_at = now

    async def _read_all(self, query: RunQuery) -> None:
        """Read the runs of a query that have ended, and were not read yet or have gone on since, the newest last: it
        counts most.
        """
        found: list[tuple[RunSummary, Observed]] = []
        events = 0
        for summary in await self._journal.runs(query):
            before = self._read.get(summary.run)
            if summary.state not in _ENDED or (before is not None and before.updated_at >= summary.updated_at):
                continue
            if len(found) >= RUNS or events > EVENTS_AT_A_TIME:
                break
            records = await self._journal.read(StreamId(summary.run), limit=EVENTS + 1)
            events += len(records)
            run = _told(records) if len(records) <= EVENTS else None
            self._read[summary.run] = _Read(summary.updated_at, run)
            if run is not None:
                known = before.told if before is not None else None
                self._runs += known is None
                found.append((summary, run.since(known) if known is not None else run))
            await asyncio.sleep(0)  # others go on between
        for summary, run in reversed(found):
            self._take(run)
            self.heard(summary, run)

    def _take(self, run: Observed) -> None:
        known = self._templates.made(run.template, _Template)
        for task, capability, agent, one in run.tries:
            self._capabilities.made(capability, _tries).append(one)
            self._agents.made((agent, capability), _tries).append(one)
            if undone_id(task) is None:
                known.tries.setdefault(node_of(task), _tries()).append(one)
        for node, done in run.done.items():
            known.done.setdefault(node, deque(maxlen=TRIES)).append(done)
        if run.whole is not None:
            known.whole.append(run.whole)
            known.skipped.append(run.skipped)


def _told(records: list[Record]) -> Observed | None:
    """What the run tells; None of one that is damaged: whoever looks at it is told so."""
    try:
        return observed(map(decode_event, records))
    except StoreCorrupt:
        return None
