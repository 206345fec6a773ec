"""What must hold at every moment, checked on every commit: the invariants of a run, of its agents and of partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from accord.codec import decode_event
from accord.domain import event as e
from accord.domain.ids import AgentId, LeaseToken, RunId, TaskId
from accord.domain.message import Message, decode_claims
from accord.domain.run import Run, TaskState, begin, evolve
from accord.domain.signature import parse_statement, verify
from accord.domain.timing import deadline_of
from accord.engine.parts import Parts
from accord.errors import MessageRefused, StoreUnavailable
from accord.ports import Append, Clock, Fence, Head, Journal
from accord.testing.stormy_bus import Passage

IN_TIME_S = 60
"""An answer that expires so soon may have been too late when it came."""

OWN_FIELDS = tuple(field for field in Run.__struct_fields__ if field not in ("graph", "started"))


class Broken(AssertionError):
    """An invariant does not hold."""


class Hold(msgspec.Struct, frozen=True):
    """A hold that was acknowledged, and by whom."""

    scope: str
    subject: str
    owner: str
    at: datetime


class Watch:
    """Folds what is committed, on its own, and checks it against what the orchestrators believe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.runs: dict[RunId, Run] = {}
        self.parts: dict[str, Parts] = {}
        """Of the orchestrators that run, by their owner's name."""
        self.epochs: dict[int, int] = {}
        self.accepted: Counter[tuple[RunId, TaskId, int]] = Counter()
        self.completions: Counter[tuple[RunId, TaskId]] = Counter()
        """How often each task was completed by agents, timers and people of its own run."""
        self.holds: dict[tuple[str, str], Hold] = {}
        self.commits = 0
        self.broken: list[str] = []
        """What did not hold, in order; a scenario that ends with any has failed."""
        self._history = sha256()

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
                await self._committed(append, self.parts[owner])

    def acknowledged(self, message: Message, parts: Parts) -> None:
        """An answer is acknowledged only when what it means is durable (invariant 1: nothing is lost)."""
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
        if run is None or claims.task is None or claims.kind not in ("result", "failure"):
            return
        attempt = run.attempt(claims.task, claims.attempt or 0)
        is_its_own = attempt is not None and (attempt.lease, attempt.agent) == (claims.lease, known.agent)
        is_whole = claims.payload is not None and claims.payload.sha256 == sha256(message.payload).hexdigest()
        in_time = claims.expires_at > self._clock.now().timestamp() + IN_TIME_S
        if attempt is not None and attempt.live and is_its_own and is_whole and in_time:
            self.broken.append(f"{run.id}: an answer about {claims.task} was acknowledged and lost (invariant 1)")

    async def _committed(self, append: Append, parts: Parts) -> None:
        self._check_fence(append)
        assigned: list[AgentId] = []
        run = RunId(append.stream)
        for record in append.records:
            event = decode_event(record)
            await self._apply(run, event, parts)
            if isinstance(event, e.AttemptAssigned):
                assigned.append(event.agent)
        self._check_summary(append, parts)
        self._check_belief(run, parts)
        self._check_bounds(assigned, parts)

    async def _apply(self, run: RunId, event: e.Event, parts: Parts) -> None:
        if isinstance(event, e.RunStarted):
            self.runs[run] = begin(await parts.library.graph(event.graph), event)
            return
        before = self.runs[run]
        after = self.runs[run] = evolve(before, event)
        if isinstance(event, e.AttemptAssigned):
            self._check_held(before, event, parts)
        elif isinstance(event, (e.AttemptSucceeded, e.AttemptRejected)):
            self._check_signature(before, event, parts)
        elif isinstance(event, e.TaskCompleted):
            self._check_once(after, event)

    # -- one event -----------------------------------------------------------------------------------------------

    def _check_held(self, run: Run, event: e.AttemptAssigned, parts: Parts) -> None:
        """Nothing is assigned that a pause or a hold holds back (invariant 7)."""
        if run.paused:
            self.broken.append(f"{run.id}: {event.task} was assigned while the run was paused (invariant 7)")
        template = run.started.template
        keys = ("everything", ""), ("template", template), ("template", template.partition("@")[0])
        for key in (*keys, ("agent", event.agent)):
            hold = self.holds.get(key)
            if hold is not None and event.at > hold.at + self._lag(hold, parts):
                self.broken.append(f"{run.id}: {event.task} was assigned under a hold on {key} (invariant 7)")

    def _lag(self, hold: Hold, parts: Parts) -> timedelta:
        """How much later than its own other orchestrators learn of a hold."""
        return timedelta(0) if hold.owner == parts.identity.owner else timedelta(seconds=10)

    def _check_signature(self, run: Run, event: e.AttemptSucceeded | e.AttemptRejected, parts: Parts) -> None:
        """No result in the journal without a valid signature of the agent that held the lease (invariant 4)."""
        attempt = run.attempt(event.task, event.attempt)
        parsed = parse_statement(event.statement.encode())
        known = parts.registry.known_key(parsed.kid)
        if attempt is None or known is None or known.agent != attempt.agent:
            self.broken.append(f"{run.id}: {event.task} was answered by somebody else (invariant 4)")
            return
        verify(parsed, known.public)
        claims = decode_claims(parsed.claims)
        signed = claims.payload.sha256 if claims.payload else None
        if claims.lease != attempt.lease or signed != event.output.sha256:
            self.broken.append(f"{run.id}: {event.task}: the statement is about something else (invariant 4)")
        if isinstance(event, e.AttemptSucceeded) and event.output.data is not None:
            contract = parts.registry.contract(attempt.contract)
            if contract.violations_of_output(msgspec.json.decode(event.output.data)):
                self.broken.append(f"{run.id}: {event.task}: the result breaks its contract (invariant 4)")

    def _check_once(self, run: Run, event: e.TaskCompleted) -> None:
        """For each run, task and epoch at most one result is ever accepted (invariant 1)."""
        key = (run.id, event.task, run.state(event.task).epoch)
        self.accepted[key] += 1
        self.completions[run.id, event.task] += 1
        if self.accepted[key] > 1:
            self.broken.append(f"{key} was accepted twice (invariant 1)")

    # -- one append ----------------------------------------------------------------------------------------------

    def _check_fence(self, append: Append) -> None:
        """Never two owners append to one partition under the same epoch (invariant 5)."""
        fence = append.fence
        if fence is None:
            self.broken.append(f"{append.stream} was written without a fence (invariant 5)")
            return
        newest = self.epochs.get(fence.partition, 0)
        if fence.epoch < newest:
            self.broken.append(f"{append.stream} was written under epoch {fence.epoch} after {newest} (invariant 5)")
        self.epochs[fence.partition] = fence.epoch

    def _check_summary(self, append: Append, parts: Parts) -> None:
        """Every run that has not ended has a wake-up, not later than what is due in it (invariant 2)."""
        run, summary = self.runs[RunId(append.stream)], append.summary
        if summary is None or (summary.wake_at is None) != run.ended:
            self.broken.append(
                f"{run.id} is {run.phase} and has the wake-up {summary and summary.wake_at} (invariant 2)"
            )
        elif summary.wake_at is not None:
            first = min(_dues(run, parts.registry.renewed()), default=None)
            if first is not None and summary.wake_at > max(first, self._clock.now()):
                self.broken.append(f"{run.id} wakes at {summary.wake_at}, {first} is due before (invariant 2)")

    def _check_belief(self, run: RunId, parts: Parts) -> None:
        """State is the fold of the journal (invariant 3)."""
        slot = parts.ledger.hot(run)
        if slot is None:
            return
        mine = self.runs[run]
        wrong = [field for field in OWN_FIELDS if not _same(getattr(slot.run, field), getattr(mine, field))]
        if wrong:
            self.broken.append(f"{run}: the orchestrator believes in other {', '.join(wrong)} (invariant 3)")

    def _check_bounds(self, assigned: Sequence[AgentId], parts: Parts) -> None:
        """No agent is given more than it has declared (invariant 6); each orchestrator keeps the bound for itself."""
        if not assigned:
            return
        held: Counter[AgentId] = Counter()
        for slot in parts.ledger.slots():
            known = self.runs.get(slot.run.id, slot.run)
            attempts = (attempt for task in known.busy for attempt in known.state(task).attempts)
            held.update(attempt.agent for attempt in attempts if attempt.live)
        for card in parts.registry.agents():
            instances = max(len(parts.registry.instances(card.agent)), 1)
            if card.agent in assigned and held[card.agent] > instances * card.capacity.total:
                self.broken.append(f"{card.agent} holds {held[card.agent]} attempts (invariant 6)")


