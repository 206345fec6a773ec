"""What is open while a process tells of its work: the exporters and their queues, and who may put something there.

A collector that is away is told of once, and once more when it is back; nothing ever waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from accord.errors import BadInput
from accord.ports import Telemetry
from accord.telemetry.exports import Exports, Signal, without_password

if TYPE_CHECKING:
    from prometheus_client.core import Metric

logger = logging.getLogger("accord.telemetry")

CLOSED_WITHIN_S: Final = 2.0
"""How long the end of a process may wait for what is still to be sent."""

EXTRA: Final = "pip install 'accord-orchestrator[telemetry]'"

Families = Callable[[], Awaitable[Iterable["Metric"]]]


@dataclass(frozen=True)
class Sending(Telemetry):
    """What is told, and how metrics are sent."""

    metrics: Callable[[Families], AbstractAsyncContextManager[None]]
    """Sends what this gives, again and again, while it is open."""


@asynccontextmanager
async def open_telemetry(exports: Exports | None, service: str, level: int) -> AsyncIterator[Sending | None]:
    """Everything that tells of this process, named `service` where no variable names it; log records from this level
    on. None where nothing is sent.

    Raises BadInput ACC481 where the settings name a collector and the extra is not installed; where only variables do,
    that is told, and nothing is sent.
    """
    if exports is None:
        yield None
        return
    try:
        import opentelemetry.sdk  # noqa: PLC0415, F401 - it comes with an extra
    except ImportError as error:
        if exports.named:
            raise BadInput.of("ACC481", "telemetry takes an extra that is not installed", hint=EXTRA) from error
        logger.warning("variables name a collector, and nothing is sent: the extra is not installed (%s)", EXTRA)
        yield None
        return
    async with AsyncExitStack() as stack:
        yield await _opened(exports, service, level, stack)


async def _opened(exports: Exports, service: str, level: int, stack: AsyncExitStack) -> Sending:
    from accord.otel.agents import AgentTracing  # noqa: PLC0415 - these need the extra
    from accord.otel.exporters import Exporters  # noqa: PLC0415 - as above

    stack.enter_context(_quiet())
    exporters = Exporters(exports, service, _Collector)
    traces = "traces" in exports.endpoints
    stack.push_async_callback(asyncio.to_thread, exporters.close, CLOSED_WITHIN_S)
    handler = exporters.log_handler(level)
    if handler is not None:
        stack.enter_context(_handled(handler))
    return Sending(
        spans=exporters.spans if traces else None,
        tracing=AgentTracing(exporters.tracers) if traces else None,
        metrics=exporters.sending_metrics,
    )


class _Collector:
    """Whether a collector takes a signal, told when that changes."""

    def __init__(self, signal: Signal, url: str) -> None:
        self._signal = signal
        self._url = without_password(url)
        self._is_away = False

    def told(self, *, taken: bool) -> bool:
        """What came of a batch; gives it back."""
        if taken and self._is_away:
            logger.warning("the collector takes %s again (%s)", self._signal, self._url)
        elif not taken and not self._is_away:
            logger.warning(
                "the collector does not take %s (%s): they are dropped until it does", self._signal, self._url
            )
        self._is_away = not taken
        return taken


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of what the exporters log of every batch that is not taken: we tell it once."""
    exporters, nothing = logging.getLogger("opentelemetry.exporter"), logging.NullHandler()
    before = exporters.propagate
    exporters.addHandler(nothing)
    exporters.propagate = False
    try:
        yield
    finally:
        exporters.propagate = before
        exporters.removeHandler(nothing)


@contextmanager
def _handled(handler: logging.Handler) -> Iterator[None]:
    ours = logging.getLogger("accord")
    ours.addHandler(handler)
    try:
        yield
    finally:
        ours.removeHandler(handler)
