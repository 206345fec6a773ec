"""An orchestrator that serves on a real socket, and agents that join it over one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accord.app import open_node
from accord.custody import Custody
from accord.domain.agent import agent_id
from accord.domain.enrolment import Wanted
from accord.domain.message import decode_claims
from accord.domain.signature import parse_statement
from accord.engine.node import Node
from accord.gateway.application import Gateway, Options, create_application
from accord.gateway.server import Address, bound, serving, url_of
from accord.gateway.webhooks.endpoint import allowed_networks
from accord.joining import Destination, Joined, Station, join
from accord.sdk import Agent
from accord.settings import Settings
from accord.templates.reading import read_source

from .proxy import Proxy

LOCAL = Options(webhook_networks=allowed_networks([], "127.0.0.1"))


class Site:
    """A serving orchestrator."""

    def __init__(self, node: Node, gateway: Gateway, url: str) -> None:
        self.node = node
        self.gateway = gateway
        self.url = url

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def token(self, name: str, **more: Any) -> str:
        """A new enrolment token for an agent."""
        wanted = Wanted(organisation="local", name=name, **more)
        issued = await self.node.parts.enrolment.issue(wanted, by="test", now=self.node.parts.ports.clock.now())
        return issued.text

    async def start(self, template: Path, value: Any, agent: str = "hello", trace: str = "") -> Any:
        """A started run, once the agent is here."""
        await self.node.present(agent_id("local", agent))
        source = read_source(template)
        digest = await self.node.publish(source.template, source.data)
        return await self.node.start_run(digest, value, trace=trace)

    async def run(self, template: Path, value: Any, agent: str = "hello", trace: str = "") -> Any:
        """A run that has ended."""
        started = await self.start(template, value, agent, trace)
        async with asyncio.timeout(60):
            return await self.node.ended(started.id)


@asynccontextmanager
async def serving_at(home: Path, port: int = 0, *, options: Options = LOCAL, **settings: Any) -> AsyncIterator[Site]:
    """An orchestrator with this home."""
    address = Address(port=port)
    with bound(address) as taken:
        async with (
            open_node(Settings(home=home, **settings)) as node,
            create_application(node, options=options) as gateway,
            serving(gateway, address, taken, timedelta(seconds=2)),
        ):
            yield Site(node, gateway, url_of(address, taken))


async def trusting(site: Site) -> None:
    """Wait until the agent knows the orchestrator's delegated key."""
    parts, changed = site.node.parts, asyncio.Event()
    parts.registry.changed.append(changed.set)
    async with asyncio.timeout(30):
        while True:
            introduced = parts.delegates.introduction
            if introduced is not None:
                grant = decode_claims(parse_statement(introduced.statement).claims).grant
                if grant is not None and parts.registry.trusts(agent_id("local", "hello"), grant.jwk["kid"]):  # type: ignore[arg-type]  # a key's id
                    return
            await changed.wait()
            changed.clear()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving_at(tmp_path / "server") as site:
        yield site


class Places:
    """Homes of agents, as if each were on a machine of its own."""

    def __init__(self, root: Path, stack: AsyncExitStack) -> None:
        self._root = root
        self._stack = stack

    def station(self, home: str) -> Station:
        where = self._root / home
        return Station(
            home=where,
            custody=Custody(files=where / "keys", passphrase=where / "passphrase"),
            drain_within=timedelta(seconds=2),
        )

    async def join(self, agent: Agent, url: str, *, home: str = "agent", **more: Any) -> Joined:
        """The agent, working for the orchestrator there, until the test ends."""
        opened = join([agent], Destination(url=url, **more), self.station(home))
        (joined,) = await self._stack.enter_async_context(opened)
        return joined

    async def left(self) -> None:
        """All agents have left: while their server is there, nobody waits until it answers again."""
        await self._stack.aclose()


@pytest.fixture
async def proxy(site: Site) -> AsyncIterator[Proxy]:
    """Between the site and whoever connects to the proxy's URL."""
    async with Proxy.before("127.0.0.1", site.port) as proxy:
        yield proxy


@pytest.fixture
async def places(tmp_path: Path) -> AsyncIterator[Places]:
    async with AsyncExitStack() as stack:
        yield Places(tmp_path / "agents", stack)


GREET = """
accord: template/1
name: greet
version: 1.0.0
description: Greets.
input: {type: object, required: [name], properties: {name: {type: string}}}
tasks:
  greet:
    uses: text.greet@^1
    with: {name: "${input.name}"}
output: "${tasks.greet.output}"
"""


@pytest.fixture
def greet(tmp_path: Path) -> Path:
    path = tmp_path / "greet.yaml"
    path.write_text(GREET)
    return path
