"""A collector that is away, or hangs, holds up nothing: runs go on, it is told of once, and the end does not wait."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from accord.domain.trace import TraceContext
from accord.otel.opening import open_telemetry
from accord.ports import Span
from accord.telemetry.exports import Exports

from .collector import collecting

AT = TraceContext("1" * 32, "2" * 16)


def exports_to(url: str) -> Exports:
    return Exports(endpoints={"traces": f"{url}/v1/traces"}, batch_most=1, send_every_s=0.01)


def span(number: int) -> Span:
    now = datetime.now(UTC)
    return Span(name="gate", at=AT.at(f"{number + 1:016x}"), start=now, end=now)


@pytest.fixture
def hanging() -> Iterator[str]:
    """The URL of a collector that lets everybody in and answers nobody."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_it_is_told_of_once_and_once_more_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    with collecting() as collector:
        collector.status = 400  # it is not tried again at once, as it would be where nobody listens
        async with open_telemetry(exports_to(collector.url), "accord", logging.WARNING) as telemetry:
            assert telemetry is not None
            assert telemetry.spans is not None
            for number in range(5):
                telemetry.spans.put(span(number))
            await collector.until(lambda: telemetry.spans is not None and telemetry.spans.dropped == 5)
            collector.status = 200
            telemetry.spans.put(span(5))
            await collector.until(lambda: collector.spans)
            await collector.until(lambda: len(caplog.records) == 2)
    assert [one.getMessage().partition(" (")[0] for one in caplog.records] == [
        "the collector does not take traces",
        "the collector takes traces again",
    ]
    assert (telemetry.spans.made, telemetry.spans.dropped) == (6, 5)


async def test_one_that_hangs_holds_up_neither_the_loop_nor_the_end(
    hanging: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits would take days: each try takes ten seconds."""
    monkeypatch.setattr("accord.otel.opening.CLOSED_WITHIN_S", 0.1)
    async with asyncio.timeout(30), open_telemetry(exports_to(hanging), "accord", logging.WARNING) as telemetry:
        assert telemetry is not None
        assert telemetry.spans is not None
        for number in range(70_000):
            telemetry.spans.put(span(number))
        await asyncio.sleep(0)
        assert telemetry.spans.dropped > 0
