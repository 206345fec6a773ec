"""Which release of Accord this is."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version


@cache
def release() -> str:
    """The version of the installed package. Finding it out reads a file of the package, so it is done once."""
    return version("accord-orchestrator")
