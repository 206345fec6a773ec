"""`accord keys ...`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.later import later
from accord.cli.options import Home, Json, Shared, Verbose

if TYPE_CHECKING:
    from accord.cli.actions import keys as action
else:
    action = later("accord.cli.actions.keys")

app = typer.Typer(name="keys", help="The keys that sign here.", no_args_is_help=True)


class Algorithm(StrEnum):
    """How a key signs."""

    ES256 = "ES256"
    ED25519 = "Ed25519"


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is called.", show_default=False)],
    algorithm: Annotated[Algorithm, typer.Option("--algorithm", help="How it signs.")] = Algorithm.ES256,
    home: Home = None,
    as_json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Make a key; the file is encrypted, and readable by you alone.

    **Example**

    - `accord keys new agent.local.translator`
    """
    action.new_key(Shared(home, as_json, verbose), name, algorithm.value)


@app.command("list")
def list_(home: Home = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """List the keys: their names and public halves.

    **Example**

    - `accord keys list --json`
    """
    action.list_keys(Shared(home, as_json, verbose))
