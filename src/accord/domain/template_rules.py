"""The rules of a template that its types cannot say: what belongs to what, and which numbers go together.

ACC120  a task says nothing to do, or more than one thing
ACC121  a field that means nothing here (it would be ignored)
ACC122  numbers or times that contradict each other
ACC123  a fallback that is none
ACC124  a reserved name
ACC125  `aggregate` together with `output`
ACC126  an example phrase whose slots the input does not have
ACC127  a need that is repeated, or is the task itself
ACC128  a duration, version or range that is none
ACC129  a schema that is none
ACC137  labels of what the input does not have
ACC138  a declassification that takes nothing away, or cannot be claimed
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from decimal import Decimal

import msgspec

from accord.domain.capability import CapabilityRange, Version, VersionRange
from accord.domain.defaults import default_problems
from accord.domain.duration import parse_duration
from accord.domain.graph import AGGREGATE
from accord.domain.ids import TaskId
from accord.domain.labels import LEVELS, path_of
from accord.domain.schema import compile_schema
from accord.domain.schema_path import may_be_at, may_hold
from accord.domain.template import (
    ApprovalSpec,
    BackoffSpec,
    JsonSchema,
    RetrySpec,
    SignalSpec,
    TaskSpec,
    Template,
)
from accord.errors import BadInput, ContractViolation, Place, Problem

ACTIONS = ("uses", "approval", "signal", "sleep", "workflow")
_DEEDS = frozenset((*ACTIONS, "fallback", "compensate"))
_UNSOUND = frozenset(("ACC120", "ACC123", "ACC128", "ACC240", "ACC241", "ACC242", "ACC243", "ACC244"))
"""Problems of a task's `_DEEDS` after which nobody knows what it does, or what it gives."""
_FIELDS_OF = {
    "with": ("uses", "workflow"),
    "for_each": ("uses", "workflow", "approval"),
    "parallel": ("uses", "workflow", "approval"),
    "deadline": ("uses", "workflow"),
    "retry": ("uses",),
    "timeout": ("uses",),
    "redundancy": ("uses",),
    "confidence": ("uses",),
    "diagnose": ("uses",),
    "fallback": ("uses",),
    "compensate": ("uses",),
    "context": ("uses",),
    "declassify": ("uses",),
    "calls": ("uses",),
}
"""What a field is for; those that are not listed go with every action."""

_WAYS_OUT = {
    ("timeout", "approval"): "write it inside `approval`",
    ("timeout", "signal"): "write it inside `signal`",
    ("timeout", "workflow"): "write `deadline`",
    ("deadline", "approval"): "write `approval.timeout`",
    ("deadline", "signal"): "write `signal.timeout`",
    ("retry", "workflow"): "retry the tasks of that workflow",
    ("declassify", "approval"): "write it at a task with `uses` that `needs` this one: an agent signs that it was done",
    ("declassify", "signal"): "write it at a task with `uses` that `needs` this one: an agent signs that it was done",
    ("declassify", "workflow"): "write it at a task of that workflow",
    ("calls", "workflow"): "write it at a task of that workflow",
}
_CEL_WORDS = frozenset(
    {
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in"),
        *("let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while"),
    }
)
SLOT = re.compile(r"\{([^{}]*)\}")
"""A slot of an example phrase."""


def rule_problems(template: Template) -> Iterator[Problem]:
    """Everything that breaks a rule above, each with its JSON pointer."""
    yield from _header_problems(template)
    yield from _schema_problems(template.input, "/input")
    yield from _retry_problems(template.defaults, "/defaults")
    yield from _duration_problems(template.limits.deadline, "/limits/deadline")
    if template.limits.max_cost is not None and not Decimal(template.limits.max_cost):
        yield problem("ACC122", "with nothing to spend nothing is done", "/limits/max_cost", "more than 0")
    if template.limits.when_spent is not None and template.limits.max_cost is None:
        message = "`when_spent` means nothing without `max_cost`"
        yield problem("ACC121", message, "/limits/when_spent", "add `max_cost`, or remove it")
    yield from _label_problems(template)
    for name, spec in template.tasks.items():
        at = f"/tasks/{name}"
        yield from _name_problems(name, template)
        yield from task_problems(spec, at)


