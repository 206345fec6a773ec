"""`accord keys ...`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.completion import complete_key
from accord.cli.options import Shared, shares
from accord.loading.later import later

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
@shares("home")
def new(
    shared: Shared,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the key is called.", show_default=False)],
    algorithm: Annotated[Algorithm, typer.Option("--algorithm", help="How it signs.")] = Algorithm.ES256,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="TIME",
            help="How long its agent may sign with it; for good if left out.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a key; the file is encrypted, and readable by you alone.

    With --expires the key is enrolled at once, and nothing is accepted under it after that time.

    **Examples**

    - `accord keys new agent.local.translator`
    - `accord keys new agent.local.translator --expires 90d`
    """
    action.new_key(shared, name, algorithm.value, expires)


@app.command("list")
@shares("home")
def list_(shared: Shared) -> None:
    """List the keys: their names, what has become of them, and since when.

    **Example**

    - `accord keys list --json`
    """
    action.list_keys(shared)


@app.command()
@shares("home")
def rotate(
    shared: Shared,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="What the key is called.", show_default=False, autocompletion=complete_key),
    ],
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="TIME", help="How long the old one is accepted beside it.")
    ] = "1h",
    algorithm: Annotated[Algorithm, typer.Option("--algorithm", help="How the new one signs.")] = Algorithm.ES256,
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires",
            metavar="TIME",
            help="How long the new one may sign; as long as the old one if left out.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Put a new key in the place of one; the old one is accepted for a while, so that nothing stops.

    What starts from now on signs with the new key. What runs already goes on with the old one: start it again before
    the overlap ends. A revoked key gets its successor in the same way.

    **Examples**

    - `accord keys rotate agent.local.translator`
    - `accord keys rotate agent.local.translator --overlap 7d --expires 90d`
    """
    action.rotate_key(shared, name, overlap, action.Kind(algorithm.value, expires))


@app.command()
@shares("home")
def rewrap(
    shared: Shared,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make a new wrapping key first, in place of the one that wraps.")
    ] = False,
) -> None:
    """Wrap the data keys of encrypted runs under the present wrapping key, or a new one; runs go on meanwhile.

    Afterwards the wrapping keys before it are not needed any more. What was broken off goes on where it had come to:
    call it again without --new-key. What has been wrapped anew already stays as it is.

    **Examples**

    - `accord keys rewrap --new-key`
    - `accord keys rewrap --json`
    """
    action.rewrap_keys(shared, new_key=new_key)


@app.command()
@shares("home")
def revoke(
    shared: Shared,
    key: Annotated[
        str,
        typer.Argument(
            metavar="NAME|KID",
            help="What the key is called, or its id.",
            show_default=False,
            autocompletion=complete_key,
        ),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the journal.", show_default=False)] = "",
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="Since when it may have been in other hands: 2h, 3d, or a time.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Accept nothing more under an agent's key, at once and in every process.

    A name means its newest key, and those before it that are still accepted; where one before was revoked and the
    newest is good, say which one by its id. What was accepted before stays. With --at, what was accepted since then
    is in doubt: `accord journal verify RUN` says so.

    **Examples**

    - `accord keys revoke agent.local.translator --reason "the laptop is lost"`
    - `accord keys revoke agent.local.translator --at 2d`
    """
    action.revoke_key(shared, key, reason, at)


@app.command()
@shares("home")
def impact(
    shared: Shared,
    key: Annotated[
        str,
        typer.Argument(
            metavar="NAME|KID",
            help="What the key is called, or its id.",
            show_default=False,
            autocompletion=complete_key,
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Only what was accepted under it since then: 2h, 3d, or a time.",
            show_default=False,
        ),
    ] = None,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Hold its agent, and all that rests on it.")] = False,
    release: Annotated[bool, typer.Option("--release", help="Lift that again: of its agent, and all marks.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the journal.", show_default=False)] = "",
) -> None:
    """Tell what rests on a key: runs with results that it has signed, the tasks behind them, and the final reports.

    A name means its newest key and all before it, an id that one alone. With --quarantine its agent gets nothing more,
    the runs are marked as in doubt, and those under way are paused. --release lets the agent go and takes the marks
    away; `accord runs resume RUN` goes on with a run.

    **Examples**

    - `accord keys impact agent.local.translator --since 2d`
    - `accord keys impact agent.local.translator --quarantine --reason "the laptop is lost"`
    """
    action.show_impact(shared, key, action.Measures(since, quarantine, release, reason))
