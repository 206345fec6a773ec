"""What a failure of PostgreSQL, or of the way to it, means: each becomes a StoreError with a code and a way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from accord.errors import StoreCorrupt, StoreError, StoreUnavailable
from accord.postgres.address import StoreAddress
from accord.postgres.driver import asyncpg
from accord.tls import meaning

STALE = "AC001"
"""The SQLSTATE of our functions for a head or an epoch that is not the assumed one."""

AGAIN = frozenset(("40001", "40P01"))
"""SQLSTATEs of a transaction that was undone because of others, and may be done again at once."""

READ_ONLY = "25006"
"""The SQLSTATE of a server that takes no writes: a standby, or a primary that has become one."""

UNAVAILABLE: dict[str, tuple[str, str, str]] = {
    "08": ("ACC561", "cannot be reached", "is the server running, and is the address right?"),
    "28": ("ACC562", "refuses this user", "check user and password; pg_hba.conf of the server says who may come"),
    "3D": ("ACC563", "does not exist", "make it: createdb NAME, as a user who may"),
    "25": ("ACC564", "does not take writes", "connect to the primary; a standby is read-only"),
    "42501": ("ACC565", "does not allow this to our role", "as the owner of the schema: accord store grant ROLE"),
    "53": ("ACC566", "has no resources left", "check its disk and its limit of connections, then try again"),
    "57014": ("ACC567", "took too long", "look for locks and load on the server; accord doctor tells how quick it is"),
    "55P03": ("ACC567", "took too long", "look for locks and load on the server; accord doctor tells how quick it is"),
    "57": ("ACC568", "is stopping or starting", "it is tried again by itself"),
    "58": ("ACC569", "has trouble with its disk", "look into the server's log"),
    "40": ("ACC571", "undid the change for others too often", "it is tried again by itself"),
}
"""By SQLSTATE, or the class that it begins with: code, what is wrong, and the way out."""

CORRUPT: dict[str, tuple[str, str, str]] = {
    "XX": ("ACC572", "is damaged, or the server has a fault", "look into the server's log; restore it from a backup"),
    "42": ("ACC573", "has not the expected schema", "as the owner of the schema: accord store migrate"),
    "3F": ("ACC573", "has not the expected schema", "as the owner of the schema: accord store migrate"),
    "22": ("ACC574", "refuses this value", "the journal's own rules were about to break"),
    "23": ("ACC574", "refuses this change", "the journal's own rules were about to break"),
    "54": ("ACC574", "refuses this value", "an event must be smaller than 1 GB"),
    "P0": ("ACC574", "refuses this change", "the journal's own rules were about to break"),
}

LOST = ("ACC561", "cannot be reached", "is the server running, and is the address right?")
LATE = ("ACC567", "took too long", "look for locks and load on the server; accord doctor tells how quick it is")
OTHERWISE = ("ACC575", "failed", "look into the server's log; accord doctor may tell more")


def as_store_error(error: Exception, address: StoreAddress) -> StoreError:
    """The StoreError for a failure of the database at this address."""
    kind, (code, what, hint) = _meaning(error)
    told = meaning(error)
    return kind.of(code, f"the store {address} {what}: {told}", hint=hint)


def _meaning(error: Exception) -> tuple[type[StoreError], tuple[str, str, str]]:
    state = getattr(error, "sqlstate", None) or ""
    for kind, table in ((StoreUnavailable, UNAVAILABLE), (StoreCorrupt, CORRUPT)):
        found = table.get(state) or table.get(state[:2])
        if found:
            return kind, found
    if isinstance(error, TimeoutError):
        return StoreUnavailable, LATE
    if isinstance(error, (OSError, asyncpg.InterfaceError)) and not isinstance(error, asyncpg.DataError):
        return StoreUnavailable, LOST
    if isinstance(error, asyncpg.DataError):
        return StoreCorrupt, CORRUPT["22"]
    return StoreUnavailable, OTHERWISE


@contextmanager
def store_errors(address: StoreAddress) -> Iterator[None]:
    """Raises what `as_store_error` says instead of any error of the driver, of the network, or of time."""
    try:
        yield
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise as_store_error(error, address) from error


def closed(address: StoreAddress) -> StoreUnavailable:
    """The error of whoever uses a store that was closed."""
    return StoreUnavailable.of("ACC570", f"the store {address} was closed")
