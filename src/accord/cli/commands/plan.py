"""`accord plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from accord.cli.commands.run import Target
from accord.cli.later import later
from accord.cli.options import Input, Set, Shared, shares

if TYPE_CHECKING:
    from accord.cli.actions import plan as action
else:
    action = later("accord.cli.actions.plan")


@shares("agents", "home")
def plan(shared: Shared, target: Target, given: Input = None, sets: Set = None) -> None:
    """Show the graph for an objective or a template, why each task and edge is there, and whether it holds.

    Nothing is run. The exit code is 2 where the verifier finds errors.

    **Examples**

    - `accord plan "compare typer and rich for a command line"`
    - `accord plan my.yaml --set limit=3 --agents my_agents.py`
    """
    action.plan(shared, action.Asked(target, given, tuple(sets or ())))
