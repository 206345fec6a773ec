"""`accord plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accord.cli.commands.run import Target
from accord.cli.later import later
from accord.cli.options import AgentsFrom, Home, Input, Json, Set, Shared, Verbose

if TYPE_CHECKING:
    from accord.cli.actions import plan as action
else:
    action = later("accord.cli.actions.plan")


def plan(  # noqa: PLR0913 - one parameter per option
    target: Target,
    given: Input = None,
    sets: Set = None,
    agents: AgentsFrom = None,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show the graph for an objective or a template, why each task and edge is there, and whether it holds.

    Nothing is run. The exit code is 2 where the verifier finds errors.

    **Examples**

    - `accord plan "compare typer and rich for a command line"`
    - `accord plan my.yaml --set limit=3 --agents my_agents.py`
    """
    shared = Shared(home, as_json, verbose, tuple(agents or ()))
    action.plan(shared, action.Asked(target, given, tuple(sets or ())))
