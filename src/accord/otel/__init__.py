"""Spans, metrics and logs by OTLP: the adapter of OpenTelemetry, which comes with the extra `telemetry`.

opening     what is open while a process tells anything
outbound    the queue between the event loop and the thread that sends
spans, metrics, logs   from Accord's values to OpenTelemetry's
agents      the spans of agents, and of what their code does
"""

from __future__ import annotations

from accord.otel.opening import open_telemetry

__all__ = ["open_telemetry"]
