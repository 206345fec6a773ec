"""The exporters of the three signals, each with its queue; what is not exported is let go of at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from accord import ports
from accord.otel.logs import OtlpHandler
from accord.otel.metrics import Families, MetricsSender
from accord.otel.outbound import Outbound
from accord.otel.spans import Ended, SpanQueue, readable
from accord.release import release
from accord.telemetry.exports import Exports, Signal


class Collector(Protocol):
    """Remembers whether a collector takes a signal."""

    def told(self, *, taken: bool) -> bool:
        """What came of a batch; gives it back."""
        ...


class Exporters:
    """All that is open."""

    def __init__(self, exports: Exports, service: str, collector: Callable[[Signal, str], Collector]) -> None:
        self._exports = exports
        self._collector = collector
        self._closing: list[Callable[[float], None]] = []
        self._resource = _resource(service)
        self._spans = self._span_queue()
        self.spans = SpanQueue(self._spans, exports.ratio)
        self.tracers = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(exports.ratio)), resource=self._resource, shutdown_on_exit=False
        )
        self.tracers.add_span_processor(Ended(self._spans))
        # What the code of agents tells goes the same way, unless somebody has set up another one.
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(self.tracers)

    def close(self, within_s: float) -> None:
        """Send what waits, for so long at most; blocks."""
        ends = time.monotonic() + within_s
        for close in self._closing:
            close(max(ends - time.monotonic(), 0.0))

    def _outbound(self, signal: Signal, send: Callable[[Sequence[Any]], bool]) -> Outbound[Any]:
        one = self._exports
        outbound = Outbound(f"otlp-{signal}", send, one.queue_most, one.batch_most, one.send_every_s)
        self._closing.append(outbound.close)
        return outbound

    def _span_queue(self) -> Outbound[ports.Span | ReadableSpan]:
        url = self._exports.endpoints.get("traces")
        if url is None:
            return self._outbound("traces", lambda _: True)
        exporter, told = OTLPSpanExporter(endpoint=url), self._collector("traces", url).told

        def send(batch: Sequence[ports.Span | ReadableSpan]) -> bool:
            found = exporter.export([readable(one, self._resource) for one in batch])
            return told(taken=found is SpanExportResult.SUCCESS)

        outbound = self._outbound("traces", send)
        self._closing.append(partial(_shut, exporter))
        return outbound

    def log_handler(self, level: int) -> logging.Handler | None:
        """Sends log records; None where they are not wanted."""
        url = self._exports.endpoints.get("logs")
        if url is None:
            return None
        exporter, told = OTLPLogExporter(endpoint=url), self._collector("logs", url).told

        def send(batch: Sequence[ReadableLogRecord]) -> bool:
            return told(taken=exporter.export(batch) is LogRecordExportResult.SUCCESS)

        outbound = self._outbound("logs", send)
        self._closing.append(partial(_shut, exporter))
        return OtlpHandler(outbound, self._resource, level)

    def sending_metrics(self, families: Families) -> AbstractAsyncContextManager[None]:
        """Sends what this gives every so often, while it is open."""
        url = self._exports.endpoints.get("metrics")
        if url is None:
            return nullcontext()
        exporter, told = OTLPMetricExporter(endpoint=url), self._collector("metrics", url).told

        def send(data: MetricsData) -> bool:
            return told(taken=exporter.export(data) is MetricExportResult.SUCCESS)

        self._closing.append(partial(_shut, exporter))
        return MetricsSender(send, self._resource, self._exports.metrics_every_s).sending(families)


def _shut(exporter: Any, _: float) -> None:
    """Send nothing more: a try that is under way is not repeated. Two of these methods have no types."""
    exporter.shutdown()


def _resource(service: str) -> Resource:
    """This process; what the standard variables say of it beats what we do."""
    own = {SERVICE_NAME: service, SERVICE_VERSION: release(), SERVICE_INSTANCE_ID: str(uuid4())}
    return Resource.create({**own, **OTELResourceDetector().detect().attributes})
