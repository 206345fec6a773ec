"""`accord approvals`: what all runs wait for."""

from __future__ import annotations

from shlex import quote

import msgspec
from rich.text import Text

from accord.cli.errors import DONE
from accord.cli.finding import find_run, read_moment
from accord.cli.options import Shared
from accord.cli.output import STATES, Screen, clean, moment, run_text
from accord.cli.session import carry_out, opened
from accord.cli.tables import Column, end_of_id, without_year
from accord.cli.watching import how_to_answer
from accord.domain.approval import ApprovalKind, ApprovalQuery, OpenApproval, OpenApprovals
from accord.service import Service
from accord.views.approvals import approval_page, full_page


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which approvals to list."""

    kinds: tuple[ApprovalKind, ...] = ()
    template: str | None = None
    run: str | None = None
    since: str | None = None
    limit: int = 50
    after: str | None = None

    async def query(self, service: Service) -> ApprovalQuery:
        """The query for the service. Raises BadInput, NotFound."""
        return ApprovalQuery(
            kinds=self.kinds,
            template=self.template,
            run=await find_run(service, self.run) if self.run is not None else None,
            since=read_moment(self.since, "--since") if self.since is not None else None,
            limit=self.limit,
            after=self.after,
        )


def list_approvals(shared: Shared, wanted: Wanted) -> None:
    """Carry out `accord approvals list`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            page = await full_page(service, await wanted.query(service))
        if screen.as_json:
            screen.document(approval_page(page))
        elif page.approvals:
            _show(page, screen)
        elif not page.damaged:
            screen.note("Nothing waits for an answer. What runs do: accord runs list")
        for run in page.damaged:
            screen.note(f"nobody can tell what {run} asks: its history does not hold (accord runs show {run})")
        return DONE

    carry_out(shared, work)


def _show(page: OpenApprovals, screen: Screen) -> None:
    columns = (
        Column("run", short=end_of_id),
        "task",
        "kind",
        Column("since", short=without_year, spare=2),
        Column("until", short=without_year, spare=1),
        "what",
    )
    screen.table(columns, [_row(one) for one in page.approvals])
    screen.note(f"answer with, for example: accord {how_to_answer(page.approvals[0])}")
    if page.next is not None:
        screen.note(f"more: accord approvals list --after {quote(page.next)}")


def _row(one: OpenApproval) -> tuple[str | Text, ...]:
    until = moment(one.until) if one.until is not None else ""
    what = one.question or one.signal or ""
    return run_text(one.run), one.task, Text(one.kind, STATES["waiting"][1]), moment(one.since), until, clean(what)
