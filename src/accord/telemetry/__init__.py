"""The table of everything that Accord tells about itself: metrics, spans and log events, each with its stable name.

Nothing is emitted that is not in it, and nothing is in it that is not emitted: tests see to both, and the page
`docs/reference/telemetry.md` is made of it.
"""

from __future__ import annotations

from accord.telemetry.logs import BY_TEXT, LOG_EVENTS, LogEvent
from accord.telemetry.metrics import METRICS, MetricKind, MetricSpec
from accord.telemetry.spans import ATTRIBUTES, SPANS, SpanSpec

__all__ = [
    "ATTRIBUTES",
    "BY_TEXT",
    "LOG_EVENTS",
    "METRICS",
    "SPANS",
    "LogEvent",
    "MetricKind",
    "MetricSpec",
    "SpanSpec",
]
