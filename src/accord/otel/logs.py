"""Log records as OpenTelemetry has them."""

from __future__ import annotations

import logging
from typing import Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import NonRecordingSpan, set_span_in_context

from accord.domain.trace import read_traceparent
from accord.otel.outbound import Outbound
from accord.otel.spans import SCOPE, context_of
from accord.telemetry.lines import members_of, name_of

OWN: Final = "accord.telemetry"
"""What is told about the collector itself is not sent there."""

_SEVERITY: Final = (
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
    (logging.NOTSET, SeverityNumber.DEBUG),
)


class OtlpHandler(logging.Handler):
    """Puts the records of Accord's loggers on their way."""

    def __init__(self, outbound: Outbound[ReadableLogRecord], resource: Resource, level: int) -> None:
        super().__init__(level)
        self._outbound = outbound
        self._resource = resource

    def emit(self, record: logging.LogRecord) -> None:
        """Send it, some time soon."""
        if record.name != OWN:
            self._outbound.put(ReadableLogRecord(log_record(record), self._resource, SCOPE))


def log_record(record: logging.LogRecord) -> LogRecord:
    """The record, with the name of its event, and in the trace that it belongs to."""
    at, nanoseconds = read_traceparent(getattr(record, "traceparent", "")), int(record.created * 1e9)
    span = None if at is None else NonRecordingSpan(context_of(at))
    said = {name: value for name, value in members_of(record).items() if name not in ("trace_id", "span_id")}
    return LogRecord(
        timestamp=nanoseconds,
        observed_timestamp=nanoseconds,
        context=None if span is None else set_span_in_context(span),
        severity_text=record.levelname,
        severity_number=next(number for level, number in _SEVERITY if record.levelno >= level),
        body=record.getMessage(),
        attributes={"logger": record.name, **said},
        event_name=name_of(record),
    )
