"""The tree of commands, in the order in which people meet them."""

from __future__ import annotations

import typer

from accord.cli.errors import EXIT_CODES
from accord.cli.run import run

app = typer.Typer(
    name="accord",
    help="Work for agents that do not trust each other: plan, verify, run, and prove who did what.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)


@app.callback()
def _top() -> None:
    """Work for agents that do not trust each other: plan, verify, run, and prove who did what."""
