"""`accord incidents ...`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import incidents as action
else:
    action = later("accord.cli.actions.incidents")

app = typer.Typer(
    name="incidents", help="What was refused, with its evidence, and what became of it.", no_args_is_help=True
)


class State(StrEnum):
    """What has become of an incident."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How bad an incident is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


Number = Annotated[int, typer.Argument(metavar="N", min=1, help="The incident's number.", show_default=False)]


@app.command("list")
@shares("home")
def list_(  # noqa: PLR0913 - each is an option
    shared: Shared,
    state: Annotated[State | None, typer.Option("--state", help="Only those.", show_default=False)] = None,
    severity: Annotated[Severity | None, typer.Option("--severity", help="Only those.", show_default=False)] = None,
    agent: Annotated[
        str | None, typer.Option("--agent", metavar="A", help="Only those about this agent.", show_default=False)
    ] = None,
    code: Annotated[
        str | None, typer.Option("--code", metavar="ACCnnn", help="Only those of this code.", show_default=False)
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Only those about this run.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 50,
    after: Annotated[
        int | None,
        typer.Option("--after", metavar="N", min=1, help="Only those older than number N.", show_default=False),
    ] = None,
) -> None:
    """List incidents, the newest first; `?` marks an agent whose name nobody has proven. Evidence is in --json.

    **Examples**

    - `accord incidents list --json`
    - `accord incidents list --state open --severity high`
    """
    which = action.Which(
        state=state.value if state is not None else None,
        severity=severity.value if severity is not None else None,
        agent=agent,
        code=code,
        run=run,
    )
    action.list_incidents(shared, which, limit, after)


@app.command()
@shares("home")
def show(shared: Shared, number: Number) -> None:
    """Show an incident with its evidence, and what was done about it.

    **Example**

    - `accord incidents show 3`
    """
    action.show_incident(shared, number)


@app.command()
@shares("home")
def acknowledge(
    shared: Shared,
    number: Number,
    note: Annotated[str, typer.Option("--note", help="What there is to say; kept in the journal.")] = "",
) -> None:
    """Say that you look after an incident.

    **Example**

    - `accord incidents acknowledge 3 --note "asking the owner of the laptop"`
    """
    action.acknowledge(shared, number, note)


@app.command()
@shares("home")
def resolve(
    shared: Shared,
    number: Number,
    note: Annotated[
        str, typer.Option("--note", help="What it was, or what was done; kept in the journal.", show_default=False)
    ],
) -> None:
    """Say that an incident is dealt with.

    **Example**

    - `accord incidents resolve 3 --note "the key was revoked"`
    """
    action.resolve(shared, number, note)
