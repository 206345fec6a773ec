"""Agents in a process of their own, with a connection of their own to the bus: `python -m bench.staff`.

The orchestrator has made their key in its home and enrolled it. Where that is, and how bus and store are reached, comes
on the input. They work until the input ends.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import uvloop

from accord.app import open_bus, settle_memory
from accord.bus.nats import NatsBus
from accord.domain.agent import registry_id
from accord.domain.ids import AgentId
from accord.keys.opening import open_keys
from accord.machine import SystemClock
from accord.ports import Bus
from accord.sdk.worker import AgentKey, Worker, WorkerOptions
from accord.settings import Settings
from bench.agents import worker
from bench.deployment import KEY, Post, settings_of


def bus_of(settings: Settings, agent: AgentId) -> AbstractAsyncContextManager[Bus]:
    """The agent's connection: to NATS as agents have it, which are told apart there."""
    if settings.bus is not None and settings.bus.kind == "nats":
        return NatsBus.open(settings.bus, settings.organisation, agent=agent)
    return open_bus(settings)


async def main() -> None:
    """Work until the input ends."""
    agent = worker()
    post = msgspec.json.decode(sys.stdin.readline(), type=Post)
    settings = settings_of(post.addresses, Path(post.home))
    async with (
        bus_of(settings, agent.id) as bus,
        open_keys(settings.custody) as keys,
    ):
        options = WorkerOptions(registry=registry_id(settings.organisation))
        trust = {post.trust.kid: post.trust}
        async with Worker(agent, AgentKey(keys, KEY), bus, SystemClock(), trust, options):
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    settle_memory()
    uvloop.run(main())
