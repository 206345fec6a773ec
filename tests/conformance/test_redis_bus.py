"""The suite of the port `Bus` on Redis, on the oldest and the newest server that are there, and what is particular to
it: servers that are restarted, connections that are cut, consumers that are killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from itertools import count
from pathlib import Path

import msgspec
import pytest

import accord
from accord.addresses import BusAddress
from accord.bus.redis import RedisBus, RedisTuning
from accord.errors import BusUnavailable
from accord.ports import Carrier
from accord.redis.scripts import scripts
from accord.testing.bus_suite import NOTICE, SUBJECT, comes_true, names, parcels, take_all
from accord.testing.redis import RedisServer, redis_server
from accord.testing.shared_bus_suite import SharedBusSuite

numbers = count(1)
QUICK = RedisTuning(keep=timedelta(milliseconds=20), abandoned=timedelta(milliseconds=200))


@pytest.fixture
def organisation() -> str:
    """A new one for each test: what one has left, no other sees."""
    return f"test-{next(numbers)}"


class TestRedisBus(SharedBusSuite):
    @pytest.fixture(autouse=True)
    def _on(self, any_redis: RedisServer, organisation: str) -> None:
        self._server, self._organisation = any_redis, organisation

    def open(self, bound: int = 1000, deliveries: int = 1000) -> AbstractAsyncContextManager[Carrier]:
        self._tuning = msgspec.structs.replace(QUICK, bound=bound, deliveries=deliveries)
        return RedisBus.open(self._server.address, self._organisation, self._tuning)

    def beside(self, bus: Carrier) -> AbstractAsyncContextManager[Carrier]:
        return RedisBus.open(self._server.address, self._organisation, self._tuning)

    async def kill(self, bus: Carrier) -> None:
        assert isinstance(bus, RedisBus)
        await bus.line.__aexit__(None, None, None)
        await bus._channels.__aexit__(None, None, None)

    async def stop_server(self) -> None:
        await asyncio.to_thread(self._server.stop)

    async def start_server(self) -> None:
        await asyncio.to_thread(self._server.start)


# -- what dies -------------------------------------------------------------------------------------------------------

CONSUMER = """
import asyncio, sys
from accord.addresses import BusAddress
from accord.bus.redis import RedisBus

async def main(url, organisation, subject, how_many):
    async with RedisBus.open(BusAddress(url), organisation) as bus, bus.inbox(subject) as inbox:
        taken = 0
        while taken < int(how_many):
            taken += len(await inbox.take(int(how_many) - taken))
        print("taken", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


async def killed_with(url: str, organisation: str, how_many: int) -> None:
    """A process takes so many messages of SUBJECT, and is killed."""
    environment = {**os.environ, "PYTHONPATH": str(Path(accord.__file__).parents[1])}
    arguments = (sys.executable, "-c", CONSUMER, url, organisation, SUBJECT, str(how_many))
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE, env=environment)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"taken\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def test_what_a_killed_process_held_comes_again_and_what_a_living_one_holds_does_not(
    redis: RedisServer, organisation: str
) -> None:
    async with (
        RedisBus.open(redis.address, organisation, QUICK) as living,
        RedisBus.open(redis.address, organisation, QUICK) as other,
        living.inbox(SUBJECT) as inbox,
    ):
        await living.publish(parcels("held", "a", "b", "new"))
        held = await inbox.take(1)
        await killed_with(redis.address.url, organisation, 2)
        async with other.inbox(SUBJECT) as waiting:
            # Not before the killed one's are abandoned, and by then the living one has held its own for longer.
            seen = []
            while len(seen) < 3:
                seen += await waiting.take(3)
            assert sorted(names(seen)) == ["a", "b", "new"]
            assert {one.message.statement: one.attempts for one in seen} == {b"a": 2, b"b": 2, b"new": 1}
            assert await other.depth(SUBJECT) == 0
            await waiting.ack(seen)
        await inbox.ack(held)
        assert await other.depth(SUBJECT) == 0
    assert redis.ask("EXISTS", f"accord:{organisation}:{SUBJECT}") == ":0", "an empty queue costs nothing"


