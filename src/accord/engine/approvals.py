"""What is asked in all runs: any process answers, whichever of them owns a run.

Only runs that are open, and of a template that ever asks, are looked at. What was read of a run is kept, and of it only
what has happened since is read the next time.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from accord.domain.approval import ApprovalQuery, OpenApproval, OpenApprovals, may_ask, open_approvals
from accord.domain.capability import Version
from accord.domain.ids import RunId
from accord.domain.state import Run
from accord.engine.ledger import Ledger
from accord.engine.library import Library
from accord.engine.streams import SystemStream
from accord.ports import OPEN, Head, Journal, RunQuery, RunSummary
from accord.service import Published

LOOKED_AT_MOST: Final = 500
"""Runs that are looked at for one page."""

AT_ONCE: Final = 100
"""Runs that are listed at once."""

KEPT_MOST: Final = 1000
"""Runs that are kept as they were when they were looked at last."""


class Approvals:
    """Lists what is open."""

    def __init__(self, journal: Journal, ledger: Ledger, library: Library, templates: SystemStream) -> None:
        self._journal = journal
        self._ledger = ledger
        self._library = library
        self._templates = templates
        self._kept: dict[RunId, tuple[Run, Head]] = {}
        """The one that was looked at last is the last one."""

    async def listed(self, query: ApprovalQuery) -> OpenApprovals:
        """A page of what is asked. Raises StoreUnavailable, StoreCorrupt."""
        found: list[OpenApproval] = []
        templates = await self._asking()
        after, looked_at = query.after, 0
        while templates and looked_at < LOOKED_AT_MOST:
            runs = await self._runs(query, templates, after)
            for summary in runs:
                after = await self._take(summary.run, query, found) or summary.run
                looked_at += 1
                if len(found) == query.limit:
                    return OpenApprovals(tuple(found), after)
            if len(runs) < AT_ONCE:
                return OpenApprovals(tuple(found), None)
        return OpenApprovals(tuple(found), after if templates else None)

    async def _take(self, run: RunId, query: ApprovalQuery, found: list[OpenApproval]) -> str | None:
        """Find what the run asks, up to the query's limit; returns where that cuts it off."""
        state = await self._read(run)
        if state is None:
            return None
        begun, _, behind = (query.after or "").partition("/")
        asked = (one for one in open_approvals(state) if query.admits(one) and (begun != run or one.task > behind))
        taken = list(islice(asked, query.limit - len(found)))
        found += taken
        return f"{run}/{taken[-1].task}" if next(asked, None) is not None else None

    async def _runs(self, query: ApprovalQuery, templates: tuple[str, ...], after: str | None) -> list[RunSummary]:
        """The runs to look at next. A run's id stands before all that begins with it: where a page has ended within a
        run, the next one begins with that run again.
        """
        if query.run is not None:
            summary = await self._journal.run(query.run)
            is_next = summary is not None and (after is None or summary.run < after)
            wanted = summary is not None and summary.state in OPEN
            return [summary] if summary is not None and is_next and wanted else []
        behind = RunId(after) if after is not None else None
        return await self._journal.runs(
            RunQuery(states=OPEN, template=query.template, templates=templates, limit=AT_ONCE, after=behind)
        )

    async def _asking(self) -> tuple[str, ...]:
        """The templates whose runs may ask something, `name@version`."""
        await self._templates.refresh()
        return tuple([f"{one.name}@{one.version}" for one in self._library.published() if await self._may_ask(one)])

    async def _may_ask(self, published: Published) -> bool:
        if Version.parse(published.version).prerelease:
            return True  # runs may have begun with another text of a draft
        return may_ask(await self._library.graph(published.digest))

    async def _read(self, run: RunId) -> Run | None:
        """The run as it is in the journal; None where it is gone by now."""
        kept = self._kept.pop(run, None)
        state, head = await self._ledger.caught_up(*kept) if kept is not None else await self._ledger.read_quickly(run)
        if state is None or state.ended:
            return None
        self._kept[run] = state, head
        if len(self._kept) > KEPT_MOST:
            del self._kept[next(iter(self._kept))]
        return state
