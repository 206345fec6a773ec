"""The bus on NATS: whether it is reached, keeps what it is given in files, and lets in nobody whom it does not know."""

from __future__ import annotations

from collections.abc import Iterator

from accord.addresses import BusAddress
from accord.cli.doctor.bus import looked
from accord.cli.doctor.finding import Finding
from accord.cli.output import counted
from accord.nats.inspection import Inspection, inspect
from accord.settings import Settings


def nats(settings: Settings) -> Iterator[Finding]:
    """All findings about it."""
    yield from looked(settings, inspect, (_server, _jetstream, _user))


def _server(address: BusAddress, seen: Inspection) -> Finding:
    return Finding("bus", "ok", f"{address}, NATS {seen.version}")


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
