"""`accord doctor` and `accord version`."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import msgspec
import typer

from accord.cli.options import Json, Shared, shares
from accord.loading.later import later
from accord.release import release

if TYPE_CHECKING:
    from accord.cli.actions import doctor as action
else:
    action = later("accord.cli.actions.doctor")


@shares("agents", "home", "store", "bus")
def doctor(shared: Shared) -> None:
    """Look for everything that can be wrong here, and say what to do about it.

    The machine, the home, keys and settings, the journal and its blobs, in files or in PostgreSQL, the bus, runs that
    nobody works on, agents that cannot be loaded. The exit code is 1 where something fails; warnings alone do not.

    **Examples**

    - `accord doctor --home /srv/accord`
    - `accord doctor --agents my_agents.py --json`
    - `accord doctor --store postgresql://accord@db.example.org/accord --bus rediss://accord@bus.example.org`
    """
    raise typer.Exit(action.doctor(shared))


def version(as_json: Json = False) -> None:
    """Print the version.

    **Example**

    - `accord version --json`
    """
    number = release()
    if as_json:
        facts = {"accord": number, "python": platform.python_version(), "platform": platform.platform()}
        typer.echo(msgspec.json.encode(facts).decode())
    else:
        typer.echo(f"accord {number}")
