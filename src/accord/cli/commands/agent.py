"""`accord agent`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import agent as action
else:
    action = later("accord.cli.actions.agent")


@shares("home")
def agent(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE[:NAME]|FILE",
            help="The agent: a module, a Python file (`hello.py`, `hello.py:agent`), or a YAML file.",
            show_default=False,
        ),
    ],
    connect: Annotated[
        str, typer.Option("--connect", metavar="URL", help="Where `accord serve` listens.", show_default=False)
    ],
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TOKEN",
            help="An enrolment token, for the first time: an admin makes one with `accord agents enrol`.",
            show_default=False,
        ),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            "--trust",
            metavar="KEY",
            help="Believe the orchestrator with this key; a token says it as well. Repeatable.",
            show_default=False,
        ),
    ] = None,
    signer: Annotated[
        Path | None,
        typer.Option(
            "--signer",
            metavar="PATH",
            help="The socket of `accord signer`, which holds the agent's key, so that it is not in this process.",
            show_default=False,
        ),
    ] = None,
    instances: Annotated[
        int, typer.Option("--instances", min=1, max=256, help="How many processes of it, side by side.")
    ] = 1,
    drain: Annotated[
        float, typer.Option("--drain", metavar="SECONDS", min=0, help="How long its work may go on when it is stopped.")
    ] = 30.0,
    child: Annotated[
        bool, typer.Option("--child", hidden=True, help="End with the process at the other end of the standard input.")
    ] = False,
) -> None:
    """Run an agent for an orchestrator elsewhere, until Ctrl-C or SIGTERM.

    It has a key of its own, made here at the first start, and joins with an enrolment token; where the home holds an
    admin's credential, as that of `accord serve` on this machine does, it gets its token by itself. A connection that
    is lost is made again. When it is told to stop, it takes nothing new, ends what it has begun, gives back the rest.

    **Examples**

    - `accord agent hello.py --connect http://127.0.0.1:8421`
    - `accord agent my.module:agent --connect https://accord.example --token accord-enrol.…`
    - `accord agent hello.py --connect http://127.0.0.1:8421 --instances 4`
    - `accord agent hello.py --connect http://127.0.0.1:8421 --signer /run/accord/signer.sock`
    """
    asked = action.Asked(
        target=target,
        url=connect,
        token=token,
        trust=tuple(trust or ()),
        signer=signer,
        drain_s=drain,
        is_child=child,
    )
    action.agent(shared, asked, instances)
