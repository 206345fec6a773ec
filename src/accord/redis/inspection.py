"""What can be seen of a server from here, without changing anything: for `accord doctor`."""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import Any, Final

import msgspec

from accord.addresses import BusAddress
from accord.redis.connection import host_of, new_connection
from accord.redis.driver import Connection, exceptions
from accord.redis.errors import FAILURES, as_bus_error
from accord.redis.names import DEAD, prefix_of

PROBES: Final = 10
"""How often something is done to tell how long it takes."""


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen."""

    program: str
    version: str
    role: str
    """`master`, or `slave` of another server, which takes no writes."""
    is_cluster: bool
    encrypted: bool
    local: bool
    """Whether the server is on this machine."""
    user: str
    administrates: bool
    """Whether our user may change the server's configuration."""
    reads: bool
    """Whether our user may read what is ours, as orchestrators do."""
    appends: bool
    """Whether what changes is written to a file."""
    used_bytes: int
    max_bytes: int
    """0 where there is no bound."""
    policy: str
    """What goes when there is no room: `noeviction` is nothing."""
    round_trip_ms: float
    dead_letters: int

    @property
    def number(self) -> tuple[int, ...]:
        """The version as a number."""
        return tuple(int(part) for part in self.version.split(".") if part.isdigit())


async def inspect(address: BusAddress, organisation: str) -> Inspection:
    """Look. Raises BusUnavailable."""
    connection = new_connection(address)
    try:
        await connection.connect()  # type: ignore[no-untyped-call]  # the driver tells no types here
        return await _inspected(connection, address, organisation)
    except FAILURES as error:
        raise as_bus_error(error, address) from error
    finally:
        await connection.disconnect(nowait=True)


async def _inspected(connection: Connection, address: BusAddress, organisation: str) -> Inspection:
    told = _told(await _ask(connection, "INFO"))
    dead = await _may(connection, "XLEN", prefix_of(address.option("namespace") or organisation) + DEAD)
    return Inspection(
        program="Valkey" if "valkey_version" in told else "Redis",
        version=told.get("valkey_version") or told["redis_version"],
        role=told["role"],
        is_cluster=told.get("redis_mode") == "cluster",
        encrypted=address.encrypted,
        local=_is_local(host_of(address)[0]),
        user=(await _may(connection, "ACL", "WHOAMI") or b"").decode(),
        administrates=await _may(connection, "CONFIG", "GET", "maxmemory") is not None,
        reads=dead is not None,
        appends=told.get("aof_enabled") == "1",
        used_bytes=int(told["used_memory"]),
        max_bytes=int(told["maxmemory"]),
        policy=told["maxmemory_policy"],
        round_trip_ms=await _each_ms(connection),
        dead_letters=dead or 0,
    )


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _told(info: bytes) -> dict[str, str]:
    lines = info.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


async def _ask(connection: Connection, *command: str) -> Any:
    await connection.send_packed_command(connection.pack_command(*command))
    return await connection.read_response()


async def _may(connection: Connection, *command: str) -> Any:
    """What it answers, None where our user may not ask."""
    try:
        return await _ask(connection, *command)
    except exceptions.NoPermissionError:
        return None


async def _each_ms(connection: Connection) -> float:
    began = time.perf_counter()
    for _ in range(PROBES):
        await _ask(connection, "PING")
    return (time.perf_counter() - began) / PROBES * 1000
