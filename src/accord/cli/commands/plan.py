"""`accord plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.commands.run import Meant, Target
from accord.cli.options import Input, Set, Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import plan as action
else:
    action = later("accord.cli.actions.plan")


@shares("agents", "home")
def plan(
    shared: Shared,
    target: Target,
    given: Input = None,
    sets: Set = None,
    meant: Meant = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FILE", help="Write the template here, as YAML.", show_default=False),
    ] = None,
) -> None:
    """Show the graph for an objective or a template, why each task and edge is there, and whether it holds.

    Nothing is run. The exit code is 2 where the verifier finds errors. An objective that no template means is composed
    of what agents offer, or a language model suggests a graph, where the settings name one. `--save` writes it as a
    template that can be edited and run, with what the objective says as defaults of its input.

    **Examples**

    - `accord plan "compare typer and rich for a command line"`
    - `accord plan "look for weak spots in ./src" --template source-audit`
    - `accord plan my.yaml --set limit=3 --agents my_agents.py`
    - `accord plan "fetch the page, then translate it into German" --agents my_agents.py --save draft.yaml`
    """
    action.plan(shared, action.Asked(target, given, tuple(sets or ()), meant), save)
