"""`accord doctor` on Redis: what is wrong is found, with its way out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from accord.addresses import BusAddress
from accord.cli.actions.doctor import examined
from accord.cli.doctor import bus
from accord.cli.doctor import redis as looks
from accord.cli.doctor.finding import Finding
from accord.cli.options import Shared
from accord.redis.connection import host_of
from accord.redis.inspection import Inspection, inspect
from accord.testing.redis import RedisServer

ADDRESS = BusAddress("redis://ann:gehe!m@bus")


def found(home: Path, bus: BusAddress) -> dict[str, Finding]:
    return {finding.what: finding for finding in examined(Shared(home, bus=bus.url))}


def test_what_is_seen_of_a_server(tmp_path: Path, redis: RedisServer) -> None:
    by = found(tmp_path / "home", redis.address)
    assert str(redis.port) in by["bus"].told
    assert {what: finding.grade for what, finding in by.items() if finding.grade == "fail"} == {}
    assert by["user of the bus"].grade == "warn"
    assert by["dead letters"].grade == "ok"


def test_a_bus_that_is_not_reached(tmp_path: Path) -> None:
    by = found(tmp_path / "home", BusAddress("redis://127.0.0.1:1"))
    (failed,) = [finding for finding in by.values() if finding.grade == "fail"]
    assert failed.what == "bus"
    assert "ACC762" in failed.told
    assert failed.hint


async def test_any_server_tells_what_is_asked(any_redis: RedisServer) -> None:
    seen = await inspect(any_redis.address, "doctor")
    assert seen.number[:2] == any_redis.program.version[:2]
    assert (seen.role, seen.is_cluster, seen.local, seen.encrypted) == ("master", False, True, False)
    assert (seen.user, seen.administrates, seen.reads, seen.appends) == ("default", True, True, True)
    assert (seen.max_bytes, seen.policy, seen.dead_letters) == (0, "noeviction", 0)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://bus", ("bus", 6379)),
        ("redis://ann:x@bus:7000/3", ("bus", 7000)),
        ("rediss://[::1]:7000", ("::1", 7000)),
        ("rediss://[::1]", ("::1", 6379)),
    ],
)
def test_where_a_server_is(url: str, where: tuple[str, int]) -> None:
    assert host_of(BusAddress(url)) == where


HEALTHY = Inspection(
    program="Redis", version="7.4.1", role="master", is_cluster=False, encrypted=True, local=False,
    user="orchestrator", administrates=False, reads=True, appends=True, used_bytes=1 << 20, max_bytes=1 << 30,
    policy="noeviction", round_trip_ms=0.2, dead_letters=0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("look", "changes", "grade"),
    [
        (looks._server, {}, "ok"),
        (looks._server, {"version": "6.0.16"}, "fail"),
        (looks._server, {"role": "slave"}, "fail"),
        (looks._server, {"is_cluster": True}, "fail"),
        (bus._way, {}, "ok"),
        (bus._way, {"encrypted": False}, "warn"),
        (bus._way, {"encrypted": False, "local": True}, "ok"),
        (bus._way, {"round_trip_ms": 20.0}, "warn"),
        (looks._memory, {}, "ok"),
        (looks._memory, {"policy": "allkeys-lru"}, "fail"),
        (looks._memory, {"policy": "allkeys-lru", "max_bytes": 0}, "warn"),
        (looks._memory, {"used_bytes": 1 << 30}, "warn"),
        (looks._persistence, {}, "ok"),
        (looks._persistence, {"appends": False}, "ok"),
        (looks._user, {}, "ok"),
        (looks._user, {"administrates": True}, "warn"),
        (looks._user, {"administrates": True, "version": "6.2.14"}, "warn"),
        (looks._user, {"reads": False}, "fail"),
        (bus._dead_letters, {}, "ok"),
        (bus._dead_letters, {"dead_letters": 2}, "warn"),
    ],
)
def test_what_is_told(look: object, changes: dict[str, object], grade: str) -> None:
    assert callable(look)
    finding = look(ADDRESS, msgspec.structs.replace(HEALTHY, **changes))
    assert finding.grade == grade
    assert "gehe" not in finding.told
    assert bool(finding.hint) == (grade != "ok")
