"""What must hold at every moment, checked on every commit: see `docs/explanation` and the list in each check."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from accord.codec import decode_event
from accord.domain import event as e
from accord.domain.ids import AgentId, RunId, TaskId
from accord.domain.message import decode_claims
from accord.domain.run import Run, begin, evolve
from accord.domain.signature import parse_statement, verify
from accord.engine.parts import Parts
from accord.errors import StoreUnavailable
from accord.ports import Append, Journal


class Broken(AssertionError):
    """An invariant does not hold."""


class Watch:
    """Folds what is committed, on its own, and checks it against what the orchestrator believes."""

    def __init__(self) -> None:
        self.runs: dict[RunId, Run] = {}
        self.epochs: dict[int, int] = {}
        self.accepted: dict[tuple[RunId, TaskId, int], int] = {}
        self.parts: Parts | None = None
        self.commits = 0
        self.broken: list[str] = []
        """What did not hold, in order; a scenario that ends with any has failed."""

    def check(self) -> None:
        """Raise Broken unless everything held."""
        if self.broken:
            raise Broken("\n".join(self.broken[:10]))

    async def committed(self, appends: Sequence[Append]) -> None:
        """Check what one commit wrote."""
        self.commits += 1
        for append in appends:
            if append.stream.startswith("sys:"):
                continue
            self._check_fence(append)
            for record in append.records:
                await self._apply(RunId(append.stream), decode_event(record))
            self._check_summary(append)
        self._check_bounds()

    async def _apply(self, run: RunId, event: e.Event) -> None:
        assert self.parts is not None  # noqa: S101 - set before anything is committed
        if isinstance(event, e.RunStarted):
            self.runs[run] = begin(await self.parts.library.graph(event.graph), event)
            return
        before = self.runs[run]
        self.runs[run] = evolve(before, event)
        if isinstance(event, e.AttemptAssigned) and before.paused:
            self.broken.append(f"{run}: {event.task} was assigned while the run was paused (invariant 7)")
        if isinstance(event, (e.AttemptSucceeded, e.AttemptRejected)):
            self._check_signature(before, event)
        if isinstance(event, e.TaskCompleted):
            self._check_once(self.runs[run], event)

    def _check_signature(self, run: Run, event: e.AttemptSucceeded | e.AttemptRejected) -> None:
        """No result in the journal without a valid signature of the agent that held the lease (invariant 4)."""
        assert self.parts is not None  # noqa: S101 - set before anything is committed
        attempt = run.attempt(event.task, event.attempt)
        parsed = parse_statement(event.statement.encode())
        known = self.parts.registry.known_key(parsed.kid)
        if attempt is None or known is None or known.agent != attempt.agent:
            self.broken.append(f"{run.id}: {event.task} was answered by somebody else (invariant 4)")
            return
        verify(parsed, known.public)
        claims = decode_claims(parsed.claims)
        signed = claims.payload.sha256 if claims.payload else None
        if claims.lease != attempt.lease or signed != event.output.sha256:
            self.broken.append(f"{run.id}: {event.task}: the statement is about something else (invariant 4)")

    def _check_once(self, run: Run, event: e.TaskCompleted) -> None:
        """For each run, task and epoch at most one result is ever accepted (invariant 1)."""
        key = (run.id, event.task, run.state(event.task).epoch)
        if key in self.accepted:
            self.broken.append(f"{key} was accepted twice (invariant 1)")
        self.accepted[key] = self.commits

    def _check_fence(self, append: Append) -> None:
        """Never two owners append to one partition under the same epoch (invariant 5)."""
        if append.fence is None:
            self.broken.append(f"{append.stream} was written without a fence (invariant 5)")
        newest = self.epochs.get(append.fence.partition, 0)
        if append.fence.epoch < newest:
            self.broken.append(
                f"{append.stream} was written under epoch {append.fence.epoch} after {newest} (invariant 5)"
            )
        self.epochs[append.fence.partition] = append.fence.epoch

    def _check_summary(self, append: Append) -> None:
        """Every run that has not ended has a wake-up (invariant 2), and its summary tells its state."""
        run, summary = self.runs[RunId(append.stream)], append.summary
        if summary is None or (summary.wake_at is None) != run.ended:
            self.broken.append(
                f"{run.id} is {run.phase} and has the wake-up {summary and summary.wake_at} (invariant 2)"
            )

    def _check_bounds(self) -> None:
        """No agent holds more than it has declared (invariant 6)."""
        assert self.parts is not None  # noqa: S101 - set before anything is committed
        held: dict[AgentId, int] = {}
        for run in self.runs.values():
            for task in run.busy:
                for attempt in run.state(task).attempts:
                    if attempt.live:
                        held[attempt.agent] = held.get(attempt.agent, 0) + 1
        for agent, count in held.items():
            capacity = self.parts.registry.capacity(agent)
            if capacity is not None and count > capacity.concurrency + capacity.queue:
                self.broken.append(f"{agent} holds {count} attempts (invariant 6)")


class WatchedJournal:
    """A journal whose every commit is watched; after `cut` it is unreachable for whoever held it."""

    def __init__(self, journal: Journal, watch: Watch, delay: Callable[[], Awaitable[None]]) -> None:
        self._journal = journal
        self._watch = watch
        self._delay = delay
        self._is_cut = False

    def cut(self) -> None:
        """Make everything through this handle fail from now on."""
        self._is_cut = True

    async def append(self, appends: Sequence[Append]) -> None:
        """Append, and look at what was written even when the answer is lost."""
        await self._delay()
        self._check()
        before = [await self._journal.head(append.stream) for append in appends]
        try:
            await self._journal.append(appends)
        except StoreUnavailable:
            after = [await self._journal.head(append.stream) for append in appends]
            if after != before:
                await self._watch.committed(appends)
            raise
        await self._watch.committed(appends)

    def _check(self) -> None:
        if self._is_cut:
            raise StoreUnavailable.of("ACC501", "this orchestrator has crashed")

    def __getattr__(self, name: str) -> Any:
        self._check()
        return getattr(self._journal, name)
