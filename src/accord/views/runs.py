"""A run, and a task of one, as scripts and programs get them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from accord.codec import decode_event
from accord.domain import event as e
from accord.domain.cost import shortest, total
from accord.domain.document import Document
from accord.domain.fault import Fault
from accord.domain.ids import RunId, TaskId
from accord.domain.state import Attempt, Run
from accord.ports import RunQuery, RunSummary
from accord.ports import RunState as State
from accord.service import Service
from accord.views.plain import plain_value
from accord.views.result import result_of, value_of
from accord.views.waiting import waiting_tasks

_ENDS = (e.AttemptSucceeded, e.AttemptRejected, e.AttemptFailed, e.AttemptExpired, e.AttemptCancelled)


class ListedRun(RunSummary, frozen=True, kw_only=True):
    """A run of a list."""

    left: bool = False
    """Whether no process works on it."""
    left_at: datetime | None = None
    """Since when, where that is known."""

    def summary(self) -> RunSummary:
        """What the journal's projection says of it."""
        return RunSummary(**{name: getattr(self, name) for name in RunSummary.__struct_fields__})


class RunPage(msgspec.Struct, frozen=True):
    """A page of runs, the newest first."""

    runs: tuple[ListedRun, ...]
    next: RunId | None
    """The last run of the page, behind which the next one begins; None where there is none."""


class RunState(msgspec.Struct, frozen=True):
    """How a run is now."""

    run: RunId
    state: str


