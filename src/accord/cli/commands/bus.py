"""`accord bus ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.addresses import BusKind
from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import bus as action
else:
    action = later("accord.cli.actions.bus")

app = typer.Typer(name="bus", help="What carries messages between processes and machines.", no_args_is_help=True)


@app.command()
@shares("home")
def users(
    shared: Shared,
    to: Annotated[
        Path,
        typer.Option("--to", metavar="DIR", help="The folder with the users: it is made, or added to."),
    ],
    agents: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="AGENT[=NKEY]...",
            help="Agents that shall connect to the bus themselves, by name or id; for NATS with a public nkey, where "
            "its seed was made elsewhere.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[BusKind, typer.Option("--kind", help="What the server is.")] = "nats",
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            metavar="NAME",
            help="The namespace, where the bus's URL has one; else it is the organisation.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write the users of a NATS or Redis server: for the orchestrators, and for each agent that connects to it.

    `accord.conf` in the folder is for a NATS server to include. A user is known by an nkey: its seed, which is made
    here where there is none yet, is what `bus_password_file` names in its process, and is in no other file. For Redis
    it is `users.acl`, and a password for each. Each may do no more than it needs: an agent publishes its own answers,
    reads its own queue, and removes nothing of others. Whose file is taken out of the folder is no user any more, when
    this has been run again and the server has read it.

    **Examples**

    - `accord bus users --to /etc/nats/accord`
    - `accord bus users writer spiffe://acme/agent/editor=UA… --to /etc/nats/accord`
    - `accord bus users writer --kind redis --to /etc/redis/accord`
    """
    action.write_users(shared, action.Asked(kind, to, tuple(agents or ()), namespace))


@app.command()
@shares("home", "bus")
def dead(
    shared: Shared,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many, the oldest ones first.")] = 50,
) -> None:
    """List dead letters: messages that were delivered very often and that nobody has dealt with.

    They were put aside so that they hold up nothing. The tasks that they are about are given out again.

    **Example**

    - `accord bus dead --bus nats://accord@bus.example.org`
    """
    action.list_dead(shared, limit)