async def test_everything_goes_on_when_all_connections_are_cut(redis: RedisServer, organisation: str) -> None:
    async with (
        RedisBus.open(redis.address, organisation, QUICK) as bus,
        bus.inbox(SUBJECT) as inbox,
        bus.inbox(NOTICE) as notices,
    ):
        await bus.publish(parcels("held"))
        held = await inbox.take(1)
        taking, hearing = asyncio.create_task(inbox.take(5)), asyncio.create_task(notices.take(5))
        await asyncio.sleep(0)
        redis.ask("CLIENT", "KILL", "TYPE", "normal")
        redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
        while not hearing.done():  # one that is published before the channel is heard again is gone
            try:
                await bus.publish(parcels("heard", subject=NOTICE))
                await asyncio.wait([hearing], timeout=0.02)
            except BusUnavailable:
                continue
        assert names(hearing.result())[0] == "heard"
        await bus.publish(parcels("a"))
        taken = await taking
        assert names(taken) == ["a"]
        await inbox.ack([*held, *taken])
        assert await bus.depth(SUBJECT) == 0


async def test_a_server_that_lost_everything_is_used_again(organisation: str) -> None:
    with redis_server() as server:
        async with RedisBus.open(server.address, organisation, QUICK) as bus, bus.inbox(SUBJECT) as inbox:
            await bus.publish(parcels("lost"))
            held = await inbox.take(1)
            handing_over = asyncio.create_task(bus.hand_over(parcels("handed over")[0]))
            assert names(await inbox.take(1)) == ["handed over"]
            taking = asyncio.create_task(inbox.take(5))
            server.stop()
            with pytest.raises(BusUnavailable) as lost:
                await handing_over
            assert lost.value.problems[0].code == "ACC747"
            with pytest.raises(BusUnavailable) as unreachable:
                await bus.publish(parcels("refused"))
            assert unreachable.value.problems[0].code == "ACC762"
            await inbox.ack(held)
            server.start()
            await bus.publish(parcels("a", "b"))
            assert names(await taking) == ["a", "b"]


async def test_what_could_not_be_acknowledged_is_acknowledged_later(redis: RedisServer, organisation: str) -> None:
    async with RedisBus.open(redis.address, organisation, QUICK) as bus, bus.inbox(SUBJECT) as inbox:
        await bus.publish(parcels("a"))
        taken = await inbox.take(1)
        redis.ask("CLIENT", "PAUSE", "100000", "WRITE")
        acknowledging = asyncio.create_task(inbox.ack(taken))
        await asyncio.sleep(0)
        while not acknowledging.done():  # until it was under way
            redis.ask("CLIENT", "KILL", "TYPE", "normal")
            await asyncio.sleep(0)
        redis.ask("CLIENT", "UNPAUSE")
        key = f"accord:{organisation}:{SUBJECT}"

        async def is_gone() -> bool:
            return redis.ask("XLEN", key) == ":0"

        await comes_true(is_gone)


async def test_there_is_no_bus_where_there_is_no_server(organisation: str) -> None:
    with pytest.raises(BusUnavailable) as refusal:
        async with RedisBus.open(BusAddress("redis://accord:gehe!m@127.0.0.1:1"), organisation):
            pass
    assert refusal.value.problems[0].code == "ACC762"
    assert "gehe" not in str(refusal.value)


# -- what the server answers -----------------------------------------------------------------------------------------


async def test_scripts_that_the_server_forgot_are_brought_again(redis: RedisServer, organisation: str) -> None:
    async with RedisBus.open(redis.address, organisation) as bus, bus.inbox(SUBJECT) as inbox:
        redis.ask("SCRIPT", "FLUSH")
        sending = [asyncio.create_task(bus.publish(parcels(name))) for name in ("a", "b")]
        await asyncio.gather(*sending)
        assert names(await take_all(inbox, 2)) == ["a", "b"]


