"""`accord signer`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import signer as action
else:
    action = later("accord.cli.actions.signer")


@shares("home")
def signer(  # noqa: PLR0913 - one parameter per option
    shared: Shared,
    agents: Annotated[
        list[str],
        typer.Argument(metavar="AGENT...", help="Names of the agents whose keys it holds.", show_default=False),
    ],
    trust: Annotated[
        list[str],
        typer.Option(
            "--trust",
            metavar="KEY",
            help="Believe assignments of the orchestrator with this key: `accord serve` prints it. Repeatable.",
            show_default=False,
        ),
    ],
    path: Annotated[
        Path | None,
        typer.Option("--socket", metavar="PATH", help="Where it listens: `signer.sock` in the home, else."),
    ] = None,
    users: Annotated[
        list[str] | None,
        typer.Option(
            "--user",
            metavar="NAME|UID",
            help="Who may ask it: the user that runs it, where nobody is named. Repeatable.",
            show_default=False,
        ),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="NAME|GID", help="Processes of this group may ask it, too. Repeatable."),
    ] = None,
    lingers: Annotated[
        float,
        typer.Option(
            "--hours", metavar="HOURS", min=0, help="How long after an assignment's time an answer may still be signed."
        ),
    ] = 24.0,
) -> None:
    """Hold the keys of agents, and sign what fits for their processes, until Ctrl-C or SIGTERM.

    An agent that is started with `--signer PATH` never sees its key. The signer signs who the agent is
    and how it is; and what it says about an assignment, once it has seen that, as the orchestrator has signed it. It
    signs nothing else, above all no bytes that are no statement. What it refuses it says, and why. Keys that are
    missing are made when it starts.

    **Examples**

    - `accord signer summarizer --trust 5JdW…`
    - `accord signer writer editor --trust 5JdW… --socket /run/accord/signer.sock --user accord-agents`
    """
    asked = action.Asked(
        agents=tuple(agents),
        trust=tuple(trust),
        path=path,
        users=tuple(users or ()),
        groups=tuple(groups or ()),
        lingers_h=lingers,
    )
    action.signer(shared, asked)
