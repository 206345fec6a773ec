"""States: when a task of a graph begins, is skipped, or has an output, as formulas over the run's input, the outputs of
tasks and how they end.

A task that may not fail ends the run by failing: behind it nothing begins, so that on every path that is looked at it
has not failed. Of one that may fail, that it failed is an unknown, and its output is null then.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import z3

from accord.domain.expression import COMPLETED, TASK_RECORD, Computed, Types
from accord.domain.graph import Graph, Task, Wait
from accord.domain.ids import TaskId
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import types_of
from accord.formulas import Formula, at_least, both, either, hold, implied, literal, negated, same
from accord.verifier.paths.places import Place, root_of
from accord.verifier.paths.terms import Case, Term, truth
from accord.verifier.paths.translation import Translation
from accord.verifier.playing import waits_for_some

_SEEN_MEMBERS = ("confidence", "agent")


class State:
    """How a task goes on."""

    def __init__(self) -> None:
        self.ready: Formula = True
        """Its needs are met."""
        self.when: Term = truth(True)
        """Its condition, where it is ready."""
        self.begins: Formula = True
        self.done: Formula = True
        """It has completed, or has failed without harm: what is behind it goes on."""
        self.why_skipped: Callable[[], Formula] = lambda: False
        self.ended: Formula = True
        """It is done or skipped, and has not ended the run."""
        self.failed: Formula = False
        """It has failed without harm."""
        self.turned: Formula = False
        """Its wait ran out, or was answered by a rejection, which skips it."""
        self.implied = 0
        """The tasks that are done whenever this one is ready, as bits by their place in the order."""

    @cached_property
    def skipped(self) -> Formula:
        """It does not begin, or has turned into nothing: made where it is asked for, which is seldom."""
        return self.why_skipped()


class States:
    """The states of all tasks, and what there is to be read at each of them."""

    def __init__(self, graph: Graph, types: Types) -> None:
        self.graph, self.solver = graph, z3.Solver()
        self.translation = Translation(self.solver, types)
        self.of: dict[TaskId, State] = {}
        self.seen: dict[tuple[TaskId, TaskId], Formula] = {}
        """Whether a task that does not wait for all its needs finds this one done as it begins."""
        self._types = types
        self._places: dict[tuple[str, ...], Place] = {}
        self._bits = {name: 1 << number for number, name in enumerate(graph.order)}
        for name in graph.order:
            self._add(graph.tasks[name])

    def reader(self, task: Task | None) -> Sight:
        """What the expressions of a task see; of None those of the run's output."""
        return Sight(self, task)

    def is_done_before(self, need: TaskId, task: TaskId) -> bool:
        """Whether the need is done whenever the task is ready, by the joins alone."""
        return bool(self.of[task].implied & self._bits[need])

    def place(self, path: tuple[str, ...]) -> Place | None:
        """The place of something that has a schema of its own."""
        if path not in self._places:
            found = self._new_place(path)
            if found is None:
                return None
            self._places[path] = found
        return self._places[path]

    def has_place(self, path: tuple[str, ...]) -> bool:
        """Whether anything has read this place."""
        return path in self._places

    def ended_well(self) -> Formula:
        """That all tasks have ended, and none has ended the run."""
        return both(state.ended for state in self.of.values())

    def _new_place(self, path: tuple[str, ...]) -> Place | None:
        match path:
            case ("input",) | ("run",):
                return root_of(path[0], self.solver, True, self._types[path])
            case ("tasks", name, "output") if path in self._types:
                state = self.of[TaskId(name)]
                place = root_of(".".join(path), self.solver, state.done, self._types[path])
                if state.failed is not False:
                    hold(self.solver, implied(state.failed, place.is_a("null")))
                    if "null" not in types_of(self._types.get((COMPLETED, name), True)):
                        hold(
                            self.solver, implied(both((state.done, negated(state.failed))), negated(place.is_a("null")))
                        )
                self._reject(self.graph.tasks[TaskId(name)], place, state)
                self._count(self.graph.tasks[TaskId(name)], place, state)
                return place
            case ("tasks", name, member) if member in _SEEN_MEMBERS and name in self.graph.tasks:
                return root_of(".".join(path), self.solver, True, _record(member))
        return None

    def _reject(self, task: Task, place: Place, state: State) -> None:
        """An approval that completes was not rejected, unless a rejection is an answer like any other."""
        action = task.action
        if not isinstance(action, Wait) or action.signal is not None or action.on_reject == "continue":
            return
        if task.for_each is not None or "map" not in place.kinds:
            return
        approved = place.member("approved")
        if "bool" in approved.kinds:
            no = both((approved.is_a("bool"), negated(approved.value("bool"))))
            rejected = both((place.is_a("map"), approved.present, no))
            hold(self.solver, negated(both((state.done, negated(state.failed), rejected))))

    def _count(self, task: Task, place: Place, state: State) -> None:
        """A `for_each` that completes has an item for each of its list."""
        if not isinstance(task.for_each, Computed) or "list" not in place.kinds:
            return
        gone_through = self.translation.of(task.for_each.expression, self.reader(task))
        known = both((state.done, negated(gone_through.fails), place.is_a("list")))
        for case in gone_through.cases:
            if case.kind == "list":
                hold(self.solver, implied(both((known, case.guard)), place.value("list") == case.value))

    def _add(self, task: Task) -> None:
        state = self.of[task.id] = State()
        hopeless = self._join(task, state)
        if hopeless is False and state.ready is True and _surely_completes(task):
            return
        turns = isinstance(task.action, Wait) and task.action.may_skip and task.for_each is None
        state.turned = z3.Bool(f"{task.id} turned") if turns else False
        state.failed = z3.Bool(f"{task.id} failed") if self._may_fail(task) else False
        if task.when is not None:
            state.when = self.translation.of(task.when, self.reader(task))
        holds = state.when.holds
        state.begins = self._named(f"{task.id} begins", both((state.ready, holds)))
        broken = False if task.fails_run or task.when is None else both((state.ready, state.when.fails))
        if broken is not False:
            hold(self.solver, implied(broken, state.failed))
        completed = both((state.begins, negated(state.turned)))
        state.done = self._named(f"{task.id} done", either((completed, broken)))

        def skipped() -> Formula:
            denied = both((state.ready, state.when.denies))
            return self._named(f"{task.id} skipped", either((hopeless, denied, both((state.begins, state.turned)))))

        state.why_skipped = skipped
        state.ended = self._named(f"{task.id} ended", self._ended(task, state, hopeless))

    def _may_fail(self, task: Task) -> bool:
        """Whether the task may fail without harm: its output is null then."""
        return not task.fails_run and "null" in types_of(self._types.get(("tasks", task.id, "output"), True))

    def _ended(self, task: Task, state: State, hopeless: Formula) -> Formula:
        """Where the condition gives truth values only, one that does not fail is true or false: then it is enough that
        the task is ready. That keeps it small behind many conditions.
        """
        if any(case.kind != "bool" for case in state.when.cases):
            return either((state.done, state.skipped))
        fails = state.when.fails if task.fails_run else False
        return either((hopeless, both((state.ready, negated(fails)))))

    def _join(self, task: Task, state: State) -> Formula:
        """Sets when the task is ready; gives when it never will be."""
        needs = [self.of[need] for need in task.needs]
        if task.join.settled:
            ready, hopeless = both(need.ended for need in needs), False
        else:
            required = len(needs) if task.join.at_least is None else min(task.join.at_least, len(needs))
            ready = at_least(required, (need.done for need in needs))
            if required == len(needs):
                for name, need in zip(task.needs, needs, strict=True):
                    state.implied |= need.implied | self._bits[name]
            hopeless = at_least(len(needs) - required + 1, (need.skipped for need in needs))
        state.ready = self._named(f"{task.id} ready", ready)
        if waits_for_some(task):
            self._see_some(task, state)
        return hopeless

    def _see_some(self, task: Task, state: State) -> None:
        found = []
        for need in task.needs:
            seen = z3.Bool(f"{task.id} sees {need}")
            self.seen[task.id, need] = seen
            hold(self.solver, implied(seen, self.of[need].done))
            found.append(seen)
        enough = at_least(task.join.at_least or 0, found)
        hold(self.solver, implied(state.ready, enough))

    def _named(self, name: str, formula: Formula) -> Formula:
        """The formula under a name, so that what is made of it stays small."""
        if isinstance(formula, bool) or z3.is_const(formula):
            return formula
        named = z3.Bool(name)
        hold(self.solver, same(named, formula))
        return named


