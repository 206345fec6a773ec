"""Replaying a run: the state that it had after each of its events, and what is different between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from accord.domain import event as e
from accord.domain.cost import shortest
from accord.domain.document import Document
from accord.domain.graph import Graph
from accord.domain.ids import TaskId
from accord.domain.run import begin, evolve
from accord.domain.state import PENDING, Run, TaskState
from accord.errors import StoreCorrupt


def states(graph: Graph, events: Iterable[e.Event]) -> Iterator[Run]:
    """The state after each event of a run, from the first one on. Raises StoreCorrupt where that does not start it."""
    run: Run | None = None
    for event in events:
        if run is not None:
            run = evolve(run, event)
        elif isinstance(event, e.RunStarted):
            run = begin(graph, event)
        else:
            raise StoreCorrupt.of("ACC531", "the first event of the run does not start it")
        yield run


def count_until(events: Sequence[e.Event], moment: datetime) -> int:
    """How many events had happened at this time; 0 where the run had not started."""
    return next((number for number, event in enumerate(events) if event.at > moment), len(events))


class StateChange(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is different after some events."""

    task: TaskId | None
    """None where it is the run's own."""
    what: str
    """`state`, `attempt 2`, `output`, `spent`."""
    before: Any
    """None where there was nothing."""
    after: Any
    """None where there is nothing any more."""


def changes(before: Run | None, after: Run) -> Iterator[StateChange]:
    """What is different after some events: the run's own first, then its tasks in the order of their names."""
    yield from _differences(None, _run_facts(before) if before is not None else {}, _run_facts(after))
    for task in sorted(_changed_tasks(before, after)):
        old = before.state(task) if before is not None else PENDING
        yield from _differences(task, _task_facts(old), _task_facts(after.state(task)))


def _changed_tasks(before: Run | None, after: Run) -> Iterator[TaskId]:
    if before is None:
        yield from after.tasks
        return
    for task in {*before.tasks, *after.tasks}:
        if before.state(task) is not after.state(task):
            yield task


def _differences(task: TaskId | None, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[StateChange]:
    for what in {**old, **new}:
        if old.get(what) != new.get(what):
            yield StateChange(task=task, what=what, before=old.get(what), after=new.get(what))


def _run_facts(run: Run) -> dict[str, Any]:
    facts = {
        "state": "paused" if run.paused else run.phase,
        "epoch": run.epoch,
        "deadline": run.deadline_at,
        "spent": shortest(run.spent),
        "budget": shortest(run.budget) if run.budget is not None else None,
        "problem": run.problem,
        "fault": run.fault,
        "output": _digest(run.output),
        "erased by": run.erased.by if run.erased is not None else None,
    }
    kept = [signal.name for signal in run.signals]
    return {**facts, "signals kept": kept or None}


def _task_facts(state: TaskState) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "state": state.phase,
        "epoch": state.epoch,
        "wanted": len(state.wants) or None,
        "waits for": state.waiting.for_ if state.waiting is not None else None,
        "run": state.subrun,
        "items settled": f"{state.items_settled} of {state.item_count}" if state.item_count else None,
        "output": _digest(state.output),
        "confidence": state.confidence,
        "labels": state.labels or None,
        "problem": state.problem,
        "fault": state.fault,
    }
    attempts = {f"attempt {one.number}": f"{one.phase}, {one.agent}" for one in state.attempts}
    return {**facts, **attempts}


def _digest(document: Document | None) -> str | None:
    return document.sha256 if document is not None else None
