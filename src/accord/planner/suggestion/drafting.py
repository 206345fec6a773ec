"""Drafts: a suggested graph as a template's document and an input, or all that keeps it from being one.

ACC151  a suggestion uses a capability that was not offered
ACC152  a suggestion does not hang together
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

import msgspec

from accord.domain.capability import CapabilityRef
from accord.domain.schema import JsonSchema, canonical_form, compile_schema
from accord.domain.schema_path import joined
from accord.errors import ContractViolation, Place, Problem
from accord.planner.composition.ability import Member
from accord.planner.documents import RESERVED, expression, input_schema, made_template, path
from accord.planner.suggestion.graph import Source, SuggestedGraph, SuggestedTask
from accord.planner.suggestion.selection import Shown
from accord.planner.suggestion.wording import plain

MOST_TASKS: Final = 30

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")

Key = tuple[int, str]
"""A task by its place, and a member of its input; of its list the member's name with `each:` before it."""


class Drafted(msgspec.Struct, frozen=True, kw_only=True):
    """A template's document, and what the objective says of its input."""

    document: dict[str, Any]
    input: dict[str, Any]
    slots: dict[str, str]
    """The words of the objective that went into each part of the input."""
    missing: tuple[str, ...]
    """The parts of the input that are needed, and that nothing was said about."""
    reasons: tuple[str, ...]
    whys: dict[str, str]
    """Why each task is there, as the model says it; the document has none of that, as it may repeat the objective."""


def flaws(graph: SuggestedGraph, shown: Mapping[str, Shown]) -> tuple[Problem, ...]:
    """What keeps a suggestion from being a document: names, capabilities and members that are not there."""
    return tuple(_Flaws(graph, shown).all())


class _Flaws:
    def __init__(self, graph: SuggestedGraph, shown: Mapping[str, Shown]) -> None:
        self._tasks = {task.name: task for task in graph.tasks}
        self._graph = graph
        self._shown = shown

    def all(self) -> Iterator[Problem]:
        if not 1 <= len(self._graph.tasks) <= MOST_TASKS:
            yield _flaw("/tasks", f"there are {len(self._graph.tasks)} tasks", f"suggest 1 to {MOST_TASKS}")
            return
        named = Counter(task.name for task in self._graph.tasks)
        for number, task in enumerate(self._graph.tasks):
            at = f"/tasks/{number}"
            if _NAME.fullmatch(task.name) is None or task.name in RESERVED:
                hint = "use a to z, digits and _, and no word of CEL"
                yield _flaw(f"{at}/name", f"`{plain(task.name, 60)}` is no name of a task", hint)
            elif named[task.name] > 1:
                yield _flaw(f"{at}/name", f"two tasks are called `{task.name}`", "give each a name of its own")
            yield from self._task(task, at)

    def _task(self, task: SuggestedTask, at: str) -> Iterator[Problem]:
        for number, name in enumerate(task.after):
            if name not in self._tasks:
                yield self._no_task(name, f"{at}/after/{number}")
        if task.each is not None:
            yield from self._source(task.each, task, f"{at}/each")
            if task.each.kind == "item":
                yield _flaw(f"{at}/each", "the list cannot be an item of itself", "take it from `said` or `task`")
        capability = self._shown.get(task.capability)
        if capability is None:
            yield self._invented(task, at)
            return
        yield from self._inputs(task, capability, at)

    def _invented(self, task: SuggestedTask, at: str) -> Problem:
        message = f"nobody offers the capability `{plain(task.capability, 100)}`"
        close = get_close_matches(task.capability, self._shown, n=3) or list(self._shown)[:10]
        return Problem("ACC151", message, Place(pointer=f"{at}/capability"), f"offered are {', '.join(close)}")

    def _inputs(self, task: SuggestedTask, capability: Shown, at: str) -> Iterator[Problem]:
        members = {member.name: member for member in capability.ability.inputs}
        bound = Counter(source.member for source in task.inputs)
        for number, source in enumerate(task.inputs):
            where = f"{at}/inputs/{number}"
            if source.member not in members:
                message = f"the input of `{capability.name}` has no member `{plain(source.member, 60)}`"
                yield _flaw(f"{where}/member", message, f"it has {', '.join(members) or 'none'}")
            elif bound[source.member] > 1:
                yield _flaw(f"{where}/member", f"`{source.member}` is filled twice", "name one source for it")
            if source.kind == "item" and task.each is None:
                yield _flaw(where, "there is no item: the task has no `each`", "say of which list, in `each`")
            yield from self._source(source, task, where)
        for name, member in members.items():
            if member.required and name not in bound:
                message = f"`{task.name}` does not say where its `{name}` comes from"
                yield _flaw(f"{at}/inputs", message, "name a source, or the kind `missing` where nothing says it")

    def _source(self, source: Source, task: SuggestedTask, at: str) -> Iterator[Problem]:
        if source.kind == "said":
            yield from _value_flaws(source.value, f"{at}/value")
        if source.kind != "task":
            return
        other = self._tasks.get(source.task)
        if other is None or source.task == task.name:
            yield self._no_task(source.task, f"{at}/task")
            return
        gives = self._shown.get(other.capability)
        members = (
            {one.name for one in gives.ability.outputs if not one.whole and one.each is None}
            if gives is not None
            else set()
        )
        if gives is not None and source.output and source.output not in members:
            message = f"the output of `{other.name}` has no member `{plain(source.output, 60)}` that is always there"
            yield _flaw(f"{at}/output", message, f"it has {', '.join(sorted(members)) or 'none: use all of it'}")

    def _no_task(self, name: str, at: str) -> Problem:
        return _flaw(at, f"there is no other task `{plain(name, 60)}`", f"there are {', '.join(self._tasks)}")


