"""The bus on Redis: whether it is reached, keeps what it is given, and lets us do what we have to and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from accord.addresses import BusAddress
from accord.cli.doctor.bus import looked
from accord.cli.doctor.finding import Finding
from accord.cli.output import size
from accord.redis.inspection import Inspection, inspect
from accord.redis.users import NEEDED_VERSION
from accord.settings import Settings

OLDEST_SERVER: Final = (6, 2)
NEARLY_FULL: Final = 0.8


def redis(settings: Settings) -> Iterator[Finding]:
    """All findings about it."""
    yield from looked(settings, inspect, (_server, _memory, _persistence, _user))


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