def _same(one: object, other: object) -> bool:
    return bool(one == other)


def _dues(run: Run, renewed: dict[LeaseToken, datetime]) -> Iterator[datetime]:
    """All times at which something is due in the run."""
    if run.deadline_at is not None and run.phase == "running":
        yield run.deadline_at
    for task in run.busy:
        yield from _task_dues(run, task, run.state(task), renewed)


def _task_dues(run: Run, task: TaskId, state: TaskState, renewed: dict[LeaseToken, datetime]) -> Iterator[datetime]:
    deadline = deadline_of(run, task, state)
    if deadline is not None:
        yield deadline
    if state.waiting is not None and state.waiting.until is not None:
        yield state.waiting.until
    for attempt in state.attempts:
        if attempt.live:
            yield max(attempt.lease_until, renewed.get(attempt.lease, attempt.lease_until))
            if attempt.timeout_at is not None:
                yield attempt.timeout_at


class WatchedJournal:
    """One process's journal, whose every commit is watched; once its passage is cut it is unreachable for ever."""

    def __init__(self, journal: Journal, watch: Watch, owner: str, delay: Callable[[], Awaitable[None]]) -> None:
        self._journal = journal
        self._watch = watch
        self._owner = owner
        self._delay = delay
        self.passage = Passage()

    async def append(self, appends: Sequence[Append]) -> None:
        """Append, and look at what was written even when the answer is lost."""
        await self._delay()
        await self._enter()
        before = await self._heads(appends)
        try:
            await self._journal.append(appends)
        except StoreUnavailable:
            if await self._heads(appends) != before:
                await self._watch.committed(appends, self._owner)
            raise
        await self._watch.committed(appends, self._owner)
        await self._enter()

    async def claim(self, *args: Any, **kwargs: Any) -> Fence | None:
        """Claim, and remember that nobody may write under an older epoch from now on."""
        await self._enter()
        fence = await self._journal.claim(*args, **kwargs)
        if fence is not None:
            self._watch.epochs[fence.partition] = fence.epoch
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
