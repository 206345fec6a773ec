"""The `sys:*` streams: shared by all orchestrators, followed by each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from accord.codec import chained, decode_system_event, encode_event, follow
from accord.domain.ids import StreamId
from accord.domain.system import SystemEvent
from accord.errors import SequenceConflict
from accord.ports import Append, Head, Journal

Apply = Callable[[SystemEvent], None]
T = TypeVar("T")


class SystemStream:
    """One stream, folded by `apply`: what others append is seen at `refresh`, and before anything is appended here."""

    def __init__(self, journal: Journal, stream: StreamId, apply: Apply, *, trimmed: bool = False) -> None:
        """`trimmed`: its first events may be gone, as they say nothing any more. Of no other stream are they missed."""
        self._journal = journal
        self._stream = stream
        self._apply = apply
        self._trimmed = trimmed
        self._head = Head()
        self._turn = asyncio.Lock()

    @property
    def sequence(self) -> int:
        """How many events have been seen."""
        return self._head.sequence

    async def refresh(self) -> None:
        """Apply what has been appended since. Raises StoreCorrupt where the chain does not hold."""
        async with self._turn:
            await self._refresh()

    async def catch_up(self) -> None:
        """Go on from the stream's end without applying what came before: for a stream that nobody folds."""
        async with self._turn:
            self._head = await self._journal.head(self._stream)

    async def append(self, *events: SystemEvent, check: Callable[[], None] = lambda: None) -> None:
        """Append and apply; somebody else's events that came first are applied first.

        `check` is called before each try, when all that others have appended is known: what it raises refuses it.
        """
        datas = [encode_event(event) for event in events]
        async with self._turn:
            check()
            while not await self._appended(datas):
                await self._refresh()
                check()
            for event in events:
                self._apply(event)

    async def _appended(self, datas: list[bytes]) -> bool:
        records = chained(self._stream, self._head, datas)
        try:
            await self._journal.append([Append(stream=self._stream, expected=self._head, records=records)])
        except SequenceConflict:
            return False
        self._head = Head(records[-1].sequence, records[-1].digest)
        return True

    async def _refresh(self) -> None:
        records = await self._journal.read(self._stream, after=self._head.sequence)
        while self._trimmed and records and records[0].sequence > self._head.sequence + 1:
            floor = await self._journal.floor(self._stream)
            if floor.sequence <= self._head.sequence:
                break  # nothing was trimmed: events are missing
            self._head = floor
            records = await self._journal.read(self._stream, after=floor.sequence)
        self._head = follow(records, self._head)
        for record in records:
            self._apply(decode_system_event(record))
