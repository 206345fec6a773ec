"""The commands as they are typed: names, options and help, and nothing that takes time to load.

`app` is the tree of commands, in the order in which people meet them.
"""

from __future__ import annotations

from typing import Annotated

import typer

from accord.cli.commands import (
    access,
    agents,
    approvals,
    bus,
    incidents,
    journal,
    keys,
    new,
    planner,
    policy,
    runs,
    store,
    templates,
    webhooks,
)
from accord.cli.commands.agent import agent
from accord.cli.commands.conformance import conformance
from accord.cli.commands.console import console
from accord.cli.commands.diff import diff
from accord.cli.commands.doctor import doctor, version
from accord.cli.commands.plan import plan
from accord.cli.commands.run import run
from accord.cli.commands.serve import serve
from accord.cli.commands.signer import signer
from accord.cli.commands.test import workflow_tests
from accord.cli.commands.top import top
from accord.cli.commands.verify import verify
from accord.cli.errors import EXIT_CODES
from accord.cli.options import Ca, Server, named_ca, named_server

PURPOSE = "Work for agents that do not trust each other: plan it, verify it, run it, and prove who did what."

app = typer.Typer(
    name="accord",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

WORK, LOOK, WRITE = "Work", "Look", "Set up"
app.command(rich_help_panel=WORK)(run)
app.command(rich_help_panel=WORK)(plan)
app.command(rich_help_panel=WORK)(verify)
app.command(rich_help_panel=WORK)(diff)
app.command("test", rich_help_panel=WORK)(workflow_tests)
app.add_typer(runs.app, rich_help_panel=WORK)
app.command(rich_help_panel=WORK)(serve)
app.command(rich_help_panel=WORK)(agent)
app.command(rich_help_panel=WORK)(signer)
app.command(rich_help_panel=LOOK)(console)
app.command(rich_help_panel=LOOK)(top)
app.command(rich_help_panel=LOOK)(conformance)
app.command(rich_help_panel=LOOK)(doctor)
app.command(rich_help_panel=LOOK)(version)
app.add_typer(approvals.app, rich_help_panel=LOOK)
app.add_typer(agents.app, rich_help_panel=LOOK)
app.add_typer(templates.app, rich_help_panel=LOOK)
app.add_typer(planner.app, rich_help_panel=LOOK)
app.add_typer(journal.app, rich_help_panel=LOOK)
app.add_typer(incidents.app, rich_help_panel=LOOK)
app.add_typer(new.app, rich_help_panel=WRITE)
app.add_typer(keys.app, rich_help_panel=WRITE)
app.add_typer(store.app, rich_help_panel=WRITE)
app.add_typer(bus.app, rich_help_panel=WRITE)
app.add_typer(access.app, rich_help_panel=WRITE)
app.add_typer(policy.app, rich_help_panel=WRITE)
app.add_typer(webhooks.app, rich_help_panel=WRITE)


def _print_version(asked: bool) -> None:
    if asked:
        version()
        raise typer.Exit


@app.callback(help=PURPOSE)
def _top(
    server: Server = None,
    ca: Ca = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    named_server.set(server)
    named_ca.set(ca)
