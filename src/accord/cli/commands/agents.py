"""`accord agents ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_agent, complete_capability
from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import agents as action
    from accord.cli.actions import enrolments as tokens
else:
    action = later("accord.cli.actions.agents")
    tokens = later("accord.cli.actions.enrolments")

app = typer.Typer(name="agents", help="Who is known, what they offer, and their keys.", no_args_is_help=True)


@app.command("list")
@shares("agents", "home")
def list_(
    shared: Shared,
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
) -> None:
    """List all agents that are known here.

    **Examples**

    - `accord agents list`
    - `accord agents list --capability report.compose@^1`
    """
    action.list_agents(shared, capability)


@app.command()
@shares("agents", "home")
def show(
    shared: Shared,
    name: Annotated[
        str,
        typer.Argument(metavar="AGENT", help="Its name or id.", show_default=False, autocompletion=complete_agent),
    ],
) -> None:
    """Show an agent: its capabilities with their contracts, and its keys.

    **Example**

    - `accord agents show editor --json`
    """
    action.show_agent(shared, name)


@app.command()
@shares("home")
def enrol(
    shared: Shared,
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
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="DURATION",
            help="How long the agent's key may sign; for good if left out.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a token with which an agent may join once; it is shown this once.

    **Examples**

    - `accord agents enrol hello`
    - `accord agents enrol hello --offers text.greet --valid 1h --expires 90d`
    """
    tokens.enrol(shared, tokens.Invited(name, tuple(offers or ()), organisation, valid, expires))


@app.command()
@shares("home")
def enrolments(shared: Shared) -> None:
    """List the tokens with which agents may join, or have joined.

    **Example**

    - `accord agents enrolments --json`
    """
    tokens.enrolments(shared)


@app.command()
@shares("home")
def withdraw(
    shared: Shared, token: Annotated[str, typer.Argument(metavar="TOKEN", help="The token's id.", show_default=False)]
) -> None:
    """Let a token allow nothing any more; an agent that has joined with it stays.

    **Example**

    - `accord agents withdraw 5f0c2ab19d04`
    """
    tokens.withdraw(shared, token)
