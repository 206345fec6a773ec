"""Watchers of feeds, as programs write them: over Socket.IO, and of server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import socketio


class Watcher:
    """A connection to a namespace, and all that it was told."""

    def __init__(self, client: Any, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        client.on("*", self._hear, namespace=namespace)

    async def _hear(self, event: str, data: Any = None, *_: object) -> None:
        self.told.put_nowait((event, data))

    async def ask(self, event: str, data: Any = None) -> Any:
        """The acknowledgement of what is asked."""
        return await self.client.call(event, data, namespace=self.namespace, timeout=30)

    async def until(self, event: str, wanted: Any = lambda data: True) -> Any:
        """The data of the next event of this name that is wanted."""
        async with asyncio.timeout(30):
            while True:
                heard, data = await self.told.get()
                if heard == event and wanted(data):
                    return data

    async def records(self, run: str, limit: int) -> list[int]:
        """The numbers of the next events of a run: so many, or up to its end."""
        found: list[int] = []
        async with asyncio.timeout(30):
            while len(found) < limit:
                event, data = await self.told.get()
                if event == "end":
                    break
                if event == "record" and data["run"] == run:
                    found.append(data["sequence"])
        return found


@asynccontextmanager
async def watching(url: str, namespace: str, token: str | None) -> AsyncIterator[Watcher]:
    """A watcher that is connected, and does not connect again by itself."""
    client = socketio.AsyncClient(reconnection=False)
    watcher = Watcher(client, namespace)
    auth = {"token": token} if token is not None else None
    await client.connect(url, auth=auth, namespaces=[namespace], transports=["websocket"])
    try:
        yield watcher
    finally:
        await client.disconnect()


class Events:
    """A stream of server-sent events, read one by one."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def comment(self) -> str:
        """The next comment."""
        async for line in self._lines:
            if line.startswith(":"):
                return line
        raise AssertionError("the stream ended")

    async def next(self) -> dict[str, Any] | None:
        """The next event with its `event`, `id` and `data`; None at the end."""
        event: dict[str, Any] = {}
        async with asyncio.timeout(30):
            async for line in self._lines:
                if not line and event:
                    return event
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    event[name] = json.loads(value) if name == "data" else value
        return None

    async def until(self, wanted: Any) -> dict[str, Any]:
        """The next event whose data is wanted."""
        while (event := await self.next()) is not None:
            if wanted(event["data"]):
                return event
        raise AssertionError("the stream ended")


@asynccontextmanager
async def streaming(url: str, token: str | None, last: str | None = None) -> AsyncIterator[Events]:
    """The events of this URL."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if last is not None:
        headers["Last-Event-ID"] = last
    async with httpx.AsyncClient(timeout=30) as http, http.stream("GET", url, headers=headers) as response:
        yield Events(response)