def _flaw(at: str, message: str, hint: str) -> Problem:
    return Problem("ACC152", message, Place(pointer=at), hint)


def _value_flaws(value: Any, at: str) -> Iterator[Problem]:
    try:
        canonical_form(value)
    except ContractViolation as error:
        yield _flaw(at, error.problems[0].message, "say it as JSON")


def drafted(graph: SuggestedGraph, shown: Mapping[str, Shown], objective: str) -> Drafted:
    """The document of a suggestion without flaws. Equal suggestions give equal documents."""
    return _Drafting(graph, shown, objective).draft()


def value_problems(made: Drafted) -> tuple[Problem, ...]:
    """What is said and breaks the schema of the capability that gets it."""
    schema = {**made.document["input"], "required": list(made.input)}
    found = compile_schema(schema).violations(made.input, "ACC152")
    return tuple(msgspec.structs.replace(one, message=f"of what is said: {one.message}") for one in found)


class _Drafting:
    def __init__(self, graph: SuggestedGraph, shown: Mapping[str, Shown], objective: str) -> None:
        self._graph = graph
        self._shown = shown
        self._objective = objective
        self._open = dict(self._from_outside())
        """What comes from no task."""
        self._names = _input_names(list(self._open), [task.name for task in graph.tasks])

    def draft(self) -> Drafted:
        tasks = {task.name: self._task(number, task) for number, task in enumerate(self._graph.tasks)}
        said = {key: source for key, source in self._open.items() if source.kind == "said"}
        used = [self._shown[task.capability].ability.title for task in self._graph.tasks]
        return Drafted(
            document=made_template("suggested", used, self._input(), tasks),
            input={self._names[key]: source.value for key, source in said.items()},
            slots={self._names[key]: source.words for key, source in said.items() if self._says(source)},
            missing=tuple(name for key, name in self._names.items() if key not in said),
            reasons=tuple(self._reasons(said)),
            whys={task.name: plain(task.why) for task in self._graph.tasks},
        )

    def _from_outside(self) -> Iterator[tuple[Key, Source]]:
        for number, task in enumerate(self._graph.tasks):
            if task.each is not None and task.each.kind in ("said", "missing"):
                yield (number, f"each:{task.each.member}"), task.each
            for source in task.inputs:
                if source.kind == "said" or (source.kind == "missing" and self._member(task, source).required):
                    yield (number, source.member), source

    def _member(self, task: SuggestedTask, source: Source) -> Member:
        inputs = self._shown[task.capability].ability.inputs
        return next(member for member in inputs if member.name == source.member)

    def _input(self) -> dict[str, Any]:
        schemas, definitions = joined(
            {self._names[key]: self._schema(key, source) for key, source in self._open.items()}
        )
        for key, name in self._names.items():
            if key[1].startswith("each:"):
                schemas[name] = {"type": "array", "items": schemas[name]}
        return input_schema(schemas, definitions)

    def _schema(self, key: Key, source: Source) -> JsonSchema:
        """Of a list the schema of its items: what the member takes that gets all of one, else anything."""
        task = self._graph.tasks[key[0]]
        if source is not task.each:
            return self._member(task, source).schema
        whole = next((one for one in task.inputs if one.kind == "item" and not one.output), None)
        return True if whole is None else self._member(task, whole).schema

    def _task(self, number: int, task: SuggestedTask) -> dict[str, Any]:
        reference = CapabilityRef.parse(self._shown[task.capability].ability.name)
        mapped = {one.member: self._path((number, one.member), one) for one in task.inputs}
        made: dict[str, Any] = {
            "uses": f"{reference.name}@^{reference.version}",
            "with": {member: expression(each) for member, each in mapped.items() if each},
        }
        if task.each is not None:
            made["for_each"] = expression(self._path((number, f"each:{task.each.member}"), task.each))
        if task.after:
            made["needs"] = list(dict.fromkeys(task.after))
        return made

    def _path(self, key: Key, source: Source) -> str:
        """Where the value is, in CEL; empty for what is missing and not needed."""
        if source.kind in ("task", "item"):
            whole = "item" if source.kind == "item" else f"tasks.{source.task}.output"
            return path(whole, source.output) if source.output else whole
        return path("input", self._names[key]) if key in self._names else ""

    def _says(self, source: Source) -> bool:
        """Whether the words that are named are words of the objective."""
        return bool(source.words.strip()) and source.words.casefold().strip() in self._objective.casefold()

    def _reasons(self, said: Mapping[Key, Source]) -> Iterator[str]:
        for task in self._graph.tasks:
            yield f"`{task.name}` uses `{task.capability}`: {plain(task.why)}"
        for key, source in said.items():
            if not self._says(source):
                yield f"no words say `{self._names[key]}`: its value is the model's own"


def _input_names(keys: Sequence[Key], tasks: Sequence[str]) -> dict[Key, str]:
    """What each part of the input is called: like the member, with the task's name before it where two are alike."""
    plain_names = {key: re.sub(r"\W+", "_", key[1].removeprefix("each:")).strip("_") or "items" for key in keys}
    counted = Counter(plain_names.values())
    names: dict[Key, str] = {}
    for key, name in plain_names.items():
        names[key] = f"{tasks[key[0]]}_{name}" if counted[name] > 1 else name
    return names
