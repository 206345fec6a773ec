"""Bounds: the most that a run may take of attempts, cost and time, and the least, by what the graph itself says.

    ACC838  a limit of the template that no run which does all its tasks can keep

Unknown is what nothing bounds: a wait without a timeout, an attempt without one, a contract without a cost, a list
whose schema has no `maxItems`. The time of back-offs is counted without its jitter, at its most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

import msgspec

from accord.domain.below import CALL_DEPTH_MAX
from accord.domain.duration import parse_duration
from accord.domain.expression import Literal
from accord.domain.graph import Graph, Retry, Sleep, Task, Wait, Work
from accord.domain.ids import TaskId
from accord.domain.order import may_be_skipped
from accord.domain.schema import JsonSchema
from accord.verifier.costs import Costs, attempts_of, text_of
from accord.verifier.fanout import Fanout
from accord.verifier.known import Capabilities
from accord.verifier.report import Bounds, Findings
from accord.verifier.sizes import least_items, most_bytes, most_items
from accord.verifier.widths import Slots, Widths, queues_of

_NONE = timedelta()


class Known(msgspec.Struct, frozen=True):
    """What the bounds of a graph are computed from, beside itself."""

    capabilities: Capabilities
    lists: Mapping[TaskId, JsonSchema | None] = {}
    """What each list keeps that a task goes through."""
    inputs: Mapping[TaskId, JsonSchema | None] = {}
    """What each task's input keeps."""
    slots: Slots = lambda wanted: None


def bounds_of(graph: Graph, known: Known, findings: Findings) -> Bounds:
    """The bounds of a graph whose structure holds. Limits that can never be kept are errors."""
    lists = {name: known.lists.get(name) for name, task in graph.tasks.items() if task.for_each is not None}
    longest_lists = {name: most_items(schema) for name, schema in lists.items()}
    Fanout(graph, {name: least_items(schema) for name, schema in lists.items()}, longest_lists).check(findings)
    items = {name: _items(most, graph) for name, most in longest_lists.items()}
    longest = {name: _longest(task, graph, items.get(name)) for name, task in graph.tasks.items()}
    path, time = _critical(graph, longest)
    skippable = may_be_skipped(graph.tasks, graph.order)
    least = _critical(graph, {name: _least(graph.tasks[name], name in skippable) for name in graph.tasks}, certain=True)
    _check_deadline(graph, least, findings)
    costs = Costs(graph, known.capabilities, items)
    costs.check(findings)
    attempts = [attempts_of(task, items.get(name)) for name, task in graph.tasks.items()]
    counted = [each for each in attempts if each is not None]
    inputs = {name: most_bytes(schema) for name, schema in known.inputs.items()}
    largest = next((name for name, size in inputs.items() if size is None), None)
    largest = largest or max(inputs, key=lambda name: inputs[name] or 0, default=None)
    widths = Widths(graph, items)
    cost = costs.most(widths)
    time = graph.deadline if time is None or (graph.deadline is not None and graph.deadline < time) else time
    return Bounds(
        attempts=sum(counted) if len(counted) == len(attempts) else None,
        cost=text_of(cost),
        budget=text_of(graph.max_cost) if cost is not None and cost == costs.stopped(widths) else None,
        time_s=None if time is None else time.total_seconds(),
        path=path,
        least_s=(least[1] or _NONE).total_seconds(),
        at_once=widths.of(graph.order),
        items=items,
        message_bytes=None if largest is None else inputs[largest],
        largest=largest,
        calls=sum(_calls(task, items.get(name)) for name, task in graph.tasks.items()),
        queues=queues_of(graph, widths, known.slots),
    )


def _items(most: int | None, graph: Graph) -> int | None:
    """What the schema says, and what `limits.tasks` leaves beside the tasks themselves; where the schema says nothing,
    nothing is told.
    """
    return None if most is None else min(most, max(graph.max_tasks - len(graph.tasks), 0))