class Sight:
    """What the expressions of one task see."""

    def __init__(self, states: States, task: Task | None) -> None:
        self._states, self._task = states, task
        some = task is not None and waits_for_some(task)
        own = task is not None and task.for_each is not None
        self.name = str(task.id) if task is not None and (some or own) else ""
        self._sees_some = some

    def place(self, path: tuple[str, ...]) -> tuple[Place, Formula] | None:
        """The place, and whether there is something when it is looked at."""
        match path:
            case ("tasks", name, "status"):
                return self._status(TaskId(name))
            case ("tasks", name, "output"):
                place = self._states.place(path)
                return None if place is None else (place, self.done(TaskId(name)))
        place = self._states.place(path)
        return None if place is None else (place, place.present)

    def done(self, task: TaskId) -> Formula:
        """Whether the output of a task is there."""
        if self._task is not None and self._sees_some:
            return self._states.seen.get((self._task.id, task), False)
        if self._task is not None and self._states.is_done_before(task, self._task.id):
            return True
        return self._states.of[task].done

    def _status(self, task: TaskId) -> tuple[Place, Formula] | None:
        if self._sees_some or task not in self._states.of:
            return None
        state = self._states.of[task]
        place = _Told(f"tasks.{task}.status", self._states.solver, state)
        return place, True


class _Told(Place):
    """The status of a task that has ended."""

    def __init__(self, name: str, solver: z3.Solver, state: State) -> None:
        super().__init__(name, solver, True, ("string",))
        self._state = state

    @property
    def cases(self) -> tuple[Case, ...]:
        """What the task has become."""
        failed = both((self._state.failed, self._state.done))
        ways = (("failed", failed), ("completed", self._state.done), ("skipped", True))
        found: list[Case] = []
        before: list[Formula] = []
        for status, holds in ways:
            guard = both((holds, *(negated(one) for one in before)))
            if guard is not False:
                found.append(Case(guard, "string", literal(status)))
            before.append(holds)
        return tuple(found)


def _surely_completes(task: Task) -> bool:
    """Whether a task that is ready completes, or ends the run."""
    return task.when is None and task.fails_run and not isinstance(task.action, Wait)


def _record(member: str) -> JsonSchema:
    assert isinstance(TASK_RECORD, dict), "it is an object"  # noqa: S101
    schema: JsonSchema = TASK_RECORD["properties"][member]  # type: ignore[index]  # as it is written
    return schema
