"""The spans of agents: one around the body of a capability, current while it runs, so that what the author's code tells
with OpenTelemetry hangs under it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanKind, Status, StatusCode

from accord.domain.trace import TraceContext, read_traceparent
from accord.otel.spans import context_of
from accord.ports import Work


class SpanOfWork:
    """What an agent is doing."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        at = span.get_span_context()
        self.traceparent = str(
            TraceContext(
                trace.format_trace_id(at.trace_id), trace.format_span_id(at.span_id), bool(at.trace_flags.sampled)
            )
        )

    def failed(self, code: str) -> None:
        """It ends in this failure."""
        self._span.set_attribute("error.type", code)
        self._span.set_status(Status(StatusCode.ERROR, code))


class AgentTracing:
    """Makes these spans; it keeps to what the assignment says of the run's trace, and of whether it is sampled."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("accord")

    @contextmanager
    def working(self, work: Work) -> Iterator[SpanOfWork]:
        """The span of this work, current inside."""
        parent = read_traceparent(work.trace)
        remote = None if parent is None else NonRecordingSpan(context_of(parent, remote=True))
        with self._tracer.start_as_current_span(
            f"execute_tool {work.capability}",
            context=None if remote is None else trace.set_span_in_context(remote),
            kind=SpanKind.INTERNAL,
            attributes={
                "accord.run.id": work.run,
                "accord.task.id": work.task,
                "accord.attempt.number": work.attempt,
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.agent.id": work.agent,
                "gen_ai.agent.name": work.agent.rpartition("/")[2],
                "gen_ai.tool.name": work.capability,
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": f"{work.run}/{work.task}/{work.attempt}",
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield SpanOfWork(span)
