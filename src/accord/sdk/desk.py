"""Where an agent's assignments are admitted, run and answered."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Literal

import msgspec

from accord.domain.agent import GiveBack
from accord.domain.ids import LeaseToken, RunId, TaskId
from accord.domain.large import beside, blobs_in
from accord.domain.message import ACCEPT_AFTER, Claims
from accord.domain.payloads import CancelPayload, ProgressPayload, decode_assign, decode_payload
from accord.errors import MessageRefused
from accord.ports import Clock, Delivery, Payloads, Tracing, Work
from accord.recent import Recent
from accord.sdk.agent import Agent, Capability
from accord.sdk.answers import (
    AttemptKey,
    RecentAnswers,
    Subject,
    answer,
    final_answer,
    progress_answer,
    subject_of,
)
from accord.sdk.attempt import Attempt, Patience, ProgressFeed, context_of
from accord.sdk.calls import Calls
from accord.sdk.context import Link
from accord.sdk.intake import Letter
from accord.sdk.log_lane import LogLane, Pen
from accord.sdk.outbox import Outbox, Outgoing
from accord.sdk.outcome import Failure, Output
from accord.sdk.overhearing import CURRENT
from accord.sdk.payloads import AttemptPayloads
from accord.sdk.schema import input_refused

LEASES_MAX = 10_000
"""How many leases are named at most: an agent that holds more keeps the oldest ones."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often, how long and how much."""

    accept_after: timedelta = ACCEPT_AFTER
    """A task that takes no longer is never accepted: its result says it all."""
    progress_every: timedelta = timedelta(milliseconds=200)
    """Progress of one attempt is not sent more often."""
    remember: int = 4096
    """How many answers, and how many cancellations of what was not seen, are kept for redeliveries."""
    ask_again: timedelta = timedelta(seconds=5)
    """After so long without a reply a call is asked for again; then after longer and longer."""
    give_back: GiveBack = GiveBack()
    """How an assignment of what this instance does not offer is left to others."""


class Ways(msgspec.Struct, frozen=True, eq=False):
    """The ways out."""

    outbox: Outbox
    """Of answers."""
    lane: LogLane
    """Of what is logged, apart from them."""


