"""`accord access ...`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import access as action
else:
    action = later("accord.cli.actions.access")

app = typer.Typer(name="access", help="Who may ask a server, and what.", no_args_is_help=True)
keys = typer.Typer(name="keys", help="API keys: credentials of people and programs.", no_args_is_help=True)
app.add_typer(keys)


class Role(StrEnum):
    """What a key allows; each allows all that those before it do."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUTHOR = "author"
    ADMIN = "admin"


@keys.command()
@shares("home")
def new(
    shared: Shared,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whom or what it is for: `ci`, `grafana`.", show_default=False)
    ],
    role: Annotated[Role, typer.Option("--role", help="What it allows.", show_default=False)],
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="DURATION|TIME",
            help="When it ends: in `90d`, or at `2027-01-31T00:00:00Z`. Never where it is left out.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Issue an API key; its text is printed this once, only a hash of it is kept.

    A viewer may look; an operator may start and control runs as well; an author may publish templates as well; an admin
    may do everything.

    **Examples**

    - `accord access keys new grafana --role viewer`
    - `accord access keys new ci --role operator --expires 90d`
    """
    action.new_key(shared, name, role.value, expires)


@keys.command("list")
@shares("home")
def list_(shared: Shared) -> None:
    """List the API keys that were ever issued.

    **Example**

    - `accord access keys list`
    """
    action.list_keys(shared)


@keys.command()
@shares("home")
def revoke(
    shared: Shared,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The key's name, or its id.", show_default=False)],
) -> None:
    """Revoke an API key: servers of this home refuse it within seconds.

    **Example**

    - `accord access keys revoke ci`
    """
    action.revoke_key(shared, name)