def unsound_tasks(problems: Iterable[Problem]) -> Iterator[TaskId]:
    """The tasks, `aggregate` among them, of which these problems leave open what they do or give."""
    for each in problems:
        start, *rest = (each.place.pointer or "").split("/")[1:] or [""]
        if start == AGGREGATE and each.code == "ACC128":
            yield AGGREGATE
        elif start == "tasks" and rest and each.code in _UNSOUND and (not rest[1:] or rest[1] in _DEEDS):
            yield TaskId(rest[0])


def task_problems(spec: TaskSpec, at: str) -> Iterator[Problem]:
    """Everything that breaks a rule in one task."""
    actions = [action for action in ACTIONS if getattr(spec, action) is not None]
    if len(actions) == 1:
        yield from _misplaced_fields(spec, actions[0], at)
    elif actions:
        message = f"the task says more than one thing to do: {', '.join(f'`{action}`' for action in actions)}"
        yield problem("ACC120", message, f"{at}/{actions[1]}", "make each a task of its own")
    else:
        hint = f"give it one of {', '.join(f'`{action}`' for action in ACTIONS)}"
        yield problem("ACC120", "the task says nothing to do", at, hint)
    yield from _action_problems(spec, at)
    yield from _number_problems(spec, at)
    yield from _fallback_problems(spec, at)
    yield from _need_problems(spec, at)
    yield from _declassify_problems(spec, at)


def problem(code: str, message: str, at: str, hint: str | None = None) -> Problem:
    """A problem at a JSON pointer."""
    return Problem(code, message, Place(pointer=at), hint)


def _header_problems(template: Template) -> Iterator[Problem]:
    yield from _parse_problems(Version.parse, template.version, "/version")
    if template.aggregate is not None:
        yield from _parse_problems(CapabilityRange.parse, template.aggregate.uses, "/aggregate/uses")
        if template.output is not msgspec.UNSET:
            hint = "give the aggregate what it needs in `aggregate.with`, and remove `output`"
            yield problem("ACC125", "`aggregate` makes the result, so `output` is never used", "/output", hint)
    if template.on_failure == "compensate" and not any(task.compensate for task in template.tasks.values()):
        hint = "give tasks a `compensate`, or remove it"
        yield problem("ACC121", "no task can be undone: none has a `compensate`", "/on_failure", hint)
    for index, phrase in enumerate(template.examples):
        yield from _example_problems(phrase, template.input, f"/examples/{index}")


def _example_problems(phrase: str, schema: JsonSchema, at: str) -> Iterator[Problem]:
    rest = SLOT.sub("", phrase)
    if "{" in rest or "}" in rest:
        yield problem("ACC126", "a brace without its partner", at, "a slot is `{name}`")
    elif not re.search(r"\w", rest):
        yield problem("ACC126", "the phrase has slots but no words", at, "write `compare {products}`")
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    slots = SLOT.findall(phrase)
    for slot in slots:
        if slot not in properties:
            known = ", ".join(f"`{name}`" for name in properties) or "none"
            yield problem("ACC126", f"the input has no `{slot}` for this slot", at, f"its properties: {known}")
    if len(set(slots)) < len(slots):
        yield problem("ACC126", "a slot occurs twice", at)


def _name_problems(name: str, template: Template) -> Iterator[Problem]:
    if name in _CEL_WORDS:
        hint = f"call it `{name}_task`, for example"
        yield problem("ACC124", f"`{name}` is a word of the expression language", f"/tasks/{name}", hint)
    if name == AGGREGATE and template.aggregate is not None:
        message = "`aggregate` is the name of the task that the template's own `aggregate` makes"
        yield problem("ACC124", message, f"/tasks/{name}", "give this task another name")


def _misplaced_fields(spec: TaskSpec, action: str, at: str) -> Iterator[Problem]:
    plain = TaskSpec()
    for field, owners in _FIELDS_OF.items():
        attribute = "with_" if field == "with" else field
        if action not in owners and getattr(spec, attribute) != getattr(plain, attribute):
            hint = _WAYS_OUT.get((field, action), f"remove it: it goes with {_listed(owners)}")
            yield problem("ACC121", f"`{field}` means nothing for `{action}`", f"{at}/{field}", hint)
    if spec.parallel is not None and spec.for_each is None:
        yield problem("ACC121", "`parallel` means nothing without `for_each`", f"{at}/parallel", "remove it")


