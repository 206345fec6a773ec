"""Least privilege on NATS: with the configuration that `accord bus users` writes, the server itself refuses an agent
whatever is not its own.
"""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from nats.aio.client import Client

from accord.addresses import BusAddress, bus_address
from accord.bus.nats import NatsBus
from accord.domain.ids import AgentId, InstanceId
from accord.domain.message import Message
from accord.errors import BadInput, BusUnavailable
from accord.nats.access import CONFIGURATION, Users
from accord.nats.subjects import Subjects, agent_word
from accord.ports import REGISTRY_SUBJECT, Parcel, agent_subject, notice_subject, partition_subject
from accord.testing.nats import NatsServer, nats_server

WRITER, SPY = AgentId("spiffe://acme/agent/writer"), AgentId("spiffe://acme/agent/my.spy")
ITS = Subjects("acme", WRITER)
QUEUE = ITS.queue(agent_subject(WRITER))
ROOT = "accord.acme"
MESSAGE = Message(b"statement", b"{}")


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Users:
    users = Users(tmp_path_factory.mktemp("users"), "acme")
    users.add({WRITER: None, SPY: None})
    return users


@pytest.fixture(scope="module")
def server(users: Users, nats: NatsServer) -> Iterator[NatsServer]:
    """A server with these users; `nats` says whether there can be one."""
    del nats
    with nats_server((users.folder / CONFIGURATION).read_text()) as server:
        yield server


def address(server: NatsServer, users: Users, word: str) -> BusAddress:
    return bus_address(server.url).with_secret((users.folder / f"{word}.seed").read_text())


@asynccontextmanager
async def orchestrator(server: NatsServer, users: Users) -> AsyncIterator[NatsBus]:
    async with NatsBus.open(address(server, users, "orchestrator"), "acme") as bus:
        yield bus


async def test_an_agent_does_its_work(server: NatsServer, users: Users) -> None:
    instance = InstanceId(f"{WRITER}#1")
    async with (
        orchestrator(server, users) as ours,
        NatsBus.open(address(server, users, agent_word(WRITER)), "acme", agent=WRITER) as its,
        its.inbox(agent_subject(WRITER)) as inbox,
        its.inbox(notice_subject(WRITER)) as to_agent,
        its.inbox(notice_subject(instance)) as to_instance,
        ours.inbox(partition_subject(3)) as answers,
        ours.inbox(REGISTRY_SUBJECT) as registry,
    ):
        await its.publish([Parcel(REGISTRY_SUBJECT, MESSAGE)])
        assert [one.message for one in await registry.take(5)] == [MESSAGE]
        subjects = (agent_subject(WRITER), notice_subject(WRITER), notice_subject(instance))
        await ours.publish([Parcel(subject, MESSAGE) for subject in subjects])
        for one in (inbox, to_agent, to_instance):
            taken = await one.take(5)
            assert [delivery.message for delivery in taken] == [MESSAGE]
            await one.ack(taken)
        await its.publish([Parcel(partition_subject(3), MESSAGE)])
        assert [one.message for one in await answers.take(5)] == [MESSAGE]


