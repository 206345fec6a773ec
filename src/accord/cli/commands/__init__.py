"""The commands as they are typed: names, options and help, and nothing that takes time to load.

`app` is the tree of commands, in the order in which people meet them.
"""

from __future__ import annotations

import typer

from accord.cli.commands import runs
from accord.cli.commands.run import run
from accord.cli.errors import EXIT_CODES

PURPOSE = "Work for agents that do not trust each other: plan it, verify it, run it, and prove who did what."

app = typer.Typer(
    name="accord",
    help=PURPOSE,
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.add_typer(runs.app)


@app.callback()
def _top() -> None:
    """A callback makes Typer keep subcommands while there is only one."""
