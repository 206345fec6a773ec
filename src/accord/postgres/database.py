"""The connections of a process to its database: one that commits, and some that do the rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeAlias

from accord.errors import StoreUnavailable
from accord.postgres.address import StoreAddress
from accord.postgres.driver import asyncpg
from accord.postgres.errors import AGAIN, READ_ONLY, STALE, closed, store_errors
from accord.postgres.schema import OLDEST_SERVER, prepare, steps

OTHERS = 6
"""Connections that read, and change what is no append, beside the one that commits."""

CONNECT_WITHIN_S = 10.0
STATEMENT_WITHIN_S = 30.0
LOCK_WITHIN_S = 10.0
ANSWER_WITHIN_S = 40.0
"""For a server that says nothing any more: longer than it takes the server itself to give up."""

TRIES = 10
"""How often a change is tried that the server undoes for others."""

Row: TypeAlias = Any
"""Its columns in order."""

Fetch: TypeAlias = Callable[..., Awaitable[list[Row]]]

_SESSION = {
    "application_name": "accord",
    "statement_timeout": f"{STATEMENT_WITHIN_S:.0f}s",
    "lock_timeout": f"{LOCK_WITHIN_S:.0f}s",
    "idle_in_transaction_session_timeout": f"{LOCK_WITHIN_S:.0f}s",
    # The locks that `append` takes are thought through for this one.
    "default_transaction_isolation": "read committed",
    "TimeZone": "UTC",
}


_HOW: dict[str, Any] = {
    "timeout": CONNECT_WITHIN_S,
    "command_timeout": ANSWER_WITHIN_S,
    "max_cached_statement_lifetime": 0,
    "server_settings": _SESSION,
}
"""How every connection is made."""


class Stale(Exception):
    """Something is not as a change assumes."""


class Database:
    """An open database with the schema of this version."""

    def __init__(self, address: StoreAddress, writer: Line, others: asyncpg.Pool) -> None:
        self.address = address
        self._writer = writer
        self._others = others

    @classmethod
    @asynccontextmanager
    async def open(cls, address: StoreAddress) -> AsyncIterator[Database]:
        """The database at this address; its schema is made or brought to this version where our role may.

        Raises:
            StoreUnavailable: it cannot be reached, is too old or not durable, or lacks steps that we may not apply.
            StoreCorrupt: its schema is another one, or of a newer version.
        """
        async with AsyncExitStack() as opened:
            async with opened_once(address) as connection:
                await _check_server(connection, address)
                await prepare(connection, address, steps())
            with store_errors(address):
                others = await _pool(address)
                opened.push_async_callback(_close, others)
                writer = Line(address)
                opened.push_async_callback(writer.close)
            yield cls(address, writer, others)

    async def rows(self, sql: str, *given: object) -> list[Row]:
        """All rows of a query, or of a change that is a statement of its own."""
        return await self._fetch(self._from_pool, sql, given)

    async def commit(self, sql: str, *given: object) -> bool:
        """A change on the one connection that appends use, so that they come in the order of these calls; False where
        the server says that what it assumes is stale, and has changed nothing.
        """
        try:
            await self._fetch(self._writer.fetch, sql, given)
        except Stale:
            return False
        return True

    async def _fetch(self, fetch: Fetch, sql: str, given: tuple[object, ...]) -> list[Row]:
        tries = 0
        with store_errors(self.address):
            while True:
                tries += 1
                try:
                    return await fetch(sql, *given)
                except asyncpg.PostgresError as error:
                    if error.sqlstate == STALE:
                        raise Stale from error
                    if error.sqlstate == READ_ONLY:
                        await self._leave_server()
                    if error.sqlstate not in AGAIN or tries == TRIES:
                        raise

    async def _from_pool(self, sql: str, *given: object) -> list[Row]:
        if self._others.is_closing():
            raise closed(self.address)
        async with self._others.acquire(timeout=ANSWER_WITHIN_S) as connection:
            found: list[Row] = await connection.fetch(sql, *given)
            return found

    async def _leave_server(self) -> None:
        """Connect anew from now on: a new connection is told where the primary is."""
        self._writer.drop()
        await self._others.expire_connections()


class Line:
    """One connection, which is opened when it is needed, and anew when it was lost: to take it from a pool for each
    commit costs as much as a small commit.
    """

    def __init__(self, address: StoreAddress) -> None:
        self._address = address
        self._connection: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    async def fetch(self, sql: str, *given: object) -> list[Row]:
        """All rows; calls take turns."""
        async with self._turn:
            connection = await self._opened()
            try:
                found: list[Row] = await connection.fetch(sql, *given)
            except (asyncpg.PostgresError, asyncpg.DataError):
                raise
            except BaseException:
                # Also when it is cancelled: what comes back now must not be taken for the next answer.
                self.drop()
                raise
            return found

    def drop(self) -> None:
        """Let go of the connection, whatever it is doing."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Let what is under way end, and close the connection for good."""
        async with self._turn:
            self._closed = True
            if self._connection is not None:
                with suppress(TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await self._connection.close(timeout=CONNECT_WITHIN_S)

    async def _opened(self) -> asyncpg.Connection:
        if self._closed:
            raise closed(self._address)
        if self._connection is None or self._connection.is_closed():
            connection = await asyncpg.connect(self._address.url, **_HOW)
            try:
                await _prepare(connection)
            except BaseException:
                connection.terminate()
                raise
            self._connection = connection
        return self._connection


@asynccontextmanager
async def opened_once(address: StoreAddress) -> AsyncIterator[asyncpg.Connection]:
    """A connection for one purpose. Raises StoreError, also for what fails inside."""
    with store_errors(address):
        connection = await asyncpg.connect(address.url, **_HOW)
        try:
            yield connection
        finally:
            await connection.close(timeout=CONNECT_WITHIN_S)


async def _pool(address: StoreAddress) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        address.url,
        min_size=1,
        max_size=OTHERS,
        max_queries=2**31,
        max_inactive_connection_lifetime=0,
        init=_prepare,
        reset=_leave,
        **_HOW,
    )


_PREPARE = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');
SELECT set_config('transaction_timeout', '60s', false) FROM pg_settings WHERE name = 'transaction_timeout';
"""
"""A commit that is told has to be on a disk; a server that waits for standbys as well is left alone. And a process that
is stopped while it sends a statement holds no locks for ever, where the server knows of that (17 and newer).
"""


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.execute(_PREPARE)


async def _leave(_connection: object) -> None:
    """Nothing of a session is changed by what we do with it: to reset it would only be another round trip."""


async def _close(pool: asyncpg.Pool) -> None:
    """Let what is under way end, and close; a server that does not answer any more is not waited for."""
    try:
        await asyncio.wait_for(pool.close(), CONNECT_WITHIN_S)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        pool.terminate()


async def _check_server(connection: asyncpg.Connection, address: StoreAddress) -> None:
    version = connection.get_server_version().major
    if version < OLDEST_SERVER:
        hint = f"use PostgreSQL {OLDEST_SERVER} or newer"
        raise StoreUnavailable.of("ACC579", f"the store {address} is PostgreSQL {version}, too old", hint=hint)
    if await connection.fetchval("SHOW fsync") != "on":
        hint = "set fsync = on in the server's configuration: what was committed would not survive a crash"
        raise StoreUnavailable.of("ACC582", f"the store {address} does not write to its disk", hint=hint)
