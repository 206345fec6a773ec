"""Why: for each attempt of a task, why it was wanted, why its agent was chosen, why its result was not taken, and what
was done then. All of it is in the journal; this only reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from accord.domain import event as e
from accord.domain.causes import problem_words
from accord.domain.fault import Fault
from accord.domain.grounds import Grounds, short_name
from accord.domain.ids import TaskId
from accord.errors import Problem

Refused = e.AttemptRejected | e.AttemptFailed | e.AttemptExpired | e.AttemptCancelled


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why an attempt gave no result that was taken, and what was done then."""

    why: str
    """In words."""
    problems: tuple[Problem, ...] = ()
    fault: Fault | None = None
    """Whose doing it is, where a contract was broken."""
    then: str = ""
    """In words; empty while nothing has been done yet."""


class Reasons(msgspec.Struct, kw_only=True):
    """What the events say of an attempt beside its state."""

    wanted: str
    grounds: Grounds | None
    chosen: str
    """Why this agent, in words."""
    assigned_event: int
    """The number of the event by which it was assigned."""
    ended: datetime | None = None
    ended_event: int | None = None
    cause: str = ""
    refusal: Refusal | None = None


def reasons_of(events: Iterable[tuple[int, e.Event]], task: TaskId) -> dict[int, Reasons]:
    """By attempt number, of the events of a run with their numbers."""
    found: dict[int, Reasons] = {}
    wanted, open_ = "", list[Reasons]()
    for sequence, event in events:
        if getattr(event, "task", None) != task:
            continue
        then = _then(event)
        if then and open_:
            _settle(open_, then)
        if isinstance(event, e.AttemptWanted):
            wanted = event.reason
        elif isinstance(event, e.AttemptAssigned):
            chosen = event.grounds.words() if event.grounds is not None else event.choice
            found[event.attempt] = Reasons(wanted=wanted, grounds=event.grounds, chosen=chosen, assigned_event=sequence)
        elif isinstance(event, e.AttemptSucceeded | Refused):
            one = found[event.attempt]
            one.ended, one.ended_event = event.at, sequence
            one.cause = getattr(event, "reason", "") or getattr(event, "cause", "")
            if isinstance(event, Refused):
                one.refusal = _refusal(event)
                open_.append(one)
    return found


def _settle(open_: list[Reasons], then: str) -> None:
    """This is what was done about all that had not been answered."""
    for one in open_:
        assert one.refusal is not None  # noqa: S101 - only those that were refused are open
        one.refusal = msgspec.structs.replace(one.refusal, then=then)
    open_.clear()


_EXPIRED: Final[Mapping[e.Expiry, str]] = {
    "lease": "there was no sign of life within its lease",
    "timeout": "it took longer than it may",
    "agent_lost": "the agent left",
}


def _refusal(event: Refused) -> Refusal:
    if isinstance(event, e.AttemptRejected):
        return Refusal(
            why=_first("the result was rejected", event.problems), problems=event.problems, fault=event.fault
        )
    if isinstance(event, e.AttemptFailed):
        problems = (event.problem,)
        return Refusal(why=_first("the agent could not do it", problems), problems=problems, fault=event.fault)
    if isinstance(event, e.AttemptExpired):
        return Refusal(why=_EXPIRED[event.cause])
    return Refusal(why=f"it was taken back: {event.reason}")


def _first(what: str, problems: tuple[Problem, ...]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{what}: {problem_words(problems[0])}{more}" if problems else what


def _then(event: e.Event) -> str:
    """What was done, where this event is an answer to an attempt that gave nothing."""
    if isinstance(event, e.AttemptWanted):
        return _wanted_words(event)
    if isinstance(event, e.TaskWaiting) and event.for_ == "review":
        return "a human was asked to review it"
    if isinstance(event, e.TaskCompleted):
        return "another way gave the output" if event.by == "fallback" else "the task completed all the same"
    if isinstance(event, e.TaskFailed):
        return f"the task failed: {event.problem.code} {event.problem.message}"
    if isinstance(event, e.TaskCancelled | e.TaskSkipped):
        return f"the task was {'cancelled' if isinstance(event, e.TaskCancelled) else 'skipped'}: {event.reason}"
    return ""


def _wanted_words(event: e.AttemptWanted) -> str:
    if event.purpose == "diagnose":
        words = "a diagnostic agent was asked"
    elif event.agent is not None:
        words = f"it was sent back to {short_name(event.agent)} with what was wrong"
    elif event.reason.startswith("fallback"):
        words = "the task's next option was tried"
    elif event.avoid:
        words = "another agent was asked"
    else:
        words = "it was tried again"
    return f"{words}, not before {event.not_before.isoformat()}" if event.not_before is not None else words
