"""What every store of sightings must do; proved like `JournalSuite`."""
# ruff: noqa: S101  # a suite is made of asserts

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from accord.domain.ids import AgentId, InstanceId
from accord.ports import Journal, Sighting
from accord.testing.journal_values import NOON, TTL


def sighting(name: str, process: str) -> Sighting:
    """An instance of the agent `name`, heard at noon."""
    agent = AgentId(f"spiffe://local/agent/{name}")
    return Sighting(
        agent=agent,
        instance=InstanceId(f"{agent}#{process}"),
        process=process,
        seen_at=NOON,
        concurrency=2,
        queue=4,
        queued=1,
        load=0.25,
    )


class SightingsSuite:
    """The contract of `Sightings`."""

    @pytest.fixture
    @abstractmethod
    def journal(self) -> AsyncIterator[Journal]:
        """An open, empty store."""

    async def test_what_processes_report_is_read_together(self, journal: Journal) -> None:
        assert await journal.sightings(NOON) == []
        one = [sighting("b", "one"), replace(sighting("a", "one"), load=1.0, draining=True)]
        await journal.report("one", one, now=NOON, ttl=TTL)
        await journal.report("two", [sighting("a", "two")], now=NOON, ttl=TTL)
        assert await journal.sightings(NOON) == [one[1], sighting("a", "two"), one[0]]

    async def test_a_report_takes_the_place_of_the_one_before(self, journal: Journal) -> None:
        await journal.report("one", [sighting("a", "one"), sighting("b", "one")], now=NOON, ttl=TTL)
        idle = replace(sighting("b", "one"), queued=0)
        await journal.report("one", [idle], now=NOON, ttl=TTL)
        assert await journal.sightings(NOON) == [idle]
        for _ in range(2):
            await journal.report("one", [], now=NOON, ttl=TTL)
            assert await journal.sightings(NOON) == []

    async def test_a_report_holds_for_its_time(self, journal: Journal) -> None:
        await journal.report("one", [sighting("a", "one")], now=NOON, ttl=TTL)
        assert len(await journal.sightings(NOON + TTL - timedelta(microseconds=1))) == 1
        assert await journal.sightings(NOON + TTL) == []
        await journal.report("two", [sighting("b", "two")], now=NOON + TTL, ttl=TTL)
        assert await journal.sightings(NOON) == [sighting("b", "two")], "what has run out is forgotten"
