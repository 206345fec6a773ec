"""The events of runs, decoded: long ones in another thread, so that everybody else goes on meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from accord.codec import decode_event
from accord.domain.event import Event
from accord.domain.ids import RunId
from accord.ports import Record
from accord.service import Service

APART_FROM: Final = 2000


async def history(service: Service, run: RunId) -> list[tuple[int, Event]]:
    """All events of the run with their numbers, in order. Raises StoreCorrupt."""
    records = await service.records(run)
    return _decoded(records) if len(records) < APART_FROM else await asyncio.to_thread(_decoded, records)


def _decoded(records: Sequence[Record]) -> list[tuple[int, Event]]:
    return [(record.sequence, decode_event(record)) for record in records]
