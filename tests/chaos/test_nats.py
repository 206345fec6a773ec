"""A NATS server that stands still, or is killed, while much is still to be written to it: the connection is lost, and
made again.
"""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from accord.addresses import bus_address
from accord.bus.nats import NatsBus
from accord.domain.message import Message
from accord.errors import BusUnavailable
from accord.nats import connection
from accord.ports import ORCHESTRATORS_SUBJECT, Parcel
from accord.testing.nats import NatsServer, nats_server

LONG = Parcel(ORCHESTRATORS_SUBJECT, Message(b"", bytes(1 << 20)))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch, nats: NatsServer) -> None:
    """A server that reads nothing is missed soon."""
    monkeypatch.setattr(connection, "WRITTEN_WITHIN_S", 0.3)
    monkeypatch.setattr(connection, "ANSWER_WITHIN_S", 0.3)


async def until_lost(bus: NatsBus) -> None:
    while await is_told(bus):
        pass


async def until_there(bus: NatsBus) -> None:
    while not await is_told(bus):  # noqa: ASYNC110 - nobody tells when it is there again
        await asyncio.sleep(0.01)


async def is_told(bus: NatsBus) -> bool:
    try:
        await bus.publish([LONG])
    except BusUnavailable:
        return False
    return True


async def test_a_server_that_reads_nothing_any_more_is_missed() -> None:
    with nats_server() as server:
        async with NatsBus.open(bus_address(server.url), "local") as bus:
            os.kill(server.pid, signal.SIGSTOP)
            try:
                await until_lost(bus)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            await until_there(bus)


async def test_a_server_that_is_killed_with_much_to_be_written_is_missed() -> None:
    with nats_server() as server:
        async with NatsBus.open(bus_address(server.url), "local") as bus:
            os.kill(server.pid, signal.SIGSTOP)
            telling = asyncio.create_task(until_lost(bus))
            await asyncio.sleep(0)
            server.stop()
            await telling
            server.start()
            await until_there(bus)


async def test_who_leaves_does_not_wait_for_a_server_that_stands_still() -> None:
    with nats_server() as server:
        async with NatsBus.open(bus_address(server.url), "local") as bus:
            os.kill(server.pid, signal.SIGSTOP)
            for _ in range(6):
                await bus.publish([LONG])
        os.kill(server.pid, signal.SIGCONT)
