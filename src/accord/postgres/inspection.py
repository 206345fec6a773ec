"""What can be seen of a database from here, without changing anything: for `accord doctor`."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from accord.postgres.address import StoreAddress
from accord.postgres.database import opened_once
from accord.postgres.schema import Connection, History, history, may_migrate, steps

PROBES = 10
"""How often something is done to tell how long it takes."""

SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")

_CHANGES_EVENTS = """
SELECT coalesce(
    (SELECT bool_or(has_table_privilege(oid, right_)) FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS right_),
    false
) FROM (SELECT to_regclass('accord.events') AS oid) AS events
"""


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen."""

    version: str
    major: int
    settings: Mapping[str, str]
    encrypted: bool
    local: bool
    """Whether the way to the server leaves this machine."""
    role: str
    changes_events: bool
    """Whether our role may change or remove events, were it not for the triggers."""
    may_migrate: bool
    history: History
    ahead_s: float
    """How far the server's clock is before ours."""
    round_trip_ms: float
    commit_ms: float
    connections: int
    """Those that all have open, of `connections_max`."""
    connections_max: int
    size_bytes: int


async def inspect(address: StoreAddress) -> Inspection:
    """Look. Raises StoreUnavailable, StoreCorrupt."""
    async with opened_once(address) as connection:
        seen = await history(connection, address, steps())
        is_there = bool(seen.applied)
        return Inspection(
            version=(await connection.fetchval("SHOW server_version")).split()[0],
            major=connection.get_server_version().major,
            settings={name: await connection.fetchval(f"SHOW {name}") for name in SETTINGS},
            encrypted=await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
            local=await connection.fetchval(
                "SELECT inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8' OR inet_server_addr() = '::1'"
            ),
            role=await connection.fetchval("SELECT current_user"),
            changes_events=is_there and await connection.fetchval(_CHANGES_EVENTS),
            may_migrate=await may_migrate(connection),
            history=seen,
            ahead_s=await _ahead_s(connection),
            round_trip_ms=await _each_ms(connection, "SELECT 1"),
            # A message in the write-ahead log, which a commit has to bring to the disk, and which changes no table.
            commit_ms=await _each_ms(connection, "SELECT pg_logical_emit_message(true, 'accord.doctor', '')"),
            connections=await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'client%'"
            ),
            connections_max=int(await connection.fetchval("SHOW max_connections")),
            size_bytes=await connection.fetchval("SELECT pg_database_size(current_database())"),
        )


async def _ahead_s(connection: Connection) -> float:
    """How far the server's clock is before ours, by the question that was answered most quickly."""
    found: list[tuple[float, float]] = []
    for _ in range(PROBES):
        before = time.time()
        there = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        after = time.time()
        found.append((after - before, there - (before + after) / 2))
    return min(found)[1]


async def _each_ms(connection: Connection, sql: str) -> float:
    await connection.fetchval(sql)
    begin = time.perf_counter()
    for _ in range(PROBES):
        await connection.fetchval(sql)
    return (time.perf_counter() - begin) / PROBES * 1000
