"""`accord store ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import store as action
else:
    action = later("accord.cli.actions.store")

app = typer.Typer(name="store", help="The PostgreSQL database with journal and blobs.", no_args_is_help=True)


@app.command()
@shares("home", "store")
def migrate(
    shared: Shared,
    finish: Annotated[
        bool,
        typer.Option("--finish", help="No process of an older version is left: do also what only they stood against."),
    ] = False,
) -> None:
    """Make the schema, or bring it to this version, as its owner.

    What processes of the version before survive is done at once, before any of this version starts; the rest waits for
    `--finish`, when all of them have gone. Several may do this at the same time.

    **Examples**

    - `accord store migrate --store postgresql://owner@db.example.org/accord`
    - `accord store migrate --finish`
    """
    action.migrate_store(shared, finish=finish)


@app.command()
@shares("home", "store")
def grant(
    shared: Shared,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="A role that the server has.", show_default=False)],
) -> None:
    """Let a role of the server work with the store, and nothing more: it can neither change nor remove events.

    **Example**

    - `accord store grant accord_app --store postgresql://owner@db.example.org/accord`
    """
    action.grant_store(shared, role)
