"""Lists of runs, as somebody may see them: decided by what the lists say of each run, without reading its events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from accord.domain.access import Principal
from accord.engine.permission import Permission
from accord.engine.relisting import Relisting
from accord.ports import Journal, RunQuery, RunState, RunSummary

AT_LEAST: Final = 100
"""So many runs are asked for at once, where it is not known how many of them are seen."""


class Lists:
    """Lists runs. Where nobody asks who sees them, all are seen."""

    def __init__(self, journal: Journal, permission: Permission, relisting: Relisting) -> None:
        self._journal = journal
        self._permission = permission
        self._relisting = relisting

    async def page(self, query: RunQuery, who: Principal | None = None) -> list[RunSummary]:
        """A page of runs, newest first; it is short only where there are no more that they may see. Raises Overloaded
        while lists do not say enough.
        """
        narrowed = await self._narrowed(query, who)
        if narrowed is None:
            return await self._journal.runs(query)
        found: list[RunSummary] = []
        asked = replace(query, limit=max(query.limit, AT_LEAST))
        while len(found) < query.limit:
            runs = await self._journal.runs(asked)
            found += [run for run in runs if self._permission.sees(narrowed, run)]
            if len(runs) < asked.limit:
                break
            asked = replace(asked, after=runs[-1].run)
        return found[: query.limit]

    async def count(self, query: RunQuery, who: Principal | None = None) -> dict[RunState, int]:
        """How many runs there are of a query in each state, of those that they may see. Raises Overloaded."""
        narrowed = await self._narrowed(query, who)
        if narrowed is None:
            return await self._journal.count_runs(query)
        counted: Counter[RunState] = Counter()
        for kind in await self._journal.count_kinds(query):
            if self._permission.sees(narrowed, kind):
                counted[kind.state] += kind.runs
        return dict(counted)

    async def seen(self, runs: Sequence[RunSummary], who: Principal) -> list[RunSummary]:
        """Those of these runs that they may see. Raises Overloaded."""
        narrowed = await self._narrowed(RunQuery(), who)
        return [run for run in runs if narrowed is None or self._permission.sees(narrowed, run)]

    async def _narrowed(self, query: RunQuery, who: Principal | None) -> Principal | None:
        """Who may see only some of the runs; None where all are seen. Waits where the lists do not say enough for that,
        or for the query.
        """
        narrowed = who if self._permission.tells_runs_apart else None
        if narrowed is not None or any(one is not None for one in (query.agent, query.label, query.origin)):
            await self._relisting.whole()
        return narrowed
