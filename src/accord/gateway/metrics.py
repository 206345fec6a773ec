"""Metrics for Prometheus: what the node and the gateway do, read when they are asked for. All are in the table of
`accord.telemetry`, with their words. Times are in seconds. All counters begin at 0 when the process starts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics import MetricWrapperBase
from starlette.types import Scope

from accord.engine.node import Node
from accord.gateway.colleagues import Colleagues, Place
from accord.gateway.figures import Engine
from accord.telemetry import METRICS

METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

LAG_EVERY_S: Final = 0.5
"""How often it is looked how late the event loop is."""
LAG_BOUNDS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

M = TypeVar("M", bound=MetricWrapperBase)


class Metrics:
    """The metrics of one gateway, in a registry of their own."""

    def __init__(self, node: Node) -> None:
        self._registry = CollectorRegistry()
        self._colleagues: Colleagues | None = None
        self._engine = Engine(node)
        self._registry.register(self._engine)
        ProcessCollector(registry=self._registry)
        self._requests = self._made(Counter, "accord_http_requests_total")
        self._request_s = self._made(Histogram, "accord_http_request_seconds")
        self._lag_s = self._made(Histogram, "accord_loop_lag_seconds", buckets=LAG_BOUNDS_S)

    def _made(self, kind: type[M], name: str, **how: Any) -> M:
        one = METRICS[name]
        return kind(one.family, one.words, one.labels, registry=self._registry, **how)

    def request(self, scope: Scope, status: int, took_s: float) -> None:
        """Count a request, under the route that served it: paths hold names, and there is no end of them."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._requests.labels(method, route, str(status or "none")).inc()
        self._request_s.labels(route).observe(took_s)

    @asynccontextmanager
    async def shared(self, place: Place | None) -> AsyncIterator[None]:
        """Measure the event loop, and tell these metrics to the other workers of this server, inside, and theirs with
        them.
        """
        measuring = asyncio.create_task(self._measure_lag(), name="accord-lag")
        try:
            if place is None:
                yield
                return
            async with Colleagues.open(place, self._text) as self._colleagues:
                yield
        finally:
            measuring.cancel()
            await asyncio.gather(measuring, return_exceptions=True)

    async def _measure_lag(self) -> None:
        while True:
            due = time.monotonic() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self._lag_s.observe(max(time.monotonic() - due, 0.0))

    async def families(self) -> Iterable[Metric]:
        """All metrics of this process, as they are now."""
        await self._engine.look()
        return list(self._registry.collect())

    async def _text(self) -> bytes:
        await self._engine.look()
        return generate_latest(self._registry)

    async def exposed(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that is asked for, and its media type."""
        encoder, media_type = choose_encoder(accept)
        if self._colleagues is not None:
            return encoder(await self._colleagues.gathered()), media_type
        await self._engine.look()
        return encoder(self._registry), media_type
