"""All journals against the model."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from accord.ports import Journal
from accord.postgres.address import StoreAddress
from accord.postgres.database import Database
from accord.store.memory import MemoryJournal
from accord.store.postgres import PostgresJournal
from accord.store.sqlite import SqliteJournal
from accord.testing.journal_machine import JournalMachine
from accord.testing.postgres import PostgresServer


class MemoryMachine(JournalMachine):
    def __init__(self) -> None:
        self.memory = MemoryJournal()
        super().__init__()

    def open(self) -> AbstractAsyncContextManager[Journal]:
        return self.memory


class SqliteMachine(JournalMachine):
    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        super().__init__()

    def open(self) -> AbstractAsyncContextManager[Journal]:
        return SqliteJournal.open(Path(self.folder.name) / "journal.db")

    def teardown(self) -> None:
        super().teardown()
        self.folder.cleanup()


TestMemory = MemoryMachine.TestCase
TestMemory.settings = settings(deadline=None, max_examples=100)
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = settings(
    deadline=None, max_examples=25, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
)


@asynccontextmanager
async def opened(store: StoreAddress) -> AsyncIterator[Journal]:
    async with Database.open(store) as database, PostgresJournal.open(database) as journal:
        yield journal


def test_postgres(postgres: PostgresServer, migrated: str) -> None:
    class PostgresMachine(JournalMachine):
        def __init__(self) -> None:
            self.store = postgres.create(migrated)
            super().__init__()

        def open(self) -> AbstractAsyncContextManager[Journal]:
            return opened(self.store)

        def teardown(self) -> None:
            super().teardown()
            postgres.drop(self.store)

    chosen = settings(
        deadline=None, max_examples=15, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(PostgresMachine, settings=chosen)  # type: ignore[no-untyped-call]  # Hypothesis has none
