"""Compiling: a template becomes a graph. Pure, and in time proportional to the number of tasks and mentions.

Problems, all of `TemplateInvalid`, with JSON pointers into the template: ACC120 to ACC128 (`template_rules`),
ACC200 to ACC208 (expressions), ACC240 to ACC244 and ACC248 (schemas), and

    ACC130  a task that there is not
    ACC131  a cycle
    ACC132  a variable that is not available at this place
    ACC133  an expression of a task that mentions the task itself
    ACC134  a member that tasks do not have
    ACC135  `when` or `for_each` that is not one expression
    ACC136  a join that does not fit the number of needs
    ACC139  a choice between tasks of which one has no condition
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal

import msgspec

from accord.domain.capability import CapabilityRange
from accord.domain.duration import parse_duration
from accord.domain.expression import Binding, Computed, Entries, Expression, Literal, Reference, compile_binding
from accord.domain.graph import (
    AGGREGATE,
    Backoff,
    Calls,
    Choice,
    ConfidenceRule,
    Graph,
    Join,
    Option,
    Redundancy,
    Retry,
    Sleep,
    Subrun,
    Task,
    Wait,
    Work,
)
from accord.domain.ids import Digest, TaskId
from accord.domain.labels import Declassification, join, path_of
from accord.domain.order import cycles, dependents_of, may_be_skipped, topological, without_cycles
from accord.domain.template import AtLeast, RetrySpec, TaskSpec, Template
from accord.domain.template_names import ANYWHERE, unknown_task
from accord.domain.template_parts import Parts, compile_at, compile_parts, without_unknown_tasks
from accord.domain.template_rules import problem, rule_problems, unsound_tasks
from accord.errors import Problem, TemplateInvalid

_END = "it is among the last tasks"
"""Why the aggregate needs a task that it does not mention."""


class Compiled(msgspec.Struct, frozen=True):
    """The graph of a template, and all that is wrong with the template."""

    graph: Graph
    """What is wrong is unknown in it: good for telling of the rest, never to be run where there are problems."""
    problems: tuple[Problem, ...]


def compile_graph(template: Template, digest: Digest) -> Graph:
    """The graph that a template means; `digest` is that of its document.

    Raises:
        TemplateInvalid: all problems at once, each with its JSON pointer.
    """
    compiled = compile_soundly(template, digest)
    TemplateInvalid.raise_if(compiled.problems)
    return compiled.graph


def compile_soundly(template: Template, digest: Digest, unknown: Collection[TaskId] = ()) -> Compiled:
    """The graph of all that is sound in a template, and its problems, each with its JSON pointer.

    Tasks that are `unknown` to begin with, or whose problems leave open what they do, are a `Wait` for anything.
    """
    names = {TaskId(name): spec for name, spec in template.tasks.items()}
    parts = {name: compile_parts(name, spec, f"/tasks/{name}", names) for name, spec in names.items()}
    found = [*rule_problems(template), *(each for part in parts.values() for each in part.problems)]
    position = {name: index for index, name in enumerate(names)}
    needs = {name: tuple(sorted(part.reasons, key=position.__getitem__)) for name, part in parts.items()}
    found.extend(_shape_problems(names, needs))
    found.extend(_choice_problems(template, names, unknown))
    output = _declared_output(template, names, found)
    ending = _aggregate_parts(template, names, found)
    problems = tuple(dict.fromkeys(found))
    if problems or unknown:
        needs, template = without_cycles(needs), _with_known_input(template, problems)
    unsound = {*unknown, *unsound_tasks(problems)}
    tasks = {
        name: _stand_in(name, spec, parts[name], needs[name])
        if name in unsound
        else _task(name, spec, parts[name], needs[name], template)
        for name, spec in names.items()
    }
    if AGGREGATE in unsound:
        ending = None
    if unsound:
        choices = [choice for choice in template.choices if unsound.isdisjoint(map(TaskId, choice.between))]
        template = msgspec.structs.replace(template, choices=tuple(choices))
    return Compiled(_graph(template, digest, tasks, output, ending), problems)


def _with_known_input(template: Template, problems: Iterable[Problem]) -> Template:
    """The template; where its input is no schema, the input may be anything."""
    wrong = any((each.place.pointer or "").startswith("/input") and each.code != "ACC248" for each in problems)
    return msgspec.structs.replace(template, input=True) if wrong else template


def _stand_in(name: TaskId, spec: TaskSpec, parts: Parts, needs: tuple[TaskId, ...]) -> Task:
    """A task of which only its needs are known: nothing follows from it."""
    return Task(
        id=name,
        description=spec.description,
        action=Wait(signal=name, title=Literal(None), schema=True),
        needs=needs,
        reasons={need: parts.reasons[need] for need in needs},
        join=Join(settled=True),
    )


def _shape_problems(specs: Mapping[TaskId, TaskSpec], needs: Mapping[TaskId, tuple[TaskId, ...]]) -> Iterator[Problem]:
    for cycle in cycles(needs):
        path = " → ".join((*cycle, cycle[0]))
        hint = "each of them waits for the next one: take one of the mentions out"
        yield problem("ACC131", f"the tasks need each other: {path}", f"/tasks/{cycle[0]}", hint)
    for name, spec in specs.items():
        yield from _join_problems(spec, len(needs[name]), f"/tasks/{name}/join")


def _join_problems(spec: TaskSpec, needs: int, at: str) -> Iterator[Problem]:
    if spec.join == "all":
        return
    if needs == 0:
        yield problem("ACC136", "the task has no needs to join", at, "remove it, or add `needs`")
    elif isinstance(spec.join, AtLeast) and spec.join.at_least > needs:
        message = f"the task would never start: at least {spec.join.at_least} of {needs} needs"
        yield problem("ACC136", message, f"{at}/at_least", f"at most {needs}")


def _choice_problems(
    template: Template, names: Mapping[TaskId, TaskSpec], unknown: Collection[TaskId]
) -> Iterator[Problem]:
    for number, choice in enumerate(template.choices):
        at = f"/choices/{number}/between"
        for index, name in enumerate(choice.between):
            if name not in names:
                yield unknown_task(name, f"{at}/{index}", names)
            elif name in choice.between[:index]:
                yield problem("ACC127", f"`{name}` is named twice", f"{at}/{index}", "name each branch once")
            elif names[TaskId(name)].when is None and name not in unknown:
                hint = "give it a `when`, or take it out of the choice"
                yield problem("ACC139", f"`{name}` is no branch: it has no `when`", f"{at}/{index}", hint)


def _declared_output(template: Template, names: Mapping[TaskId, TaskSpec], problems: list[Problem]) -> Binding | None:
    if template.output is msgspec.UNSET:
        return None
    binding = compile_at(template.output, "/output", ANYWHERE, problems)
    return without_unknown_tasks(binding, names, problems)


def _aggregate_parts(template: Template, names: Mapping[TaskId, TaskSpec], problems: list[Problem]) -> Parts | None:
    if template.aggregate is None:
        return None
    spec = TaskSpec(uses=template.aggregate.uses, with_=template.aggregate.with_)
    parts = compile_parts(AGGREGATE, spec, "/aggregate", names)
    problems.extend(parts.problems)
    return parts


def _graph(
    template: Template,
    digest: Digest,
    tasks: dict[TaskId, Task],
    output: Binding | None,
    ending: Parts | None,
) -> Graph:
    if ending is not None:
        tasks = {**tasks, AGGREGATE: _aggregate(template, tasks, ending)}
    needs, limits = {name: task.needs for name, task in tasks.items()}, template.limits
    order, dependents = topological(needs), dependents_of(needs)
    if ending is not None:
        output = _output_of(AGGREGATE)
    elif output is None:
        output = _default_output(tasks, order, dependents)
    return Graph(
        template=f"{template.name}@{template.version}",
        digest=digest,
        title=template.name,
        input_schema=template.input,
        tasks=tasks,
        order=order,
        dependents=dependents,
        output=output,
        deadline=_duration(limits.deadline),
        parallel=limits.parallel,
        max_tasks=limits.tasks,
        compensates_failure=template.on_failure == "compensate",
        max_cost=Decimal(limits.max_cost) if limits.max_cost is not None else None,
        when_spent=limits.when_spent or "fail",
        choices=tuple(
            Choice(tuple(map(TaskId, one.between)), one.takes)
            for one in template.choices
            if tasks.keys() >= set(one.between)
        ),
        input_labels={path_of(at): join(words) for at, words in template.labels.items()},
        suggested_by=template.suggested.model if template.suggested is not None else "",
    )


def _aggregate(template: Template, tasks: Mapping[TaskId, Task], parts: Parts) -> Task:
    """The task that needs all last tasks; it starts also when some of them were skipped, if that may happen."""
    assert template.aggregate is not None, "only called for a template with an aggregate"  # noqa: S101
    needs = {name: task.needs for name, task in tasks.items()}
    last = [name for name, after in dependents_of(needs).items() if not after]
    reasons = {**dict.fromkeys(last, _END), **parts.reasons}
    skippable = may_be_skipped(tasks, topological(needs))
    join = Join(settled=True) if any(name in skippable for name in reasons) else Join()
    spec = TaskSpec(uses=template.aggregate.uses, description="Makes the result of the run.")
    ordered = tuple(name for name in tasks if name in reasons)
    task = _task(AGGREGATE, spec, msgspec.structs.replace(parts, reasons=reasons), ordered, template)
    return msgspec.structs.replace(task, join=join)


def _default_output(
    tasks: Mapping[TaskId, Task], order: tuple[TaskId, ...], dependents: Mapping[TaskId, tuple[TaskId, ...]]
) -> Binding:
    """The outputs of the last tasks by name; null for one that was skipped."""
    skippable = may_be_skipped(tasks, order)
    members = [
        (str(name), _output_or_null(name) if name in skippable else _output_of(name))
        for name in tasks
        if not dependents[name]
    ]
    return Entries(tuple(members))


def _output_of(name: TaskId) -> Binding:
    """What `${ tasks.name.output }` compiles to, without asking CEL: there may be many."""
    expression = Expression(
        source=f"tasks.{name}.output",
        references=frozenset({Reference("tasks", (name, "output"))}),
        result_type="dyn",
        path=("tasks", name, "output"),
    )
    return Computed(expression, "/output")


def _output_or_null(name: TaskId) -> Binding:
    return compile_binding(f"${{ tasks.{name}.?output.orValue(null) }}", pointer="/output")


def _task(name: TaskId, spec: TaskSpec, parts: Parts, needs: tuple[TaskId, ...], template: Template) -> Task:
    return Task(
        id=name,
        description=spec.description,
        action=_action(spec, parts, template.defaults),
        needs=needs,
        reasons={need: parts.reasons[need] for need in needs},
        join=_join(spec),
        when=parts.when,
        for_each=parts.for_each,
        parallel=spec.parallel,
        deadline=_duration(spec.deadline),
        fails_run=spec.on_failure == "fail",
        compensate=_compensation(spec, parts),
        labels=join(spec.labels),
        declassify=_declassification(spec),
    )


def _action(spec: TaskSpec, parts: Parts, defaults: RetrySpec) -> Work | Wait | Sleep | Subrun:
    if spec.approval is not None:
        approval = spec.approval
        return Wait(
            signal=None,
            title=parts.main,
            schema=approval.form,
            timeout=_duration(approval.timeout),
            on_timeout=approval.on_timeout,
            on_reject=approval.on_reject,
        )
    if spec.signal is not None:
        signal = spec.signal
        title = Literal(spec.description or f"waits for the signal `{signal.name}`")
        return Wait(
            signal=signal.name,
            title=title,
            schema=signal.schema,
            timeout=_duration(signal.timeout),
            on_timeout=signal.on_timeout,
        )
    if spec.sleep is not None:
        return Sleep(parts.main)
    return Subrun(spec.workflow, parts.main) if spec.workflow is not None else _work(spec, parts, defaults)


def _work(spec: TaskSpec, parts: Parts, defaults: RetrySpec) -> Work:
    assert spec.uses is not None, "the rules have been checked"  # noqa: S101
    fallbacks = [
        Option(CapabilityRange.parse(option.uses) if option.uses is not None else None, binding)
        for option, binding in zip(spec.fallback, parts.fallback, strict=True)
    ]
    copies, sure = spec.redundancy, spec.confidence
    return Work(
        options=(Option(CapabilityRange.parse(spec.uses), parts.main), *fallbacks),
        retry=_retry(spec.retry or defaults),
        timeout=_duration(spec.timeout),
        redundancy=Redundancy(copies.copies, copies.agree) if copies is not None else None,
        confidence=ConfidenceRule(sure.at_least, sure.otherwise) if sure is not None else None,
        diagnose=spec.diagnose,
        upstream=spec.context == "upstream",
        calls=_calls(spec),
    )


def _calls(spec: TaskSpec) -> Calls | None:
    calls = spec.calls
    return None if calls is None else Calls(calls.at_most, calls.capabilities, calls.depth, calls.objectives)


def _retry(spec: RetrySpec) -> Retry:
    backoff = spec.backoff
    first, cap = _duration(backoff.first), _duration(backoff.cap)
    return Retry(spec.attempts, Backoff(first or timedelta(), backoff.factor, cap or timedelta(), backoff.jitter))


def _join(spec: TaskSpec) -> Join:
    if isinstance(spec.join, AtLeast):
        return Join(at_least=spec.join.at_least)
    return {"all": Join(), "any": Join(at_least=1), "settled": Join(settled=True)}[spec.join]


def _compensation(spec: TaskSpec, parts: Parts) -> Option | None:
    if spec.compensate is None or parts.compensate is None:
        return None
    return Option(CapabilityRange.parse(spec.compensate.uses), parts.compensate)


def _declassification(spec: TaskSpec) -> Declassification | None:
    wanted = spec.declassify
    return None if wanted is None else Declassification(wanted.to, tuple(sorted(set(wanted.without))), wanted.why)


def _duration(text: str | None) -> timedelta | None:
    return parse_duration(text) if text is not None else None
