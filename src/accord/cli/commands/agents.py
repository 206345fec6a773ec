"""`accord agents ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_agent, complete_capability
from accord.cli.later import later
from accord.cli.options import AgentsFrom, Home, Json, Shared, Verbose

if TYPE_CHECKING:
    from accord.cli.actions import agents as action
    from accord.cli.actions import enrolments as tokens
else:
    action = later("accord.cli.actions.agents")
    tokens = later("accord.cli.actions.enrolments")

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


@app.command()
def enrol(  # noqa: PLR0913 - one parameter per option
    name: Annotated[str, typer.Argument(metavar="NAME", help="The agent's name.", show_default=False)],
    offers: Annotated[
        list[str] | None,
        typer.Option(
            "--offers",
            metavar="CAPABILITY[@RANGE]",
            help="What it may offer; anything where it is left out. Repeatable.",
            show_default=False,
        ),
    ] = None,
    organisation: Annotated[
        str | None,
        typer.Option("--organisation", metavar="NAME", help="The agent's; our own if left out.", show_default=False),
    ] = None,
    valid: Annotated[
        str, typer.Option("--valid", metavar="DURATION", help="How long the token may wait to be used.")
    ] = "24h",
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Make a token with which an agent may join once; it is shown this once.

    **Examples**

    - `accord agents enrol hello`
    - `accord agents enrol hello --offers text.greet --valid 1h`
    """
    tokens.enrol(Shared(home, as_json, verbose), tokens.Invited(name, tuple(offers or ()), organisation, valid))


@app.command()
def enrolments(home: Home = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """List the tokens with which agents may join, or have joined.

    **Example**

    - `accord agents enrolments --json`
    """
    tokens.enrolments(Shared(home, as_json, verbose))


@app.command()
def withdraw(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="The token's id.", show_default=False)],
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Let a token allow nothing any more; an agent that has joined with it stays.

    **Example**

    - `accord agents withdraw 5f0c2ab19d04`
    """
    tokens.withdraw(Shared(home, as_json, verbose), token)
