"""Outside: where agents that are given to a test do their work, in real time, while the clock of the test stands
still.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self, TypeVar

from accord.domain.message import Claims, Message
from accord.domain.payloads import decode_assign
from accord.domain.signature import parse_statement, statement_digest
from accord.ports import Bare
from accord.sdk import Agent
from accord.sdk.agent import Capability
from accord.sdk.answers import subject_of
from accord.sdk.attempt import Attempt, context_of
from accord.sdk.context import Link
from accord.sdk.intake import Letter
from accord.sdk.log_lane import Pen
from accord.sdk.outcome import Failure, Output
from accord.sdk.schema import input_refused

T = TypeVar("T")


class Outside:
    """An event loop in a thread of its own, with the bodies of these agents open. Use it with `with`."""

    def __init__(self, agents: Iterable[Agent], within_s: float) -> None:
        self._bodies = [
            one.body
            for agent in agents
            for one in agent.capabilities.values()
            if isinstance(one.body, AbstractAsyncContextManager)
        ]
        self._within_s = within_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="accord-agents", daemon=True)
        self._open: list[AbstractAsyncContextManager[Any]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        for body in self._bodies:
            self._call(body.__aenter__())
            self._open.append(body)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for body in reversed(self._open):
            self._call(body.__aexit__(None, None, None))
        self._call(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def outcome(self, capability: Capability, claims: Claims, message: Message) -> Output | Failure:
        """What an agent makes of an assignment; the failure `overdue` where it takes too long."""
        try:
            return self._call(_performed(capability, claims, message))
        except TimeoutError:
            return Failure("overdue", f"the agent has not answered within {self._within_s:g} s of real time")

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(self._within_s)
        except TimeoutError:
            future.cancel()
            raise


async def _performed(capability: Capability, claims: Claims, message: Message) -> Output | Failure:
    payload, value = decode_assign(message.payload)
    violations = capability.contract.violations_of_input(value)
    if violations:
        return input_refused(violations)
    digest = statement_digest(parse_statement(message.statement).claims)
    subject = subject_of(Letter(Bare(message), claims, digest))
    context = context_of(subject, payload.context, "local", Link())
    return await Attempt(subject, capability, bytes(payload.input), context, Pen(subject)).outcome()