def _listed(names: tuple[str, ...]) -> str:
    quoted = [f"`{name}`" for name in names]
    return " and ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def _action_problems(spec: TaskSpec, at: str) -> Iterator[Problem]:
    if spec.uses is not None:
        yield from _parse_problems(CapabilityRange.parse, spec.uses, f"{at}/uses")
    if spec.workflow is not None:
        yield from _workflow_problems(spec.workflow, f"{at}/workflow")
    if spec.compensate is not None:
        yield from _parse_problems(CapabilityRange.parse, spec.compensate.uses, f"{at}/compensate/uses")
    if spec.sleep is not None and "${" not in spec.sleep:
        yield from _duration_problems(spec.sleep, f"{at}/sleep")
    if spec.approval is not None:
        yield from _schema_problems(spec.approval.form, f"{at}/approval/form")
        yield from _wait_problems(spec.approval, f"{at}/approval")
        yield from _reject_problems(spec.approval, f"{at}/approval")
    if spec.signal is not None:
        yield from _schema_problems(spec.signal.schema, f"{at}/signal/schema")
        yield from _wait_problems(spec.signal, f"{at}/signal")


def _wait_problems(spec: ApprovalSpec | SignalSpec, at: str) -> Iterator[Problem]:
    yield from _duration_problems(spec.timeout, f"{at}/timeout")
    if spec.on_timeout != "fail" and spec.timeout is None:
        message = "`on_timeout` means nothing without `timeout`"
        yield problem("ACC121", message, f"{at}/on_timeout", "add `timeout: 1d`, or remove it")


def _reject_problems(spec: ApprovalSpec, at: str) -> Iterator[Problem]:
    """A problem where `on_reject` is said of a form that nobody can reject with."""
    if spec.on_reject != "fail" and not may_hold(spec.form, ("approved",), value=False):
        message = "`on_reject` means nothing where the form has no `approved` that may be false"
        hint = "add `approved: {type: boolean}` to the form, or remove it"
        yield problem("ACC121", message, f"{at}/on_reject", hint)


def _workflow_problems(text: str, at: str) -> Iterator[Problem]:
    name, _, versions = text.partition("@")
    if re.fullmatch(r"[a-z][a-z0-9]*([-.][a-z0-9]+)*", name) is None:
        yield problem("ACC128", f"`{text}` names no template", at, "write `source-audit@^1`")
    yield from _parse_problems(VersionRange.parse, versions, at)


def _number_problems(spec: TaskSpec, at: str) -> Iterator[Problem]:
    yield from _duration_problems(spec.timeout, f"{at}/timeout")
    yield from _duration_problems(spec.deadline, f"{at}/deadline")
    timeout, deadline = _duration(spec.timeout), _duration(spec.deadline)
    if timeout and deadline and timeout > deadline:
        message = "`timeout` (of one attempt) is longer than `deadline` (of all attempts)"
        yield problem("ACC122", message, f"{at}/timeout", f"at most `{spec.deadline}`")
    if spec.retry is not None:
        yield from _retry_problems(spec.retry, f"{at}/retry")
    copies = spec.redundancy
    if copies is not None and copies.agree > copies.copies:
        message = f"{copies.agree} of {copies.copies} can never agree"
        yield problem("ACC122", message, f"{at}/redundancy/agree", f"at most {copies.copies}")
    elif copies is not None and copies.agree * 2 <= copies.copies:
        message = f"with {copies.agree} of {copies.copies}, two different results could both have agreed"
        yield problem("ACC122", message, f"{at}/redundancy/agree", f"at least {copies.copies // 2 + 1}")


def _retry_problems(retry: RetrySpec, at: str) -> Iterator[Problem]:
    yield from _backoff_problems(retry.backoff, f"{at}/backoff")


