"""`accord approvals ...`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_run
from accord.cli.options import Shared, TemplateName, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import approvals as action
else:
    action = later("accord.cli.actions.approvals")

app = typer.Typer(name="approvals", help="What runs wait for: approvals, reviews, signals.", no_args_is_help=True)


class Kind(StrEnum):
    """What a task may wait for."""

    APPROVAL = "approval"
    REVIEW = "review"
    SIGNAL = "signal"


@app.command("list")
@shares("home")
def list_(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    kind: Annotated[
        list[Kind] | None, typer.Option("--kind", help="Only one of these kinds. Repeatable.", show_default=False)
    ] = None,
    template: TemplateName = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="RUN", help="Only what this run asks.", show_default=False, autocompletion=complete_run
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Waits since then: 30m, 2h, 7d, or a time.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most so many.")] = 50,
    after: Annotated[
        str | None, typer.Option("--after", metavar="PLACE", help="The page behind this place.", show_default=False)
    ] = None,
) -> None:
    """List what runs ask people, and programs that send signals: of the newest run first.

    The schemas of the answers are in --json. The command `runs signal` gives an answer.

    **Examples**

    - `accord approvals list --kind approval`
    - `accord approvals list --template release --since 1d --json`
    """
    wanted = action.Wanted(
        kinds=tuple(one.value for one in kind or ()),
        template=template,
        run=run,
        since=since,
        limit=limit,
        after=after,
    )
    action.list_approvals(shared, wanted)
