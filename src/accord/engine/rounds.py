"""Rounds: what an orchestrator looks after again and again. Each round is a small class with one job; all share one
lifecycle.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

import msgspec

from accord.domain import command as c
from accord.domain.agent import registry_id
from accord.domain.ids import RunId
from accord.domain.run import Run
from accord.engine.absence import Departed, Presence, is_about_gone
from accord.engine.checkpoints import CheckpointRound
from accord.engine.learning import Schooling
from accord.engine.letters import CATCH_UP, HEEDED, LetterContent, caught_up, refused
from accord.engine.neighbourhood import Neighbourhood
from accord.engine.orchestrator import Orchestrator
from accord.engine.order import Order
from accord.engine.relisting import Relisting
from accord.engine.retention import Retention
from accord.engine.sharing import Sharing
from accord.engine.sighting import Sighted
from accord.errors import BusUnavailable, KeysUnavailable, Refused, StoreError, StoreUnavailable
from accord.ports import Answer

logger = logging.getLogger("accord.rounds")


class Round(Protocol):
    """Something to be done every so often."""

    every: timedelta

    async def go(self) -> None:
        """Do it once."""
        ...


async def repeat(round_: Round, failed: Callable[[Exception], None]) -> None:
    """Do the round for ever; what fails, by a fault of ours or while store, bus or keys are away, is told to `failed`,
    and tried next time.
    """
    while True:
        try:
            await round_.go()
        except (BusUnavailable, StoreUnavailable, KeysUnavailable) as error:
            failed(error)
            logger.warning("%s: %s", type(round_).__name__, error)
        except Exception as error:
            failed(error)
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

    def __init__(self, orchestrator: Orchestrator, departed: Departed) -> None:
        self.every = orchestrator.parts.tuning.letters_every
        self._orchestrator = orchestrator
        self._departed = departed
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
                if is_about_gone(letter.data):
                    await self._departed.heed(letter.data)
                    await parts.ports.journal.answer([Answer(letter.id, HEEDED)])
                    continue
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
        parts = self._orchestrator.parts
        await parts.ports.journal.answer([Answer(letter, caught_up(parts.identity.owner))])

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


class Delegation:
    """Has a short-lived key sign for ours, where that is wanted, and a new one in time."""

    every = timedelta(seconds=5)

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._parts = orchestrator.parts

    async def go(self) -> None:
        """Make the next key known, and let it sign."""
        parts = self._parts
        made = await parts.delegates.renewed(registry_id(parts.identity.organisation), parts.ports.ids.token())
        if made is not None:
            await parts.enrolment.delegate(*made, parts.ports.clock.now())
            parts.delegates.accepted(*made)


class Rounds:
    """All rounds and the timers, running while the orchestrator does."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._departed = Departed(orchestrator)
        self.letters = Letters(orchestrator, self._departed)
        self._sighted = Sighted(orchestrator.parts)
        self._sharing = Sharing(orchestrator) if orchestrator.parts.tuning.serves else None
        self.neighbourhood = Neighbourhood(orchestrator)
        self.relisting = Relisting(orchestrator.parts.ports.journal, orchestrator.parts.ledger)
        self._tasks: list[asyncio.Task[None]] = []
        self.also: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """What goes on beside the rounds."""

    def start(self) -> None:
        """Begin all rounds."""
        parts = self._orchestrator.parts
        alone = parts.tuning.alone
        rounds: list[Round] = [kind(self._orchestrator) for kind in (Sweeper, Presence, Ownership)]
        rounds += [] if alone else [self.relisting, *self._about_others()]
        self._tasks = [
            asyncio.create_task(repeat(one, parts.figures.failed), name=f"accord-{type(one).__name__}")
            for one in rounds
        ]
        timers = self._orchestrator.parts.timers.run(self._wake, self._orchestrator.kick)
        self._tasks.append(asyncio.create_task(timers, name="accord-Timers"))
        self._tasks += [asyncio.create_task(more(), name=more.__qualname__) for more in self.also]
        if not alone:
            self._tasks.append(asyncio.create_task(self.neighbourhood.hear(), name="accord-Neighbours"))
            self._tasks.append(asyncio.create_task(self.neighbourhood.tell(), name="accord-Holdings"))

    def _about_others(self) -> list[Round]:
        """What is looked after because other processes, agents elsewhere and operators change something as well."""
        parts = self._orchestrator.parts
        retention = Retention(parts.ports.journal, parts.ports.blobs, parts.ports.clock, parts.tuning)
        anchoring = CheckpointRound(parts.checkpoints, parts.ports.clock, parts.tuning.checkpoint_within)
        rounds: list[Round] = [Returns(self._orchestrator), self._departed, self.letters, self._sighted]
        rounds += [retention, parts.policies, anchoring, parts.hindsight]
        if self._sharing is not None:
            rounds += [self._sharing, Schooling(parts.learning, parts.partitions)]
        if parts.delegates.how is not None:
            rounds.append(Delegation(self._orchestrator))
        return rounds

    async def stop(self) -> None:
        """End all rounds."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Tell others that nobody is present or serves here any more; they would find out by themselves a little
        later.
        """
        await self.neighbourhood.leave()
        with suppress(StoreUnavailable):
            await self._sighted.leave()
            if self._sharing is not None:
                await self._sharing.leave()

    def _wake(self, run: RunId) -> None:
        self._orchestrator.order(Order(run, c.Tick()))
