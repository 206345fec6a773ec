"""Invariant 3: state is the fold of the journal, and its counters and indices are what a recount gives."""

from __future__ import annotations

from collections.abc import Iterator

from accord.domain.cost import total
from accord.domain.graph import undone_id
from accord.domain.ids import TaskId
from accord.domain.run import Run, TaskState, done
from accord.testing.invariants.wakes import task_dues

OWN_FIELDS = tuple(field for field in Run.__struct_fields__ if field not in ("graph", "started"))


def differences(believed: Run, folded: Run) -> Iterator[str]:
    """In what an orchestrator believes otherwise than the journal."""
    for field in OWN_FIELDS:
        if not bool(getattr(believed, field) == getattr(folded, field)):
            yield f"the orchestrator believes in another `{field}`"


def miscounts(run: Run) -> Iterator[str]:
    """Counters and indices that a recount from scratch does not give."""
    yield from _counts(run)
    yield from _indices(run)
    for node in run.graph.order:
        yield from _needs(run, node)
        yield from _items(run, node)


def _counts(run: Run) -> Iterator[str]:
    nodes = [run.state(node) for node in run.graph.order]
    live = sum(attempt.live for state in run.tasks.values() for attempt in state.attempts)
    counted: dict[str, tuple[object, object]] = {
        "settled": (run.settled, sum(map(_settled, nodes))),
        "completed": (run.completed, sum(state.phase == "completed" for state in nodes)),
        "failed": (run.failed, sum(state.phase == "failed" for state in nodes)),
        "items": (run.items, sum(state.item_count for state in nodes)),
        "live": (run.live, live),
        "compensating": (run.compensating, sum(undone_id(task) is not None for task in _busy(run))),
    }
    if not any(state.subrun or state.calls for state in run.tasks.values()):  # what those have cost is in no attempt
        costs = total(attempt.cost for state in run.tasks.values() for attempt in state.attempts)
        counted["spent"] = (run.spent, costs)
    for name, (said, found) in counted.items():
        if said != found:
            yield f"`{name}` is {said}, counted {found}"


def _indices(run: Run) -> Iterator[str]:
    busy = _busy(run)
    if set(run.busy) != busy:
        yield f"`busy` is {set(run.busy)}, found {busy}"
    due = ((min(task_dues(run, task, run.state(task), {}), default=None), task) for task in busy)
    if list(run.due) != sorted((when, task) for when, task in due if when):
        yield "the agenda of due times is wrong"
    waits = {(one.waiting.signal, task) for task, one in run.tasks.items() if one.waiting and one.waiting.signal}
    if {(signal, task) for signal, tasks in run.listening.items() for task in tasks} != waits:
        yield "`listening` is wrong"
    if not set(run.subruns) <= {task for task in busy if run.state(task).subrun is not None}:
        yield "`subruns` is wrong"
    calls = {call.run: task for task in busy for call in run.state(task).calls if call.ended_at is None}
    if dict(run.called) != calls:
        yield "`called` is wrong"


def _busy(run: Run) -> set[TaskId]:
    return {task for task, state in run.tasks.items() if state.busy}


def _settled(state: TaskState) -> bool:
    return not state.busy and state.phase != "pending"


def _needs(run: Run, node: TaskId) -> Iterator[str]:
    needs = [(run.graph.tasks[need], run.state(need)) for need in run.graph.tasks[node].needs]
    state = run.state(node)
    if state.needs_settled != sum(_settled(need) for _, need in needs):
        yield f"`needs_settled` of {node} is wrong"
    if state.needs_done != sum(done(task, need) for task, need in needs):
        yield f"`needs_done` of {node} is wrong"


def _items(run: Run, node: TaskId) -> Iterator[str]:
    group = run.state(node)
    items = [run.state(item) for item in run.started_items(node)]
    if group.items_settled != sum(map(_settled, items)):
        yield f"`items_settled` of {node} is wrong"
    if group.items_failed != sum(item.phase == "failed" for item in items):
        yield f"`items_failed` of {node} is wrong"
    if group.phase == "expanded" and run.phase == "running" and group.items_open != sum(item.busy for item in items):
        yield f"`items_open` of {node} is wrong"
