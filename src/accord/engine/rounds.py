"""Rounds: what an orchestrator looks after again and again. Each round is a small class with one job; all share one
lifecycle.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Protocol

import msgspec

from accord.domain import command as c
from accord.domain.ids import AgentId, LeaseToken, RunId
from accord.domain.run import Attempt, Run
from accord.engine.letters import CATCH_UP, CAUGHT_UP, LetterContent, refused
from accord.engine.orchestrator import Orchestrator
from accord.engine.order import Order
from accord.engine.retention import Retention
from accord.engine.sighting import Sighted
from accord.errors import Refused, StoreError, StoreUnavailable
from accord.ports import Answer

logger = logging.getLogger("accord.rounds")


class Round(Protocol):
    """Something to be done every so often."""

    every: timedelta

    async def go(self) -> None:
        """Do it once."""
        ...


async def repeat(round_: Round) -> None:
    """Do the round for ever; what fails, while the store is away or by a fault of ours, is tried again next time."""
    while True:
        try:
            await round_.go()
        except StoreUnavailable as error:
            logger.warning("%s: %s", type(round_).__name__, error)
        except Exception:
            logger.exception("%s failed because of a fault of Accord's", type(round_).__name__)
        await asyncio.sleep(round_.every.total_seconds())


class Sweeper:
    """Finds runs whose wake-up is overdue, by asking the store and nobody else: whatever was lost, no run stays
    stuck.
    """

    def __init__(self, orchestrator: Orchestrator) -> None:
        self.every = orchestrator.parts.tuning.sweep_every
        self._orchestrator = orchestrator

    async def go(self) -> None:
        """Wake every run that is overdue."""
        parts = self._orchestrator.parts
        now = parts.ports.clock.now()
        overdue = await parts.ports.journal.overdue(now, partitions=sorted(parts.partitions.fences))
        for summary in overdue:
            self._orchestrator.order(Order(summary.run, c.Tick()))


class Presence:
    """Notices that agents are gone, and takes their attempts back."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self.every = orchestrator.parts.tuning.absent_after / 4
        self._orchestrator = orchestrator

    async def go(self) -> None:
        """Take back what agents had of which no instance is left that offers it."""
        parts = self._orchestrator.parts
        fewer = frozenset(parts.registry.expire(parts.ports.clock.now()))
        if fewer:
            _take_back(self._orchestrator, fewer, frozenset())


class Departed:
    """Notices that instances whose connection has closed do not come back, and takes their attempts back."""

    every = timedelta(seconds=1)

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator

    async def go(self) -> None:
        """Take back what they had, and what their agents have that nobody offers any more."""
        parts = self._orchestrator.parts
        gone = parts.departures.gone(parts.ports.clock.now())
        if gone.agents or gone.leases:
            _take_back(self._orchestrator, gone.agents, gone.leases)


def _take_back(orchestrator: Orchestrator, fewer: frozenset[AgentId], leases: frozenset[LeaseToken]) -> None:
    """Take back the attempts under these leases, and those of agents that have fewer instances now, and none that
    offers what the attempt is of.
    """
    registry = orchestrator.parts.registry

    def is_lost(attempt: Attempt) -> bool:
        if attempt.lease in leases:
            return True
        return attempt.agent in fewer and not registry.is_served(attempt.agent, attempt.contract)

    for slot in orchestrator.parts.ledger.slots():
        lost = tuple(
            (task, attempt.number)
            for task in sorted(slot.run.busy)
            for attempt in slot.run.state(task).attempts
            if attempt.live and is_lost(attempt)
        )
        if lost:
            orchestrator.order(Order(slot.run.id, c.AgentLost(attempts=lost)))


class Returns:
    """After a take-over: sends the assignments that no instance elsewhere has named."""

    every = timedelta(seconds=1)

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator

    async def go(self) -> None:
        """Send what is due."""
        await self._orchestrator.send_again()


class Letters:
    """Carries out commands that other processes have posted for our partitions."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self.every = orchestrator.parts.tuning.letters_every
        self._orchestrator = orchestrator
        self._seen: set[str] = set()
        self._turn = asyncio.Lock()

    async def go(self) -> None:
        """Order what is in the new letters; a letter that cannot be read is answered at once."""
        async with self._turn:  # who reads has to be the last who read: what he does not find any more is forgotten
            await self._order_new()

    async def _order_new(self) -> None:
        parts = self._orchestrator.parts
        letters = await parts.ports.journal.letters(sorted(parts.partitions.fences))
        self._seen &= {letter.id for letter in letters}
        for letter in letters:
            if letter.id in self._seen:
                continue
            if letter.data == CATCH_UP:
                await self._catch_up(letter.id)
                continue
            try:
                content = msgspec.json.decode(letter.data, type=LetterContent)
            except msgspec.DecodeError as error:
                refusal = Refused.of("ACC446", f"unreadable: {error}")
                await parts.ports.journal.answer([Answer(letter.id, refused(refusal))])
                continue
            self._seen.add(letter.id)
            done: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
            done.add_done_callback(partial(self._over, letter.id))
            order = Order(content.run, content.command, done, content.graph, letter=letter.id)
            self._orchestrator.order(order)

    async def _catch_up(self, letter: str) -> None:
        await self._orchestrator.catch_up()
        await self._orchestrator.parts.ports.journal.answer([Answer(letter, CAUGHT_UP)])

    def _over(self, letter: str, done: asyncio.Future[Run]) -> None:
        """What was not carried out is read again, unless the letter has its answer."""
        if done.cancelled() or isinstance(done.exception(), StoreError):
            self._seen.discard(letter)


class Ownership:
    """Keeps our partitions, and follows what others append to the shared streams."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self.every = orchestrator.parts.tuning.partition_ttl / 3
        self._orchestrator = orchestrator

    async def go(self) -> None:
        """Renew, leave what is lost, unless nobody has it now; catch up."""
        await self._orchestrator.parts.partitions.check()
        await self._orchestrator.parts.partitions.claim_dropped()
        await self._orchestrator.parts.refresh()


class TakeOver:
    """Carries on what another process has left: its runs, as soon as nobody owns them any more."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self.every = orchestrator.parts.tuning.partition_ttl / 3
        self._orchestrator = orchestrator

    async def go(self) -> None:
        """Claim the partitions with open runs that are free."""
        await self._orchestrator.parts.partitions.claim_left()


class Rounds:
    """All rounds and the timers, running while the orchestrator does."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self.letters = Letters(orchestrator)
        self._sighted = Sighted(orchestrator.parts)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin all rounds."""
        parts = self._orchestrator.parts
        retention = Retention(parts.ports.journal, parts.ports.blobs, parts.ports.clock, parts.tuning)
        rounds: list[Round] = [kind(self._orchestrator) for kind in (Sweeper, Presence, Departed, Returns, Ownership)]
        rounds += [self.letters, self._sighted, retention]
        if parts.tuning.takes_over:
            rounds.append(TakeOver(self._orchestrator))
        self._tasks = [asyncio.create_task(repeat(one), name=f"accord-{type(one).__name__}") for one in rounds]
        timers = self._orchestrator.parts.timers.run(self._wake, self._orchestrator.kick)
        self._tasks.append(asyncio.create_task(timers, name="accord-Timers"))

    async def stop(self) -> None:
        """End all rounds."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Tell others that nobody is present here any more; they would find out by themselves a little later."""
        with suppress(StoreUnavailable):
            await self._sighted.leave()

    def _wake(self, run: RunId) -> None:
        self._orchestrator.order(Order(run, c.Tick()))
