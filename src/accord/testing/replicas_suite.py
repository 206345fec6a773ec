"""What every store of replicas must do; proved like `JournalSuite`."""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from accord.ports import Journal
from accord.testing.journal_values import NOON, TTL


class ReplicasSuite:
    """The contract of `Replicas`."""

    @pytest.fixture
    @abstractmethod
    def journal(self) -> AsyncIterator[Journal]:
        """An open, empty store."""

    async def test_who_serves_is_known_before_it_owns_anything(self, journal: Journal) -> None:
        assert await journal.replicas(NOON) == []
        await journal.attend("two", now=NOON, ttl=TTL)
        await journal.attend("one", now=NOON, ttl=TTL)
        assert await journal.replicas(NOON) == ["one", "two"]
        assert await journal.owners() == []

    async def test_who_owns_something_does_not_serve_for_that(self, journal: Journal) -> None:
        assert await journal.claim("command", partition=3, now=NOON, ttl=TTL) is not None
        assert await journal.replicas(NOON) == []

    async def test_a_replica_serves_for_its_time(self, journal: Journal) -> None:
        await journal.attend("one", now=NOON, ttl=TTL)
        assert await journal.replicas(NOON + TTL - timedelta(microseconds=1)) == ["one"]
        assert await journal.replicas(NOON + TTL) == []
        await journal.attend("one", now=NOON + TTL / 2, ttl=TTL)
        assert await journal.replicas(NOON + TTL) == ["one"]
        await journal.attend("two", now=NOON + 2 * TTL, ttl=TTL)
        assert await journal.replicas(NOON) == ["two"], "what has run out is forgotten"

    async def test_who_departs_is_gone_at_once(self, journal: Journal) -> None:
        await journal.attend("one", now=NOON, ttl=TTL)
        await journal.attend("two", now=NOON, ttl=TTL)
        for _ in range(2):
            await journal.depart("one")
            assert await journal.replicas(NOON) == ["two"]

    async def test_many_attend_at_once(self, journal: Journal) -> None:
        names = [f"replica {number:02}" for number in range(20)]
        await asyncio.gather(*(journal.attend(name, now=NOON, ttl=TTL) for name in names))
        later = NOON + TTL  # each of them forgets all others, while those say that they are still there
        await asyncio.gather(*(journal.attend(name, now=later, ttl=TTL) for name in names))
        assert await journal.replicas(later) == names
