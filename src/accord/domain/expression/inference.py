"""Inference: the schema of what an expression gives, from the schemas of what it reads.

Every value that evaluation gives keeps the schema that is inferred; where evaluation fails there is none. Nothing is
taken from the types that CEL's own checker states: it lets values of unknown type pass for any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

from accord.domain.expression.functions import BOOLEAN, TRUTHS, coarse, given_by, whole
from accord.domain.expression.given import (
    ANYTHING,
    Given,
    Path,
    any_member,
    at,
    data,
    either,
    is_large,
    known,
    made,
    mapping,
    of_optional,
    smaller,
    surely,
)
from accord.domain.expression.kinds import of_data, of_made, result_of
from accord.domain.expression.magnitude import ARITHMETIC, is_finite
from accord.domain.expression.narrowing import Fact, facts_of
from accord.domain.expression.reference import Step
from accord.domain.expression.syntax import Call, Comprehension, Constant, Name, Node, Record, Select, Sequence, walked
from accord.domain.schema import JsonSchema
from accord.domain.schema_path import types_of
from accord.domain.schema_range import lengths_of
from accord.domain.schema_union import item_of, list_of, narrowed, object_of, tagged, tuple_of, union

Types: TypeAlias = Mapping[tuple[str, ...], JsonSchema]
"""Schemas by what they describe, a root and members of it: `("input",)`, `("tasks", "measure", "output")`. The
longest one that fits a reference counts. `("tasks",)` may be a closed object with the names of all tasks, and
`(COMPLETED, "measure")` says more of the output of a task that may fail, where it has completed.
"""

COMPLETED: Final = "completed"

_TEXT: Final[JsonSchema] = {"type": "string"}
_INTEGERS: Final = frozenset({"int", "uint"})
_KEPT: Final = frozenset({"timestamp", "duration", "bytes"})
"""What gives a value of CEL that becomes text in JSON."""

_COUNT: Final[JsonSchema] = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
"""What `exists_one` counts: no evaluation goes through more."""

_BOUNDS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_NOWHERE: Final[Mapping[Path, Given]] = {}


class Inference:
    """What is known where a part of an expression is evaluated."""

    def __init__(
        self,
        types: Types,
        known: Mapping[Path, Given] = _NOWHERE,
        variables: frozenset[Step] = frozenset(),
        full: frozenset[Node] = frozenset(),
    ) -> None:
        self._types, self._known, self._variables = types, known, variables
        self._full = full  # optionals that have a value
        # The nodes are kept with what is known of them, so that no other one gets the same id.
        self._given: dict[int, tuple[Node, Given]] = {}
        self._paths: dict[int, tuple[Node, Path | None]] = {}

    def schema(self, node: Node) -> JsonSchema:
        """The schema of the JSON that a whole expression gives; True where nothing is known."""
        if isinstance(node, Call) and node.function in _KEPT:
            return _TEXT
        found = self.of(node)
        return True if found.optional else found.schema

    def of(self, node: Node) -> Given:
        """What a part gives."""
        if id(node) not in self._given:
            self._given[id(node)] = node, self._found(node)
        return self._given[id(node)][1]

    def _found(self, node: Node) -> Given:
        path = self.path(node)
        found = None if path is None else self._at(path)
        if found is None:
            found = self._made(node)
            if not _is_taken(node) and is_large([found.schema]):
                found = msgspec.structs.replace(found, schema=coarse(found.schema))
        if found.optional and node in self._full:
            return msgspec.structs.replace(found, present=True)
        return found

    def where(self, condition: Node, *, holds: bool) -> Inference:
        """What is known besides where a condition is true, or false."""
        full = (fact.node for fact in facts_of(condition, holds=holds) if fact.about == "value")
        return self._with_facts(self.facts(condition, holds=holds), full)

    def facts(self, condition: Node, *, holds: bool) -> Mapping[Path, Given]:
        """What is known of the paths that a condition asks about, where it is true, or false: all of these are there,
        unless it says that they may not be.
        """
        found: dict[Path, Given] = {}
        for fact in facts_of(condition, holds=holds):
            path = self.path(fact.node)
            if path is None or fact.about == "value":
                continue
            before = self._with_facts(found).of(fact.node)
            if fact.about == "member" and not self._with_facts(found).is_map(fact.node):
                continue
            if before.infinite and _BOUNDS.intersection(fact.says):
                continue  # what is no number is neither below a bound nor above it
            if not before.optional and (before.plain or before.schema is not True or _says_what(fact.says)):
                found[path] = _narrowed(before, fact)
                found.update(self._tagged(path, fact, found))
                found.update(self._completed(path, fact))
        return found

    def _tagged(self, path: Path, fact: Fact, known: Mapping[Path, Given]) -> Iterator[tuple[Path, Given]]:
        """What is left of the union that a member is read of, by which it tells its alternatives apart."""
        name = path[-1]
        if len(path) < 2 or not isinstance(name, str) or not isinstance(fact.node, Select):
            return
        whole = self._with_facts(known).of(fact.node.operand)
        left = tagged(whole.schema, name, fact.says)
        if left is not whole.schema and not whole.optional:
            yield path[:-1], msgspec.structs.replace(whole, schema=left, present=True)

    def is_map(self, member: Node) -> bool:
        """Whether a path leads to a member of what is an object for certain."""
        return isinstance(member, Select) and self.of(member.operand).kinds == {"map"}

    def _completed(self, path: Path, fact: Fact) -> Iterator[tuple[Path, Given]]:
        """Of a task whose status is told what is known of its output, whether it is there or not."""
        if path[::2] == ("tasks", "status") and len(path) == 3 and "tasks" not in self._variables:
            schema = self._types.get((COMPLETED, str(path[1])))
            if schema is not None and fact.excludes("failed"):
                yield (*path[:2], "output"), data(schema, present=_is_only(fact, "completed"))

    def _with_facts(self, facts: Mapping[Path, Given], full: Iterable[Node] = ()) -> Inference:
        return Inference(self._types, {**self._known, **facts}, self._variables, self._full.union(full))

    def within(self, fold: Comprehension) -> Inference:
        """What is known inside of a comprehension's condition and step: its variables have the items of a list."""
        each = self._each(fold.over)
        return self._with(dict.fromkeys(fold.variables, each) | {fold.accumulator: _gathered(fold.start)})

    def after(self, fold: Comprehension) -> Inference:
        """What is known where a comprehension's result is read: of `cel.bind` the value."""
        return self._with({fold.accumulator: self.of(fold.start) if is_binding(fold) else _gathered(fold.start)})

    def _with(self, variables: Mapping[str, Given]) -> Inference:
        known = {path: each for path, each in self._known.items() if path[0] not in variables}
        for name, each in variables.items():
            known[name,] = each
        full = frozenset(node for node in self._full if variables.keys().isdisjoint(_names(node)))
        return Inference(self._types, known, self._variables.union(variables), full)

    def is_root(self, node: Node) -> bool:
        """Whether it is a variable, or has a schema of its own, so that others say whether it is there."""
        path = self.path(node)
        return path is not None and (len(path) == 1 or (path in self._types and path[0] not in self._variables))

    def is_there(self, node: Node) -> bool:
        """Whether a condition has found something at a path."""
        path = self.path(node)
        return path is not None and path in self._known and self._known[path].present

    # -- paths ---------------------------------------------------------------------------------------------------

    def _made(self, node: Node) -> Given:
        match node:
            case Constant():
                return _constant(node)
            case Select(operand, field, test):
                return _TRUTH if test else self._member(self.of(operand), field)
            case Call(function, arguments):
                return self._call(function, arguments)
            case Sequence():
                return self._list(node)
            case Record():
                return self._object(node)
            case Comprehension():
                return self._fold(node)
        return ANYTHING

    def path(self, node: Node) -> Path | None:
        """The variable and the constant steps of a path that has to be there."""
        if id(node) not in self._paths:
            self._paths[id(node)] = node, self._read(node)
        return self._paths[id(node)][1]

    def _read(self, node: Node) -> Path | None:
        match node:
            case Name(name):
                root = name.removeprefix(".")
                return None if name != root and root in self._variables else (root,)
            case Select(operand, field, False) | Call("_[_]", (operand, Constant((str() | int()) as field))):
                before = None if isinstance(field, bool) else self.path(operand)
                return None if before is None else (*before, field)
        return None

    def _at(self, path: Path) -> Given | None:
        """What is there, by the nearest place of which something is known; None where nothing is."""
        for length in range(len(path), 0, -1):
            before, rest = path[:length], path[length:]
            found = self._known.get(before)
            if found is not None:
                for step in rest:
                    found = self._member(found, step)
                return found
            if before in self._types and path[0] not in self._variables:
                return at(data(self._types[before]), rest)  # type: ignore[index]  # the keys are of names alone
        return None

    def _member(self, operand: Given, step: Step, *, asked: bool = False) -> Given:
        """A member or item; `asked` where it may be absent."""
        there = at(operand, (step,))
        if not (asked or operand.optional):
            return there
        present = (operand.present or not operand.optional) and surely(operand.schema, step)
        return msgspec.structs.replace(there, optional=True, present=present and there.schema is not False)

    def _each(self, over: Node) -> Given:
        """What a comprehension goes through: items of a list, or the names of an object's members."""
        found = self.of(over)
        types = types_of(found.schema)
        if found.optional or found.schema is True:
            return ANYTHING if found.optional else Given(plain=found.plain, infinite=found.infinite, pure=found.pure)
        items = (item_of(found.schema),) if "array" in types else ()
        schema = known(union((*items, *((_TEXT,) if "object" in types else ()))))
        return Given(schema, plain=found.plain, infinite=found.infinite, pure=found.pure)

    # -- calls ---------------------------------------------------------------------------------------------------

    def _call(self, function: str, arguments: tuple[Node, ...]) -> Given:
        match function, arguments:
            case "_?_:_", (condition, one, other):
                first, second = self.where(condition, holds=True), self.where(condition, holds=False)
                return either(first.of(one), second.of(other))
            case (("_?._" | "_[?_]"), (operand, key)):
                return self._optional(operand, key)
            case "_[_]", (operand, key):
                return self._element(self.of(operand), key)
            case "orValue", (operand, other):
                return self._or_value(self.of(operand), self.of(other))
        if function in TRUTHS:
            return _TRUTH
        return self._computed(function, [self.of(each) for each in arguments], arguments)

    def _computed(self, function: str, given: list[Given], arguments: tuple[Node, ...]) -> Given:
        found = of_optional(function, given)
        if found is not None:
            return found
        if any(each.optional for each in given):
            return ANYTHING
        if function == "dyn":
            return given[0]
        schema = given_by(function, [each.schema for each in given], arguments)
        kinds = result_of(function, [each.kinds for each in given])
        if function not in ARITHMETIC:
            return made(schema, kinds, given)
        found = made(whole(schema) if kinds <= _INTEGERS else schema, kinds, given)
        if found.infinite or "double" not in kinds or is_finite(function, arguments, self.of):
            return found
        return msgspec.structs.replace(found, infinite=True)

    def _optional(self, operand: Node, key: Node) -> Given:
        if not isinstance(key, Constant) or not isinstance(key.value, str | int) or isinstance(key.value, bool):
            found = self._element(self.of(operand), key)
            return msgspec.structs.replace(found, optional=True, present=False)
        before = self.path(operand)
        path = None if before is None else (*before, key.value)
        if path is not None and path in self._known:
            return msgspec.structs.replace(self._known[path], optional=True)
        if path is not None and path in self._types and path[0] not in self._variables:
            return msgspec.structs.replace(data(self._types[path], present=False), optional=True)  # type: ignore[index]  # as above
        return self._member(self.of(operand), key.value, asked=True)

    def _element(self, operand: Given, key: Node) -> Given:
        if isinstance(key, Constant) and isinstance(key.value, str | int) and not isinstance(key.value, bool):
            return self._member(operand, key.value)
        types = types_of(operand.schema)
        parts = [item_of(operand.schema)] if "array" in types else []
        if "object" in types:
            parts.append(any_member(operand.schema))
        return msgspec.structs.replace(operand, schema=known(union(parts)), present=False, told=None)

    def _or_value(self, operand: Given, other: Given) -> Given:
        if not operand.optional:
            return ANYTHING
        there = msgspec.structs.replace(operand, optional=False, present=True)
        return there if operand.present else either(there, other)

    # -- literals and comprehensions -----------------------------------------------------------------------------

    def _list(self, node: Sequence) -> Given:
        given = [self.of(each) for each in node.elements]
        if any(each.optional != (position in node.optional) for position, each in enumerate(given)):
            return Given({"type": "array"})
        schemas = smaller([each.schema for each in given])
        if not node.optional:
            return _gathering(False if False in schemas else tuple_of(schemas), given)
        possible = [each for each in schemas if each is not False]
        return _gathering(list_of(union(possible), len(given) - len(node.optional), len(given)), given)

    def _object(self, node: Record) -> Given:
        given = [self.of(value) for _, value in node.entries]
        if any(each.optional != (position in node.optional) for position, each in enumerate(given)):
            return Given({"type": "object"})
        schemas = smaller([each.schema for each in given])
        names = [key.value if isinstance(key, Constant) else None for key, _ in node.entries]
        if not all(isinstance(name, str) for name in names):
            return _gathering(mapping(union(schemas)), given)
        members = dict(zip(map(str, names), schemas, strict=True))
        absent = [str(names[position]) for position in node.optional]
        impossible = any(schema is False for name, schema in members.items() if name not in absent)
        return _gathering(False if impossible else object_of(members, absent), given)

    def _fold(self, fold: Comprehension) -> Given:
        """What `map`, `filter` and `cel.bind` give; that of the other macros is a truth value or not known."""
        result, name = fold.result, Name(fold.accumulator)
        if fold.start == Sequence(()) and result == name and fold.condition == Constant(True):
            return self._mapped(fold, name)
        if isinstance(fold.start, Constant) and isinstance(fold.start.value, bool) and result == name:
            return _TRUTH
        return self.after(fold).of(result)

    def _mapped(self, fold: Comprehension, name: Name) -> Given:
        step, inner, all_ = fold.step, self.within(fold), True
        match step:
            case Call("_?_:_", (condition, Call() as taken, rest)) if rest == name:
                step, inner, all_ = taken, inner.where(condition, holds=True), False
        match step:
            case Call("_+_", (before, Sequence((body,), optional))) if before == name and not optional:
                given = inner.of(body)
                schema = self._many(fold.over, given, all_=all_)
                return Given(schema) if given.optional else _gathering(schema, [given])
        return Given({"type": "array"})

    def _many(self, over: Node, body: Given, *, all_: bool) -> JsonSchema:
        """The list of what is made of the items of another one: of all of them, or of some."""
        source = self.of(over)
        if source.optional:
            return {"type": "array"}
        kinds = types_of(source.schema) & {"array", "object"}
        spans = [lengths_of(source.schema, kind) for kind in kinds]
        longest = [most for _, most in spans]
        least = min((one for one, _ in spans), default=0) if all_ else 0
        most = None if None in longest else max((one for one in longest if one is not None), default=0)
        if body.schema is False and all_ and least:
            return False
        return list_of(True if body.optional else body.schema, least, most)


