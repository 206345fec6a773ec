"""Letters: commands for the owner of a partition, and what became of them.

A letter's id names what somebody wants to be done once: a letter that is known is not posted again, and it is answered
in the same append that does what it says. So whoever lost the answer asks again with the same letter.
"""

from __future__ import annotations

from typing import Final

import msgspec

from accord.domain import command as c
from accord.domain.ids import Digest, RunId
from accord.errors import AccordError, Problem, kind_of, refusal_of


class LetterContent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a letter says."""

    run: RunId
    command: c.ControlCommand | c.Start
    graph: Digest | None = None
    """Of a run that is to be started."""


CATCH_UP: Final = b'{"letter":"catch_up"}'
"""What a letter says that wants no command carried out, only that its reader has followed the shared streams."""

HEEDED: Final = b'{"ok":true}'
"""The answer to a letter that nobody waits for."""


class _CaughtUp(msgspec.Struct, frozen=True, omit_defaults=True):
    ok: bool = True
    by: str | None = None


def caught_up(by: str) -> bytes:
    """The answer to it, by the process of this name."""
    return msgspec.json.encode(_CaughtUp(by=by))


def caught_up_by(answer: bytes) -> str | None:
    """Which process has caught up; older ones do not say."""
    return msgspec.json.decode(answer, type=_CaughtUp).by


class _Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    ok: bool
    run: RunId | None = None
    kind: str = "error"
    problems: tuple[Problem, ...] = ()


def done(run: RunId) -> bytes:
    """The answer to a letter that was carried out on this run."""
    return msgspec.json.encode(_Outcome(ok=True, run=run))


def refused(error: AccordError) -> bytes:
    """The answer to a letter that was refused."""
    return msgspec.json.encode(_Outcome(ok=False, kind=kind_of(error), problems=error.problems))


def outcome(answer: bytes) -> RunId | None:
    """The run that a letter was carried out on; older answers do not say. Raises what the letter was refused with."""
    found = msgspec.json.decode(answer, type=_Outcome)
    if not found.ok:
        raise refusal_of(found.kind, found.problems)
    return found.run