def _backoff_problems(backoff: BackoffSpec, at: str) -> Iterator[Problem]:
    yield from _duration_problems(backoff.first, f"{at}/first", zero_too=True)
    yield from _duration_problems(backoff.cap, f"{at}/cap", zero_too=True)
    first, cap = _duration(backoff.first), _duration(backoff.cap)
    if first is not None and cap is not None and first > cap:
        hint = f"a `cap` of at least `{backoff.first}`"
        yield problem("ACC122", "the first wait is longer than `cap`", f"{at}/first", hint)


def _fallback_problems(spec: TaskSpec, at: str) -> Iterator[Problem]:
    for index, option in enumerate(spec.fallback):
        here = f"{at}/fallback/{index}"
        has_value = option.value is not msgspec.UNSET
        if (option.uses is not None) == has_value:
            said = "says nothing to do" if not has_value else "has both `uses` and `value`"
            yield problem("ACC123", f"the fallback {said}", here, "give it `uses`, or else `value`")
        if has_value and option.with_ is not msgspec.UNSET:
            yield problem("ACC123", "`with` means nothing for a `value`", f"{here}/with", "remove it")
        if has_value and index + 1 < len(spec.fallback):
            message = "fallbacks after a `value` are never reached"
            yield problem("ACC123", message, f"{at}/fallback/{index + 1}", "put the `value` last")
        if option.uses is not None:
            yield from _parse_problems(CapabilityRange.parse, option.uses, f"{here}/uses")


def _need_problems(spec: TaskSpec, at: str) -> Iterator[Problem]:
    name = at.rpartition("/")[2]
    for index, need in enumerate(spec.needs):
        here = f"{at}/needs/{index}"
        if need == name:
            yield problem("ACC127", "the task needs itself", here, "remove it")
        elif need in spec.needs[:index]:
            yield problem("ACC127", f"`{need}` is here twice", here, "remove one")


def _schema_problems(schema: JsonSchema, at: str) -> Iterator[Problem]:
    try:
        compile_schema(schema, pointer=at)
    except ContractViolation as error:
        yield from error.problems
    else:
        yield from default_problems(schema, at)


def _label_problems(template: Template) -> Iterator[Problem]:
    """A problem for each pointer that leads nowhere in the input: what is meant would not be labelled."""
    for pointer in template.labels:
        at = f"/labels/{pointer.replace('~', '~0').replace('/', '~1')}"
        if pointer and not pointer.startswith("/"):
            hint = 'write `/customer/email`, or `""` for all of it'
            yield problem("ACC137", f"`{pointer:.80}` is no JSON pointer", at, hint)
        elif not may_be_at(template.input, path_of(pointer)):
            hint = "name a property of the input's schema; of a list, label the list itself"
            yield problem("ACC137", f"the input has nothing at `{pointer:.80}`", at, hint)


def _declassify_problems(spec: TaskSpec, at: str) -> Iterator[Problem]:
    wanted, here = spec.declassify, f"{at}/declassify"
    if wanted is None:
        return
    levels = [name for name in wanted.without if name in LEVELS]
    if levels:
        yield problem("ACC138", f"`{levels[0]}` is a level, no category", f"{here}/without", "`to` says the level")
    if wanted.to == LEVELS[-1] and not wanted.without:
        hint = "lower `to`, or name categories in `without`"
        yield problem("ACC138", "the declassification takes nothing away", f"{here}/to", hint)
    if spec.redundancy is not None:
        message = "copies that agree cannot claim one declassification together"
        yield problem("ACC138", message, here, "declassify in a task of its own behind this one")


def _parse_problems(parse: Callable[[str], object], text: str, at: str) -> Iterator[Problem]:
    try:
        parse(text)
    except BadInput as error:
        for found in error.problems:
            yield problem("ACC128", found.message, at, found.hint)


def _duration_problems(text: str | None, at: str, *, zero_too: bool = False) -> Iterator[Problem]:
    if text is None:
        return
    duration = parse_duration(text)
    if duration is None:
        yield problem("ACC128", f"`{text}` is no duration", at, "write `90s`, `5m` or `1h30m`")
    elif not duration and not zero_too:
        yield problem("ACC122", "no time at all is left", at, "write `90s`, `5m` or `1h30m`")


def _duration(text: str | None) -> timedelta | None:
    return parse_duration(text) if text is not None else None