def _is_taken(node: Node) -> bool:
    """Whether it is a part of something, and so no larger."""
    return isinstance(node, Constant | Select) or (isinstance(node, Call) and node.function == "_?._")


def is_binding(fold: Comprehension) -> bool:
    """Whether it is a `cel.bind`: its start is evaluated once its result asks for it, and nothing is gone through."""
    return fold.over == Sequence(()) and fold.step == Name(fold.accumulator)


_TRUTH: Final = Given(BOOLEAN, plain=True)


def _constant(node: Constant) -> Given:
    value = node.value
    if isinstance(value, bytes):
        return Given(told=frozenset({"bytes"}))
    schema: JsonSchema = {"const": value}
    if isinstance(value, float):
        infinite = not math.isfinite(value)
        return Given(schema, told=frozenset({"double"}), plain=not value.is_integer(), infinite=infinite)
    if node.unsigned:
        return Given(schema, told=frozenset({"uint"}))
    return Given(schema, plain=True)


def _gathered(start: Node) -> Given:
    """What the accumulator of a macro is: a list, a truth value, or a count."""
    match start:
        case Sequence(()):
            return Given({"type": "array"})
        case Constant(bool()):
            return _TRUTH
        case Constant(int()):
            return Given(_COUNT, plain=True)
    return ANYTHING


