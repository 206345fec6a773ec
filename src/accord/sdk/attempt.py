"""One attempt in an agent's hands: its context, its timers, and how it is stopped."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType

from accord.domain.payloads import AssignContext, ProgressPayload
from accord.sdk.agent import Capability
from accord.sdk.answers import Subject
from accord.sdk.context import Context, Link
from accord.sdk.log_lane import Pen
from accord.sdk.outcome import Failure, Output

logger = logging.getLogger("accord.agent")

_AROUND = (str(Path(__file__).parent), str(Path(concurrent.futures.__file__).parent))
TEXT_MAX_CHARACTERS = 500
"""Bound of what is told of an exception."""


class Attempt:
    """An assignment that was admitted and has no answer yet."""

    __slots__ = (
        "_timers",
        "begun",
        "capability",
        "closed",
        "context",
        "document",
        "pen",
        "reports",
        "stopped",
        "subject",
        "task",
    )

    def __init__(self, subject: Subject, capability: Capability, document: bytes, context: Context, pen: Pen) -> None:
        self.subject = subject
        self.capability = capability
        self.document = document
        self.context = context
        self.pen = pen
        self.stopped: Failure | None = None
        self.begun = False
        self.closed = False
        """Whether the answer is there."""
        self.reports = 0
        self.task: asyncio.Task[None] | None = None
        self._timers: list[asyncio.TimerHandle] = []

    def after(self, delay_s: float, step: Callable[[Attempt], None]) -> None:
        """Call `step` with this attempt after this time, unless it is closed before."""
        self._timers.append(asyncio.get_running_loop().call_later(delay_s, step, self))

    def remaining(self, now: datetime) -> timedelta | None:
        """How long the body may take from now on, by the run's deadline and the contract's; None for ever."""
        limits = [self.capability.contract.limits.deadline]
        if self.context.deadline is not None:
            limits.append(self.context.deadline - now)
        return min((limit for limit in limits if limit is not None), default=None)

    def stop(self, why: Failure) -> None:
        """Stop the body: this failure is the answer, whatever the body still gives. The first call counts."""
        if self.stopped is not None:
            return
        self.stopped = why
        self.context.link.cancelled = True
        # A task that is cancelled before its first step would never come to its answer.
        if self.begun and self.task is not None:
            self.task.cancel()

    def close(self) -> None:
        """The answer is there: nothing is due any more, and nothing more is reported."""
        self.closed = True
        self.context.link.report = self.context.link.say = None
        for timer in self._timers:
            timer.cancel()

    async def outcome(self) -> Output | Failure:
        """What the body gives. Raises CancelledError only where the attempt was not stopped by `stop`."""
        self.begun = True
        given = self.stopped or await self._given()
        return self.stopped or given

    async def _given(self) -> Output | Failure:
        try:
            given = await self.capability.body(self.document, self.context)
            return given.claiming(self.context.declassify)
        except asyncio.CancelledError as error:
            if self.stopped is None and _is_cancelled():
                raise
            return self.stopped or unexpected(error)  # what the body awaited was cancelled, and not the body
        except Failure as failure:
            return failure
        except GeneratorExit:
            raise  # the loop is closed
        except BaseException as error:  # whatever an agent raises is its own: it must not end whoever hosts it
            self._log(error)
            return unexpected(error)

    def _log(self, error: BaseException) -> None:
        """Tell the agent's author, here and nowhere else: what is sent is only what `unexpected` says."""
        key = self.subject.key
        error.__traceback__ = of_the_author(error.__traceback__)
        # By the plain logger: what `context.log` is given goes to the run.
        logger.error(
            "%s raised in attempt %d of task %s of %s",
            self.capability.ref,
            key.attempt,
            key.task,
            key.run,
            exc_info=error,
            extra=self.context.facts,
        )


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def of_the_author(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first call that is neither ours nor a thread's; all of it where there is none."""
    inner = trace
    while inner is not None and inner.tb_frame.f_code.co_filename.startswith(_AROUND):
        inner = inner.tb_next
    return inner or trace


def unexpected(error: BaseException) -> Failure:
    """The failure for an exception that the agent's author did not foresee: its type and text, no traceback."""
    text = "".join(traceback.format_exception_only(error)).strip()
    return Failure("exception", text[:TEXT_MAX_CHARACTERS], retryable=True)


def context_of(subject: Subject, told: AssignContext, organisation: str, link: Link) -> Context:
    """The context of an attempt."""
    key = subject.key
    return Context(
        run=key.run,
        task=key.task,
        attempt=key.attempt,
        organisation=organisation,
        idempotency_key=told.idempotency_key,
        template=told.template,
        objective=told.objective,
        deadline=told.deadline,
        upstream=told.upstream,
        errors=told.errors,
        cut=told.cut,
        declassify=told.declassify,
        link=link,
    )


class Patience:
    """Calls a step for each attempt that is still open a while after it was added: the same for all, with one timer."""

    def __init__(self, delay: timedelta, step: Callable[[Attempt], None]) -> None:
        self._delay_s = delay.total_seconds()
        self._step = step
        self._waiting: deque[tuple[float, Attempt]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, attempt: Attempt) -> None:
        """Call the step with this attempt when its time has come."""
        loop = asyncio.get_running_loop()
        self._waiting.append((loop.time() + self._delay_s, attempt))
        if self._timer is None:
            self._timer = loop.call_later(self._delay_s, self._ring)

    def close(self) -> None:
        """Call nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()

    def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and (self._waiting[0][1].closed or self._waiting[0][0] <= loop.time()):
            _, attempt = self._waiting.popleft()
            if not attempt.closed:
                self._step(attempt)
        self._timer = loop.call_at(self._waiting[0][0], self._ring) if self._waiting else None


class ProgressFeed:
    """Passes on what a function reports, from any thread: the first at once, then the newest, once per `every`."""

    def __init__(self, send: Callable[[ProgressPayload], None], every: timedelta) -> None:
        self._send = send
        self._every_s = every.total_seconds()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._newest: ProgressPayload | None = None
        self._resting = False

    def report(self, progress: ProgressPayload) -> None:
        """Take one report."""
        if threading.get_ident() == self._thread:
            self._take(progress)
        else:
            self._loop.call_soon_threadsafe(self._take, progress)

    def _take(self, progress: ProgressPayload) -> None:
        if self._resting:
            self._newest = progress
            return
        self._resting = True
        self._loop.call_later(self._every_s, self._rested)
        self._send(progress)

    def _rested(self) -> None:
        self._resting = False
        if self._newest is not None:
            newest, self._newest = self._newest, None
            self._take(newest)
