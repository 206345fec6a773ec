"""References: what an expression reads, and how a scope gives it.

A scope maps the names of `VARIABLES` to JSON values. Any object in it may also be a lazy `Mapping`: only the
members that are referenced are asked for, so that `tasks` need not be built for a run of many tasks.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

from accord.domain.expression.syntax import (
    Call,
    Comprehension,
    Constant,
    Name,
    Node,
    Record,
    Select,
    Sequence,
    quoted,
)
from accord.errors import ExpressionInvalid

Scope: TypeAlias = Mapping[str, object]
"""What an expression may read: JSON values by the name of the variable; objects may be lazy mappings."""

VARIABLES: dict[str, str] = {
    "input": "the run's input",
    "tasks": "the tasks before this one, by name, each with output, confidence, status and agent",
    "item": "the item of this task's for_each",
    "index": "the position of the item, from 0",
    "run": "id, template and started_at of the run",
    "error": "code and message of what went wrong, in fallbacks",
    "task": "input and output of the task that a compensation undoes",
}
"""The roots of all references. Where which of them may be used is for the verifier to say."""

Step: TypeAlias = str | int
_INDEXING = frozenset({"_[_]", "_[?_]"})
_SCALARS: Final = frozenset((str, int, float, bool, type(None)))
_SHALLOW_FUNCTIONS = frozenset({"size"})


class Reference(msgspec.Struct, frozen=True, order=True):
    """A path that an expression reads: a variable and the constant member names after it."""

    root: str
    path: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.root + "".join(member(name) for name in self.path)


class Use(msgspec.Struct, frozen=True):
    """One place where an expression reads a reference."""

    reference: Reference
    shallow: bool = False
    """Only its presence or size is read."""
    guarded: bool = False
    """It may be absent: has() or an optional step (`.?`) asks for it."""
    passed: bool = False
    """It is asked for on the way to what is read, and not read for itself."""


def member(step: Step) -> str:
    """A step of a path as one writes it in CEL."""
    if isinstance(step, str) and step.isidentifier():
        return f".{step}"
    return f"[{step}]" if isinstance(step, int) else f'["{step}"]'


def uses(node: Node) -> frozenset[Use]:
    """Everything that a syntax tree reads."""
    found: set[Use] = set()
    _collect(node, frozenset(), found)
    return frozenset(found)


def straight_path(node: Node) -> tuple[Step, ...] | None:
    """The root and the steps, where a tree is nothing but a path that CEL need not be asked for."""
    return _steps(node, frozenset(), optional=False)


def plain_path(node: Node, bound: frozenset[str]) -> tuple[str, ...]:
    """The root and the constant member names that a node selects, empty where it is no path from a root."""
    reference = _reference(node, bound)
    return () if reference is None else (reference.root, *reference.path)


def _steps(node: Node, bound: frozenset[str], *, optional: bool) -> tuple[Step, ...] | None:
    match node:
        case Name(name):
            root = name.removeprefix(".")
            return (root,) if root in VARIABLES and name not in bound else None
        case Select(operand, field, False):
            before = _steps(operand, bound, optional=optional)
            return None if before is None else (*before, field)
        case Call("_?._", (operand, Constant(str(key)))) if optional:
            before = _steps(operand, bound, optional=optional)
            return None if before is None else (*before, key)
        case Call(function, (operand, Constant(str() | int() as key))) if (
            function == "_[_]" or (optional and function in _INDEXING)
        ) and not isinstance(key, bool):
            before = _steps(operand, bound, optional=optional)
            return None if before is None else (*before, key)
    return None


def _reference(node: Node, bound: frozenset[str]) -> Reference | None:
    steps = _steps(node, bound, optional=True)
    if steps is None:
        return None
    names: list[str] = []
    for step in steps:
        if isinstance(step, int):
            break
        names.append(step)
    return Reference(names[0], tuple(names[1:]))


def _is_name(step: Step) -> bool:
    return isinstance(step, str)


def _is_optional(node: Node) -> bool:
    match node:
        case Call("_?._" | "_[?_]"):
            return True
        case Select(operand) | Call("_[_]", (operand, _)):
            return _is_optional(operand)
    return False


def _collect(node: Node, bound: frozenset[str], found: set[Use]) -> None:
    reference = _reference(node, bound)
    if reference is not None:
        found.add(Use(reference, guarded=_is_optional(node)))
        found.update(_passed(node, bound))
        return
    match node:
        case Select(operand, field, test):
            _collect_select(operand, field, test, bound, found)
        case Call(function, (argument,)) if function in _SHALLOW_FUNCTIONS:
            _collect_shallow(argument, bound, found)
        case Call(_, children) | Sequence(children):
            _collect_all(children, bound, found)
        case Record(entries):
            _collect_all((part for entry in entries for part in entry), bound, found)
        case Comprehension():
            _collect_fold(node, bound, found)


def _passed(node: Node, bound: frozenset[str]) -> Iterator[Use]:
    """What optional steps ask for on the way to where a path leads."""
    match node:
        case Select(operand) | Call(_, (operand, _)):
            if _is_optional(operand):
                reference = _reference(operand, bound)
                if reference is not None and isinstance(operand, Call) and operand.function in ("_?._", "_[?_]"):
                    yield Use(reference, guarded=True, passed=True)
                yield from _passed(operand, bound)


def _collect_all(nodes: Iterable[Node], bound: frozenset[str], found: set[Use]) -> None:
    for node in nodes:
        _collect(node, bound, found)


def _collect_select(operand: Node, field: str, test: bool, bound: frozenset[str], found: set[Use]) -> None:
    steps = _steps(Select(operand, field), bound, optional=True) if test else None
    reference = None if steps is None or not all(map(_is_name, steps)) else _reference(Select(operand, field), bound)
    if reference is None:
        _collect(operand, bound, found)
    else:
        found.add(Use(reference, shallow=True, guarded=True))


def _collect_shallow(argument: Node, bound: frozenset[str], found: set[Use]) -> None:
    steps = _steps(argument, bound, optional=False)
    if steps is not None and all(isinstance(step, str) for step in steps):
        found.add(Use(Reference(str(steps[0]), tuple(map(str, steps[1:]))), shallow=True))
    else:
        _collect(argument, bound, found)


def _collect_fold(fold: Comprehension, bound: frozenset[str], found: set[Use]) -> None:
    _collect_all((fold.over, fold.start), bound, found)
    _collect(fold.result, bound | {fold.accumulator}, found)
    _collect_all((fold.condition, fold.step), bound | {fold.accumulator} | fold.variables, found)


class _Absent:
    """Stands for what is not there; null is a value."""


ABSENT = _Absent()


def read_path(scope: Scope, steps: tuple[Step, ...], source: str) -> object:
    """The value at a path, exactly as CEL would find it.

    Raises:
        ExpressionInvalid: ACC210 no such variable here, ACC211 no such member, ACC212 a member of what has
            none, ACC213 beyond the end of a list.
    """
    value: object = scope
    for position, step in enumerate(steps):
        found = value.get(step, ABSENT) if type(value) is dict else _member(value, step)
        if found is ABSENT:
            raise _missing(value, steps, position, source)
        value = found
    return plain(value) if type(value) not in _SCALARS and isinstance(value, Mapping) else value


def _member(value: object, step: Step) -> object:
    if isinstance(value, Mapping):
        try:
            return value[step]
        except KeyError:
            return ABSENT
    if isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
        return value[step]
    return ABSENT


def _missing(value: object, steps: tuple[Step, ...], position: int, source: str) -> ExpressionInvalid:
    before = str(steps[0]) + "".join(map(member, steps[1:position]))
    step = steps[position]
    if position == 0:
        return ExpressionInvalid.of("ACC210", f"`{step}` is not available here, in {quoted(source)}")
    if isinstance(value, Mapping):
        return ExpressionInvalid.of(
            "ACC211",
            f"`{before}` has no member `{step}`, in {quoted(source)}",
            hint=f"test it with has({before}{member(step)}), or use .? and orValue()",
        )
    if isinstance(value, list) and isinstance(step, int):
        message = f"`{before}` has {len(value)} items, there is no [{step}], in {quoted(source)}"
        return ExpressionInvalid.of("ACC213", message)
    kind = json_type(value)
    return ExpressionInvalid.of("ACC212", f"`{before}` is {kind}, it has no {member(step)}, in {quoted(source)}")


def json_type(value: object) -> str:
    """The JSON type of a value, with its article, for messages."""
    names = {type(None): "null", bool: "a boolean", int: "an integer", float: "a number", str: "a string"}
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list) else names.get(type(value), type(value).__name__)


def plain(value: object) -> object:
    """A lazy mapping as a dict, all the way down; other values as they are."""
    if type(value) is dict or not isinstance(value, Mapping):
        return value
    return {str(name): plain(entry) for name, entry in value.items()}


class Cut(msgspec.Struct, frozen=True):
    """What to copy of an object for an evaluation: all of it, only its outline, or some members."""

    whole: bool = False
    outline: bool = False
    members: tuple[tuple[str, Cut], ...] = ()


def cut_of(found: Iterable[Use]) -> Cut:
    """The smallest part of a scope that holds all that is read."""
    return _cut([((use.reference.root, *use.reference.path), use.shallow) for use in found])


def _cut(paths: list[tuple[tuple[str, ...], bool]]) -> Cut:
    ends_here = {shallow for path, shallow in paths if not path}
    if False in ends_here:
        return Cut(whole=True)
    inner: dict[str, list[tuple[tuple[str, ...], bool]]] = {}
    for path, shallow in paths:
        if path:
            inner.setdefault(path[0], []).append((path[1:], shallow))
    members = tuple((name, _cut(rest)) for name, rest in sorted(inner.items()))
    return Cut(outline=bool(ends_here), members=members)


def leaves(cut: Cut, path: tuple[str, ...] = ()) -> tuple[tuple[str, ...], ...]:
    """The paths at which data is copied."""
    inner = itertools.chain.from_iterable(leaves(each, (*path, name)) for name, each in cut.members)
    return (*((path,) if cut.whole or cut.outline else ()), *inner)


def find(data: object, path: tuple[str, ...]) -> object:
    """The value at a path of taken data, None where there is nothing."""
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def take(value: object, cut: Cut) -> object:
    """The part of `value` that `cut` names; members that are absent stay absent."""
    if cut.whole:
        return plain(value)
    if not isinstance(value, Mapping):
        return _outline(value)
    taken: dict[str, object] = dict.fromkeys(value) if cut.outline else {}
    for name, inner in cut.members:
        found = value.get(name, ABSENT) if type(value) is dict else _member(value, name)
        if found is not ABSENT:
            taken[name] = take(found, inner)
    return taken


def _outline(value: object) -> object:
    """A list of the same length, which is all that `size` needs, and no work for the converter."""
    return [None] * len(value) if isinstance(value, list) else value
