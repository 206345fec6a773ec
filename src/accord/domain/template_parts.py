"""The expressions of one task, compiled, and the needs that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from accord.domain.expression import UNKNOWN, Binding, Computed, Expression, compile_partly, unknown_at
from accord.domain.ids import TaskId
from accord.domain.template import Call, TaskSpec
from accord.domain.template_names import (
    ANYWHERE,
    PER_ITEM,
    member_problems,
    task_references,
    unknown_task,
    variable_problems,
)
from accord.domain.template_rules import problem
from accord.errors import Problem


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the expressions of a task compile to, and all problems found on the way."""

    main: Binding
    """The input; of an approval the title; of a sleep the time."""
    when: Expression | None
    for_each: Binding | None
    fallback: tuple[Binding, ...]
    compensate: Binding | None
    reasons: Mapping[TaskId, str]
    """Each need, and why it is one."""
    problems: tuple[Problem, ...]


def compile_parts(name: TaskId, spec: TaskSpec, at: str, tasks: Mapping[TaskId, object]) -> Parts:
    """The parts of a task whose JSON pointer is `at`, in a template with these tasks."""
    return _Compiling(name, spec, at, tasks).parts()


def compile_at(value: object, at: str, allowed: frozenset[str], problems: list[Problem]) -> Binding:
    """The binding; what is wrong with it is added to `problems`, and unknown in it."""
    binding, found = compile_partly(value, pointer=at)
    wrong = [*found, *variable_problems(binding, allowed)]
    for computed, reference, _ in task_references(binding):
        wrong.extend(member_problems(computed, reference))
    problems.extend(wrong)
    return without(binding, wrong)


def without(binding: Binding, problems: Sequence[Problem]) -> Binding:
    """The binding with all that is wrong by these problems unknown in it."""
    return unknown_at(binding, {each.place.pointer or "" for each in problems}) if problems else binding


def without_unknown_tasks(binding: Binding, tasks: Mapping[TaskId, object], problems: list[Problem]) -> Binding:
    """The binding; mentions of tasks that there are not are added to `problems`, and unknown in it."""
    wrong = [
        unknown_task(task, computed.pointer, tasks)
        for computed, _, task in task_references(binding)
        if task not in tasks
    ]
    problems.extend(wrong)
    return without(binding, wrong)


class _Compiling:
    """The work on one task."""

    def __init__(self, name: TaskId, spec: TaskSpec, at: str, tasks: Mapping[TaskId, object]) -> None:
        self.name, self.spec, self.at, self.tasks = name, spec, at, tasks
        self.problems: list[Problem] = []
        self.reasons: dict[TaskId, str] = {}
        self.inside = PER_ITEM if spec.for_each is not None else ANYWHERE

    def parts(self) -> Parts:
        spec = self.spec
        for index, need in enumerate(spec.needs):
            if need not in self.tasks:
                self.problems.append(unknown_task(need, f"{self.at}/needs/{index}", self.tasks))
            elif need != self.name:
                self.reasons[TaskId(need)] = "needs"
        main = self.main()
        return Parts(
            main=main,
            when=self.condition(),
            for_each=self.items(),
            fallback=tuple(self.fallback(index, main) for index in range(len(spec.fallback))),
            compensate=self.compensation(spec.compensate) if spec.compensate is not None else None,
            reasons=self.reasons,
            problems=tuple(self.problems),
        )

    def main(self) -> Binding:
        spec = self.spec
        if spec.approval is not None:
            return self.binding(spec.approval.title, "approval/title", self.inside)
        if spec.sleep is not None:
            return self.binding(spec.sleep, "sleep", self.inside)
        return self.binding(spec.with_, "with", self.inside)

    def condition(self) -> Expression | None:
        if self.spec.when is None:
            return None
        return self.single(self.spec.when, "when").expression

    def items(self) -> Binding | None:
        return None if self.spec.for_each is None else self.single(self.spec.for_each, "for_each")

    def single(self, text: str, field: str) -> Computed:
        found = len(self.problems)
        binding = self.binding(text, field, ANYWHERE)
        if isinstance(binding, Computed):
            return binding
        at = f"{self.at}/{field}"
        if len(self.problems) == found:
            hint = "put one `${ ... }` around all of it"
            self.problems.append(problem("ACC135", f"`{field}` is one expression", at, hint))
        return Computed(UNKNOWN, at)

    def fallback(self, index: int, main: Binding) -> Binding:
        option, allowed = self.spec.fallback[index], self.inside | {"error"}
        if option.value is not msgspec.UNSET:
            return self.binding(option.value, f"fallback/{index}/value", allowed)
        if option.with_ is not msgspec.UNSET:
            return self.binding(option.with_, f"fallback/{index}/with", allowed)
        return main

    def compensation(self, call: Call) -> Binding:
        """Compensations run after everything else, so what they mention is no need; the verifier looks at it."""
        at = f"{self.at}/compensate/with"
        binding = compile_at(call.with_, at, self.inside | {"task"}, self.problems)
        return without_unknown_tasks(binding, self.tasks, self.problems)

    def binding(self, value: Any, field: str, allowed: frozenset[str]) -> Binding:
        binding = compile_at(value, f"{self.at}/{field}", allowed, self.problems)
        wrong = [found for computed, _, task in task_references(binding) for found in self.mention(computed, task)]
        self.problems.extend(wrong)
        return without(binding, wrong)

    def mention(self, computed: Computed, task: TaskId) -> Iterator[Problem]:
        source = computed.expression.source
        if task == self.name:
            hint = "a task cannot use its own output; in `compensate` it can: `task.output`"
            yield problem("ACC133", f"the task mentions itself, in `{source}`", computed.pointer, hint)
        elif task not in self.tasks:
            yield unknown_task(task, computed.pointer, self.tasks)
        else:
            field = computed.pointer[len(self.at) + 1 :].replace("/", ".")
            self.reasons.setdefault(task, f"{field}: ${{ {source} }}")
