"""The bus that carries messages between processes, where the settings name one."""

from __future__ import annotations

from collections.abc import Iterator

from accord.cli.doctor.finding import Finding, failures
from accord.errors import AccordError
from accord.settings import Settings


def bus(settings: Settings) -> Iterator[Finding]:
    """All findings about it."""
    if settings.bus is None or settings.bus.kind != "redis":
        return
    try:
        from accord.cli.doctor.redis import redis  # noqa: PLC0415 - it needs the driver, which is an extra
    except AccordError as error:
        yield from failures("bus", error.problems)
    else:
        yield from redis(settings)
