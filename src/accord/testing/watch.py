"""A watch over all orchestrators: folds what is committed, on its own, and checks the invariants on every commit and
after every turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any

from accord.codec import decode_event
from accord.domain import event as e
from accord.domain.ids import AgentId, RunId, TaskId
from accord.domain.message import Message, decode_claims
from accord.domain.run import Run, begin, evolve
from accord.domain.signature import parse_statement, verify
from accord.engine.parts import Parts
from accord.errors import MessageRefused, StoreUnavailable
from accord.ports import Append, Clock, Fence, Head, Journal
from accord.testing.invariants import Broken
from accord.testing.invariants.accepted import lost_answers
from accord.testing.invariants.bounds import misreserved, overdriven, overloaded
from accord.testing.invariants.called import Called
from accord.testing.invariants.folds import differences
from accord.testing.invariants.held import Holds
from accord.testing.invariants.owners import Epochs, strangers
from accord.testing.invariants.signed import unsigned
from accord.testing.invariants.wakes import unattended, unlooked, unoffered, unwoken
from accord.testing.run_watch import RunWatch, numbered
from accord.testing.stormy_bus import Passage

Delay = Callable[[], Awaitable[None]]


class Watch:
    """What the journal says, and what is wrong with it and with what the orchestrators believe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.runs: dict[RunId, Run] = {}
        self.parts: dict[str, Parts] = {}
        """Of the orchestrators that run, by their owner's name."""
        self.epochs = Epochs()
        self.holds = Holds()
        self.commits = 0
        self.assigned = 0
        """How many attempts were given to agents."""
        self.broken: list[str] = []
        """What did not hold, in order; a scenario that ends with any has failed."""
        self._watches: dict[RunId, RunWatch] = {}
        self._history = sha256()

    @property
    def accepted(self) -> Counter[tuple[RunId, TaskId, int]]:
        """How often each run has accepted an output of a task in an epoch."""
        counts = ((run, *key, n) for run, one in self._watches.items() for key, n in one.acceptances.counts.items())
        return Counter({(run, task, epoch): count for run, task, epoch, count in counts})

    def completions(self, run: RunId) -> Counter[TaskId]:
        """How often each task was completed by agents, timers and people of its own run."""
        return self._watches[run].acceptances.completions

    @property
    def called(self) -> dict[RunId, Called]:
        """What agents have asked for in each run."""
        return {run: one.called for run, one in self._watches.items()}

    def check(self) -> None:
        """Raise Broken unless everything held."""
        if self.broken:
            raise Broken("\n".join(self.broken[:10]))

    def fingerprint(self) -> str:
        """SHA-256 over everything that was committed, in order."""
        return self._history.hexdigest()

    async def committed(self, appends: Sequence[Append], owner: str) -> None:
        """Check what one commit of this orchestrator wrote."""
        self.commits += 1
        for append in appends:
            for record in append.records:
                self._history.update(f"{append.stream} {record.sequence} {record.digest}\n".encode())
            if not append.stream.startswith("sys:"):
                await self._committed(append, owner)

    def acknowledged(self, message: Message, parts: Parts) -> None:
        """Check that an answer is acknowledged only when what it means is durable."""
        try:
            parsed = parse_statement(message.statement)
            known = parts.registry.known_key(parsed.kid)
            if known is None:
                return
            verify(parsed, known.public)
            claims = decode_claims(parsed.claims)
        except MessageRefused:
            return
        run = self.runs.get(claims.run or RunId(""))
        if run is not None:
            lost = lost_answers(run, claims, known.agent, message, self._clock.now())
            self._found(run.id, numbered(1, lost))

    def turn_over(self, parts: Parts) -> None:
        """Check what an orchestrator remembers between two turns: nothing is forgotten, nothing is left."""
        forgotten = chain(unattended(parts, self.runs, self.epochs), unoffered(parts), unlooked(parts))
        problems = (numbered(2, forgotten), numbered(5, strangers(parts)), numbered(6, misreserved(parts)))
        self._found(parts.identity.owner, chain(*problems))

    async def _committed(self, append: Append, owner: str) -> None:
        run, parts = RunId(append.stream), self.parts[owner]
        self._found(run, numbered(5, self.epochs.see(append, owner)))
        assigned: list[AgentId] = []
        for record in append.records:
            event = decode_event(record)
            await self._apply(run, event, parts)
            if isinstance(event, e.AttemptAssigned):
                assigned.append(event.agent)
                self.assigned += 1
        self._found(run, self._state_problems(append, parts))
        self._found(run, numbered(6, overloaded(parts, self.runs, assigned)))

    async def _apply(self, run: RunId, event: e.Event, parts: Parts) -> None:
        before = self.runs.get(run)
        if isinstance(event, e.RunStarted):
            self._watches[run] = RunWatch()
            after = begin(await parts.library.graph(event.graph), event)
        else:
            assert before is not None  # noqa: S101 - the first event starts the run
            self._found(run, numbered(4, unsigned(before, event, parts.registry)))
            self._found(run, numbered(7, self.holds.see(before, event, parts.identity.owner)))
            after = evolve(before, event)
        self.runs[run] = after
        self._found(run, self._watches[run].event_problems(before, event, after))

    def _state_problems(self, append: Append, parts: Parts) -> Iterator[str]:
        run, summary = self.runs[RunId(append.stream)], append.summary
        wake_at = summary.wake_at if summary is not None else None
        yield from numbered(2, unwoken(run, wake_at, parts.registry.renewed(), self._clock.now()))
        yield from numbered(6, overdriven(run))
        slot = parts.ledger.hot(run.id)
        if slot is not None:
            yield from numbered(3, differences(slot.run, run))
        yield from self._watches[run.id].state_problems(run)

    def _found(self, where: str, problems: Iterator[str]) -> None:
        self.broken.extend(f"{where}: {problem}" for problem in problems)


class Unwatched(Watch):
    """Looks at nothing: where only the time that something takes is of interest."""

    async def committed(self, appends: Sequence[Append], owner: str) -> None:
        """Nothing."""

    def acknowledged(self, message: Message, parts: Parts) -> None:
        """Nothing."""

    def turn_over(self, parts: Parts) -> None:
        """Nothing."""


class WatchedJournal:
    """One process's journal, whose every commit is watched; once its passage is cut it is unreachable for ever."""

    def __init__(self, journal: Journal, watch: Watch, owner: str, before: Delay, after: Delay) -> None:
        self._journal = journal
        self._watch = watch
        self._owner = owner
        self._before = before
        self._after = after
        self.passage = Passage()

    async def append(self, appends: Sequence[Append]) -> None:
        """Append, and look at what was written even when the answer is lost."""
        await self._before()
        await self._enter()
        before = await self._heads(appends)
        try:
            await self._journal.append(appends)
        except StoreUnavailable:
            if await self._heads(appends) != before:
                await self._watch.committed(appends, self._owner)
            raise
        await self._watch.committed(appends, self._owner)
        await self._after()
        await self._enter()

    async def claim(self, *args: Any, **kwargs: Any) -> Fence | None:
        """Claim, and remember that nobody else may write from now on."""
        await self._enter()
        fence = await self._journal.claim(*args, **kwargs)
        if fence is not None:
            self._watch.epochs.claimed(fence, self._owner)
        return fence

    async def _heads(self, appends: Sequence[Append]) -> list[Head]:
        return [await self._journal.head(append.stream) for append in appends]

    async def _enter(self) -> None:
        if not await self.passage.pass_():
            raise StoreUnavailable.of("ACC501", "this orchestrator has crashed")

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._journal, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._enter()
            return await method(*args, **kwargs)

        return call
