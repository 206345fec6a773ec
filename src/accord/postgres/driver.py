"""The driver, which comes with an extra: only what is in `accord.postgres` imports it."""

from __future__ import annotations

from importlib.util import find_spec

from accord.errors import StoreUnavailable

EXTRA = "pip install 'accord-orchestrator[postgres]'"


def check_driver() -> None:
    """Raise StoreUnavailable ACC560 where asyncpg is not installed."""
    if find_spec("asyncpg") is None:
        raise StoreUnavailable.of("ACC560", "a store on PostgreSQL needs asyncpg, which is not installed", hint=EXTRA)
