"""The bus on Redis: whether it is reached, keeps what it is given, and lets us do what we have to and no more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from accord.addresses import BusAddress
from accord.app import bus_of
from accord.cli.doctor.finding import Finding, made
from accord.cli.output import counted, size
from accord.redis.inspection import Inspection, inspect
from accord.redis.users import NEEDED_VERSION
from accord.settings import Settings

OLDEST_SERVER: Final = (6, 2)
FAR_MS: Final = 5.0
"""A round trip that takes longer leads out of the machine room: each hand-off takes several."""

NEARLY_FULL: Final = 0.8


def redis(settings: Settings) -> Iterator[Finding]:
    """All findings about it."""
    yield from made(_bus, settings)


def _bus(settings: Settings) -> list[Finding]:
    address = bus_of(settings)
    if address is None:
        return []
    seen = asyncio.run(inspect(address, settings.organisation))
    return [look(address, seen) for look in (_server, _way, _memory, _persistence, _user, _dead_letters)]


def _server(address: BusAddress, seen: Inspection) -> Finding:
    told = f"{address}, {seen.program} {seen.version}"
    if seen.number < OLDEST_SERVER:
        return Finding("bus", "fail", told, "use Redis 6.2 or newer")
    if seen.is_cluster:
        return Finding(
            "bus", "fail", f"{told}, a cluster", "use a server that is no cluster: one script changes many keys"
        )
    if seen.role != "master":
        return Finding("bus", "fail", f"{told}, a replica", "connect to the primary: a replica takes no writes")
    return Finding("bus", "ok", told)


def _way(_: BusAddress, seen: Inspection) -> Finding:
    told = f"{seen.round_trip_ms:.1f} ms to the server and back, {'' if seen.encrypted else 'not '}encrypted"
    if not seen.encrypted and not seen.local:
        return Finding("way to the bus", "warn", told, "use rediss:// in the URL: payloads pass here")
    if seen.round_trip_ms > FAR_MS:
        return Finding("way to the bus", "warn", told, "bring it nearer: every hand-off waits for it several times")
    return Finding("way to the bus", "ok", told)


def _memory(_: BusAddress, seen: Inspection) -> Finding:
    bound = f"of {size(seen.max_bytes)}" if seen.max_bytes else "without a bound"
    told = f"{size(seen.used_bytes)} {bound}, {seen.policy}"
    if seen.policy != "noeviction":
        hint = "set maxmemory-policy to noeviction: else messages go unseen, and cost a wait for each"
        return Finding("memory of the bus", "fail" if seen.max_bytes else "warn", told, hint)
    if seen.max_bytes and seen.used_bytes > NEARLY_FULL * seen.max_bytes:
        return Finding("memory of the bus", "warn", told, "raise maxmemory: what is full takes no message")
    return Finding("memory of the bus", "ok", told)


def _persistence(_: BusAddress, seen: Inspection) -> Finding:
    """Never a failure: what is true is in the journal."""
    if seen.appends:
        return Finding("what the bus keeps", "ok", "what it is given, in a file")
    return Finding("what the bus keeps", "ok", "nothing when it is restarted: what was under way is sent again")


def _user(_: BusAddress, seen: Inspection) -> Finding:
    if not seen.reads:
        hint = "an orchestrator needs the user that accord bus users --kind redis makes for it"
        return Finding("user of the bus", "fail", f"{seen.user} may not read what is ours", hint)
    if seen.administrates and seen.number < NEEDED_VERSION:
        return Finding("user of the bus", "warn", f"{seen.user} may do everything", "use Redis 7: it tells users apart")
    if seen.administrates:
        hint = "give orchestrators and agents users of their own: accord bus users --kind redis"
        return Finding("user of the bus", "warn", f"{seen.user} may do more than it needs", hint)
    return Finding("user of the bus", "ok", f"{seen.user}, which cannot change the server")


def _dead_letters(_: BusAddress, seen: Inspection) -> Finding:
    told = counted(seen.dead_letters, "message")
    if seen.dead_letters:
        return Finding("dead letters", "warn", told, "nobody could deal with them: accord bus dead")
    return Finding("dead letters", "ok", told)
