"""The bus that carries messages between processes, where the settings name one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar

from accord.addresses import BusAddress, BusKind
from accord.app import bus_of
from accord.cli.doctor.finding import Finding, failures, made
from accord.cli.output import counted
from accord.errors import AccordError
from accord.settings import Settings

FAR_MS: Final = 5.0
"""A round trip that takes longer leads out of the machine room: each hand-off takes several."""

ENCRYPTED: Final = {"nats": "tls", "redis": "rediss"}
"""The scheme of an address that is encrypted."""


class Reached(Protocol):
    """What is seen of every bus."""

    @property
    def encrypted(self) -> bool: ...

    @property
    def local(self) -> bool: ...

    @property
    def round_trip_ms(self) -> float: ...

    @property
    def dead_letters(self) -> int: ...


Seen = TypeVar("Seen", bound=Reached)
Inspect = Callable[[BusAddress, str], Coroutine[Any, Any, Seen]]
Look = Callable[[BusAddress, Seen], Finding]


def bus(settings: Settings) -> Iterator[Finding]:
    """All findings about it."""
    if settings.bus is None:
        return
    try:
        yield from _of(settings.bus.kind)(settings)
    except AccordError as error:
        yield from failures("bus", error.problems)


def _of(kind: BusKind) -> Callable[[Settings], Iterator[Finding]]:
    if kind == "redis":
        from accord.cli.doctor.redis import redis  # noqa: PLC0415 - it needs the driver, which is an extra

        return redis
    from accord.cli.doctor.nats import nats  # noqa: PLC0415 - as above

    return nats


def looked(settings: Settings, inspect: Inspect[Seen], looks: Sequence[Look[Seen]]) -> Iterator[Finding]:
    """What these looks find, the one at the server first, each at what one inspection has seen; with what is said of
    every bus.
    """

    def _bus() -> list[Finding]:
        address = bus_of(settings)
        if address is None:
            return []
        seen = asyncio.run(inspect(address, settings.organisation))
        server, *others = looks
        return [look(address, seen) for look in (server, _way, *others, _dead_letters)]

    yield from made(_bus)


def _way(address: BusAddress, seen: Reached) -> Finding:
    told = f"{seen.round_trip_ms:.1f} ms to the server and back, {'' if seen.encrypted else 'not '}encrypted"
    if not seen.encrypted and not seen.local:
        hint = f"use {ENCRYPTED[address.kind]}:// in the URL: payloads pass here"
        return Finding("way to the bus", "warn", told, hint)
    if seen.round_trip_ms > FAR_MS:
        return Finding("way to the bus", "warn", told, "bring it nearer: every hand-off waits for it several times")
    return Finding("way to the bus", "ok", told)


def _dead_letters(_: BusAddress, seen: Reached) -> Finding:
    if seen.dead_letters:
        told = counted(seen.dead_letters, "dead letter")
        return Finding("dead letters", "warn", told, "nobody could deal with them: accord bus dead")
    return Finding("dead letters", "ok", "none")
