"""Explaining a run: what it waits for, since when, and which of its timers comes next. Everything follows from its
state and the time; who could do what is wanted is asked elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from accord.domain.budget import BUDGET
from accord.domain.cost import shortest
from accord.domain.graph import undone_id
from accord.domain.grounds import short_name
from accord.domain.ids import AgentId, RunId, TaskId
from accord.domain.machine import SETTLED
from accord.domain.progress import capability_of
from accord.domain.state import Attempt, Run, TaskState, Waiting, Want

BlockerKind = Literal[
    "paused",
    "budget",
    "agent",
    "parallel",
    "backoff",
    "attempt",
    "assigned",
    "signal",
    "approval",
    "review",
    "time",
    "subrun",
    "leaving",
    "deciding",
]
"""What a run waits for: somebody who lets it go on; more budget; an agent with room; one of its own attempts to end, as
so many may be under way at once; the end of a back-off; an agent that is at work; one that has it
and has not said that it has begun; a signal; a person, for an approval or for a
review; a time; the run that does a task; one that was told to cancel; the orchestrator, which has to decide.
"""


class Blocker(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a run waits for."""

    kind: BlockerKind
    words: str
    task: TaskId | None = None
    """None where the whole run waits for it."""
    since: datetime | None = None
    until: datetime | None = None
    """When it is over by itself, or too late."""
    agent: AgentId | None = None
    """Who is at work."""
    attempt: int | None = None
    run: RunId | None = None
    """The other run that it waits for."""


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """When the run is looked at next because of its own clock, and what for."""

    at: datetime
    what: Literal["lease", "timeout", "task deadline", "run deadline", "backoff", "wait"]
    task: TaskId | None
    words: str


class Demand(msgspec.Struct, frozen=True):
    """What a task wants of an agent, now."""

    task: TaskId
    want: Want


# -- what it waits for -------------------------------------------------------------------------------------------


def blockers(run: Run, now: datetime) -> Iterator[Blocker]:
    """What the run waits for, the whole run's own first; nothing where it has ended."""
    if run.ended:
        return
    found = False
    for one in _all(run, now):
        found = True
        yield one
    if not found:
        yield Blocker(kind="deciding", words=f"it is {_phase_words(run)}, and goes on by itself", since=run.updated_at)


def _all(run: Run, now: datetime) -> Iterator[Blocker]:
    if run.paused:
        yield _pause(run)
    elif run.spent_all and any(undone_id(one.task) is None for one in demands(run, now)):
        words = f"its budget is spent: {_budget_words(run)}; nothing more is assigned"
        yield Blocker(kind="budget", words=words, since=run.updated_at)
    for subrun, task in sorted(run.leaving.items()):
        words = f"run {subrun}, which did {task}, was told to stop and has not ended yet"
        yield Blocker(kind="leaving", words=words, task=task, run=subrun)
    for task in sorted(run.busy):
        yield from task_blockers(run, task, now)


def _pause(run: Run) -> Blocker:
    if run.paused_by == BUDGET and run.spent_all:
        words = f"its budget is spent: {_budget_words(run)}; it is paused until it is given more"
        return Blocker(kind="budget", words=words, since=run.paused_at)
    may_end = f"; {run.live} under way may end" if run.live else ""
    words = f"it was paused by {run.paused_by}: nothing is assigned{may_end}"
    return Blocker(kind="paused", words=words, since=run.paused_at)


def _budget_words(run: Run) -> str:
    return f"{shortest(run.spent)} of {shortest(run.budget)}" if run.budget is not None else shortest(run.spent)


def task_blockers(run: Run, task: TaskId, now: datetime) -> Iterator[Blocker]:
    """What one busy task waits for; an expansion itself for nothing, as its items do."""
    state = run.state(task)
    if state.phase == "expanded":
        return
    if state.waiting is not None:
        yield _waits(task, state.waiting, state)
    if task in run.subruns:
        words = f"run {run.subruns[task]} does {task}"
        yield Blocker(kind="subrun", words=words, task=task, since=state.started_at, run=run.subruns[task])
    for call in state.calls:
        if call.run in run.called:
            words = f"run {call.run} does what the agent of {task} has asked for: {call.wanted}"
            yield Blocker(kind="subrun", words=words, task=task, since=call.made_at, run=call.run)
    for attempt in state.attempts:
        if attempt.live:
            yield _works(task, attempt)
    for want in state.wants:
        yield _wanted(run, task, want, now)
    idle = state.waiting is None and not state.wants and not any(one.live for one in state.attempts)
    if idle and task not in run.subruns:
        words = f"what comes after the last attempt of {task} is being decided"
        yield Blocker(kind="deciding", words=words, task=task, since=run.updated_at)


