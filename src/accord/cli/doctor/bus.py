"""The bus that carries messages between processes, where the settings name one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from accord.addresses import BusKind
from accord.cli.doctor.finding import Finding, failures
from accord.errors import AccordError
from accord.settings import Settings


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
