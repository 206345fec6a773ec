"""Findings: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, ParamSpec

import msgspec

from accord.errors import AccordError, Problem

P = ParamSpec("P")
Grade = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True):
    """What was looked at, how it is, and what to do about it."""

    what: str
    grade: Grade
    told: str
    hint: str = ""


def made(check: Callable[P, Finding | Iterable[Finding]], *given: P.args, **named: P.kwargs) -> Iterator[Finding]:
    """What a check finds; that it cannot look is a failure of what it looks at."""
    what = getattr(check, "__name__", "").strip("_")
    try:
        found = check(*given, **named)
        yield from [found] if isinstance(found, Finding) else list(found)
    except AccordError as error:
        yield from failures(what, error.problems)
    except (OSError, sqlite3.Error) as error:
        yield Finding(what, "fail", str(error))


def failures(what: str, problems: Iterable[Problem]) -> Iterator[Finding]:
    """A failure for each problem."""
    for problem in problems:
        place = f"{problem.place}: " if str(problem.place) else ""
        yield Finding(what, "fail", f"{place}{problem.code} {problem.message}", problem.hint or "")
