"""A gateway on a real node with SQLite, asked over ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from accord.app import host, open_node
from accord.domain.access import Role
from accord.engine.node import Node
from accord.gateway.application import Gateway, Options, create_application
from accord.sdk import Agent, Failure
from accord.settings import Settings
from accord.templates.reading import read_source


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with open_node(Settings(home=tmp_path / "home")) as node:
        yield node


class Asker:
    """A client of a gateway that shows a key."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        # A fault of the gateway's is an answer here, as it is on a socket.
        transport = httpx.ASGITransport(app=gateway, raise_app_exceptions=False, client=("192.0.2.1", 1))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://accord.test")

    async def key(self, role: Role, name: str | None = None) -> str:
        """The text of a new key."""
        return (await self.gateway.node.parts.access.issue(name or role, role, by="test")).text

    async def show(self, role: Role) -> None:
        """Show a new key of this role from now on."""
        self.http.headers["Authorization"] = f"Bearer {await self.key(role, f'shown-{role}')}"


def counting() -> Agent:
    """Counts on; or fails, where it is to."""
    agent = Agent("counter")

    @agent.capability("number.next@1.0.0")
    async def following(n: int) -> int:
        return n + 1

    @agent.capability("number.wrong@1.0.0")
    async def wrong(n: int) -> int:
        raise Failure("broken", "it never works", retryable=False)

    return agent


async def counted(asker: Asker, template: str, value: Any) -> Any:
    """A run of a template that `counting` does, once it has ended."""
    node, source = asker.gateway.node, read_source(template)
    async with host(node, [counting()]):
        digest = await node.publish(source.template, source.data)
        started = await node.start_run(digest, value)
        return await node.ended(started.id)


Opened = Callable[..., Any]


@pytest.fixture
async def opened(node: Node) -> AsyncIterator[Opened]:
    """Opens gateways with given options."""
    async with AsyncExitStack() as stack:

        async def open_(options: Options | None = None, tokens: Any = None) -> Asker:
            gateway = await stack.enter_async_context(create_application(node, tokens, options))
            asker = Asker(gateway)
            await stack.enter_async_context(asker.http)
            return asker

        yield open_


@pytest.fixture
async def asker(opened: Opened) -> Asker:
    return await opened()
