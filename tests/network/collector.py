"""A collector of OTLP over HTTP, in this process: what comes is read with OpenTelemetry's own messages, and kept."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

LOOK_S = 0.02


class Collected(NamedTuple):
    """A span that has come."""

    name: str
    trace: str
    id: str
    parent: str
    start: int
    end: int
    said: dict[str, Any]
    links: list[tuple[str, str]]
    service: str
    instance: str
    failed: bool

    @property
    def kind(self) -> str:
        """The first word of its name."""
        return self.name.partition(" ")[0]


def _said(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


class Collector:
    """All that has come, and whether anything is taken at present."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.spans: list[Collected] = []
        self.metrics: dict[str, Any] = {}
        self.logs: list[Any] = []
        self.requests = 0

    def take(self, path: str, body: bytes) -> int:
        """Take one request; the status of the answer."""
        self.requests += 1
        if self.status != 200:
            return self.status
        if path == "/v1/traces":
            self._take_spans(ExportTraceServiceRequest.FromString(body))
        elif path == "/v1/metrics":
            for one in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics.update({metric.name: metric for scope in one.scope_metrics for metric in scope.metrics})
        else:
            for logs in ExportLogsServiceRequest.FromString(body).resource_logs:
                self.logs += [record for scope in logs.scope_logs for record in scope.log_records]
        return 200

    def _take_spans(self, request: Any) -> None:
        for one in request.resource_spans:
            whose = _said(one.resource.attributes)
            for span in (span for scope in one.scope_spans for span in scope.spans):
                self.spans.append(
                    Collected(
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        _said(span.attributes),
                        [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                        whose["service.name"],
                        whose["service.instance.id"],
                        span.status.code == 2,
                    )
                )

    def of(self, trace: str, *kinds: str) -> list[Collected]:
        """The spans of a trace, of these kinds where any are named, by their beginning."""
        found = [one for one in self.spans if one.trace == trace and (not kinds or one.kind in kinds)]
        return sorted(found, key=lambda one: one.start)

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until this holds: other processes tell it."""
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110 - as above
                await asyncio.sleep(LOOK_S)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector, listening."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(collector.take(self.path, body))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nothing: processes are killed while they send."""

    with Server(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
