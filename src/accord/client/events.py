"""What a client is told of a run that it watches."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from accord.domain.ids import TaskId


class RunEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a run."""

    sequence: int
    """Its number; `watch(run, after=sequence)` goes on behind it."""
    event: str
    """What has happened: `task.completed` for example."""
    at: datetime
    task: TaskId | None
    """The task that it is about, where it is about one."""
    members: dict[str, Any]
    """All that the journal says of it."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far an agent says that it is; it is kept nowhere."""

    task: TaskId
    attempt: int
    fraction: float
    """From 0 to 1."""
    message: str


Happening = RunEvent | Progress


class _Line(msgspec.Struct):
    sequence: int
    event: dict[str, Any]


def read_happening(kind: str, data: str) -> Happening | None:
    """What a line of a feed tells; None for what is told to the connection alone, or is not known yet."""
    if kind == "progress":
        return msgspec.json.decode(data, type=Progress)
    if kind != "record":
        return None
    line = msgspec.json.decode(data, type=_Line)
    members = line.event
    return RunEvent(
        sequence=line.sequence,
        event=members["event"],
        at=msgspec.convert(members["at"], datetime),
        task=members.get("task"),
        members=members,
    )
