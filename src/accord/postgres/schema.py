"""The schema of the store: what of it a database has, and bringing it to this version, in two phases.

A step is a file `NNN_name.pre.sql` or `NNN_name.post.sql`. What `pre` does, code of the version before survives: new
tables, columns with defaults, functions under new names. What `post` does, only code of this version survives: it is
done when no process of an older version is left. A new database gets both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

import msgspec

from accord.errors import BadInput, StoreCorrupt, StoreUnavailable
from accord.postgres.address import StoreAddress
from accord.postgres.driver import asyncpg

Connection: TypeAlias = asyncpg.Connection
Phase = Literal["pre", "post"]

OLDEST_SERVER = 14
"""The oldest major version of PostgreSQL that still gets its fixes, and has all that the functions use."""

_HISTORY = """
CREATE SCHEMA IF NOT EXISTS accord;
CREATE TABLE IF NOT EXISTS accord.migrations (
    number integer NOT NULL, phase text NOT NULL, name text NOT NULL, sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (number, phase)
);
CREATE TABLE IF NOT EXISTS accord.grantees (role text PRIMARY KEY);
"""

_BEGIN = """
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SELECT pg_advisory_xact_lock(hashtext('accord.migrate'));
SET LOCAL lock_timeout = '10s';
"""

WITHIN_S = 3600.0
"""How long a step may take on a large store."""

_GRANTEES = "SELECT role FROM accord.grantees WHERE to_regrole(quote_ident(role)) IS NOT NULL"


class Step(msgspec.Struct, frozen=True):
    """One step of the schema; its digest is kept in every database that it was applied to."""

    number: int
    phase: Phase
    name: str
    sql: str

    @property
    def key(self) -> tuple[int, str]:
        """What it is known by."""
        return self.number, self.phase

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


class Applied(msgspec.Struct, frozen=True):
    """A step that a database has seen."""

    number: int
    phase: str
    name: str
    sha256: str


class History(msgspec.Struct, frozen=True):
    """What a database has seen of the steps that this version knows."""

    applied: tuple[Applied, ...]
    pending: tuple[Step, ...]
    """Those of phase `pre` first: without them, this version does not work."""

    @property
    def lacks(self) -> bool:
        """Whether this version does not work with the database as it is."""
        return any(step.phase == "pre" for step in self.pending)


@cache
def steps() -> tuple[Step, ...]:
    """All steps of this version, in the order in which they are applied: all `pre`, then all `post`."""
    folder = files("accord.postgres") / "migrations"
    found = [_step(file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql")]
    return in_order(found)


def in_order(found: Iterable[Step]) -> tuple[Step, ...]:
    """All `pre`, then all `post`, each by number."""
    return tuple(sorted(found, key=lambda step: (step.phase == "post", step.number)))


def _step(file: str, sql: str) -> Step:
    name, phase, _ = file.rsplit(".", 2)
    return Step(int(name[:3]), "post" if phase == "post" else "pre", name, sql)


async def history(connection: Connection, address: StoreAddress, known: Sequence[Step]) -> History:
    """What the database has seen.

    Raises:
        StoreCorrupt: ACC576 a step was changed after it had been applied, ACC577 a newer version has finished its
            migration, so that this one can no longer work.
    """
    applied = await _applied(connection)
    ours = {step.key: step for step in known}
    for one in applied:
        step = ours.get((one.number, one.phase))
        if step is not None and step.sha256 != one.sha256:
            raise StoreCorrupt.of(
                "ACC576",
                f"step {one.name}.{one.phase} of the store {address} is not the one of this version",
                hint="use the version of Accord that made this store; released steps never change",
            )
        if step is None and one.phase == "post":
            raise StoreCorrupt.of(
                "ACC577",
                f"the store {address} is of a newer version, which has finished its migration: {one.name}",
                hint="use the newer version of Accord again",
            )
    seen = {(one.number, one.phase) for one in applied}
    return History(applied, tuple(step for step in known if step.key not in seen))


async def _applied(connection: Connection) -> tuple[Applied, ...]:
    if await connection.fetchval("SELECT to_regclass('accord.migrations')") is None:
        return ()
    rows = await connection.fetch("SELECT number, phase, name, sha256 FROM accord.migrations ORDER BY phase, number")
    return tuple(Applied(*row) for row in rows)


async def migrate(
    connection: Connection, address: StoreAddress, known: Sequence[Step], *, finish: bool = False
) -> list[Step]:
    """Apply the steps that are missing, all or none, and return them; several processes may do so at once.

    Of a database that has a store already, `post` is left out, unless `finish` says that no older version is left.
    """
    async with connection.transaction():
        # Whoever comes second waits here, however long it takes, and then finds everything done.
        await connection.execute(_BEGIN, timeout=WITHIN_S)
        await connection.execute(_HISTORY)
        found = await history(connection, address, known)
        wanted = [step for step in found.pending if step.phase == "pre" or finish or not found.applied]
        for step in wanted:
            await connection.execute(step.sql, timeout=WITHIN_S)
            await connection.execute(
                "INSERT INTO accord.migrations (number, phase, name, sha256) VALUES ($1, $2, $3, $4)",
                step.number, step.phase, step.name, step.sha256,
            )  # fmt: skip
        if wanted:
            for (role,) in await connection.fetch(_GRANTEES):
                await _grant(connection, role)
    return wanted


async def may_migrate(connection: Connection) -> bool:
    """Whether our role may change the schema, or make it where there is none."""
    allowed: bool = await connection.fetchval(
        """
        SELECT coalesce(
            (SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'accord'),
            has_database_privilege(current_database(), 'CREATE')
        )
        """
    )
    return allowed


async def prepare(connection: Connection, address: StoreAddress, known: Sequence[Step]) -> None:
    """Make the store, or bring it to this version, as far as our role may; refuse what this version cannot work with.

    Raises:
        StoreUnavailable: ACC578 steps are missing, and our role may not apply them.
    """
    found = await history(connection, address, known)
    if not found.lacks:
        return
    if await may_migrate(connection):
        await migrate(connection, address, known)
        return
    missing = ", ".join(step.name for step in found.pending if step.phase == "pre")
    hint = "as the owner of the schema: accord store migrate"
    raise StoreUnavailable.of("ACC578", f"the store {address} lacks {missing}, and our role may not add it", hint=hint)


async def grant(connection: Connection, role: str) -> None:
    """Let a role work with the store, now and after later migrations. Raises BadInput ACC581 where there is none."""
    if await connection.fetchval("SELECT to_regrole(quote_ident($1)) IS NULL", role):
        hint = f"make it first: CREATE ROLE {role} LOGIN PASSWORD '...'"
        raise BadInput.of("ACC581", f"the server has no role {role}", hint=hint)
    async with connection.transaction():
        await connection.execute("INSERT INTO accord.grantees VALUES ($1) ON CONFLICT DO NOTHING", role)
        await _grant(connection, role)


async def _grant(connection: Connection, role: str) -> None:
    quoted = await connection.fetchval("SELECT quote_ident($1)", role)
    text = (files("accord.postgres") / "grants.sql").read_text()
    await connection.execute(text.replace("{role}", quoted))
