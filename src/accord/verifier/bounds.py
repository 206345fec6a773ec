"""Bounds: the most that a run may take of attempts, cost and time, and the least, by what the graph itself says.

Unknown is what nothing bounds: a wait without a timeout, an attempt without one, a contract without a cost, a list
whose schema has no `maxItems`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from accord.domain.below import CALL_DEPTH_MAX
from accord.domain.graph import Graph, Task, Work
from accord.domain.ids import TaskId
from accord.domain.schema import JsonSchema
from accord.verifier.costs import Costs, attempts_of, text_of
from accord.verifier.fanout import Fanout
from accord.verifier.known import Capabilities
from accord.verifier.report import Bounds, Findings
from accord.verifier.sizes import largest_of, least_items, most_bytes, most_items
from accord.verifier.times import Inner, Span, Times, critical
from accord.verifier.widths import Slots, Widths, queues_of, unknown_slots


class Known(msgspec.Struct, frozen=True):
    """What the bounds of a graph are computed from, beside itself."""

    capabilities: Capabilities
    lists: Mapping[TaskId, JsonSchema | None] = {}
    """What each list keeps that a task goes through."""
    inputs: Mapping[TaskId, Sequence[JsonSchema | None]] = {}
    """What each task's input keeps, by each way to do it."""
    slots: Slots = unknown_slots
    inner: Inner = lambda template: None


def bounds_of(graph: Graph, known: Known, findings: Findings) -> Bounds:
    """The bounds of a graph whose structure holds. Limits that can never be kept are errors."""
    lists = {name: known.lists.get(name) for name, task in graph.tasks.items() if task.for_each is not None}
    longest_lists = {name: most_items(schema) for name, schema in lists.items()}
    fewest = {name: least_items(schema) for name, schema in lists.items()}
    Fanout(graph, fewest, longest_lists).check(findings)
    items = {name: _items(most, graph) for name, most in longest_lists.items()}
    times = Times(graph, known.capabilities, known.inner, fewest, items)
    spans = times.spans()
    times.check(spans, findings)
    longest = {name: _longest(graph.tasks[name], span) for name, span in spans.items()}
    path, time = critical(graph, longest)
    costs = Costs(graph, known.capabilities, items)
    costs.check(findings)
    attempts = [attempts_of(task, items.get(name)) for name, task in graph.tasks.items()]
    counted = [each for each in attempts if each is not None]
    inputs = {name: largest_of(map(most_bytes, schemas)) for name, schemas in known.inputs.items()}
    largest = next((name for name, size in inputs.items() if size is None), None)
    largest = largest or max(inputs, key=lambda name: inputs[name] or 0, default=None)
    widths = Widths(graph, items)
    cost = costs.most(widths)
    if time is not None:
        time += widths.turns({name: each for name, each in longest.items() if each is not None})
    time = graph.deadline if time is None or (graph.deadline is not None and graph.deadline < time) else time
    return Bounds(
        attempts=sum(counted) if len(counted) == len(attempts) else None,
        cost=text_of(cost),
        budget=text_of(graph.max_cost) if cost is not None and cost == costs.stopped(widths) else None,
        time_s=None if time is None else time.total_seconds(),
        path=path,
        least_s=times.at_least()[1].total_seconds(),
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


def _longest(task: Task, span: Span) -> timedelta | None:
    """How long a task may take from its begin; None where nothing bounds it."""
    if not span.bounded:
        return task.deadline
    return span.time if task.deadline is None else min(span.time, task.deadline)
