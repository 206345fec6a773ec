"""`accord diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from accord.cli.completion import complete_target
from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import diff as action
else:
    action = later("accord.cli.actions.diff")

Compared: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="NAME|DIGEST|FILE",
        help="A template or a capability by name, name@range or digest; or a file, also of an agent.",
        show_default=False,
        autocompletion=complete_target,
    ),
]


@shares("agents")
def diff(shared: Shared, before: Compared, after: Compared) -> None:
    """Show what is different between two templates or contracts, who the new one is safe for, and which version it
    deserves. Each "safe" is proven, each "not safe" has an example. The exit code is 1 where its version is too low.

    **Examples**

    - `accord diff source-audit@1.0.0 source-audit`
    - `accord diff source-audit ./source-audit.yaml --json`
    - `accord diff text.summarize@1.0.0 ./summarizer.yaml`
    """
    action.diff(shared, before, after)