def _waits(task: TaskId, waiting: Waiting, state: TaskState) -> Blocker:
    words = {
        "signal": f"{task} waits for the signal {waiting.signal}",
        "approval": f"{task} waits for somebody's approval: {waiting.title}",
        "review": f"{task} waits for somebody to review a result",
        "time": f"{task} sleeps",
    }[waiting.for_]
    since = waiting.since or state.started_at
    return Blocker(kind=waiting.for_, words=words, task=task, since=since, until=waiting.until)


def _works(task: TaskId, attempt: Attempt) -> Blocker:
    kind: BlockerKind = "attempt" if attempt.phase == "working" else "assigned"
    begun = "works on" if kind == "attempt" else "was given"
    what = "the diagnosis of" if attempt.want.purpose == "diagnose" else f"attempt {attempt.number} of"
    return Blocker(
        kind=kind,
        words=f"{short_name(attempt.agent)} {begun} {what} {task}",
        task=task,
        since=attempt.work_since,
        until=attempt.timeout_at,
        agent=attempt.agent,
        attempt=attempt.number,
    )


def _wanted(run: Run, task: TaskId, want: Want, now: datetime) -> Blocker:
    if want.not_before is not None and want.not_before > now:
        words = f"{task} is tried again once its back-off is over"
        return Blocker(kind="backoff", words=words, task=task, since=want.since, until=want.not_before)
    kind, words = _unassigned(run, task, want)
    return Blocker(kind=kind, words=words, task=task, since=want.since)


def _unassigned(run: Run, task: TaskId, want: Want) -> tuple[BlockerKind, str]:
    """Why a want that is due is given to nobody."""
    if run.paused:
        return "paused", f"{task} is given to nobody while the run is paused"
    if run.spent_all and undone_id(task) is None:
        return "budget", f"{task} is given to nobody: the budget is spent"
    if run.live >= run.graph.parallel:
        return "parallel", f"{task} waits its turn: the run may have {run.graph.parallel} attempts under way at once"
    whom = short_name(want.agent) if want.agent is not None else "an agent"
    return "agent", f"{task} waits for {whom} that offers {capability_of(run, task, want)}"


def demands(run: Run, now: datetime) -> Iterator[Demand]:
    """What tasks want of agents now: their back-offs are over."""
    for task in sorted(run.busy):
        for want in run.state(task).wants:
            if want.not_before is None or want.not_before <= now:
                yield Demand(task, want)


def _phase_words(run: Run) -> str:
    return run.phase.replace("_", " ")


# -- needs -------------------------------------------------------------------------------------------------------


def unmet(run: Run, task: TaskId) -> list[TaskId]:
    """All that has to happen before a pending task may begin: its needs that have not settled, theirs, and so on, in
    the order of the graph.
    """
    found: set[TaskId] = set()
    open_ = [task]
    while open_:
        for need in run.graph.tasks[open_.pop()].needs:
            if need not in found and run.state(need).phase not in SETTLED:
                found.add(need)
                open_.append(need)
    return [node for node in run.graph.order if node in found]


# -- timers ------------------------------------------------------------------------------------------------------


def next_timer(run: Run, now: datetime) -> Timer | None:
    """Its next timer; None where it has none, or has ended. Leases are as they were written down: one whose time is
    over is kept by heartbeats, and is not told, as nobody wrote down until when.
    """
    if run.ended:
        return None
    return min(_timers(run, now), key=lambda timer: timer.at, default=None)


def _timers(run: Run, now: datetime) -> Iterator[Timer]:
    if run.deadline_at is not None and run.phase == "running":
        yield Timer(at=run.deadline_at, what="run deadline", task=None, words="the run's deadline")
    for at, task in run.due:
        found = [one for one in _task_timers(run, task) if one.what != "lease" or one.at > now]
        yield from found
        if any(one.at == at for one in found):  # all others are later
            break
    later = run.offers.after(now)
    for task in run.busy if later is not None else ():
        if run.state(task).offer_at == later and later is not None:
            yield Timer(at=later, what="backoff", task=task, words=f"the back-off of {task} is over")


def _task_timers(run: Run, task: TaskId) -> Iterator[Timer]:
    state = run.state(task)
    for one in state.attempts:
        if one.live:
            words = f"attempt {one.number} of {task}, by {short_name(one.agent)}"
            yield Timer(at=one.lease_until, what="lease", task=task, words=f"the lease of {words}, unless it is heard")
            if one.timeout_at is not None:
                yield Timer(at=one.timeout_at, what="timeout", task=task, words=f"the time limit of {words}")
    if state.waiting is not None and state.waiting.until is not None:
        ends = "wakes" if state.waiting.for_ == "time" else "has waited long enough"
        yield Timer(at=state.waiting.until, what="wait", task=task, words=f"{task} {ends}")
    spec = run.graph.tasks.get(task)
    if spec is not None and spec.deadline is not None and state.started_at is not None:
        at = state.started_at + spec.deadline
        yield Timer(at=at, what="task deadline", task=task, words=f"the deadline of {task}")
