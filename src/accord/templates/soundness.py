"""Soundness: what can still be read of a template whose shape is wrong somewhere, and what only follows from that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

import msgspec

from accord.domain.ids import TaskId
from accord.domain.template import SignalSpec, TaskSpec, Template
from accord.errors import Problem
from accord.templates.nodes import Document, pointer_tokens
from accord.templates.schema import Flaw

_STAND_IN: Final = TaskSpec(signal=SignalSpec(name="unknown"))
"""Takes the place of a task that cannot be read, so that the others can be."""

_FOR_ANY: Final[dict[str, Any]] = {
    "accord": "template/1",
    "name": "unknown",
    "version": "0.0.0",
    "tasks": {"unknown": {"sleep": "1s"}},
}
"""A template in place of which everything that is sound is put."""

_ANY_LIST: Final = "${ dyn([]) }"
"""In place of a `for_each` that cannot be read: there are items, and nothing is known of them."""

_HARMLESS: Final = frozenset(
    ("description", "parallel", "retry", "timeout", "deadline", "redundancy", "confidence", "diagnose", "context")
)
"""Keys of a task that say nothing of what it gives, or of when it runs: without them, the rest can be told."""

_OF_WHOLE_TASKS: Final = frozenset(("ACC120", "ACC121", "ACC122", "ACC123", "ACC132", "ACC136"))
"""Problems that may only follow from a key of the task that could not be read."""


class Sound(msgspec.Struct, frozen=True):
    """The part of a template that has the right shape."""

    template: Template
    unknown: frozenset[TaskId] = frozenset()
    """The tasks of which too much is wrong to tell what they do."""
    knows_input: bool = True
    written: Mapping[str, str] = {}
    """By the JSON pointer of a key that was meant: the pointer of the misspelt one in the file."""

    def stands(self, problem: Problem) -> bool:
        """Whether a problem of the sound part is one of the whole, and does not come from what was left out."""
        start, *rest = pointer_tokens(problem.place.pointer or "") or [""]
        if start == "tasks" and rest and rest[0] in self.unknown:
            return problem.code not in _OF_WHOLE_TASKS
        if start == "on_failure":
            return not self.unknown
        return self.knows_input or problem.code != "ACC126"


class Told:
    """Places of which something wrong is told already: what is wrong there, or below, may only follow from it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        several = list(problems)
        pointers = [tuple(pointer_tokens(each.place.pointer)) for each in several if each.place.pointer]
        # What is wrong with a task as a whole, its name or its place in a cycle, says nothing of what is inside.
        self._places = {each for each in pointers if len(each) > (2 if each[0] == "tasks" else 0)}
        self._above = {each[:count] for each in self._places for count in range(len(each))}
        self._spots = {(each.place.line, each.place.column) for each in several if each.place.pointer is None}

    def covers(self, problem: Problem) -> bool:
        """Whether it is at such a place, or below one."""
        place = problem.place
        tokens = tuple(pointer_tokens(place.pointer or ""))
        if any(tokens[:count] in self._places for count in range(1, len(tokens) + 1)):
            return True
        return place.line is not None and (place.line, place.column) in self._spots

    def concerns(self, place: tuple[str, ...]) -> bool:
        """Whether there is such a place at or below this one."""
        return place in self._places or place in self._above

    def touches(self, problem: Problem) -> bool:
        """Whether it is at such a place, below, or above one."""
        return self.covers(problem) or tuple(pointer_tokens(problem.place.pointer or "")) in self._above


def sound_parts(document: Document, flaws: Sequence[Flaw]) -> Sound | None:
    """What is sound of a document with these flaws of its shape; None where there is no task at all."""
    if not flaws:
        return Sound(msgspec.convert(document.value, Template))
    value = _mended(document.value, flaws)
    if value is None:
        return None
    wrong = [pointer_tokens(flaw.problem.place.pointer or "") for flaw in flaws if flaw.meant is None]
    unknown = {tokens[1] for tokens in wrong if tokens[:1] == ["tasks"] and not _is_harmless(tokens[2:])}
    tasks = {name: _task(name, part) for name, part in value.pop("tasks").items()}
    unknown |= {name for name, spec in tasks.items() if spec is _STAND_IN}
    knows_input = not any(tokens[:1] == ["input"] or _is_foreign(tokens) for tokens in wrong)
    head = _head(value if knows_input else {**value, "input": True})
    template = msgspec.structs.replace(head, tasks=tasks)
    known = frozenset(TaskId(name) for name in unknown & tasks.keys())
    return Sound(template, known, knows_input, dict(_written(document.value, flaws)))


def _written(value: dict[str, Any], flaws: Iterable[Flaw]) -> Iterator[tuple[str, str]]:
    """By the pointers of keys that were meant and are not there: those of the misspelt ones."""
    for flaw in flaws:
        at = flaw.problem.place.pointer or ""
        found = _member(value, pointer_tokens(at))
        if flaw.meant is not None and found is not None and flaw.meant not in found[0]:
            yield f"{at.rpartition('/')[0]}/{flaw.meant}", at


def _is_harmless(inside: Sequence[str]) -> bool:
    return not inside or inside[0] in _HARMLESS


def _is_foreign(tokens: Sequence[str]) -> bool:
    """Whether it is a key that templates do not have: it may have been meant for any other."""
    return len(tokens) == 1 and tokens[0] not in {each.encode_name for each in msgspec.structs.fields(Template)}


def _mended(value: Any, flaws: Sequence[Flaw]) -> dict[str, Any] | None:
    """The value with misspelt keys as they were meant, and without what is wrong; None where no task is left."""
    if any(flaw.foreign for flaw in flaws):
        return None
    copy = deepcopy(value)
    for flaw in flaws:
        if not flaw.names:
            _mend(copy, flaw)
    tasks = copy.get("tasks")
    return copy if isinstance(tasks, dict) and tasks else None


def _mend(value: dict[str, Any], flaw: Flaw) -> None:
    """Take out the member that is wrong; call a misspelt one what was meant."""
    tokens = pointer_tokens(flaw.problem.place.pointer or "")
    found = _member(value, tokens[:-1] if flaw.problem.code == "ACC111" else tokens)
    if found is None or found[0] is value.get("tasks"):
        return  # a task stays, whatever is wrong with it: others mention it
    owner, key = found
    if flaw.meant is not None and flaw.meant not in owner:
        owner[flaw.meant] = owner.pop(key)
    elif key == "for_each":
        owner[key] = _ANY_LIST
    else:
        del owner[key]


def _member(value: dict[str, Any], tokens: Sequence[str]) -> tuple[dict[str, Any], str] | None:
    """The object that the tokens lead into, and the member of it; of an item of a list, the member that is the list."""
    found: tuple[dict[str, Any], str] | None = None
    inside: Any = value
    for token in tokens:
        if isinstance(inside, list) and found is not None:
            inside = inside[int(token)]
        elif isinstance(inside, dict) and token in inside:
            found, inside = (inside, token), inside[token]
        else:
            return None  # it was taken out with something around it
    return found


def _task(name: str, part: Any) -> TaskSpec:
    if "/" in name or "~" in name:
        return _STAND_IN  # no pointer leads into it
    try:
        return msgspec.convert(part, TaskSpec)
    except msgspec.ValidationError:
        return _STAND_IN


def _head(value: dict[str, Any]) -> Template:
    """Everything but the tasks, as far as it can be read."""
    kept = dict(_FOR_ANY)
    for key, part in value.items():
        try:
            msgspec.convert({**kept, key: part}, Template)
        except msgspec.ValidationError:
            continue
        kept[key] = part
    return msgspec.convert(kept, Template)
