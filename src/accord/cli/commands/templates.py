"""`accord templates ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_target
from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import templates as action
else:
    action = later("accord.cli.actions.templates")

app = typer.Typer(name="templates", help="Which workflows there are, and what they do.", no_args_is_help=True)


@app.command("list")
@shares("home")
def list_(shared: Shared) -> None:
    """List the templates that come with Accord, and those that were published.

    **Example**

    - `accord templates list`
    """
    action.list_templates(shared)


@app.command()
@shares("home")
def show(
    shared: Shared,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A name, name@range, or a file.",
            show_default=False,
            autocompletion=complete_target,
        ),
    ],
) -> None:
    """Show a template: its input, its graph, and what each task does.

    **Examples**

    - `accord templates show competitive-analysis`
    - `accord templates show source-audit@^1 --json`
    """
    action.show_template(shared, name)


@app.command()
def schema() -> None:
    """Print the JSON Schema of templates, for editors.

    **Example**

    - `accord templates schema > accord-template.schema.json`
    """
    action.print_schema()


@app.command()
@shares("agents", "home")
def publish(
    shared: Shared,
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Template files.", show_default=False)],
    as_written: Annotated[
        bool, typer.Option("--version-as-written", help="Also where a version is too low for what has changed.")
    ] = False,
) -> None:
    """Verify templates and publish them: by name they can be run, and be part of other workflows. A version that is
    lower than what has changed since the one before deserves is refused.

    **Example**

    - `accord templates publish steps/*.yaml --agents my_agents.py`
    """
    action.publish(shared, paths, as_written=as_written)
