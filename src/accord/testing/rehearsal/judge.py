"""The judge: compares what has come of a run with what its test expects. Everything is told at once.

ACC930  the run is in another state than expected     ACC936  a task has another number of attempts
ACC931  it failed of another problem                  ACC937  the cost is another
ACC932  the output is another                         ACC938  it took too long, or not long enough
ACC933  the output breaks the schema of the test      ACC939  the output has other labels
ACC934  a task is in another state                    ACC940  an expression of the test does not hold
ACC935  tasks settled in another order
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from accord.domain import event as e
from accord.domain.cost import shortest
from accord.domain.difference import Difference, differences
from accord.domain.duration import parse_duration
from accord.domain.expression import compile_expression
from accord.domain.flow import run_labels
from accord.domain.ids import TaskId
from accord.domain.labels import told
from accord.domain.run import Run
from accord.domain.schema import compile_schema, pointer_of
from accord.domain.scope import DocumentMissing, run_scope
from accord.domain.workflow_test import Expected, WorkflowTest
from accord.engine.node import Node
from accord.errors import AccordError, ExpressionInvalid, Place, PlaceOf, Problem
from accord.views.result import value_of

_SETTLES = (e.TaskCompleted, e.TaskFailed, e.TaskSkipped, e.TaskCancelled)
_BOUND = "cel.bind(output, item, {})"
"""How an expression gets at the output: the language of templates has no variable of this name."""

TOLD_MOST = 20
"""So many places of an output that differ are told."""

SHOWN_MOST = 200
"""So much of a value is shown."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run, in the words of a test."""

    state: str
    output: Any = UNSET
    labels: tuple[str, ...] = ()
    problem: str | None = None
    told: str = ""
    """The problem in words."""
    tasks: dict[str, str] = {}
    """Of all that the test names."""
    attempts: dict[str, int] = {}
    cost: str = "0"
    duration_s: float = 0.0
    order: tuple[str, ...] = ()
    """In which all tasks settled."""


async def judged(test: WorkflowTest, node: Node, run: Run, place_of: PlaceOf) -> tuple[Seen, list[Problem]]:
    """What has come of the run, and what of it is not as expected."""
    seen = await _seen(test.expect, node, run)
    found = [*_plain_problems(test.expect, seen, place_of), *_output_problems(test.expect, seen, place_of)]
    for number, source in enumerate(test.expect.holds):
        found += await _expression_problems(source, node, run, seen, place_of(f"/expect/holds/{number}"))
    return seen, found


def expectation_problems(expect: Expected, place_of: PlaceOf) -> Iterator[Problem]:
    """What is wrong with the schema and the expressions of a test, before anything is played."""
    try:
        compile_schema(True if expect.output_schema is UNSET else expect.output_schema)
    except AccordError as error:
        for one in error.problems:
            yield replace(one, place=place_of(f"/expect/output_schema{one.place.pointer or ''}"))
    for number, source in enumerate(expect.holds):
        try:
            compile_expression(_BOUND.format(source))
        except AccordError as error:
            for one in error.problems:
                yield replace(one, place=place_of(f"/expect/holds/{number}"))


async def _seen(expect: Expected, node: Node, run: Run) -> Seen:
    events = [event for _, event in await node.events(run.id)]
    has_output = run.phase == "completed" and run.output is not None
    states = {task: await _state_of(node, run, task) for task in {**expect.tasks, **expect.attempts}}
    return Seen(
        state=run.phase,
        output=await value_of(node, run.output) if has_output and run.output is not None else UNSET,
        labels=told(run_labels(run)) if run.labelled and has_output else (),
        problem=run.problem.code if run.problem is not None else None,
        told=run.problem.message if run.problem is not None else "",
        tasks={task: states[task][0] for task in expect.tasks},
        attempts={task: states[task][1] for task in expect.attempts},
        cost=shortest(run.spent) if run.spent else "0",
        duration_s=run.worked(run.started.at, run.updated_at).total_seconds(),
        order=tuple(dict.fromkeys(event.task for event in events if isinstance(event, _SETTLES))),
    )


async def _state_of(node: Node, run: Run, task: str) -> tuple[str, int]:
    """The state of a task, which may be one of a run that does a task, and how often it was tried."""
    above, slash, own = task.partition("/")
    state = run.state(TaskId(above))
    if not slash:
        return state.phase, state.work
    if state.subrun is None:
        return "pending", 0
    return await _state_of(node, await node.run(state.subrun), own)


