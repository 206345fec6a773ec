"""What an agent's function knows about its attempt, and what it can say while it works."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping
from concurrent.futures import Executor
from datetime import datetime
from typing import Any

import msgspec

from accord.domain.ids import RunId, TaskId
from accord.domain.labels import Declassification
from accord.domain.payloads import ProgressPayload, bounded
from accord.errors import Problem
from accord.sdk.outcome import Failure
from accord.sdk.payloads import AttemptPayloads

logger = logging.getLogger("accord.agent")


class Link:
    """The live half of a context: between the function and the worker that runs it."""

    __slots__ = ("cancelled", "lingering", "payloads", "report", "threads", "trace")

    def __init__(
        self, threads: Executor | None = None, payloads: AttemptPayloads | None = None, trace: str = ""
    ) -> None:
        self.trace = trace
        self.payloads = payloads
        self.cancelled = False
        self.report: Callable[[ProgressPayload], None] | None = None
        self.threads = threads
        self.lingering: asyncio.Future[Any] | None = None
        """The thread that did not see it."""


class Context(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One attempt, as its agent may see it."""

    run: RunId
    task: TaskId
    attempt: int
    """1 for the first."""
    organisation: str
    """Whose run it is."""
    idempotency_key: str
    """The same whenever this work is delivered again: hand it to whatever must not act twice."""
    template: str = ""
    objective: str = ""
    deadline: datetime | None = None
    """After it nobody waits for the result, and the attempt is stopped."""
    upstream: Mapping[str, Any] = {}
    """The run's `input`, and `tasks`: outputs of earlier tasks by name; empty unless the template shows them."""
    errors: tuple[Problem, ...] = ()
    """What was wrong with the previous attempt's result, where it was sent back."""
    cut: tuple[str, ...] = ()
    """What is left out of `upstream`, because the agent may not see it: `input`, `input.email`, `tasks.score`."""
    declassify: Declassification | None = None
    """What the task may take away from the labels of what it was given, with a `Result` that is `declassified`."""
    link: Link

    @classmethod
    def for_test(cls, **facts: Any) -> Context:
        """A context for calling an agent's function in a unit test; any field can be given."""
        known: dict[str, Any] = {
            "run": RunId("run_test"),
            "task": TaskId("test"),
            "attempt": 1,
            "organisation": "local",
            "idempotency_key": "test",
            "link": Link(),
        }
        return cls(**(known | facts))

    @property
    def cancelled(self) -> bool:
        """Whether nobody wants the result any more; may be read from any thread."""
        return self.link.cancelled

    @property
    def traceparent(self) -> str:
        """Where the attempt is in the run's trace, as W3C Trace Context has it: to be handed on with whatever the
        function asks of others. Empty where nothing is traced.
        """
        return self.link.trace

    def raise_if_cancelled(self) -> None:
        """Leave the function where its attempt was cancelled: a plain function cannot be interrupted."""
        if self.link.cancelled:
            raise Failure("cancelled", "the attempt was cancelled", retryable=True)

    def progress(self, fraction: float, message: str = "") -> Awaitable[None]:
        """Tell how far the attempt is: `fraction` from 0 to 1; what is outside becomes the nearer end.

        It is told at once, from any thread; awaiting what comes back only lets the loop do other work first.
        """
        if self.link.report is not None:
            self.link.report(ProgressPayload(min(max(float(fraction), 0.0), 1.0), bounded(message)))
        return _TOLD

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry run, task and attempt."""
        facts = {"run": self.run, "task": self.task, "attempt": self.attempt}
        return _Log(logger, facts | ({"traceparent": self.link.trace} if self.link.trace else {}))


class _Log(logging.LoggerAdapter[logging.Logger]):
    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, {**kwargs, "extra": {**(self.extra or {}), **(kwargs.get("extra") or {})}}


class _Told:
    """Awaitable any number of times, and no error where nobody awaits it."""

    def __await__(self) -> Generator[None, None, None]:
        yield


_TOLD = _Told()
