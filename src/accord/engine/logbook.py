"""The logbook: hears what agents log, and keeps it, apart from all that decides.

    notice/logs ── ours? ── gate ──► lines by attempt ── gathered while the one before is written ──► the store

Every process hears all of it, and the owner of the run's partition keeps it. What is lost on the way, or goes beyond a
bound, is a gap in the numbers: it is told to whoever reads, and holds nobody up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec

from accord.domain.ids import AgentId, LeaseToken, RunId, TaskId
from accord.domain.log import ATTEMPT_MAX_BYTES, LoggedLine, Tally, number_lines, rank, tallied
from accord.domain.message import Claims, decode_claims
from accord.domain.run import Run
from accord.domain.signature import parse_statement
from accord.engine.gate import LOGS
from accord.engine.listener import RETRY_CAP, hear_for_ever
from accord.engine.orchestrator import STOP_WITHIN, Orchestrator
from accord.engine.verdicts import Authentic, Suspect
from accord.errors import AccordError, MessageRefused, NotFound, StoreUnavailable
from accord.ports import LOGS_SUBJECT, Delivery, Fence, Inbox, LogEntry
from accord.recent import Recent

logger = logging.getLogger("accord.logbook")

BATCH_MAX: Final = 256

WRITTEN_EVERY: Final = timedelta(milliseconds=100)
"""So long is gathered after each write: a commit of lines is rare beside those of hand-offs."""

WAITING_MAX_BYTES: Final = 16 << 20
"""What may wait for the store; beyond it lines are dropped."""

KNOWN_MAX: Final = 10_000
"""Attempts whose tallies are remembered."""

STEPS: Final = 5
"""Turns of the loop that what was published here needs to come out of the inbox."""


class _Author(NamedTuple):
    """Whose lines a message brings: what was found to be so once stays so."""

    run: RunId | None
    task: TaskId | None
    attempt: int | None
    lease: LeaseToken | None
    agent: AgentId
    assignment: tuple[str, ...]


class _Log(msgspec.Struct):
    """What waits to be kept of one attempt."""

    tally: Tally
    fence: Fence | None
    """Under what the run was ours when this was read."""
    lines: list[LoggedLine] = []
    size_bytes: int = 0
    is_new: bool = False
    """Whether there is something that the store does not know."""


class _Gathered(NamedTuple):
    """What is to be written of one attempt."""

    key: tuple[RunId, TaskId, int]
    tally: Tally
    lines: list[LoggedLine]
    size_bytes: int


class Logbook:
    """Hears and keeps, from `start` to `stop`."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator
        self._parts = orchestrator.parts
        self._authors: Recent[_Author, None] = Recent(KNOWN_MAX)
        self._logs: OrderedDict[tuple[RunId, TaskId, int], _Log] = OrderedDict()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._watchers: dict[RunId, list[asyncio.Event]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._pending: list[_Gathered] = []
        """What is being written; it is tried again as it is, so that nothing is kept twice."""
        self._turn = asyncio.Lock()
        self._heard = 0

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to listen."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="accord-logbook hears"),
            asyncio.create_task(self._keep(), name="accord-logbook keeps"),
        ]

    async def stop(self) -> None:
        """Keep what has come, and listen no more."""
        heard = -1
        while heard != self._heard:
            heard = self._heard
            for _ in range(STEPS):  # what was published has to come out of the inbox first
                await asyncio.sleep(0)
            async with self._turn:
                pass
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(STOP_WITHIN.total_seconds()):
                await self._write()
                await self._write()  # what has come since what was tried before
        except (AccordError, TimeoutError) as error:
            logger.warning("the last lines that agents have logged are lost: %s", error)

    def vanish(self) -> None:
        """Stop at once, as if the process had been killed; for tests."""
        for task in self._tasks:
            task.cancel()

    @contextmanager
    def watching(self, run: RunId) -> Iterator[asyncio.Event]:
        """Is set whenever lines of the run were kept here."""
        changed = asyncio.Event()
        self._watchers.setdefault(run, []).append(changed)
        try:
            yield changed
        finally:
            self._watchers[run].remove(changed)
            if not self._watchers[run]:
                del self._watchers[run]

    # -- hearing -------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hear the agents, for ever; whatever a bus raises, the inbox is opened again."""
        await hear_for_ever(
            self._parts.ports.bus,
            LOGS_SUBJECT,
            self._take_in,
            lambda error: logger.exception("what agents log cannot be heard, trying again"),
        )

    async def _take_in(self, inbox: Inbox) -> None:
        deliveries = await inbox.take(BATCH_MAX)
        async with self._turn:
            self._heard += 1
            await self._hear(deliveries)
            await inbox.ack(deliveries)

    async def _hear(self, deliveries: Sequence[Delivery]) -> None:
        now = self._parts.ports.clock.now()
        ours = [delivery for delivery in deliveries if self._is_ours(delivery)]
        for found in await self._parts.gate.authenticate(ours, now, LOGS):
            if isinstance(found, Suspect):
                self._suspect(found)
                continue
            try:
                await self._take(found)
            except MessageRefused as error:
                self._suspect(Suspect(found.delivery, error.problems[0], found.claims, found.claims.issuer))
            except AccordError as error:
                logger.warning("what %s has logged is not kept: %s", found.claims.issuer, error)

    def _is_ours(self, delivery: Delivery) -> bool:
        """Whether the run that it names is ours: then its statement is looked at. What cannot be read is anybody's."""
        try:
            claims = decode_claims(parse_statement(delivery.message.statement).claims)
        except MessageRefused:
            return True
        return claims.run is None or self._parts.ledger.owns(claims.run)

    def _suspect(self, suspect: Suspect) -> None:
        self._parts.noticed.append(suspect)
        self._orchestrator.kick()

    async def _take(self, authentic: Authentic) -> None:
        claims = authentic.claims
        author = _author(claims)
        if author in self._authors:
            payload = self._parts.gate.lines_of(authentic)
        else:
            payload = self._parts.gate.logged(await self._run(claims.run or RunId("")), authentic)
            self._authors[author] = None
        key = (claims.run or RunId(""), claims.task or TaskId(""), claims.attempt or 0)
        log = await self._log(key)
        most = ATTEMPT_MAX_BYTES if self._waiting_bytes < WAITING_MAX_BYTES else 0
        before = log.tally
        log.tally, kept = tallied(before, payload, number_lines(key[1], key[2], payload), most)
        if log.tally.said == before.said:
            return
        size_bytes = log.tally.kept_bytes - before.kept_bytes
        log.lines += kept
        log.size_bytes += size_bytes
        self._waiting_bytes += size_bytes
        log.is_new = True
        self._wake.set()

    async def _run(self, run: RunId) -> Run | None:
        """The run, also where it has ended and is not in memory any more."""
        known = self._parts.ledger.find(run)
        return known or (await self._parts.ledger.read_quickly(run))[0]

    async def _log(self, key: tuple[RunId, TaskId, int]) -> _Log:
        log, fence = self._logs.get(key), self._parts.ledger.fence(key[0])
        if log is None or log.fence != fence:  # another process may have owned the run in between
            self._waiting_bytes -= log.size_bytes if log is not None else 0
            log = self._logs[key] = _Log(await self._parts.ports.journal.tally(*key), fence)
            for known in list(self._logs):
                if len(self._logs) <= KNOWN_MAX or self._logs[known].is_new:
                    break
                del self._logs[known]
        self._logs.move_to_end(key)
        return log

    # -- keeping -------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Write what has gathered, for ever; while the store is away, it gathers further, up to a bound."""
        retry = WRITTEN_EVERY
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._write()
                retry = WRITTEN_EVERY
            except StoreUnavailable as away:
                logger.warning("what agents log is kept later: %s", away)
                self._wake.set()
                retry = min(2 * retry, RETRY_CAP)
            except Exception:
                logger.exception("what agents have logged is lost because of a fault of Accord's")
                self._drop()
            await asyncio.sleep(retry.total_seconds())

    async def _write(self) -> None:
        self._pending = self._pending or self._gathered()
        entries = [entry for one in self._pending if (entry := await self._entry(one)) is not None]
        if entries:
            await self._parts.ports.journal.keep_lines(entries)
        written, self._pending = self._pending, []
        self._waiting_bytes -= sum(one.size_bytes for one in written)
        for run in {one.key[0] for one in written}:
            for changed in self._watchers.get(run, ()):
                changed.set()

    def _gathered(self) -> list[_Gathered]:
        """What waits, taken out."""
        found: list[_Gathered] = []
        for key, log in self._logs.items():
            if log.is_new:
                found.append(_Gathered(key, log.tally, log.lines, log.size_bytes))
                log.lines, log.size_bytes, log.is_new = [], 0, False
        return found

    async def _entry(self, one: _Gathered) -> LogEntry | None:
        """What is to be added; None where the run was erased."""
        run, task, attempt = one.key
        data = msgspec.json.encode(one.lines) if one.lines else b""
        try:
            cipher = await self._parts.data_keys.cipher(run)
        except NotFound:
            return None
        if cipher is not None and data:
            data = cipher.sealed(data)
        return LogEntry(
            run=run,
            task=task,
            attempt=attempt,
            tally=one.tally,
            worst=max((rank(line.level) for line in one.lines), default=0),
            data=data,
            encrypted=cipher is not None,
        )

    def _drop(self) -> None:
        """Leave what cannot be written; what the store knows of these attempts is asked for anew."""
        for one in self._pending:
            self._waiting_bytes -= one.size_bytes
            log = self._logs.pop(one.key, None)
            self._waiting_bytes -= log.size_bytes if log is not None else 0
        self._pending = []


def _author(claims: Claims) -> _Author:
    said = (str(claims.capability), str(claims.contract), *claims.inputs)
    return _Author(claims.run, claims.task, claims.attempt, claims.lease, claims.issuer, said)
