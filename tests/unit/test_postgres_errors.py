"""Every failure of PostgreSQL, of the driver and of the way comes out as a StoreError with a code and a way out."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib import reload

import asyncpg
import pytest

from accord.domain.ids import AgentId, RunId
from accord.errors import StoreCorrupt, StoreError, StoreUnavailable
from accord.ports import Answer, Fence, Head, Journal, Letter, RunQuery, Snapshot
from accord.postgres import driver
from accord.postgres.address import StoreAddress
from accord.postgres.database import TRIES, Database
from accord.postgres.errors import as_store_error, store_errors
from accord.store.postgres import PostgresJournal
from accord.testing.journal_values import SYSTEM, run_id, summary_of, system_append
from accord.testing.postgres import PostgresServer

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TTL = timedelta(seconds=15)
ADDRESS = StoreAddress("postgresql://ann:geheim@db/accord")
STATES = {
    kind.sqlstate: kind
    for kind in vars(asyncpg.exceptions).values()
    if isinstance(kind, type) and issubclass(kind, asyncpg.PostgresError) and kind.sqlstate
}
OURS = {"08", "22", "23", "25", "28", "3D", "3F", "40", "42", "53", "54", "57", "58", "P0", "XX"}
"""Classes of failures that something of ours can meet."""

CALLS: dict[str, Callable[[Journal], Awaitable[object]]] = {
    "append": lambda journal: journal.append([system_append(Head(), b"x")]),
    "read": lambda journal: journal.read(SYSTEM),
    "head": lambda journal: journal.head(SYSTEM),
    "run": lambda journal: journal.run(run_id(1)),
    "runs": lambda journal: journal.runs(RunQuery(text="x", parent=RunId("y"))),
    "count_runs": lambda journal: journal.count_runs(RunQuery()),
    "count_kinds": lambda journal: journal.count_kinds(RunQuery()),
    "unlisted": lambda journal: journal.unlisted(),
    "relist": lambda journal: journal.relist(summary_of(1), [AgentId("a")], at=Head(1)),
    "overdue": lambda journal: journal.overdue(NOW, partitions=[1]),
    "save_snapshot": lambda journal: journal.save_snapshot(Snapshot(SYSTEM, 1, b"")),
    "snapshot": lambda journal: journal.snapshot(SYSTEM),
    "retire": lambda journal: journal.retire(ended_before=NOW),
    "claim": lambda journal: journal.claim("one", partition=1, now=NOW, ttl=TTL),
    "claim any": lambda journal: journal.claim("one", partition=None, now=NOW, ttl=TTL),
    "renew": lambda journal: journal.renew([Fence(1, 1)], now=NOW, ttl=TTL),
    "release": lambda journal: journal.release([Fence(1, 1)]),
    "post": lambda journal: journal.post(Letter(id="a", partition=1, data=b"", posted_at=NOW)),
    "letters": lambda journal: journal.letters([1]),
    "answer": lambda journal: journal.answer([Answer("a", b"")]),
    "answered": lambda journal: journal.answered("a"),
    "floor": lambda journal: journal.floor(SYSTEM),
    "owners": lambda journal: journal.owners(),
    "trim": lambda journal: journal.trim(SYSTEM, until=1),
}


@pytest.mark.parametrize("state", sorted(STATES))
def test_every_state_is_translated(state: str) -> None:
    error = as_store_error(STATES[state]("what happened"), ADDRESS)
    assert type(error) in (StoreUnavailable, StoreCorrupt)
    (problem,) = error.problems
    assert problem.hint
    assert "what happened" in problem.message
    assert "postgresql://ann:***@db/accord" in problem.message
    assert state[:2] not in OURS or problem.code != "ACC575", "it has a way out of its own"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError(111, "refused"), "ACC561"),
        (OSError(-2, "Name or service not known"), "ACC561"),
        (asyncpg.InterfaceError("connection is closed"), "ACC561"),
        (asyncpg.exceptions.InternalClientError("odd"), "ACC575"),
        (TimeoutError(), "ACC567"),
        (asyncpg.InvalidPasswordError("no"), "ACC562"),
        (asyncpg.TooManyConnectionsError("no"), "ACC566"),
        (asyncpg.DiskFullError("no"), "ACC566"),
        (asyncpg.ReadOnlySQLTransactionError("no"), "ACC564"),
        (asyncpg.InsufficientPrivilegeError("no"), "ACC565"),
        (asyncpg.UndefinedTableError("no"), "ACC573"),
        (asyncpg.CannotConnectNowError("no"), "ACC568"),
        (asyncpg.QueryCanceledError("no"), "ACC567"),
        (asyncpg.DataError("no"), "ACC574"),
        (asyncpg.DataCorruptedError("no"), "ACC572"),
    ],
)
def test_what_people_meet_has_a_code_of_its_own(error: Exception, code: str) -> None:
    with pytest.raises(StoreError) as refused, store_errors(ADDRESS):
        raise error
    assert refused.value.problems[0].code == code


def test_every_method_of_the_port_is_called_here() -> None:
    methods = {name for name in vars(Journal) if not name.startswith("_")}
    assert methods == {name.partition(" ")[0] for name in CALLS}


async def test_a_damaged_schema(store: StoreAddress, postgres: PostgresServer) -> None:
    async with Database.open(store) as database, PostgresJournal.open(database) as journal:
        postgres.sql("ALTER SCHEMA accord RENAME TO other", on=store)
        for name, call in CALLS.items():
            with pytest.raises(StoreCorrupt, match="ACC573"):
                await call(journal)
            assert name


async def test_a_store_that_was_closed(store: StoreAddress) -> None:
    async with Database.open(store) as database, PostgresJournal.open(database) as journal:
        pass
    for call in CALLS.values():
        with pytest.raises(StoreUnavailable, match="ACC570"):
            await call(journal)


async def test_a_database_that_is_not_there(postgres: PostgresServer) -> None:
    for address, code in (
        (postgres.address("nothing"), "ACC563"),
        (postgres.address(user="nobody"), "ACC562"),
        (StoreAddress("postgresql://ann@127.0.0.1:1/accord"), "ACC561"),
    ):
        with pytest.raises(StoreUnavailable, match=code):
            async with Database.open(address):
                pass


async def test_a_server_that_syncs_nothing_is_refused(store: StoreAddress, postgres: PostgresServer) -> None:
    def set_to(value: str) -> None:
        postgres.sql(f"ALTER SYSTEM SET fsync = {value}")
        postgres.stop("fast")
        postgres.start()

    set_to("off")
    try:
        with pytest.raises(StoreUnavailable, match="ACC582"):
            async with Database.open(store):
                pass
    finally:
        set_to("on")


async def test_a_commit_is_durable_whatever_the_database_says(store: StoreAddress, postgres: PostgresServer) -> None:
    name = store.url.rpartition("?")[0].rpartition("/")[2]
    for said, does in (("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")):
        postgres.sql(f"ALTER DATABASE {name} SET synchronous_commit = {said}")
        async with Database.open(store) as database:
            assert await database.rows("SELECT current_setting('synchronous_commit')") == [(does,)]


def test_without_the_driver_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "asyncpg", None)
        with pytest.raises(StoreUnavailable, match="ACC560") as refused:
            reload(driver)
    reload(driver)
    assert refused.value.problems[0].hint == "pip install 'accord-orchestrator[postgres]'"


@pytest.mark.parametrize("kind", [asyncpg.DeadlockDetectedError, asyncpg.SerializationError])
async def test_what_the_server_undoes_for_others_is_done_again(
    store: StoreAddress, kind: type[asyncpg.PostgresError]
) -> None:
    async with Database.open(store) as database:
        undone = [kind("undone")] * (TRIES - 1)

        async def fetch(*_: object) -> list[object]:
            if undone:
                raise undone.pop()
            return ["done"]

        assert await database._fetch(fetch, "", ()) == ["done"]
        undone.extend([kind("undone")] * TRIES)
        with pytest.raises(StoreUnavailable, match="ACC571"):
            await database._fetch(fetch, "", ())
        assert undone == []
