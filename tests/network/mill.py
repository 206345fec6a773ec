"""An agent for `accord agent`: it adds up what it is given, and leaves a line in the file of effects before its result
is known to anybody. `MILL_EFFECTS` names the file, `MILL_NAME` the agent.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from typing import Any

import orjson
import socketio

from accord.sdk import Agent, Context

agent = Agent(os.environ["MILL_NAME"], concurrency=3, queue=6)
chance = random.Random()  # noqa: S311 - chance, no secret
effects = os.open(os.environ["MILL_EFFECTS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

if os.environ.get("MILL_POLLS"):
    # Agents in other languages may begin with long polling, and only then go over to a WebSocket.
    connect = socketio.AsyncClient.connect

    async def polling(self: socketio.AsyncClient, *given: Any, **named: Any) -> None:
        await connect(self, *given, **(named | {"transports": ["polling", "websocket"]}))

    socketio.AsyncClient.connect = polling


def total(value: Any) -> int:
    """The sum of all numbers in it."""
    if isinstance(value, list):
        return sum(map(total, value))
    return int(value["sum"]) if isinstance(value, dict) else int(value)


@agent.capability("mill.add@1.0.0")
async def add(parts: list[Any], *, context: Context) -> dict[str, Any]:
    """One more than all parts together; some results are too long for an event."""
    await asyncio.sleep(chance.random() * 0.1)
    value = 1 + total(parts)
    effect = [context.idempotency_key, context.attempt, value, os.getpid(), time.monotonic()]
    os.write(effects, orjson.dumps(effect) + b"\n")
    os.fsync(effects)
    await asyncio.sleep(chance.random() * 0.1)
    return {"sum": value, "padding": "x" * 20_000 if value % 4 == 0 else ""}
