"""Whoever is cancelled while a bus waits has to end: a server that is told to stop would go on for ever with whatever
the bus was asked for.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from accord.addresses import BusAddress, bus_address
from accord.bus.nats import NatsBus
from accord.bus.redis import DEFAULT_TUNING, RedisBus, RedisInbox
from accord.testing.nats import NatsServer


async def ended(task: asyncio.Task[object]) -> bool:
    """Whether it has ended as it was told to."""
    await asyncio.wait([task], timeout=30)
    return task.cancelled()


async def test_while_nats_waits_for_room_to_write(nats: NatsServer) -> None:
    async with NatsBus.open(bus_address(nats.url), "local") as bus:
        writing = asyncio.create_task(bus._connection.client._flush_pending(force_flush=True))
        await asyncio.sleep(0)
        writing.cancel()
        assert await ended(writing)


async def test_together_with_an_answer_of_nats(nats: NatsServer) -> None:
    async with NatsBus.open(bus_address(nats.url), "local") as bus:
        client = bus._connection.client
        await client.subscribe("silent")
        asking = asyncio.create_task(client.request("silent", timeout=60))
        while not client._resp_map:  # noqa: ASYNC110 - the driver tells nobody of it
            await asyncio.sleep(0)
        (answer,) = client._resp_map.values()
        answer.set_result(Msg(client, "silent"))
        asking.cancel()
        assert await ended(asking)


async def test_together_with_the_connection_to_nats(nats: NatsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connected(self: Client, *given: object, **named: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):  # as `wait_for` does
            await asyncio.sleep(60)

    async with NatsBus.open(bus_address(nats.url), "local") as bus:
        client = bus._connection.client
        monkeypatch.setattr(Client, "connect", connected)
        assert await ended(asyncio.create_task(client.connect()))


async def test_together_with_news_while_redis_is_away() -> None:
    bus = RedisBus(BusAddress("redis://127.0.0.1:1"), "local", DEFAULT_TUNING)
    inbox = RedisInbox(bus, "agent/writer", "one")
    taking = asyncio.create_task(inbox.take(1))
    for _ in range(5):  # until it waits for the next try
        await asyncio.sleep(0)
    inbox.look_again()
    taking.cancel()
    assert await ended(taking)
