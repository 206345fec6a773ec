"""`accord templates ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_template
from accord.cli.later import later
from accord.cli.options import AgentsFrom, Home, Json, Shared, Verbose

if TYPE_CHECKING:
    from accord.cli.actions import templates as action
else:
    action = later("accord.cli.actions.templates")

app = typer.Typer(name="templates", help="Which workflows there are, and what they do.", no_args_is_help=True)


@app.command("list")
def list_(home: Home = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """List the templates that come with Accord, and those that were published.

    **Example**

    - `accord templates list`
    """
    action.list_templates(Shared(home, as_json, verbose))


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FILE",
            help="A name, name@range, or a file.",
            show_default=False,
            autocompletion=complete_template,
        ),
    ],
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Show a template: its input, its graph, and what each task does.

    **Examples**

    - `accord templates show competitive-analysis`
    - `accord templates show source-audit@^1 --json`
    """
    action.show_template(Shared(home, as_json, verbose), name)


@app.command()
def schema() -> None:
    """Print the JSON Schema of templates, for editors.

    **Example**

    - `accord templates schema > accord-template.schema.json`
    """
    action.print_schema()


@app.command()
def publish(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Template files.", show_default=False)],
    agents: AgentsFrom = None,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Verify templates and publish them: by name they can be run, and be part of other workflows.

    **Example**

    - `accord templates publish steps/*.yaml --agents my_agents.py`
    """
    action.publish(Shared(home, as_json, verbose, tuple(agents or ())), paths)
