"""Hunting: inputs and outputs of tasks for which an expression really fails, by trying values at the bounds of schemas.

What Z3 has no term for is found this way: items of lists, members behind an index, what macros go through.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from accord.domain.expression import (
    COMPLETED,
    Binding,
    Computed,
    Expression,
    Reference,
    Types,
    evaluate,
    expressions,
)
from accord.domain.graph import Graph, Task, Work
from accord.domain.ids import TaskId
from accord.domain.schema_path import types_of
from accord.errors import ExpressionInvalid
from accord.verifier.playing import Example, Played, Plays, cone_of, read_with, waits_for_some
from accord.verifier.readings import Reading, conditions_of, tasks_of
from accord.verifier.samples import EXTREMES, Impossible, Samples
from accord.verifier.scopes import Scopes, constants_of
from accord.verifier.wholes import Whole

EFFORT: Final = 3_000
"""What one verification may try: a run that is played costs the more the more tasks it has."""

EACH: Final = 150
"""Runs that are played for one expression."""

_ITEMS: Final = 3
_UNDONE: Final = 20
_ERROR: Final = {"code": "refused", "message": "no"}

Found = tuple[Any, str]
"""An example, and the code of what CEL says of it."""


class Tries(msgspec.Struct, frozen=True):
    """What examples are made of."""

    types: Types
    """The schemas of what is read, where it is read."""
    hints: list[object] = []
    """Values that are worth a try."""
    wholes: Sequence[Whole] = ()
    """Documents that are, the first of all."""


class Hunt:
    """Looks for examples in one graph; `types` are the schemas of what its expressions read."""

    def __init__(self, graph: Graph, types: Types) -> None:
        self._graph, self._types, self._anything = graph, types, Tries(types)
        self._samples, self._plays, self._left = Samples(), Plays(graph, types), EFFORT
        self._known: dict[tuple[object, ...], Found | None] = {}

    def of(
        self, reading: Reading, codes: frozenset[str], absent: TaskId | None = None, *, large: bool = False
    ) -> Found | None:
        """A run in which an expression is evaluated and fails in one of these ways, without the output of a task if
        that is to be `absent`, with integers that are `large` as doubles only are; None where none is found.
        """
        key = reading.key, codes, absent, large
        if key not in self._known:
            tries = Tries(self._types, list(EXTREMES)) if large else self._anything
            self._known[key] = self._found(reading, codes, absent, tries)
        return self._known[key]

    def _found(self, reading: Reading, codes: frozenset[str], absent: TaskId | None, tries: Tries) -> Found | None:
        read = [reading.computed.expression]
        for example, seen in self._played(reading.task, read, tries):
            scope = seen.scope_of(reading)
            for more in () if scope is None else _scopes(reading.task, read[0].references, scope):
                code = reading.breaks({**scope, **more}, codes)  # type: ignore[dict-item]  # it is there
                told = seen.told(example, reading)
                if code is not None and absent not in told.get("outputs", ()):
                    return told | more, code
        return None

    def begun(self, task: Task | None, holds: Callable[[Played], bool]) -> Any:
        """A run as far as a task, or to the end, of which this holds; None where none is found."""
        for example, seen in self._played(task, [], self._anything):
            if holds(seen):
                return seen.told(example)
        return None

    def seen_by(self, task: Task, binding: Binding, tries: Tries) -> Iterator[tuple[dict[str, Any], Any]]:
        """What a binding of a task sees in runs in which the task begins, and each run as it is told."""
        own = sorted(each for each in binding.references if each.root == "task")
        for example, seen in self._played(task, [each.expression for each in expressions(binding)], tries):
            scope = seen.scopes[task.id] if task.id in seen.begun else None
            for more in () if scope is None else _scopes(task, binding.references, scope):
                there: dict[str, Any] = {**scope, **more}  # type: ignore[dict-item]  # it is there
                for undone in self._undone(task, own, tries, there) if own else ({},):
                    yield {**there, **undone}, seen.told(example)

    def _undone(
        self, task: Task, own: Sequence[Reference], tries: Tries, scope: Mapping[str, object]
    ) -> Iterator[dict[str, object]]:
        """What a compensation sees of its task: an input that the task is really given, and an output."""
        for each in islice(Scopes(self._samples, tries.types, own, tries.hints).all(), _UNDONE):
            seen: dict[str, object] = each["task"]  # type: ignore[assignment]  # it is read
            if not isinstance(task.action, Work) or "input" not in seen:
                yield {"task": seen}
                continue
            for given in _inputs(task.action, scope):
                yield {"task": {**seen, "input": given}}

    def _played(self, task: Task | None, read: list[Expression], tries: Tries) -> Iterator[tuple[Example, Played]]:
        """Runs as far as a task, or to the end, that differ in what is read there and on the way."""
        if self._left < 0:
            return
        cone = cone_of(self._graph, self._graph.order if task is None else [task.id])
        for example in islice(self._examples(task, read, tries, cone), EACH):
            self._left -= 1 + len(cone) // 10
            if self._left < 0:
                return
            yield example, self._plays.of(example, cone)

    def alone(self, computed: Computed, types: Types, codes: Collection[str]) -> Found | None:
        """Values of what an expression reads for which it fails, whatever there is around it."""
        references = sorted(computed.expression.references)
        hints = list(constants_of([computed.expression]))
        reading = Reading("input", None, computed)
        for scope in islice(Scopes(self._samples, types, references, hints).all(), EACH):
            code = reading.breaks(scope, codes)
            if code is not None:
                roots = {each.root for each in references}
                return {name: value for name, value in scope.items() if name in roots}, code
        return None

    def _examples(
        self, task: Task | None, told: list[Expression], tries: Tries, cone: list[TaskId]
    ) -> Iterator[Example]:
        tasks = [self._graph.tasks[name] for name in cone]
        read = [each.expression for one in tasks for each in conditions_of(one)] + told
        references = {each for one in read for each in one.references}
        if task is not None and task.for_each is not None:
            references |= task.for_each.references
        for name in read_with(self._graph, tasks_of(references)):
            binding = self._graph.tasks[name].for_each
            references |= set() if binding is None else binding.references
        shared = sorted(each for each in references if each.root in ("input", "tasks"))
        scopes = Scopes(self._samples, tries.types, shared, [*tries.hints, *constants_of(read)])
        around = filter(None, map(scopes.around, tries.wholes))
        for scope in itertools.chain(around, scopes.all()):
            yield from self._ways(scope, task, tasks)

    def _ways(self, scope: dict[str, Any], task: Task | None, tasks: list[Task]) -> Iterator[Example]:
        """A scope as an example, with each way to see the tasks that one does not wait for."""
        try:
            given = scope["input"] if "input" in scope else self._samples.of(self._types["input",])
        except Impossible:
            return
        outputs = {TaskId(name): each["output"] for name, each in scope["tasks"].items() if "output" in each}
        failed = frozenset(one.id for one in tasks if outputs.get(one.id, False) is None and self._has_failed(one))
        all_ = {(one.id, need) for one in tasks if waits_for_some(one) for need in one.needs}
        for unseen in _unseen(task):
            yield Example(given, outputs, frozenset(), failed, frozenset(all_ - unseen))

    def _has_failed(self, task: Task) -> bool:
        """Whether no output means that the task has failed without harm."""
        completed = self._types.get((COMPLETED, task.id))
        return completed is not None and "null" not in types_of(completed)


def _inputs(work: Work, scope: Mapping[str, object]) -> Iterator[object]:
    """What each way to do a task is given."""
    for option in work.options:
        try:
            yield None if option.capability is None else evaluate(option.binding, {**scope, "error": _ERROR})
        except ExpressionInvalid:
            continue


def _unseen(task: Task | None) -> Iterator[set[tuple[TaskId, TaskId]]]:
    """What a task may not see yet when it begins."""
    yield set()
    if task is not None and waits_for_some(task):
        enough = task.join.at_least or 0
        yield {(task.id, need) for need in task.needs[enough:]}
        yield {(task.id, need) for need in task.needs[: len(task.needs) - enough]}


def _scopes(task: Task | None, read: Iterable[Reference], scope: dict[str, object]) -> Iterator[dict[str, Any]]:
    """What an expression sees besides: each of some items, the error that a fallback is told."""
    roots = {each.root for each in read}
    more: dict[str, Any] = {"error": _ERROR} if "error" in roots else {}
    if roots.isdisjoint({"item", "index"}):
        yield more
        return
    assert task is not None and task.for_each is not None, "items are of a for_each"  # noqa: S101, PT018
    try:
        items = evaluate(task.for_each, scope)
    except ExpressionInvalid:
        return
    for index, item in enumerate(items[:_ITEMS] if isinstance(items, list) else ()):
        yield {**more, "item": item, "index": index}