def _plain_problems(expect: Expected, seen: Seen, place_of: PlaceOf) -> Iterator[Problem]:
    ended = f"{seen.state}: {seen.problem} {seen.told}" if seen.problem else seen.state
    if expect.state not in (UNSET, seen.state):
        yield Problem("ACC930", f"the run is {ended}; expected: {expect.state}", place_of("/expect/state"))
    if expect.problem not in (UNSET, seen.problem):
        yield Problem("ACC931", f"the run is {ended}; expected: {expect.problem}", place_of("/expect/problem"))
    for task, phase in expect.tasks.items():
        if seen.tasks[task] != phase:
            text = f"{task} is {seen.tasks[task]}; expected: {phase}"
            yield Problem("ACC934", text, place_of(f"/expect/tasks{pointer_of((task,))}"))
    for task, count in expect.attempts.items():
        if seen.attempts[task] != count:
            text = f"{task} was tried {seen.attempts[task]} times; expected: {count}"
            yield Problem("ACC936", text, place_of(f"/expect/attempts{pointer_of((task,))}"))
    yield from _order_problems(expect, seen, place_of)
    if isinstance(expect.cost, str) and Decimal(expect.cost) != Decimal(seen.cost):
        yield Problem("ACC937", f"the cost is {seen.cost}; expected: {expect.cost}", place_of("/expect/cost"))
    yield from _duration_problems(expect, seen, place_of)


def _order_problems(expect: Expected, seen: Seen, place_of: PlaceOf) -> Iterator[Problem]:
    settled = [task for task in seen.order if task in expect.order]
    if settled != list(expect.order):
        text = f"settled: {', '.join(settled) or 'none of them'}; expected: {', '.join(expect.order)}"
        yield Problem("ACC935", text, place_of("/expect/order"))


def _duration_problems(expect: Expected, seen: Seen, place_of: PlaceOf) -> Iterator[Problem]:
    if expect.duration is UNSET:
        return
    took = timedelta(seconds=seen.duration_s)
    least, most = (
        parse_duration(one) if isinstance(one, str) else None
        for one in (expect.duration.at_least, expect.duration.at_most)
    )
    if least is not None and took < least:
        text = f"it took {took}, less than {expect.duration.at_least}"
        yield Problem("ACC938", text, place_of("/expect/duration/at_least"))
    if most is not None and took > most:
        text = f"it took {took}, more than {expect.duration.at_most}"
        yield Problem("ACC938", text, place_of("/expect/duration/at_most"))


def _output_problems(expect: Expected, seen: Seen, place_of: PlaceOf) -> Iterator[Problem]:
    asked = [name for name in ("output", "output_schema", "labels") if getattr(expect, name) is not UNSET]
    if asked and seen.output is UNSET:
        yield Problem("ACC932", f"there is no output, the run is {seen.state}", place_of(f"/expect/{asked[0]}"))
        return
    if expect.output is not UNSET:
        for found in islice(differences(expect.output, seen.output), TOLD_MOST):
            yield Problem("ACC932", _differs(found), place_of(f"/expect/output{found.pointer}"))
    if expect.output_schema is not UNSET:
        for one in compile_schema(expect.output_schema).violations(seen.output, "ACC933"):
            text = f"output{one.place.pointer or ''}: {one.message}"
            yield Problem("ACC933", text, place_of("/expect/output_schema"), one.hint)
    if expect.labels is not UNSET and set(expect.labels) != set(seen.labels):
        text = f"the output is labelled {', '.join(seen.labels) or 'nothing'}; expected: {', '.join(expect.labels)}"
        yield Problem("ACC939", text, place_of("/expect/labels"))


def _differs(found: Difference) -> str:
    where = f"output{found.pointer}"
    if found.kind == "added":
        return f"{where} is {_shown(found.after)}; expected: nothing there"
    if found.kind == "removed":
        return f"{where} is not there; expected: {_shown(found.before)}"
    return f"{where} is {_shown(found.after)}; expected: {_shown(found.before)}"


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= SHOWN_MOST else f"{text[: SHOWN_MOST - 1]}…"


async def _expression_problems(source: str, node: Node, run: Run, seen: Seen, place: Place) -> list[Problem]:
    """What is wrong with an expression that has to be true."""
    if seen.output is UNSET and "output" in source:
        return [Problem("ACC940", f"there is no output, the run is {seen.state}: {source}", place)]
    try:
        value = await _fetched(node, lambda: _value(source, node, run, seen))
    except ExpressionInvalid as error:
        return [Problem("ACC940", f"{one.code} {one.message}: {source}", place, one.hint) for one in error.problems]
    return [] if value is True else [Problem("ACC940", f"this is {_shown(value)}, not true: {source}", place)]


def _value(source: str, node: Node, run: Run, seen: Seen) -> object:
    scope = run_scope(run, node.parts.documents)
    output = None if seen.output is UNSET else seen.output
    return compile_expression(_BOUND.format(source)).evaluate({**scope, "item": output})


async def _fetched(node: Node, make: Callable[[], object]) -> object:
    """What this gives, once all documents that it needs are at hand."""
    while True:
        try:
            return make()
        except DocumentMissing as missing:
            await node.parts.documents.fetch(missing.document)
