"""`accord top`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from accord.cli.options import Shared, shares
from accord.loading.later import later

if TYPE_CHECKING:
    from accord.cli.actions import top as action
else:
    action = later("accord.cli.actions.top")


class Order(StrEnum):
    """What agents are sorted by."""

    LOAD = "load"
    NAME = "name"


@shares("home", "store", "bus")
def top(
    shared: Shared,
    by: Annotated[Order, typer.Option("--by", help="What agents are sorted by.")] = Order.LOAD,
    every: Annotated[float, typer.Option("--every", min=0.2, max=3600, help="Seconds until it looks again.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
) -> None:
    """Watch who works and what waits: processes and their partitions, queues, agents and their load.

    It goes on until `q` or Ctrl-C in a terminal; elsewhere, and with --json, it looks once.

    **Examples**

    - `accord top`
    - `accord top --by name`
    - `accord top --json`
    """
    action.top(shared, by=by.value, every_s=every, once=once)
