"""The suites of the port `Journal` on every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from accord.ports import Journal
from accord.postgres.address import StoreAddress
from accord.postgres.database import Database
from accord.store.memory import MemoryJournal
from accord.store.postgres import PostgresJournal
from accord.store.sqlite import SqliteJournal
from accord.testing.data_keys_suite import DataKeysSuite
from accord.testing.journal_suite import JournalSuite
from accord.testing.logs_suite import LogsSuite
from accord.testing.replicas_suite import ReplicasSuite
from accord.testing.run_list_suite import RunListSuite
from accord.testing.sightings_suite import SightingsSuite


class TestMemoryJournal(JournalSuite, DataKeysSuite, LogsSuite, ReplicasSuite, RunListSuite, SightingsSuite):
    @pytest.fixture
    async def journal(self) -> AsyncIterator[Journal]:
        async with MemoryJournal() as journal:
            yield journal


class TestSqliteJournal(JournalSuite, DataKeysSuite, LogsSuite, ReplicasSuite, RunListSuite, SightingsSuite):
    @pytest.fixture
    async def journal(self, tmp_path: Path) -> AsyncIterator[Journal]:
        async with SqliteJournal.open(tmp_path / "journal.db") as journal:
            yield journal


class TestPostgresJournal(JournalSuite, DataKeysSuite, LogsSuite, ReplicasSuite, RunListSuite, SightingsSuite):
    @pytest.fixture
    async def journal(self, store: StoreAddress) -> AsyncIterator[Journal]:
        async with Database.open(store) as database, PostgresJournal.open(database) as journal:
            yield journal
