"""`accord agents ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_agent, complete_capability
from accord.cli.later import later
from accord.cli.options import AgentsFrom, Home, Json, Shared, Verbose

if TYPE_CHECKING:
    from accord.cli.actions import agents as action
else:
    action = later("accord.cli.actions.agents")

app = typer.Typer(name="agents", help="Who is known, what they offer, and their keys.", no_args_is_help=True)


@app.command("list")
def list_(
    capability: Annotated[
        str | None,
        typer.Option(
            "--capability",
            metavar="NAME[@RANGE]",
            help="Only agents that offer it.",
            show_default=False,
            autocompletion=complete_capability,
        ),
    ] = None,
    agents: AgentsFrom = None,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """List all agents that are known here.

    **Examples**

    - `accord agents list`
    - `accord agents list --capability report.compose@^1`
    """
    action.list_agents(Shared(home, as_json, verbose, tuple(agents or ())), capability)


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(metavar="AGENT", help="Its name or id.", show_default=False, autocompletion=complete_agent),
    ],
    agents: AgentsFrom = None,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show an agent: its capabilities with their contracts, and its keys.

    **Example**

    - `accord agents show editor --json`
    """
    action.show_agent(Shared(home, as_json, verbose, tuple(agents or ())), name)
