"""The journal of an exhibit: a SQLite file whose runs were imported. They are looked at, and nobody ever owns them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from accord.domain.ids import RunId
from accord.ports import Append, Fence, Letter
from accord.service import exhibited
from accord.store.sqlite import SqliteJournal


class SqliteExhibit(SqliteJournal):
    """Reads as any journal. No partition of it can be claimed, so no event can come to a run, and none is retired."""

    async def append(self, appends: Sequence[Append]) -> None:
        if any(one.fence is not None for one in appends):
            raise exhibited()
        await super().append(appends)

    async def claim(self, owner: str, *, partition: int | None, now: datetime, ttl: timedelta) -> Fence | None:
        return None

    async def post(self, letter: Letter) -> None:
        raise exhibited()

    async def retire(self, *, ended_before: datetime, limit: int = 100) -> list[RunId]:
        return []
