"""The store on PostgreSQL: whether it is reached, durable, of this version, and no more is allowed than has to be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from accord.app import database_of
from accord.cli.doctor.finding import Finding, Grade, made
from accord.cli.output import size
from accord.postgres.address import StoreAddress
from accord.postgres.inspection import Inspection, inspect
from accord.postgres.schema import OLDEST_SERVER
from accord.settings import Settings

SLOW_COMMIT_MS: Final = 50.0
FAR_MS: Final = 5.0
"""A round trip that takes longer leads out of the machine room: each commit takes one."""

SKEW_WARN_S: Final = 0.5
SKEW_FAIL_S: Final = 5.0
NEEDED_CONNECTIONS: Final = 10
"""A process has up to seven, and administrators want some."""


def postgres(settings: Settings) -> Iterator[Finding]:
    """All findings about the database, apart from what is in the journal."""
    yield from made(_store, settings)


def _store(settings: Settings) -> list[Finding]:
    address = database_of(settings)
    seen = asyncio.run(inspect(address))
    looks = (_server, _way, _durability, _schema, _role, _clock, _connections)
    return [look(address, seen) for look in looks]


def _server(address: StoreAddress, seen: Inspection) -> Finding:
    told = f"{address}, PostgreSQL {seen.version}, {size(seen.size_bytes)}"
    if seen.major < OLDEST_SERVER:
        return Finding("store", "fail", told, f"use PostgreSQL {OLDEST_SERVER} or newer")
    return Finding("store", "ok", told)


def _way(_: StoreAddress, seen: Inspection) -> Finding:
    told = f"{seen.round_trip_ms:.1f} ms to the server and back, {'' if seen.encrypted else 'not '}encrypted"
    if not seen.encrypted and not seen.local:
        return Finding("way to the store", "warn", told, "add ?sslmode=verify-full to the URL: payloads pass here")
    if seen.round_trip_ms > FAR_MS:
        return Finding("way to the store", "warn", told, "bring it nearer: every commit waits for it")
    return Finding("way to the store", "ok", told)


def _durability(_: StoreAddress, seen: Inspection) -> Finding:
    settings = ", ".join(f"{name} {value}" for name, value in seen.settings.items())
    told = f"{settings}, {seen.commit_ms:.1f} ms a commit"
    if seen.settings["fsync"] != "on" or seen.settings["full_page_writes"] != "on":
        hint = "set fsync and full_page_writes to on: what was committed would not survive a crash"
        return Finding("durability", "fail", told, hint)
    if seen.commit_ms > SLOW_COMMIT_MS:
        return Finding("durability", "warn", told, "its disk is slow to sync: runs will be, too")
    return Finding("durability", "ok", told)


def _schema(_: StoreAddress, seen: Inspection) -> Finding:
    pending = ", ".join(f"{step.name}.{step.phase}" for step in seen.history.pending)
    if not seen.history.applied:
        hint = "" if seen.may_migrate else "as a role that may create a schema: accord store migrate"
        return Finding("schema", "ok" if seen.may_migrate else "fail", "none yet", hint)
    if seen.history.lacks and not seen.may_migrate:
        return Finding("schema", "fail", f"it lacks {pending}", "as the owner of the schema: accord store migrate")
    if seen.history.lacks:
        return Finding("schema", "ok", f"it lacks {pending}, which is applied when it is opened")
    if pending:
        hint = "when no process of an older version runs: accord store migrate --finish"
        return Finding("schema", "warn", f"left undone for older versions: {pending}", hint)
    return Finding("schema", "ok", f"step {seen.history.applied[-1].number}")


def _role(_: StoreAddress, seen: Inspection) -> Finding:
    if not seen.history.applied:
        return Finding("role", "ok", seen.role)
    if seen.changes_events:
        hint = "as the owner: accord store grant ROLE, and connect as that role"
        return Finding("role", "warn", f"{seen.role} may more than it needs: it could change what was written", hint)
    return Finding("role", "ok", f"{seen.role}, which can neither change nor remove events")


def _clock(_: StoreAddress, seen: Inspection) -> Finding:
    skew = abs(seen.ahead_s)
    told = f"the server's is {skew * 1000:.0f} ms {'ahead' if seen.ahead_s > 0 else 'behind'}"
    grade: Grade = "fail" if skew > SKEW_FAIL_S else "warn" if skew > SKEW_WARN_S else "ok"
    return Finding("clocks", grade, told, "" if grade == "ok" else "have both set by NTP: leases are told by the clock")


def _connections(_: StoreAddress, seen: Inspection) -> Finding:
    told = f"{seen.connections} of {seen.connections_max}"
    if seen.connections_max - seen.connections < NEEDED_CONNECTIONS:
        return Finding("connections", "warn", told, "raise max_connections: a process of Accord has up to seven")
    return Finding("connections", "ok", told)
