"""A server: whether it is there, ready, and lets us in."""

from __future__ import annotations

from typing import Final

from accord.cli.doctor.finding import Finding, failures
from accord.cli.options import Shared
from accord.cli.server import connected
from accord.client.patience import Patience
from accord.errors import AccordError

ONE_TRY: Final = Patience(attempts=1, refused_s=0.0)

LOOKS: Final = (
    ("server", "/v1/health/live", "it answers"),
    ("ready", "/v1/health/ready", "it serves"),
    ("credential", "/v1/holds", "the API key is accepted"),
)
"""What is looked at, where, and what it means that there is an answer; what follows a failure says nothing."""


async def server(url: str, shared: Shared) -> list[Finding]:
    """What is found of the server at a URL."""
    found: list[Finding] = []
    what = "credential"
    try:
        async with connected(url, shared.settings(), ONE_TRY) as connection:
            for what, path, told in LOOKS:
                await connection.data(path)
                found.append(Finding(what, "ok", told))
    except AccordError as error:
        found.extend(failures(what, error.problems))
    return found
