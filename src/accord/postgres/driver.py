"""The driver, which comes with an extra: `accord.postgres` imports it from here, and nobody else does."""

from __future__ import annotations

from accord.errors import StoreUnavailable

try:
    import asyncpg as asyncpg  # noqa: PLC0414 - it is given on
except ModuleNotFoundError as error:
    raise StoreUnavailable.of(
        "ACC560",
        "a store on PostgreSQL needs asyncpg, which is not installed",
        hint="pip install 'accord-orchestrator[postgres]'",
    ) from error
