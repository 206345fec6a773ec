"""The driver, which comes with an extra: `accord.redis` imports it from here, and nobody else does."""

from __future__ import annotations

from accord.errors import BusUnavailable

try:
    import redis.asyncio as redis
    from redis import exceptions as exceptions  # noqa: PLC0414 - it is given on
except ModuleNotFoundError as error:
    raise BusUnavailable.of(
        "ACC753",
        "a bus on Redis needs redis-py, which is not installed",
        hint="pip install 'accord-orchestrator[redis]'",
    ) from error

Connection = redis.Connection
"""One connection: commands are sent, and their answers are read, in the order of sending."""

SSLConnection = redis.SSLConnection
"""One with TLS."""
