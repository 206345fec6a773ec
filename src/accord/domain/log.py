"""Log lines: what an agent says of its work while it does it, for people. Nothing is ever decided by them.

An agent numbers the lines of an attempt from 1 on, those included that it could not send. So whoever has lines 1 to 3
and 5 knows that one is missing, whether the agent, the way or a bound has dropped it. What comes twice is kept once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from accord.domain.ids import RunId, TaskId

Level = Literal["debug", "info", "warning", "error"]
"""How much a line matters, the least first."""

LEVELS: Final[tuple[Level, ...]] = get_args(Level)

MESSAGE_MAX_CHARACTERS: Final = 4000

LINE_MAX_BYTES: Final = 8 << 10
"""Bound of one line as JSON."""

LINES_MAX: Final = 200
"""Lines of one statement."""

BATCH_MAX_BYTES: Final = 64 << 10
"""Bound of the payload of one statement."""

ATTEMPT_MAX_BYTES: Final = 1 << 20
"""So much is kept of one attempt; what comes after it is counted and no more."""

NUMBER_MAX: Final = (1 << 53) - 1

_NUMBER = msgspec.Meta(ge=1, le=NUMBER_MAX)


class LogLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False):
    """A line as its agent has written it."""

    at: Annotated[datetime, msgspec.Meta(tz=True)]
    """RFC 3339, by the agent's clock."""
    level: Level
    message: Annotated[str, msgspec.Meta(max_length=MESSAGE_MAX_CHARACTERS)]
    fields: dict[str, Any] = {}
    """What belongs to it beside the words."""


class LogPayload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """What an attempt has said since the batch before."""

    first: Annotated[int, _NUMBER]
    """The number of the first of these lines; the others follow without a gap. A batch without lines says that those
    before this number were dropped."""
    lines: Annotated[tuple[LogLine, ...], msgspec.Meta(max_length=LINES_MAX)]


class LoggedLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A line that is kept, and whose it is."""

    task: TaskId
    attempt: int
    number: int
    """Among the lines of its attempt, from 1 on."""
    at: datetime
    """By the agent's clock."""
    level: Level
    message: str
    fields: dict[str, Any] = {}


class LogGap(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Lines of an attempt that are not kept: its agent, the way or a bound has dropped them."""

    task: TaskId
    attempt: int
    missing: int


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines of a run are wanted, in the order in which they came."""

    task: TaskId | None = None
    """Only of this task, and of its items."""
    attempt: int | None = None
    level: Level = "debug"
    """Only lines that matter so much, or more."""
    after: str | None = None
    """Only what is behind this place."""
    limit: int = 500
    at: int | None = None
    """Only what was written by the time of this event of the run; all that is there where it is left out."""


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some lines of a run."""

    run: RunId
    lines: tuple[LoggedLine, ...]
    gaps: tuple[LogGap, ...]
    """Of all attempts that are asked for, not of this page alone."""
    next: str | None
    """The place behind these lines, from where to go on, now or later; None where nothing was ever logged."""
    more: bool
    """Whether there is something behind it already."""


class Tally(msgspec.Struct, frozen=True, gc=False):
    """What is known of the lines of one attempt."""

    said: int = 0
    """The number of the last line that the agent has told of."""
    kept: int = 0
    kept_bytes: int = 0


def rank(level: Level) -> int:
    """How much it matters, from 0 on."""
    return LEVELS.index(level)


def number_lines(task: TaskId, attempt: int, payload: LogPayload) -> list[LoggedLine]:
    """The lines of a batch, each with its number."""
    return [
        LoggedLine(
            task=task,
            attempt=attempt,
            number=number,
            at=line.at,
            level=line.level,
            message=line.message,
            fields=line.fields,
        )
        for number, line in enumerate(payload.lines, payload.first)
    ]


def tallied(
    tally: Tally, payload: LogPayload, lines: Sequence[LoggedLine], most_bytes: int
) -> tuple[Tally, list[LoggedLine]]:
    """What is known after a batch, and those of its lines that are to be kept: neither what was told before, nor what
    goes beyond so many bytes of the attempt.
    """
    kept: list[LoggedLine] = []
    held = tally.kept_bytes
    for line in lines:
        size = len(msgspec.json.encode(line))
        if line.number > tally.said and held + size <= most_bytes:
            kept.append(line)
            held += size
    said = max(tally.said, payload.first - 1 + len(payload.lines))
    return Tally(said, tally.kept + len(kept), held), kept