async def test_a_server_without_memory_takes_nothing_and_says_so(organisation: str) -> None:
    with redis_server(more="maxmemory 1mb\n") as server:
        async with RedisBus.open(server.address, organisation) as bus, bus.inbox(SUBJECT) as inbox:
            with pytest.raises(BusUnavailable) as refusal:
                await bus.publish(parcels("a"))
            assert refusal.value.problems[0].code == "ACC765"
            server.ask("CONFIG", "SET", "maxmemory", "0")
            await bus.publish(parcels("b"))
            assert names(await inbox.take(5)) == ["b"]


async def test_a_server_that_became_a_replica_is_asked_again(any_redis: RedisServer, organisation: str) -> None:
    async with RedisBus.open(any_redis.address, organisation) as bus, bus.inbox(SUBJECT) as inbox:
        any_redis.ask("REPLICAOF", "127.0.0.1", "1")
        try:
            with pytest.raises(BusUnavailable):
                await bus.publish(parcels("a"))
            assert not bus.line.is_connected
        finally:
            any_redis.ask("REPLICAOF", "NO", "ONE")
        await bus.publish(parcels("b"))
        assert names(await inbox.take(5)) == ["b"]


async def test_a_take_that_was_cancelled_does_not_count(redis: RedisServer, organisation: str) -> None:
    async with RedisBus.open(redis.address, organisation) as bus, bus.inbox(SUBJECT) as inbox:
        await bus.publish(parcels("a"))
        taking = asyncio.create_task(inbox.take(1))
        await asyncio.sleep(0)
        taking.cancel()
        await asyncio.wait([taking])
        assert taking.cancelled()
        (again,) = await inbox.take(1)
        assert again.attempts == 1


async def test_what_is_held_over_and_over_by_whoever_ends_is_a_dead_letter(
    redis: RedisServer, organisation: str
) -> None:
    async with RedisBus.open(redis.address, organisation, RedisTuning(deliveries=3)) as bus:
        await bus.publish(parcels("poison"))
        async with bus.inbox(SUBJECT) as inbox:
            await inbox.nack(await inbox.take(1))
            assert [one.attempts for one in await inbox.take(5)] == [2]
        assert await bus.dead_letters() == []
        async with bus.inbox(SUBJECT) as inbox:
            assert [one.attempts for one in await inbox.take(5)] == [3]
        assert await bus.depth(SUBJECT) == 0
        assert [dead.attempts for dead in await bus.dead_letters()] == [3]


async def test_large_messages_come_a_few_at_a_time(redis: RedisServer, organisation: str) -> None:
    async with RedisBus.open(redis.address, organisation) as bus, bus.inbox(SUBJECT) as inbox:
        (small,) = parcels("large")
        large = type(small)(SUBJECT, type(small.message)(b"large", b"x" * (3 << 20)))
        await bus.publish([large] * 8)
        assert len(await inbox.take(100)) == 4
        assert len(await inbox.take(100)) == 4


def test_released_scripts_never_change() -> None:
    """Agents may use those alone that an orchestrator of their version has brought: one that has to differ gets a new
    name, and a line here.
    """
    assert {name: script.sha1 for name, script in scripts().items()} == {
        "ack": "c63477f636ad170648a8b830a8abeccb9b4d7477",
        "announce": "8e6febff9f89d18994be2902abab6b4c61dde2ca",
        "dead": "6b0016c8fb1ddd759a3c07a83b359ad47285e675",
        "depth": "b235fb4b07c7ad8ff4c19ffdf2110a48e23b793c",
        "hold": "255fc2856f109a853138bda3cfd1484730c08017",
        "nack": "3781f50a377d29129b5625f99524963345f9dc0c",
        "orchestrators": "26b658add2624c73504b3e263f051bc09eb77ec9",
        "publish": "5b02dd0a39fad6ed586b7edf76874972d2fbfab3",
        "release": "8f47c6aafc91060d70587da3768956c907131ea9",
        "sweep": "e8962d72a0ccba914e9955006d5fca7c4f7fc5ff",
        "take": "c5e073e580503af8bf70ea6aae6e4f595a1c5259",
        "vouch": "f62dd4bb139d2fea888620c595c1fd4938d22d90",
        "vouched": "cbd6fe6aa52f349cb54c63d9a20da88b12760051",
    }