class Desk:
    """Runs at most `concurrency` attempts of one agent and lets `queue` wait; each attempt gets one final answer."""

    def __init__(
        self,
        agent: Agent,
        ways: Ways,
        clock: Clock,
        pace: Pace,
        payloads: Payloads | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._lane = ways.lane
        self._payloads = payloads
        self._tracing = tracing
        self._agent = agent
        self._outbox = ways.outbox
        self._clock = clock
        self._pace = pace
        self._unanswered: dict[AttemptKey, list[Delivery]] = {}
        self._answers: dict[AttemptKey, Outgoing] = {}
        self._running: dict[AttemptKey, Attempt] = {}
        self._queued: OrderedDict[AttemptKey, Attempt] = OrderedDict()
        self._lingering: set[asyncio.Future[object]] = set()
        self._recent = RecentAnswers(pace.remember)
        self._withdrawn: Recent[tuple[RunId, TaskId, int], LeaseToken | None] = Recent(pace.remember)
        self._threads = ThreadPoolExecutor(agent.capacity.concurrency, thread_name_prefix=agent.name)
        self._calls = Calls(ways.outbox, clock, pace.ask_again, self._start_queued)
        self._patience = Patience(pace.accept_after, self._accept)
        self._idle = asyncio.Event()
        self._idle.set()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self.changed: Callable[[], None] = lambda: None
        """Called when the agent becomes full, and when it has room again."""

    # -- what is there ---------------------------------------------------------------------------------

    @property
    def leases(self) -> tuple[LeaseToken, ...]:
        """The leases of what runs or waits, oldest first, at most `LEASES_MAX`."""
        under_way = (key.lease for key in self._unanswered if key not in self._answers)
        return tuple(islice(under_way, LEASES_MAX))

    def all_leases(self) -> tuple[LeaseToken, ...]:
        """The leases of everything whose answer has not arrived for certain, at most `LEASES_MAX`: they would run out
        otherwise. Answers that were sent, and may be lost, are sent again now and then.
        """
        named, again = self._recent.remind(self._clock.now())
        for kept in again:
            self._outbox.put(kept)
        return (*(key.lease for key in self._unanswered), *named)[:LEASES_MAX]

    @property
    def queued(self) -> int:
        """How many attempts wait for a free place."""
        return len(self._queued)

    @property
    def held(self) -> int:
        """How many places are taken, those of threads that do not stop included, those of calls that wait not."""
        return len(self._running) - self._calls.waiting + len(self._queued) + len(self._lingering)

    @property
    def room(self) -> int:
        """How many more assignments may be taken now: as many as can begin, then as many as may wait."""
        free = self._free
        return free if free > 0 else max(0, self._agent.capacity.total - self.held)

    @property
    def _free(self) -> int:
        return self._agent.capacity.concurrency - len(self._running) + self._calls.waiting - len(self._lingering)

    async def has_room(self) -> None:
        """Wait until there is room for an assignment; once it was full, until one could begin or half of the queue is
        gone, so that not each place that becomes free is told by itself.
        """
        await self._has_room.wait()

    # -- what comes in ---------------------------------------------------------------------------------

    def assign(self, letter: Letter) -> None:
        """Admit an assignment, or answer it; one that is known is not done again."""
        subject = subject_of(letter)
        held = self._unanswered.get(subject.key)
        if held is not None:
            held.append(letter.delivery)
            return
        self._unanswered[subject.key] = [letter.delivery]
        sent = self._recent.get(subject.key)
        if sent is not None:
            self._send(subject, sent)
            return
        admitted = self._admitted(subject)
        if isinstance(admitted, Failure):
            self._answer(subject, admitted)
        else:
            self._queued[subject.key] = admitted
            self._idle.clear()
            self._start_queued()

    def cancel(self, letter: Letter) -> None:
        """Stop the attempt; where it is not here, it is not begun when it comes."""
        claims = letter.claims
        found = [key for key in (*self._running, *self._queued) if _is_about(claims, key)]
        reason = decode_payload(CancelPayload, letter.delivery.message.payload or b"{}").reason
        for key in found:
            self._stop(key, Failure("cancelled", reason or "the attempt was cancelled", retryable=True))
        if not found and claims.run and claims.task and claims.attempt is not None:
            self._withdrawn[claims.run, claims.task, claims.attempt] = claims.lease

    def reply(self, letter: Letter) -> None:
        """Hand a reply on to the attempt that waits for it."""
        self._calls.hear(letter)

    def end(self, leases: Iterable[LeaseToken]) -> None:
        """These leases have ended: what runs under them is stopped, and their answers are not sent again."""
        held = {key.lease: key for key in self._unanswered}
        for lease in leases:
            self._recent.certain(lease)
            key = held.get(lease)
            if key in self._answers:
                self._answers[key].unwanted = True
            elif key is not None:
                self._stop(key, Failure("cancelled", "the lease has ended", retryable=True))

    def has_answered(self, letter: Letter) -> bool:
        """Whether this instance has sent the answer that this is about."""
        return self._recent.get(subject_of(letter).key) is not None

    def put_back(self) -> list[Delivery]:
        """Give up what has not begun; its deliveries are for somebody else."""
        deliveries = [each for key in self._queued for each in self._unanswered.pop(key)]
        self._queued.clear()
        self._settle()
        return deliveries

    def stop_all(self, why: Failure) -> None:
        """Stop what runs; each attempt is answered with this failure."""
        for key in tuple(self._running):
            self._stop(key, why)

    async def idle(self) -> None:
        """Wait until nothing runs or waits."""
        await self._idle.wait()

    def close(self) -> None:
        """Give the threads back; one that does not stop is left behind."""
        self._patience.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- what becomes of it ----------------------------------------------------------------------------

    def give_back_after(self, letter: Letter) -> timedelta | None:
        """How long to keep an assignment that is for another instance of the agent, one that offers what this one does
        not; None where it is to be answered here.
        """
        claims, give_back, deliveries = letter.claims, self._pace.give_back, letter.delivery.attempts
        capability = self._agent.capabilities.get(claims.capability or "")
        offered = capability is not None and capability.contract.digest == claims.contract
        if offered or deliveries >= give_back.deliveries or self._was_withdrawn(subject_of(letter).key):
            return None
        return give_back.pause(deliveries)

    def _admitted(self, subject: Subject) -> Attempt | Failure:
        claims = subject.letter.claims
        capability = self._agent.capabilities.get(claims.capability or "")
        if self._was_withdrawn(subject.key):
            return Failure("cancelled", "the attempt was cancelled before it came", retryable=True)
        if capability is None:
            return Failure("unknown-capability", f"{self._agent.id} has no {claims.capability}", retryable=True)
        if capability.contract.digest != claims.contract:
            said = f"the contract of {capability.ref} is {capability.contract.digest} here"
            return Failure("contract-mismatch", said, retryable=True)
        return self._read(subject, capability)

    def _read(self, subject: Subject, capability: Capability) -> Attempt | Failure:
        try:
            payload, value = decode_assign(subject.letter.delivery.message.payload)
        except MessageRefused as error:
            return Failure("malformed-assignment", str(error))
        violations = capability.contract.violations_of_input(value)
        if violations:
            # What an orchestrator hands on by reference, it has proven; a stream's items are validated when read.
            violations = beside(violations, tuple(pointer for pointer, _ in blobs_in(value)))
        if violations:
            return input_refused(violations)
        link = Link(self._threads, self._payloads_of(subject), subject.letter.claims.trace or "")
        pen = Pen(subject)
        link.say = partial(self._lane.say, pen)
        link.ask, link.loop = partial(self._calls.ask, subject), asyncio.get_running_loop()
        context = context_of(subject, payload.context, self._agent.organisation, link)
        return Attempt(subject, capability, bytes(payload.input), context, pen)

    def _payloads_of(self, subject: Subject) -> AttemptPayloads | None:
        if self._payloads is None:
            return None

        async def sign(kind: Literal["upload", "fetch"]) -> bytes:
            return await self._outbox.signed(answer(subject, kind, None, self._clock.now()).claims)

        return AttemptPayloads(self._payloads, sign)

    def _start_queued(self) -> None:
        while self._queued and self._free > 0:
            key, attempt = self._queued.popitem(last=False)
            self._running[key] = attempt
            self._start(attempt)
        self._settle()

    def _start(self, attempt: Attempt) -> None:
        feed = ProgressFeed(partial(self._report, attempt), self._pace.progress_every)
        attempt.context.link.report = feed.report
        attempt.task = asyncio.get_running_loop().create_task(self._perform(attempt))
        self._patience.add(attempt)
        remaining = attempt.remaining(self._clock.now())
        if remaining is not None:
            attempt.after(max(0.0, remaining.total_seconds()), _overdue)

    async def _perform(self, attempt: Attempt) -> None:
        CURRENT.set(attempt.context.link)  # of this task, and of what it begins
        outcome = await (attempt.outcome() if self._tracing is None else self._traced(attempt, self._tracing))
        attempt.close()
        self._calls.end(attempt.subject.key)
        self._lane.end(attempt.pen)
        del self._running[attempt.subject.key]
        self._answer(attempt.subject, outcome)
        thread = attempt.context.link.lingering
        if thread is not None and not thread.done():
            self._lingering.add(thread)
            thread.add_done_callback(self._freed)
        self._start_queued()

    async def _traced(self, attempt: Attempt, tracing: Tracing) -> Output | Failure:
        key, link = attempt.subject.key, attempt.context.link
        work = Work(
            run=key.run,
            task=key.task,
            attempt=key.attempt,
            agent=self._agent.id,
            capability=str(attempt.capability.ref),
            trace=link.trace,
        )
        with tracing.working(work) as working:
            link.trace = working.traceparent
            outcome = await attempt.outcome()
            if isinstance(outcome, Failure):
                working.failed(outcome.code)
        return outcome

    def _freed(self, thread: asyncio.Future[object]) -> None:
        self._lingering.discard(thread)
        self._start_queued()

    def _stop(self, key: AttemptKey, why: Failure) -> None:
        attempt = self._queued.pop(key, None)
        if attempt is not None:
            self._answer(attempt.subject, why)
            self._settle()
        elif key in self._running:
            self._running[key].stop(why)
            self._calls.end(key)

    def _settle(self) -> None:
        if not self._running and not self._queued:
            self._idle.set()
        had = self._has_room.is_set()
        asks = had or self._free > 0 or self.queued <= self._agent.capacity.queue // 2
        takes = asks and self.room > 0
        if had == takes:
            return
        if takes:
            self._has_room.set()
        else:
            self._has_room.clear()
        self.changed()

    def _was_withdrawn(self, key: AttemptKey) -> bool:
        lease = self._withdrawn.get(key[:3], _NOT_WITHDRAWN)
        return lease is None or lease == key.lease

    # -- what goes out ---------------------------------------------------------------------------------

    def _answer(self, subject: Subject, outcome: Output | Failure) -> None:
        self._send(subject, final_answer(subject, outcome, self._clock.now()))

    def _send(self, subject: Subject, outgoing: Outgoing) -> None:
        outgoing.deliveries = self._unanswered[subject.key]
        outgoing.sent = partial(self._sent, subject.key)
        self._answers[subject.key] = outgoing
        self._outbox.put(outgoing)

    def _sent(self, key: AttemptKey, outgoing: Outgoing) -> None:
        del self._unanswered[key], self._answers[key]
        if outgoing.message is not None and not outgoing.unwanted:
            self._recent.keep(key, outgoing)

    def _accept(self, attempt: Attempt) -> None:
        """Say that it is worked on. From then on its lease guards it, and no other instance gets it, even where the bus
        hears nothing of this one for a while.
        """
        key = attempt.subject.key
        accepting = answer(attempt.subject, "accept", None, self._clock.now())
        accepting.deliveries, self._unanswered[key] = self._unanswered[key], []
        self._outbox.put(accepting)

    def _report(self, attempt: Attempt, progress: ProgressPayload) -> None:
        if attempt.subject.key in self._running:
            attempt.reports += 1
            number = attempt.reports
            self._outbox.put(progress_answer(attempt.subject, progress, self._clock.now(), number))


_NOT_WITHDRAWN = LeaseToken("")


def _is_about(claims: Claims, key: AttemptKey) -> bool:
    same = (claims.run, claims.task, claims.attempt) == key[:3]
    return same and claims.lease in (None, key.lease)


def _overdue(attempt: Attempt) -> None:
    attempt.stop(Failure("deadline", "the attempt took longer than its deadline", retryable=True))
