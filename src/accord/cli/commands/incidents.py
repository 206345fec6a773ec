"""`accord incidents ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.later import later
from accord.cli.options import Shared, shares

if TYPE_CHECKING:
    from accord.cli.actions import incidents as action
else:
    action = later("accord.cli.actions.incidents")

app = typer.Typer(name="incidents", help="Messages that were refused, with their evidence.", no_args_is_help=True)


@app.command("list")
@shares("home")
def list_(
    shared: Shared,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 50,
    after: Annotated[
        int | None,
        typer.Option("--after", metavar="N", min=1, help="Only those older than number N.", show_default=False),
    ] = None,
) -> None:
    """List incidents, the newest first; `?` marks an agent whose name nobody has proven. Evidence is in --json.

    **Example**

    - `accord incidents list --json`
    """
    action.list_incidents(shared, limit, after)
