"""`accord doctor` and `accord version`."""

from __future__ import annotations

import platform
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING

import msgspec
import typer

from accord.cli.later import later
from accord.cli.options import Home, Json, Shared, Verbose

if TYPE_CHECKING:
    from accord.cli.actions import doctor as action
else:
    action = later("accord.cli.actions.doctor")


def doctor(home: Home = None, as_json: Json = False, verbose: Verbose = False) -> None:
    """Look whether this machine can run Accord, and say what to do where it cannot.

    The exit code is 1 where something fails.

    **Example**

    - `accord doctor --home /srv/accord`
    """
    raise typer.Exit(action.doctor(Shared(home, as_json, verbose)))


def version(as_json: Json = False) -> None:
    """Print the version.

    **Example**

    - `accord version --json`
    """
    number = version_of("accord-orchestrator")
    if as_json:
        facts = {"accord": number, "python": platform.python_version(), "platform": platform.platform()}
        typer.echo(msgspec.json.encode(facts).decode())
    else:
        typer.echo(f"accord {number}")