class Intruder:
    """Somebody with an agent's seed and no scruples."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.client = Client()

    @classmethod
    @asynccontextmanager
    async def at(cls, server: NatsServer, seed: Path) -> AsyncIterator[Intruder]:
        one = cls()

        async def failed(error: Exception) -> None:
            one.refused.append(str(error))

        prefix = f"_INBOX.{ROOT}.agent.{agent_word(SPY)}"
        await one.client.connect(server.url, nkeys_seed=str(seed), inbox_prefix=prefix, error_cb=failed)
        try:
            yield one
        finally:
            await one.client.close()

    async def was_refused(self, subject: str) -> bool:
        await self.client.flush()
        await self.client.flush()  # the driver's first ping overtakes what was published before
        return any(f'"{subject.lower()}"' in one and "permissions violation" in one for one in self.refused)


AGENTS, PARTITIONS, DEAD = ITS.agents, ITS.partitions, ITS.dead
ITS_INBOX = f"{ITS.inbox}.>"

PUBLISHED = [
    f"{ROOT}.partition.3.from.{agent_word(WRITER)}",
    f"{ROOT}.partition.3.in",
    f"{ROOT}.notice.registry.from.{agent_word(WRITER)}",
    f"{ROOT}.notice.registry.in",
    f"{ROOT}.notice.agent.{agent_word(WRITER)}",
    f"{ROOT}.notice.agent.{agent_word(SPY)}",
    QUEUE.filter,
    f"{ROOT}.agent.{agent_word(SPY)}.in",
    f"{ROOT}.acknowledged.0123456789abcdef.1",
    f"_INBOX.{ROOT}.orchestrator.x.1",
    f"_INBOX.{ROOT}.agent.{agent_word(WRITER)}.x",
    f"$JS.API.CONSUMER.MSG.NEXT.{AGENTS}.{QUEUE.consumer}",
    f"$JS.API.CONSUMER.INFO.{AGENTS}.{QUEUE.consumer}",
    f"$JS.API.CONSUMER.MSG.NEXT.{PARTITIONS}.partition-3",
    f"$JS.ACK.{AGENTS}.{QUEUE.consumer}.1.1.1.1.1",
    f"$JS.API.CONSUMER.CREATE.{AGENTS}.mine.{QUEUE.filter}",
    f"$JS.API.CONSUMER.CREATE.{AGENTS}",
    f"$JS.API.CONSUMER.DURABLE.CREATE.{AGENTS}.mine",
    f"$JS.API.CONSUMER.DELETE.{AGENTS}.{QUEUE.consumer}",
    "$JS.API.STREAM.CREATE.mine",
    f"$JS.API.STREAM.UPDATE.{AGENTS}",
    f"$JS.API.STREAM.DELETE.{AGENTS}",
    f"$JS.API.STREAM.PURGE.{PARTITIONS}",
    f"$JS.API.STREAM.MSG.GET.{AGENTS}",
    f"$JS.API.STREAM.MSG.DELETE.{AGENTS}",
    f"$JS.API.DIRECT.GET.{DEAD}",
    "$JS.API.INFO",
    "$SYS.REQ.SERVER.PING",
]

HEARD = [
    ">",
    f"{ROOT}.>",
    QUEUE.filter,
    f"{ROOT}.partition.*.from.*",
    f"{ROOT}.notice.agent.{agent_word(WRITER)}",
    f"{ROOT}.notice.instance.{agent_word(WRITER)}.*",
    f"{ROOT}.notice.registry.>",
    ITS_INBOX,
    "_INBOX.>",
    "$JS.>",
]


@pytest.mark.abuse(
    "ASI02",
    "ASI07",
    at="peers",
    stride="elevation of privilege",
    case="NATS: an agent that reads or writes what is not its own",
)
async def test_an_agent_that_wants_more_is_refused_by_the_server(server: NatsServer, users: Users) -> None:
    seed = users.folder / f"{agent_word(SPY)}.seed"
    async with orchestrator(server, users) as ours, Intruder.at(server, seed) as spy:
        await ours.publish([Parcel(agent_subject(one), MESSAGE) for one in (WRITER, SPY)])
        for subject in PUBLISHED:
            await spy.client.publish(subject, b"{}", reply=spy.client.new_inbox())
            assert await spy.was_refused(subject), subject
        for subject in HEARD:
            await spy.client.subscribe(subject)
            assert await spy.was_refused(subject), subject
        async with ours.inbox(agent_subject(WRITER)) as inbox:
            assert [one.message for one in await inbox.take(5)] == [MESSAGE]
        assert await ours.depth(partition_subject(3)) == 0


async def test_an_orchestrator_removes_nothing(server: NatsServer, users: Users) -> None:
    async with orchestrator(server, users), Intruder.at(server, users.folder / "orchestrator.seed") as one:
        for verb in ("STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE"):
            await one.client.publish(f"$JS.API.{verb}.{AGENTS}", b"{}")
            assert await one.was_refused(f"$JS.API.{verb}.{AGENTS}")


async def test_who_is_no_user_is_not_let_in(server: NatsServer, users: Users, tmp_path: Path) -> None:
    other = Users(tmp_path, "acme")
    other.add({})
    with pytest.raises(BusUnavailable, match="ACC754"):
        async with orchestrator(server, other):
            pass
    with pytest.raises(BusUnavailable, match="ACC754"):
        async with NatsBus.open(bus_address(server.url), "acme"):
            pass


async def test_an_agent_with_the_seed_of_another_one_is_told(server: NatsServer, users: Users) -> None:
    with pytest.raises(BusUnavailable, match=r"ACC754.*may not hear") as refusal:
        async with NatsBus.open(address(server, users, agent_word(SPY)), "acme", agent=WRITER):
            pass
    assert "accord bus users" in (refusal.value.problems[0].hint or "")


def test_seeds_are_made_once_and_for_nobody_else_to_read(tmp_path: Path) -> None:
    users = Users(tmp_path / "users", "acme")
    made = users.add({WRITER: None})
    assert {path.name for path in made} == {"orchestrator.seed", "acme~writer.seed"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    told = (users.folder / CONFIGURATION).read_text()
    for path in made:
        assert path.read_text().strip() not in told
    (spy,) = users.add({WRITER: None, SPY: None})
    assert spy.name == "acme~my=2Espy.seed"
    assert sorted(users.agents()) == sorted([WRITER, SPY])


def test_an_agent_may_bring_its_own_nkey(tmp_path: Path) -> None:
    elsewhere = Users(tmp_path / "elsewhere", "acme")
    elsewhere.add({WRITER: None})
    nkey = elsewhere.agents()[WRITER]
    users = Users(tmp_path / "users", "acme")
    assert [path.name for path in users.add({WRITER: nkey})] == ["orchestrator.seed"]
    assert users.agents() == {WRITER: nkey}
    for bad in ("UA", elsewhere.folder.joinpath("acme~writer.seed").read_text().strip()):
        with pytest.raises(BadInput, match="ACC748"):
            users.add({SPY: bad})


def test_the_users_of_a_namespace_are_an_account(tmp_path: Path) -> None:
    users = Users(tmp_path, "acme")
    users.add({WRITER: None})
    accounts = (tmp_path / CONFIGURATION).read_text().partition("accounts: ")[2]
    found = msgspec.json.decode(accounts)["accord.acme"]["users"]
    assert [len(one["permissions"]) for one in found] == [2, 2]
    assert all(allowed != "*" and allowed != ">" for one in found for allowed in one["permissions"]["publish"]["allow"])
