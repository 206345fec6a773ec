"""Spans as OpenTelemetry has them. Ours are made whole, with ids of their own, after they are over: its tracers can do
neither, so what an exporter reads is made here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from accord import ports
from accord.domain.trace import TraceContext
from accord.otel.outbound import Outbound

SCOPE: Final = InstrumentationScope("accord")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def nanoseconds(at: datetime) -> int:
    """Since 1970."""
    return (at - _EPOCH) // _MICROSECOND * 1000


def context_of(at: TraceContext, *, remote: bool = False) -> SpanContext:
    """The place in the trace."""
    flags = TraceFlags(TraceFlags.SAMPLED if at.sampled else TraceFlags.DEFAULT)
    return SpanContext(int(at.trace, 16), int(at.span, 16), remote, flags)


def readable(span: ports.Span | ReadableSpan, resource: Resource) -> ReadableSpan:
    """The span as exporters take it."""
    if isinstance(span, ReadableSpan):
        return span
    said = dict(span.attributes)
    if span.error:
        said["error.type"] = span.error
    return ReadableSpan(
        name=span.name,
        context=context_of(span.at),
        parent=context_of(span.at.at(span.parent)) if span.parent is not None else None,
        resource=resource,
        attributes=said,
        links=[Link(context_of(link, remote=True)) for link in span.links],
        kind=SpanKind.CLIENT if span.calls else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(),
        start_time=nanoseconds(span.start),
        end_time=max(nanoseconds(span.end), nanoseconds(span.start)),
        instrumentation_scope=SCOPE,
    )


class SpanQueue:
    """Takes spans to the collector."""

    def __init__(self, outbound: Outbound[ports.Span | ReadableSpan], ratio: float) -> None:
        self._outbound = outbound
        self.ratio = ratio
        self.put = outbound.put

    @property
    def made(self) -> int:
        """How many were put."""
        return self._outbound.made

    @property
    def dropped(self) -> int:
        """How many of them were dropped."""
        return self._outbound.dropped


class Ended(SpanProcessor):
    """Puts what OpenTelemetry's own tracers have made, of agents and of their authors, into the same queue."""

    def __init__(self, outbound: Outbound[ports.Span | ReadableSpan]) -> None:
        self._outbound = outbound

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: it is told when it is over."""

    def on_end(self, span: ReadableSpan) -> None:
        """Send it, where it is sampled."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._outbound.put(span)

    def shutdown(self) -> None:
        """Nothing: whoever has opened the queue closes it."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back here."""
        return True
