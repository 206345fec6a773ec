"""What is asked in all runs: any process answers, whichever of them owns a run.

Only runs that are open, and of a template that ever asks, are looked at. What was read of a run is kept, and of it only
what has happened since is read the next time.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import Final

from accord.domain.access import Principal
from accord.domain.approval import ApprovalQuery, OpenApproval, OpenApprovals, may_ask, open_approvals
from accord.domain.capability import Version
from accord.domain.ids import RunId
from accord.domain.state import Run
from accord.engine.ledger import Ledger
from accord.engine.library import Library
from accord.engine.permission import Permission
from accord.engine.streams import SystemStream
from accord.errors import StoreCorrupt
from accord.ports import OPEN, Head, Journal, RunQuery, RunSummary
from accord.recent import Recent
from accord.service import Published

logger = logging.getLogger("accord.approvals")

LOOKED_AT_MOST: Final = 500
"""Runs that are looked at for one page."""

AT_ONCE: Final = 100
"""Runs that are listed at once."""

KEPT_MOST: Final = 1000
"""Runs that are kept as they were when they were looked at last."""


class _Found:
    """What is found for a page, and for whom."""

    def __init__(self, query: ApprovalQuery, who: Principal | None) -> None:
        self.who = who
        self._query = query
        self.approvals: list[OpenApproval] = []
        self.damaged: list[RunId] = []

    def take(self, run: Run) -> str | None:
        """Take what the run asks, up to the query's limit; returns where that cuts it off."""
        query = self._query
        begun, _, behind = (query.after or "").partition("/")
        asked = (one for one in open_approvals(run) if query.admits(one) and (begun != run.id or one.task > behind))
        taken = list(islice(asked, query.limit - len(self.approvals)))
        self.approvals += taken
        return f"{run.id}/{taken[-1].task}" if next(asked, None) is not None else None

    def page(self, following: str | None) -> OpenApprovals:
        """The page, and where the next one begins."""
        return OpenApprovals(tuple(self.approvals), following, tuple(self.damaged))


class Approvals:
    """Lists what is open."""

    def __init__(
        self, journal: Journal, ledger: Ledger, library: Library, templates: SystemStream, permission: Permission
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._library = library
        self._templates = templates
        self._permission = permission
        self._kept: Recent[RunId, tuple[Run, Head]] = Recent(KEPT_MOST)

    async def listed(self, query: ApprovalQuery, who: Principal | None = None) -> OpenApprovals:
        """A page of what is asked; where it is said who asks, only of runs that they may look at. Raises
        StoreUnavailable.
        """
        found = _Found(query, who)
        templates = await self._asking()
        after, looked_at = query.after, 0
        while templates and looked_at < LOOKED_AT_MOST:
            runs = await self._runs(query, templates, after)
            for summary in runs:
                after = await self._take(summary.run, found) or summary.run
                looked_at += 1
                if len(found.approvals) == query.limit:
                    return found.page(after)
            if len(runs) < AT_ONCE:
                return found.page(None)
        return found.page(after if templates else None)

    async def _take(self, run: RunId, found: _Found) -> str | None:
        """Find what the run asks, up to the query's limit; returns where that cuts it off."""
        try:
            state = await self._read(run)
        except StoreCorrupt as error:
            logger.error("what %s asks cannot be told: %s", run, error)
            found.damaged.append(run)
            return None
        if state is None or (found.who is not None and not self._permission.may_look(found.who, state)):
            return None
        return found.take(state)

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
        return state
