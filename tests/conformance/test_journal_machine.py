"""Both journals against the model."""

from __future__ import annotations

import tempfile
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from hypothesis import HealthCheck, settings

from accord.ports import Journal
from accord.store.memory import MemoryJournal
from accord.store.sqlite import SqliteJournal
from accord.testing.journal_machine import JournalMachine


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