class WatchedRun(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is, for those who watch all."""

    run: RunId
    template: str
    title: str
    state: State
    started_at: datetime
    updated_at: datetime
    tasks_total: int
    tasks_done: int
    tasks_failed: int
    parent: RunId | None


class RunNews(msgspec.Struct, frozen=True):
    """How these runs are now."""

    runs: tuple[WatchedRun, ...]
    after: datetime | None
    """Where to go on after this; None where this is no place for it."""


def watched(summary: RunSummary) -> WatchedRun:
    """The run of this summary."""
    return WatchedRun(**{name: getattr(summary, name) for name in WatchedRun.__struct_fields__})


def listed(run: RunSummary, left: Mapping[RunId, datetime | None]) -> ListedRun:
    """A run of a list as scripts get it."""
    return ListedRun(**msgspec.structs.asdict(run), left=run.run in left, left_at=left.get(run.run))


async def run_page(service: Service, query: RunQuery) -> RunPage:
    """A page of runs as scripts get it."""
    runs = await service.runs(query)
    left = await service.left([run.run for run in runs if run.wake_at is not None])
    return RunPage(tuple(listed(run, left) for run in runs), runs[-1].run if len(runs) == query.limit else None)


def run_state(run: Run) -> RunState:
    """How the run is."""
    return RunState(run.id, "paused" if run.paused else run.phase)


async def run_document(service: Service, run: Run) -> dict[str, Any]:
    """The run as scripts get it."""
    result, left = await result_of(service, run), await service.left([run.id])
    started = run.started
    return {
        **plain_value(result),
        "fault": run.fault,
        "spent": shortest(run.spent),
        "max_cost": _amount(run.budget),
        "by": started.by,
        "input": await value_of(service, started.input),
        "parent": started.parent,
        "origin": started.origin,
        "updated_at": run.updated_at,
        "deadline_at": run.deadline_at,
        "epoch": run.epoch,
        "waiting": waiting_tasks(run),
        "left": run.id in left,
        "left_at": left.get(run.id),
        "tasks": [_task_document(run, name) for name in run.graph.order],
    }


def _task_document(run: Run, name: TaskId) -> dict[str, Any]:
    state = run.state(name)
    return {
        "task": name,
        "state": state.phase,
        "agents": sorted({attempt.agent for part in run.instances(name) for attempt in run.state(part).attempts}),
        "attempts": sum(run.state(part).work for part in run.instances(name)),
        "diagnoses": sum(len(run.state(part).attempts) - run.state(part).work for part in run.instances(name)),
        "items": state.item_count or None,
        "items_settled": state.items_settled if state.item_count else None,
        "items_failed": state.items_failed if state.item_count else None,
        "confidence": state.confidence,
        "started_at": state.started_at,
        "ended_at": state.ended_at,
        "subrun": state.subrun,
        "problem": state.problem,
        "fault": state.fault,
        "faults": dict(faults_of(run, name)),
        "cost": _amount(cost_of(run, name)),
    }


def faults_of(run: Run, name: TaskId) -> Counter[Fault]:
    """Whose doing it was that contracts were broken in a task and its items, and how often."""
    states = [run.state(part) for part in run.instances(name)]
    found = Counter[Fault](one.fault for state in states for one in state.attempts if one.fault)
    found["mapping"] += sum(max(len(state.misfits), int(state.fault == "mapping")) for state in states)
    found["transport"] = sum(one.damaged for state in states for one in state.attempts)
    return +found


def cost_of(run: Run, name: TaskId) -> Decimal | None:
    """What the attempts of a task, and of its items, say that they have cost; None where none says it."""
    told = [one.cost for part in run.instances(name) for one in run.state(part).attempts if one.cost is not None]
    return total(told) if told else None


def _amount(cost: Decimal | None) -> str | None:
    return None if cost is None else shortest(cost)


# -- one task ----------------------------------------------------------------------------------------------------


class Told(msgspec.Struct, kw_only=True):
    """What the events say of an attempt beside its state."""

    wanted: str = ""
    chosen: str = ""
    ended: Any = None
    cause: str = ""


async def told_of(service: Service, run: Run, task: TaskId, until: int | None) -> dict[int, Told]:
    """By attempt number: why it was wanted, why its agent was chosen, when and how it ended."""
    told: dict[int, Told] = {}
    reason = ""
    for record in await service.records(run.id, limit=until):
        event = decode_event(record)
        if getattr(event, "task", None) != task:
            continue
        if isinstance(event, e.AttemptWanted):
            reason = event.reason
        elif isinstance(event, e.AttemptAssigned):
            told[event.attempt] = Told(wanted=reason, chosen=event.choice)
        elif isinstance(event, _ENDS):
            one = told[event.attempt]
            one.ended = event.at
            one.cause = getattr(event, "reason", "") or getattr(event, "cause", "")
    return told


async def task_document(service: Service, run: Run, task: TaskId, until: int | None) -> dict[str, Any]:
    """The task as scripts get it: its state, its items, and all attempts with their values."""
    state, told = run.state(task), await told_of(service, run, task, until)
    return {
        "run": run.id,
        "task": task,
        "state": state.phase,
        "epoch": state.epoch,
        "confidence": state.confidence,
        "problem": state.problem,
        "fault": state.fault,
        "misfits": state.misfits,
        "output": await _value(service, state.output),
        "waiting": state.waiting,
        "items": [{"task": item, "state": run.state(item).phase} for item in run.started_items(task)],
        "attempts": [
            {
                "attempt": attempt.number,
                "ordinal": state.ordinal(attempt.number),
                **await _attempt_document(service, attempt, told[attempt.number]),
            }
            for attempt in state.attempts
        ],
    }


async def _attempt_document(service: Service, attempt: Attempt, told: Told) -> dict[str, Any]:
    return {
        "state": attempt.phase,
        "purpose": attempt.want.purpose,
        "agent": attempt.agent,
        "capability": attempt.capability,
        "contract": attempt.contract,
        "epoch": attempt.epoch,
        "wanted_because": told.wanted,
        "chosen_because": told.chosen,
        "assigned_at": attempt.assigned_at,
        "ended_at": told.ended,
        "fault": attempt.fault,
        "damaged": attempt.damaged,
        "cost": _amount(attempt.cost),
        "cause": told.cause or None,
        "confidence": attempt.confidence,
        "problems": attempt.problems,
        "input": await _value(service, attempt.want.input),
        "output": await _value(service, attempt.output),
        "statement": attempt.statement,
    }


async def _value(service: Service, document: Document | None) -> Any:
    return None if document is None else await value_of(service, document)
