"""Orders: commands on their way to the orchestrator's loop."""

from __future__ import annotations

import asyncio

import msgspec

from accord.domain.command import Command
from accord.domain.event import Parent
from accord.domain.ids import Digest, RunId
from accord.domain.run import Run


class Order(msgspec.Struct):
    """A command of the engine itself, or of a person, and who waits for it to be durable."""

    run: RunId
    command: Command
    done: asyncio.Future[Run] | None = None
    graph: Digest | None = None
    """Of a run that is to be started."""
    letter: str | None = None
    """The letter that it came in, which has to be answered."""
    new: bool = False
    """Whether the run's id was made just now, so that there cannot be such a run yet."""
    parent: Parent | None = None
    """The task that the run does, for commands that come from there: it waits for the run's end."""
