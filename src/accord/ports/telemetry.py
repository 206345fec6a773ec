"""Telemetry: what is told of runs to whoever collects traces."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec

from accord.domain.ids import AgentId, RunId, TaskId
from accord.domain.trace import TraceContext


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A span that is over."""

    name: str
    at: TraceContext
    """The span itself."""
    parent: str | None = None
    """The id of the span that it hangs under."""
    start: datetime
    end: datetime
    attributes: Mapping[str, str | int | bool] = {}
    error: str = ""
    """What went wrong: a code, or a word; empty where nothing did."""
    calls: bool = False
    """Whether it is the calling half of a call to another process."""
    links: tuple[TraceContext, ...] = ()


class Spans(Protocol):
    """Takes spans to whoever collects them."""

    ratio: float
    """The share of runs that is traced, of those that nobody has asked for from within a trace."""

    def put(self, span: Span) -> None:
        """Take this one; it never waits and never fails. What cannot be taken is counted, and dropped."""
        ...

    @property
    def made(self) -> int:
        """How many were put."""
        ...

    @property
    def dropped(self) -> int:
        """How many of them were dropped."""
        ...


class ModelCall(msgspec.Struct, frozen=True, kw_only=True):
    """A language model was asked once."""

    began: datetime
    ended: datetime
    model: str
    """The one that was asked for."""
    answered_by: str = ""
    """The one that answered, as it calls itself; empty where none has."""
    host: str
    port: int
    input_tokens: int = 0
    output_tokens: int = 0
    error: str = ""
    """A code; empty where it has answered."""


class Work(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an agent does for an attempt."""

    run: RunId
    task: TaskId
    attempt: int
    agent: AgentId
    capability: str
    """`name@version`."""
    trace: str = ""
    """The `traceparent` of the assignment."""


class Working(Protocol):
    """An agent's span, while it works."""

    traceparent: str
    """What it hands on to whomever it asks."""

    def failed(self, code: str) -> None:
        """The work ends in this failure."""
        ...


class Tracing(Protocol):
    """Traces what agents do."""

    def working(self, work: Work) -> AbstractContextManager[Working]:
        """The span of this work, current inside, so that spans of the agent's own code hang under it."""
        ...


@dataclass(frozen=True)
class Telemetry:
    """What a process tells of its work."""

    spans: Spans | None
    """None where no traces are wanted."""
    tracing: Tracing | None
    """As above."""
