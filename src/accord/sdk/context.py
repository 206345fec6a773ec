"""What an agent's function knows about its attempt, and what it can say while it works."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, MutableMapping
from concurrent.futures import CancelledError, Executor
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

import msgspec

from accord.domain.ids import RunId, TaskId
from accord.domain.labels import Declassification
from accord.domain.log import LogLine
from accord.domain.payloads import AskPayload, ProgressPayload, bounded
from accord.errors import BadInput, Problem
from accord.sdk.log_lines import line_of, raised
from accord.sdk.outcome import Failure
from accord.sdk.payloads import AttemptPayloads

logger = logging.getLogger("accord.agent")

T = TypeVar("T")


class Link:
    """The live half of a context: between the function and the worker that runs it."""

    __slots__ = ("ask", "cancelled", "lingering", "loop", "payloads", "report", "say", "threads", "trace")

    def __init__(
        self, threads: Executor | None = None, payloads: AttemptPayloads | None = None, trace: str = ""
    ) -> None:
        self.trace = trace
        self.payloads = payloads
        self.cancelled = False
        self.report: Callable[[ProgressPayload], None] | None = None
        self.say: Callable[[LogLine], None] | None = None
        """Takes a line of the log, from any thread."""
        self.ask: Callable[[AskPayload], Coroutine[Any, Any, Any]] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        """In which calls are waited for."""
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
    def for_test(cls, *, calls: Callable[[str, Any], Any] | None = None, **facts: Any) -> Context:
        """A context for calling an agent's function in a unit test; any field can be given. `calls` gives what comes of
        a call, by the capability or the objective and its input.
        """
        link = Link()
        if calls is not None:
            link.ask = partial(_scripted, calls)
        known: dict[str, Any] = {
            "run": RunId("run_test"),
            "task": TaskId("test"),
            "attempt": 1,
            "organisation": "local",
            "idempotency_key": "test",
            "link": link,
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

    async def call(self, capability: str, input: Any = None, *, key: str = "") -> Any:  # noqa: A002 - as in contracts
        """What another agent makes of this input, as JSON types: the orchestrator finds one, and a run of its own does
        it. `capability` is `name` or `name@range`; the task's `calls` has to allow it.

        Asked for again with the same input, also by a later attempt at the task, it is not done again; `key` tells
        apart what would be the same. While the function waits, its place is free for another attempt.

        Raises:
            CallFailed: nothing came of it, and why; not caught, it is the attempt's failure.
        """
        wanted = {} if input is None else {"input": _plain(input)}
        return await self._asked(AskPayload(capability=capability, key=key, **wanted))

    async def plan(self, objective: str, input: Mapping[str, Any] | None = None, *, key: str = "") -> Any:  # noqa: A002
        """As `call`, for an objective in words: the orchestrator's planner finds the graph. `input` has members of the
        graph's input that are to be other than what the words say.
        """
        wanted = {} if input is None else {"input": _plain(input)}
        return await self._asked(AskPayload(objective=objective, key=key, **wanted))

    def wait(self, asked: Coroutine[Any, Any, T]) -> T:
        """For plain functions, which run in threads of their own: `context.wait(context.call(...))`."""
        if self.link.loop is None:
            return asyncio.run(asked)  # in a unit test
        try:
            return asyncio.run_coroutine_threadsafe(asked, self.link.loop).result()
        except CancelledError:
            self.raise_if_cancelled()
            raise

    async def _asked(self, wanted: AskPayload) -> Any:
        if self.link.ask is None:
            raise BadInput.of(
                "ACC730", "nobody can be called here", hint="in a test, give `Context.for_test(calls=...)`"
            )
        return await self.link.ask(wanted)

    @property
    def log(self) -> Log:
        """A logger whose records go to the run, where people read them with the task, whatever their level; `extra`
        goes with them. Here they are logged as well, as `accord.agent`, with run, task and attempt.
        `context.log("…")` is `context.log.info("…")`.
        """
        return Log(logger, self.facts, self.link)

    @property
    def facts(self) -> dict[str, object]:
        """What every record that is about the attempt carries."""
        facts: dict[str, object] = {"run": self.run, "task": self.task, "attempt": self.attempt}
        return facts | ({"traceparent": self.link.trace} if self.link.trace else {})


async def _scripted(calls: Callable[[str, Any], Any], wanted: AskPayload) -> Any:
    return calls(wanted.capability or wanted.objective, None if wanted.input is msgspec.UNSET else wanted.input)


def _plain(value: Any) -> Any:
    """The value as JSON types."""
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if dump is not None else msgspec.to_builtins(value)


class Log(logging.LoggerAdapter[logging.Logger]):
    """The logger of one attempt. Called as it is, it logs with level `info`."""

    def __init__(self, to: logging.Logger, facts: Mapping[str, object], link: Link) -> None:
        super().__init__(to, facts)
        self._link = link

    def __call__(self, msg: object, *args: object, **kwargs: Any) -> None:
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        self.log(logging.INFO, msg, *args, **kwargs)

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - as in `logging`
        return self._link.say is not None or super().isEnabledFor(level)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        say = self._link.say
        if say is not None:
            _say(say, level, msg, args, kwargs)
        if self.logger.isEnabledFor(level):
            kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the caller is who has called this
            super().log(level, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        return msg, {**kwargs, "extra": {**(self.extra or {}), **(kwargs.get("extra") or {})}}


def _say(
    say: Callable[[LogLine], None], level: int, msg: object, args: tuple[object, ...], kwargs: Mapping[str, Any]
) -> None:
    """Put the record's words, made by its own rules, on the way."""
    record = logging.LogRecord("", level, "", 0, msg, args, None)
    error = kwargs.get("exc_info")
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    elif error:
        error = sys.exc_info()
    try:
        fields = {**(kwargs.get("extra") or {}), **raised(error)}
        say(line_of(level, record.getMessage(), fields, datetime.fromtimestamp(record.created, UTC)))
    except Exception:  # what is logged wrongly must not fail the work, as with `logging` itself
        logger.exception("a line cannot be logged")


class _Told:
    """Awaitable any number of times, and no error where nobody awaits it."""

    def __await__(self) -> Generator[None, None, None]:
        yield


_TOLD = _Told()
