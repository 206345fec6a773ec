"""Accord on servers that run: an orchestrator of this process, and agents.

On a bus the agents are another process, with a connection of their own to it; else they are in this one.
"""

from __future__ import annotations

import logging
import os
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from accord.addresses import bus_address
from accord.app import host, open_node, tuning_of
from accord.domain.signature import PublicKey
from accord.engine.node import Node
from accord.keys.named import key_of
from accord.otel import open_telemetry
from accord.postgres.address import StoreAddress
from accord.settings import Settings
from accord.telemetry.exports import exports_of
from bench.agents import worker

KEY = "agent.bench"
"""The name of the key of agents in another process."""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """What agents in another process are told: where they work, and for whom."""

    home: str
    addresses: dict[str, str]
    trust: PublicKey
    """Of the orchestrator."""


def settings_of(addresses: Mapping[str, str], home: Path) -> Settings:
    """Those of a node on servers at these addresses, by their kind; on files where there are none. What is sent to a
    collector is what OpenTelemetry's variables say.
    """
    store, bus = addresses.get("postgres"), addresses.get("nats") or addresses.get("redis")
    return Settings(
        home=home,
        store=None if store is None else StoreAddress(store),
        bus=None if bus is None else bus_address(bus),
        exports=exports_of(None, None, os.environ)[0],
    )


@asynccontextmanager
async def orchestrator(addresses: Mapping[str, str], home: Path) -> AsyncIterator[Node]:
    """A node on these servers; a replica where there is a bus."""
    settings = settings_of(addresses, home)
    serves = settings.bus is not None
    tuning = msgspec.structs.replace(tuning_of(settings), max_runs=100_000, max_waiting=1_000_000, serves=serves)
    async with (
        open_telemetry(settings.exports, "accord", logging.WARNING) as telemetry,
        open_node(settings, tuning, telemetry) as node,
    ):
        yield node


@asynccontextmanager
async def staffed(node: Node, addresses: Mapping[str, str], home: Path) -> AsyncIterator[tuple[int, ...]]:
    """The agents, present; gives the processes that they are in besides this one."""
    if not {"nats", "redis"} & set(addresses):
        async with host(node, [worker()]):
            yield ()
        return
    agent, parts = worker(), node.parts
    public = await key_of(parts.ports.keys, KEY)
    await parts.enrolment.enrol(agent.id, public, by="bench", now=parts.ports.clock.now())
    post = Post(home=str(home), addresses=dict(addresses), trust=parts.identity.key)
    child = await create_subprocess_exec(sys.executable, "-m", "bench.staff", stdin=PIPE)
    if child.stdin is None:
        raise RuntimeError("the process was started without an input")
    try:
        child.stdin.write(msgspec.json.encode(post) + b"\n")
        await child.stdin.drain()
        await node.present(agent.id)
        yield (child.pid,)
    finally:
        child.stdin.close()
        await child.wait()
