"""`accord console`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import console as action
else:
    action = later("accord.cli.actions.console")


@shares("home")
def console(
    shared: Shared,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="Print the link alone: for a browser elsewhere.", show_default=False)
    ] = False,
) -> None:
    """Open the console of a server in the browser, signed in.

    The link that is printed signs in once, within 15 minutes, as whoever the key belongs to: that of `ACCORD_API_KEY`,
    or on the same machine the one that `accord serve` has kept. Without `--server`, the server at the address of the
    settings is meant.

    **Examples**

    - `accord console`
    - `accord console --no-open`
    """
    action.console(shared, opens=not no_open)