def _calls(task: Task, items: int | None) -> int:
    """The runs that agents of the task ask for: as many again below each, as deep as they may. Items of which nobody
    knows how many there are count as one.
    """
    action = task.action
    if not isinstance(action, Work) or action.calls is None:
        return 0
    calls = action.calls
    depth = min(calls.depth, CALL_DEPTH_MAX)
    return sum(int(calls.at_most**deep) for deep in range(1, depth + 1)) * (1 if items is None else items)


def _check_deadline(graph: Graph, least: tuple[tuple[TaskId, ...], timedelta | None], findings: Findings) -> None:
    path, time = least
    if graph.deadline is None or time is None or time <= graph.deadline:
        return
    message = (
        f"no run can complete within {graph.deadline.total_seconds():g} s: the timers of {' → '.join(path)} take"
        f" {time.total_seconds():g} s"
    )
    findings.error("ACC838", message, "/limits/deadline", "raise the deadline, or shorten the timers")


def _critical(
    graph: Graph, takes: Mapping[TaskId, timedelta | None], *, certain: bool = False
) -> tuple[tuple[TaskId, ...], timedelta | None]:
    """The path that takes longest, and how long. Where it is to be `certain`, a task that does not wait for all its
    needs waits for none.
    """
    ends: dict[TaskId, timedelta | None] = {}
    before: dict[TaskId, TaskId | None] = {}
    for name in graph.order:
        task = graph.tasks[name]
        needs = () if certain and task.join.at_least is not None else task.needs
        last = _last(needs, ends)
        begins = _NONE if last is None else ends[last]
        own = takes[name]
        before[name] = last
        ends[name] = None if begins is None or own is None else begins + own
    found = _last(graph.order, ends)
    path = [] if found is None else [found]
    while path and (earlier := before[path[-1]]) is not None:
        path.append(earlier)
    return tuple(reversed(path)), _NONE if found is None else ends[found]


def _last(names: Iterable[TaskId], ends: Mapping[TaskId, timedelta | None]) -> TaskId | None:
    """The one that ends last; the first of those that nothing bounds."""
    last: TaskId | None = None
    for name in names:
        end = ends[name]
        if end is None:
            return name
        if last is None or end > (ends[last] or _NONE):
            last = name
    return last


def _longest(task: Task, graph: Graph, items: int | None) -> timedelta | None:
    """How long a task may take from its begin; None where nothing bounds it. Items are done all at once, or so many at
    a time as the task says.
    """
    single = _single(task)
    if task.for_each is None or single is None or items is None:
        return task.deadline if task.deadline is not None else single if task.for_each is None else None
    whole = single * -(-items // min(task.parallel or graph.parallel, graph.parallel))
    return whole if task.deadline is None else min(whole, task.deadline)


def _single(task: Task) -> timedelta | None:
    """How long a task may take, or one item of it."""
    action = task.action
    if isinstance(action, Wait):
        return action.timeout
    if isinstance(action, Sleep):
        return _slept(action)
    if isinstance(action, Work) and action.timeout is not None:
        options = sum(option.capability is not None for option in action.options)
        return options * (action.retry.attempts * action.timeout + _backed_off(action.retry))
    return None


def _least(task: Task, skippable: bool) -> timedelta:
    """How long a task takes at least that is done for certain."""
    if skippable or task.for_each is not None or not isinstance(task.action, Sleep):
        return _NONE
    return _slept(task.action) or _NONE


def _slept(action: Sleep) -> timedelta | None:
    return parse_duration(str(action.until.value)) if isinstance(action.until, Literal) else None


def _backed_off(retry: Retry) -> timedelta:
    """All waiting times between the attempts together, at most."""
    backoff = retry.backoff
    whole = (min(backoff.first.total_seconds() * backoff.factor**n, backoff.cap.total_seconds()) for n in range(64))
    taken = [each for each, _ in zip(whole, range(retry.attempts - 1), strict=False)]
    further = max(retry.attempts - 1 - len(taken), 0) * backoff.cap.total_seconds()
    return timedelta(seconds=sum(taken) + further)
