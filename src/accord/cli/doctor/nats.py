"""The bus on NATS: whether it is reached, keeps what it is given in files, and lets in nobody whom it does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from accord.addresses import BusAddress
from accord.app import bus_of
from accord.cli.doctor.finding import Finding, made
from accord.cli.output import counted
from accord.nats.inspection import Inspection, inspect
from accord.settings import Settings

FAR_MS: Final = 5.0
"""A round trip that takes longer leads out of the machine room: each hand-off takes several."""


def nats(settings: Settings) -> Iterator[Finding]:
    """All findings about it."""
    yield from made(_bus, settings)


def _bus(settings: Settings) -> list[Finding]:
    address = bus_of(settings)
    if address is None:
        return []
    seen = asyncio.run(inspect(address, settings.organisation))
    return [look(address, seen) for look in (_server, _way, _jetstream, _user, _dead_letters)]


def _server(address: BusAddress, seen: Inspection) -> Finding:
    return Finding("bus", "ok", f"{address}, NATS {seen.version}")


def _way(_: BusAddress, seen: Inspection) -> Finding:
    told = f"{seen.round_trip_ms:.1f} ms to the server and back, {'' if seen.encrypted else 'not '}encrypted"
    if not seen.encrypted and not seen.local:
        return Finding("way to the bus", "warn", told, "use tls:// in the URL: payloads pass here")
    if seen.round_trip_ms > FAR_MS:
        return Finding("way to the bus", "warn", told, "bring it nearer: every hand-off waits for it")
    return Finding("way to the bus", "ok", told)


def _jetstream(_: BusAddress, seen: Inspection) -> Finding:
    if seen.jetstream is not None:
        hint = "turn it on in the server's configuration (jetstream { store_dir: … }), and for our account"
        return Finding("JetStream", "fail", seen.jetstream, hint)
    if seen.in_memory:
        hint = "remove these streams while nothing runs: they are made anew, in files"
        return Finding("JetStream", "fail", f"in memory only: {', '.join(seen.in_memory)}", hint)
    if seen.missing:
        return Finding("JetStream", "ok", "on; the first process makes the streams")
    told = f"in files, on {counted(seen.replicas, 'server')}, {counted(seen.queued, 'message')} in queues"
    return Finding("JetStream", "ok", told)


def _user(_: BusAddress, seen: Inspection) -> Finding:
    if seen.anybody:
        hint = "give it users: accord bus users --to DIR"
        return Finding("bus user", "ok" if seen.local else "warn", "the server lets in everybody who reaches it", hint)
    return Finding("bus user", "ok", "we have proven who we are")


def _dead_letters(_: BusAddress, seen: Inspection) -> Finding:
    if seen.dead_letters:
        told = counted(seen.dead_letters, "dead letter")
        return Finding("dead letters", "warn", told, "nobody could deal with them: accord bus dead")
    return Finding("dead letters", "ok", "none")
