"""`accord new ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import new as action
else:
    action = later("accord.cli.actions.new")

app = typer.Typer(name="new", help="Write a template, or an agent, to start from.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is called.", show_default=False)]
File = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Where to; beside you where it is left out.", show_default=False),
]


@app.command()
@shares()
def template(shared: Shared, name: Name, file: File = None) -> None:
    """Write a workflow that runs as it is, with comments; never over another file.

    **Example**

    - `accord new template nightly-check`
    """
    action.new_template(shared, name, file)


@app.command()
@shares()
def agent(shared: Shared, name: Name, file: File = None) -> None:
    """Write an agent that works as it is, with comments; never over another file.

    **Example**

    - `accord new agent greeter`
    """
    action.new_agent(shared, name, file)