def _gathering(schema: JsonSchema, parts: list[Given]) -> Given:
    """A list or an object of these parts, of which some may be optional, and then are left out where absent."""
    inside = [msgspec.structs.replace(each, optional=False) for each in parts]
    plain, pure = all(each.is_data for each in inside), all(each.is_json for each in inside)
    return Given(schema, plain=plain, infinite=any(each.infinite for each in inside), pure=pure)


def _names(node: Node) -> Iterator[str]:
    """The variables that a tree names."""
    return (each.name.removeprefix(".") for each in walked(node) if isinstance(each, Name))


def _narrowed(before: Given, fact: Fact) -> Given:
    """What is known of something that is there, and for which a fact holds."""
    schema = narrowed(before.schema, fact.says) if fact.says else before.schema
    possible = of_data(schema) if before.plain else of_made(schema)
    kinds = before.inside & (possible if fact.kinds is None else fact.kinds)
    plain = before.plain or _says_what(fact.says)
    return Given(schema, told=kinds, plain=plain, infinite=before.infinite)


def _is_only(fact: Fact, text: str) -> bool:
    return fact.says.get("const") == text or fact.says.get("enum") == [text]


def _says_what(says: Mapping[str, object]) -> bool:
    """Whether it says of a value of which nothing is known that it is JSON, and no moment or other value of CEL."""
    return "const" in says or "enum" in says or isinstance(says.get("type"), str)
