"""Structure: what is wrong with the tasks of a graph and how they follow each other, whatever their inputs are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from accord.domain.expression import Binding, Computed, Expression, Reference, expressions
from accord.domain.graph import Graph, Task, Wait, Work, references_of
from accord.domain.ids import TaskId
from accord.domain.order import cycles, may_be_skipped
from accord.domain.schema_path import may_hold
from accord.verifier.readings import Suspicion, conditions_of, inputs_of, is_guarded
from accord.verifier.report import Findings
from accord.verifier.wholes import verdict_of

NEVER_TRUE = "change the condition, or take the task out"
"""The way out where a condition is never true."""

NEVER_MET = "change their conditions, or start it with `join: any` or `join: settled`"
"""The way out where what a task needs does not come together."""

_NEVER = frozenset({"false", "!true", "1 > 2"})


def check_structure(graph: Graph, findings: Findings) -> None:
    """Order, joins, tasks that never start, and outputs that may be absent where they are read."""
    _check_order(graph, findings)
    never = set(_never_started(graph, findings))
    for task in graph.tasks.values():
        if task.id not in never and task.join.at_least is not None and task.join.at_least > len(task.needs):
            message = f"at least {task.join.at_least} of {len(task.needs)} needs: the task can never start"
            findings.error("ACC830", message, f"/tasks/{task.id}/join", "ask for fewer, or name more in `needs`")
    Presence(graph, findings).check()
    _check_answers(graph, findings)
    _check_given(graph, findings)


def _check_given(graph: Graph, findings: Findings) -> None:
    """Tell where nothing can be given that a run needs to begin, or to end."""
    if verdict_of(False, graph.input_schema).proven:
        message = "no value is an input by this schema: no run can begin"
        findings.error("ACC858", message, "/input", "change the rules that exclude each other")
    for task in graph.tasks.values():
        action = task.action
        if isinstance(action, Wait) and action.timeout is None and verdict_of(False, action.schema).proven:
            kind = "approval" if action.signal is None else "signal"
            message = f"no answer keeps this schema: `{task.id}` waits for ever"
            findings.error("ACC858", message, f"/tasks/{task.id}/{kind}", "change the schema, or give it a `timeout`")


def _check_answers(graph: Graph, findings: Findings) -> None:
    """Warn where an approval goes on whatever is answered, and nothing of the template reads the answer."""
    deaf = [task.id for task in graph.tasks.values() if isinstance(task.action, Wait) and _goes_on(task.action)]
    read = _answers_read(graph) if deaf else frozenset()
    for name in deaf:
        if name not in read:
            message = "whatever is answered, the run goes on, and nothing reads the answer"
            hint = f"let a rejection stop it (`on_reject: fail`), or ask for `tasks.{name}.output` in a `when`"
            findings.warning("ACC832", message, f"/tasks/{name}/approval", hint)


def _goes_on(action: Wait) -> bool:
    """Whether it is an approval that no answer stops."""
    stops = action.on_reject != "continue" and may_hold(action.schema, ("approved",), value=False)
    return action.signal is None and not stops


def _answers_read(graph: Graph) -> frozenset[TaskId]:
    """The tasks whose output anything in the graph may see; an agent that is given its context sees all before it."""
    seen = {each for task in graph.tasks.values() for each in _seen(references_of(task))}
    above = [name for name, task in graph.tasks.items() if isinstance(task.action, Work) and task.action.upstream]
    return frozenset(seen | set(_seen(graph.output.references)) | _before(graph, above))


def _seen(references: Iterable[Reference]) -> Iterator[TaskId]:
    """The tasks whose output these read, or may read."""
    for each in references:
        if each.root == "tasks" and each.path and each.path[1:2] in ((), ("output",)):
            yield TaskId(each.path[0])


def _before(graph: Graph, tasks: Iterable[TaskId]) -> set[TaskId]:
    """All tasks that come before these."""
    found: set[TaskId] = set()
    front = list(tasks)
    while front:
        new = {need for need in graph.tasks[front.pop()].needs if need in graph.tasks} - found
        found |= new
        front.extend(new)
    return found


def _check_order(graph: Graph, findings: Findings) -> None:
    needs = {name: task.needs for name, task in graph.tasks.items()}
    for name, before in needs.items():
        for need in before:
            if need not in graph.tasks:
                findings.error("ACC829", f"the task needs `{need}`, which there is not", f"/tasks/{name}")
    if any(need not in graph.tasks for before in needs.values() for need in before):
        return
    for cycle in cycles(needs):
        path = " → ".join((*cycle, cycle[0]))
        findings.error("ACC829", f"the tasks need each other: {path}", f"/tasks/{cycle[0]}")


def _never_started(graph: Graph, findings: Findings) -> Iterator[TaskId]:
    """Tasks whose condition is constantly false, and all that needs them."""
    never: set[TaskId] = set()
    for name in graph.order:
        task = graph.tasks[name]
        if task.when is not None and task.when.source.strip() in _NEVER:
            findings.error(
                "ACC830", "the task never starts: its `when` is never true", f"/tasks/{name}/when", NEVER_TRUE
            )
        elif not _starved(task, never):
            continue
        else:
            lost = ", ".join(f"`{need}`" for need in task.needs if need in never)
            findings.error("ACC830", f"the task never starts: {lost} never does", f"/tasks/{name}", NEVER_MET)
        never.add(name)
        yield name


def _starved(task: Task, never: set[TaskId]) -> bool:
    if task.join.settled or not task.needs:
        return False
    required = len(task.needs) if task.join.at_least is None else task.join.at_least
    return sum(need not in never for need in task.needs) < required


class Presence:
    """Which outputs are there for certain when an expression reads them."""

    def __init__(self, graph: Graph, findings: Findings) -> None:
        self._graph, self._findings = graph, findings
        self._skippable = may_be_skipped(graph.tasks, graph.order)

    def check(self) -> None:
        """Suspect every read of an output that may be absent, and is not asked for with has() or `.?`."""
        for task in self._graph.tasks.values():
            absent = self._absent_for(task)
            if absent:
                self._check_all(conditions_of(task), absent, frozenset())
                self._check_all(inputs_of(task), absent, asked_for(task.when))
            if task.compensate is not None:
                self._check_compensation(task, task.compensate.binding)
        ends = dict.fromkeys(self._skippable, "it may be skipped")
        self._check_all(expressions(self._graph.output), ends, frozenset())

    def _absent_for(self, task: Task) -> Mapping[TaskId, str]:
        """The needs of a task whose output may be absent when it starts, and why."""
        if task.join.settled:
            return {need: "it may be skipped" for need in task.needs if need in self._skippable}
        if task.join.at_least is None or task.join.at_least == len(task.needs):
            return {}
        why = f"the task starts when {task.join.at_least} of its {len(task.needs)} needs are there"
        return dict.fromkeys(task.needs, why)

    def _check_all(self, found: Iterable[Computed], absent: Mapping[TaskId, str], asked: frozenset[TaskId]) -> None:
        for computed in found:
            for task in sorted(_reads(computed.expression) - asked):
                if task in absent:
                    self._report(computed, task, absent[task])

    def _report(self, computed: Computed, task: TaskId, why: str) -> None:
        message = f"`tasks.{task}.output` may be absent, in `{computed.expression.source}`: {why}"
        hint = f"write `tasks.{task}.?output.orValue(null)`, or ask with `has(tasks.{task}.output)`"
        source = computed.expression.source
        self._findings.suspect(Suspicion("ACC825", message, computed.pointer, source, hint, absent=task))

    def _check_compensation(self, task: Task, binding: Binding) -> None:
        mentions = [computed for computed in expressions(binding) if _reads(computed.expression) - {task.id}]
        certain = self._certain_before(task) if mentions else frozenset()
        for computed in mentions:
            for other in sorted(_reads(computed.expression) - certain - {task.id}):
                message = f"`{other}` may not have run when this one is undone, in `{computed.expression.source}`"
                hint = f"write `tasks.{other}.?output.orValue(null)`, or add `{other}` to `needs`"
                self._findings.error("ACC826", message, computed.pointer, hint)

    def _certain_before(self, task: Task) -> frozenset[TaskId]:
        """All tasks that have completed whenever this one has."""
        found: set[TaskId] = set()
        front = [task]
        while front:
            one = front.pop()
            absent = self._absent_for(one)
            for need in one.needs:
                if need not in found and need not in absent:
                    found.add(need)
                    front.append(self._graph.tasks[need])
        return frozenset(found)


def asked_for(condition: Expression | None) -> frozenset[TaskId]:
    """The tasks whose output is there for certain where a condition holds, by its parts joined with `&&`."""
    if condition is None or "||" in condition.source or "?" in condition.source:
        return frozenset()
    parts = {part.strip() for part in condition.source.split("&&")}
    return frozenset(
        task
        for task in _mentioned(condition.references)
        if {f"has(tasks.{task}.output)", f'tasks.{task}.status == "completed"'} & parts
    )


def _reads(expression: Expression) -> frozenset[TaskId]:
    """The tasks whose output an expression reads without asking whether it is there."""
    return frozenset(
        TaskId(reference.path[0])
        for reference in expression.references
        if reference.root == "tasks"
        and reference.path[1:2] == ("output",)
        and not _asks_for_output(reference, expression)
    )


def _asks_for_output(reference: Reference, expression: Expression) -> bool:
    output = Reference(reference.root, reference.path[:2])
    return is_guarded(output, expression)


def _mentioned(references: Iterable[Reference]) -> frozenset[TaskId]:
    return frozenset(TaskId(each.path[0]) for each in references if each.root == "tasks" and each.path)
