"""Inference: the schema of what an expression gives, from the schemas of what it reads.

Every value that evaluation gives keeps the schema that is inferred; where evaluation fails there is none. Nothing is
taken from the types that CEL's own checker states: it lets values of unknown type pass for any other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

from accord.domain.expression.functions import BOOLEAN, TRUTHS, coarse, given_by
from accord.domain.expression.narrowing import facts_of
from accord.domain.expression.reference import Reference, Step
from accord.domain.expression.syntax import Call, Comprehension, Constant, Name, Node, Record, Select, Sequence
from accord.domain.schema import JsonSchema, subschemas
from accord.domain.schema_path import required_names, schema_at, types_of
from accord.domain.schema_range import lengths_of
from accord.domain.schema_union import item_of, list_of, narrowed, object_of, tuple_of, union

Types: TypeAlias = Mapping[tuple[str, ...], JsonSchema]
"""Schemas by what they describe, a root and members of it: `("input",)`, `("tasks", "measure", "output")`. The
longest one that fits a reference counts. `("tasks",)` may be a closed object with the names of all tasks."""

Path: TypeAlias = tuple[Step, ...]

LARGEST: Final = 1000
"""Schemas inside of one that is put together here; of a larger one only the types are kept."""

_NESTING: Final = frozenset({"anyOf", "allOf", "oneOf", "items", "prefixItems", "properties", "additionalProperties"})
_TEXT: Final[JsonSchema] = {"type": "string"}
_KEPT: Final = frozenset({"timestamp", "duration", "bytes"})
"""What gives a value of CEL that becomes text in JSON."""


class Given(msgspec.Struct, frozen=True):
    """What a part of an expression gives."""

    schema: JsonSchema = True
    """Of its value; True where nothing is known, and where it may be no JSON."""
    optional: bool = False
    """Whether it gives an optional, whose value has the schema."""
    present: bool = True
    """Whether an optional surely has a value."""


ANYTHING: Final = Given()
_NOWHERE: Final[Mapping[Path, Given]] = {}


class Inference:
    """What is known where a part of an expression is evaluated."""

    def __init__(
        self, types: Types, known: Mapping[Path, Given] = _NOWHERE, variables: frozenset[Step] = frozenset()
    ) -> None:
        self._types, self._known, self._variables = types, known, variables

    def schema(self, node: Node) -> JsonSchema:
        """The schema of the JSON that a whole expression gives; True where nothing is known."""
        if isinstance(node, Call) and node.function in _KEPT:
            return _TEXT
        found = self.of(node)
        return True if found.optional else found.schema

    def of(self, node: Node) -> Given:
        """What a part gives."""
        path = self._path(node)
        found = None if path is None else self._at(path)
        if found is None:
            found = self._made(node)
            if _is_large([found.schema]):
                return msgspec.structs.replace(found, schema=coarse(found.schema))
        return found

    def where(self, condition: Node, *, holds: bool) -> Inference:
        """What is known besides where a condition is true, or false."""
        return self._with_facts(self.facts(condition, holds=holds))

    def facts(self, condition: Node, *, holds: bool) -> Mapping[Path, JsonSchema]:
        """The schemas of the paths that a condition asks about, where it is true, or false: all of these are there."""
        found: dict[Path, JsonSchema] = {}
        for node, fact in facts_of(condition, holds=holds):
            path = self._path(node)
            if path is None:
                continue
            before = self._with_facts(found).of(node)
            if not before.optional and (before.schema is not True or _says_what(fact)):
                found[path] = narrowed(before.schema, fact)
        return found

    def _with_facts(self, facts: Mapping[Path, JsonSchema]) -> Inference:
        known = {**self._known, **{path: Given(schema) for path, schema in facts.items()}}
        return Inference(self._types, known, self._variables) if facts else self

    def within(self, fold: Comprehension) -> Inference:
        """What is known inside of a comprehension's condition and step: its variables have the items of a list."""
        return self._with({name: self._each(fold.over) for name in fold.variables} | {fold.accumulator: ANYTHING})

    def after(self, fold: Comprehension) -> Inference:
        """What is known where a comprehension's result is read: of `cel.bind` the value."""
        is_bound = fold.over == Sequence(()) and fold.step == Name(fold.accumulator)
        return self._with({fold.accumulator: self.of(fold.start) if is_bound else ANYTHING})

    def _with(self, variables: Mapping[str, Given]) -> Inference:
        known = {path: each for path, each in self._known.items() if path[0] not in variables}
        for name, each in variables.items():
            known[name,] = each
        return Inference(self._types, known, self._variables.union(variables))

    def is_data(self, node: Node) -> bool:
        """Whether it is read as it is from what has a schema, which is JSON: its integers have no more than 53 bits."""
        path = self._path(node)
        return path is not None and path[0] not in self._variables and self._at(path) is not None

    def is_well_typed(self, node: Node, asked: frozenset[Reference]) -> bool:
        """Whether evaluating a part never fails because what is there is of another type; where that takes more than
        looking at each operator, it is not said. What is read by a plain path is taken to be there, unless it is
        `asked` for elsewhere.
        """
        match node:
            case Constant() | Select(_, _, True):
                return not isinstance(node, Select) or self._path(node.operand) is not None
            case Call("_?._", (operand, Constant(str()))):
                return self.is_well_typed(operand, asked) and types_of(self.of(operand).schema) <= {"object"}
            case Call("_?_:_", (condition, one, other)):
                first, second = self.where(condition, holds=True), self.where(condition, holds=False)
                branches = first.is_well_typed(one, asked) and second.is_well_typed(other, asked)
                return branches and self._is_of(condition, {"boolean"}, asked)
            case Call("_&&_" | "_||_" | "!_", operands):
                return all(self._is_of(each, {"boolean"}, asked) for each in operands)
            case Call("_==_" | "_!=_", operands):
                return all(self.is_well_typed(each, asked) for each in operands)
            case Call("orValue" | "hasValue", (optional, *default)):
                return self._is_optional(optional, asked) and all(self.is_well_typed(each, asked) for each in default)
            case Call("or", operands):
                return all(self._is_optional(each, asked) for each in operands)
            case Call("_<_" | "_<=_" | "_>_" | "_>=_", (one, other)):
                kinds: tuple[set[str], ...] = ({"integer", "number"}, {"string"})
                return any(self._is_of(one, kind, asked) and self._is_of(other, kind, asked) for kind in kinds)
        path = self._path(node)
        if path is None or any(path[: len(each.path) + 1] == (each.root, *each.path) for each in asked):
            return False
        return self._at(path) is not None

    def _is_optional(self, node: Node, asked: frozenset[Reference]) -> bool:
        """Whether a part never fails, and gives what may be there or not."""
        return self.is_well_typed(node, asked) and self.of(node).optional

    def _is_of(self, node: Node, types: set[str], asked: frozenset[Reference]) -> bool:
        """Whether a part never fails, and what it gives, which is no optional, has one of these types."""
        found = self.of(node)
        return not found.optional and types_of(found.schema) <= types and self.is_well_typed(node, asked)

    # -- paths ---------------------------------------------------------------------------------------------------

    def _made(self, node: Node) -> Given:
        match node:
            case Constant(value):
                return ANYTHING if isinstance(value, bytes) else Given({"const": value})
            case Select(operand, field, test):
                return Given(BOOLEAN) if test else self._member(self.of(operand), field)
            case Call(function, arguments):
                return self._call(function, arguments)
            case Sequence():
                return self._list(node)
            case Record():
                return self._object(node)
            case Comprehension():
                return self._fold(node)
        return ANYTHING

    def _path(self, node: Node) -> Path | None:
        """The variable and the constant steps of a path that has to be there."""
        match node:
            case Name(name):
                root = name.removeprefix(".")
                return None if name != root and root in self._variables else (root,)
            case Select(operand, field, False) | Call("_[_]", (operand, Constant((str() | int()) as field))):
                before = None if isinstance(field, bool) else self._path(operand)
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
                return _at(self._types[before], rest)  # type: ignore[index]  # the keys are of names alone
        return None

    def _member(self, operand: Given, step: Step, *, asked: bool = False) -> Given:
        """A member or item; `asked` where it may be absent."""
        there = _at(operand.schema, (step,)).schema
        if not (asked or operand.optional):
            return Given(there)
        present = (operand.present or not operand.optional) and there is not False and _surely(operand.schema, step)
        return Given(there, optional=True, present=present)

    def _each(self, over: Node) -> Given:
        """What a comprehension goes through: items of a list, or the names of an object's members."""
        found = self.of(over)
        types = types_of(found.schema)
        if found.optional or found.schema is True:
            return ANYTHING
        items = (item_of(found.schema),) if "array" in types else ()
        return Given(_known(union((*items, *((_TEXT,) if "object" in types else ())))))

    # -- calls ---------------------------------------------------------------------------------------------------

    def _call(self, function: str, arguments: tuple[Node, ...]) -> Given:
        match function, arguments:
            case "_?_:_", (condition, one, other):
                first, second = self.where(condition, holds=True), self.where(condition, holds=False)
                return _either(first.of(one), second.of(other))
            case (("_?._" | "_[?_]"), (operand, key)):
                return self._optional(operand, key)
            case "_[_]", (operand, key):
                return self._element(self.of(operand), key)
            case "orValue", (operand, other):
                return self._or_value(self.of(operand), self.of(other))
        if function in TRUTHS:
            return Given(BOOLEAN)
        given = [self.of(each) for each in arguments]
        found = _of_optional(function, given)
        if found is not None:
            return found
        if any(each.optional for each in given):
            return ANYTHING
        return Given(given_by(function, [each.schema for each in given], arguments))

    def _optional(self, operand: Node, key: Node) -> Given:
        if not isinstance(key, Constant) or not isinstance(key.value, str | int) or isinstance(key.value, bool):
            found = self._element(self.of(operand), key)
            return Given(found.schema, optional=True, present=False)
        before = self._path(operand)
        path = None if before is None else (*before, key.value)
        if path is not None and path in self._types and path[0] not in self._variables:
            return Given(self._types[path], optional=True, present=False)  # type: ignore[index]  # as above
        return self._member(self.of(operand), key.value, asked=True)

    def _element(self, operand: Given, key: Node) -> Given:
        if isinstance(key, Constant) and isinstance(key.value, str | int) and not isinstance(key.value, bool):
            return self._member(operand, key.value)
        types = types_of(operand.schema)
        if operand.schema is True or "object" in types:
            return Given(True, optional=operand.optional, present=False)
        there = _known(item_of(operand.schema)) if "array" in types else False
        return Given(there, optional=operand.optional, present=False)

    def _or_value(self, operand: Given, other: Given) -> Given:
        if not operand.optional:
            return ANYTHING
        plain = Given(operand.schema)
        return plain if operand.present else _either(plain, other)

    # -- literals and comprehensions -----------------------------------------------------------------------------

    def _list(self, node: Sequence) -> Given:
        given = [self.of(each) for each in node.elements]
        if any(each.optional != (position in node.optional) for position, each in enumerate(given)):
            return Given({"type": "array"})
        schemas = _smaller([each.schema for each in given])
        if not node.optional:
            return Given(False if False in schemas else tuple_of(schemas))
        possible = [each for each in schemas if each is not False]
        return Given(list_of(union(possible), len(given) - len(node.optional), len(given)))

    def _object(self, node: Record) -> Given:
        given = [self.of(value) for _, value in node.entries]
        if any(each.optional != (position in node.optional) for position, each in enumerate(given)):
            return Given({"type": "object"})
        schemas = _smaller([each.schema for each in given])
        names = [key.value if isinstance(key, Constant) else None for key, _ in node.entries]
        if not all(isinstance(name, str) for name in names):
            return Given(_mapping(union(schemas)))
        members = dict(zip(map(str, names), schemas, strict=True))
        absent = [str(names[position]) for position in node.optional]
        impossible = any(schema is False for name, schema in members.items() if name not in absent)
        return Given(False if impossible else object_of(members, absent))

    def _fold(self, fold: Comprehension) -> Given:
        """What `map`, `filter` and `cel.bind` give; that of the other macros is a truth value or not known."""
        result, name = fold.result, Name(fold.accumulator)
        if fold.start == Sequence(()) and result == name and fold.condition == Constant(True):
            return self._mapped(fold, name)
        if isinstance(fold.start, Constant) and isinstance(fold.start.value, bool) and result == name:
            return Given(BOOLEAN)
        return self.after(fold).of(result)

    def _mapped(self, fold: Comprehension, name: Name) -> Given:
        step, inner, all_ = fold.step, self.within(fold), True
        match step:
            case Call("_?_:_", (condition, Call() as taken, rest)) if rest == name:
                step, inner, all_ = taken, inner.where(condition, holds=True), False
        match step:
            case Call("_+_", (before, Sequence((body,), optional))) if before == name and not optional:
                return Given(self._many(fold.over, inner.of(body), all_=all_))
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


def _of_optional(function: str, given: list[Given]) -> Given | None:
    """What the functions of optionals give; None for all others, and where no optional is given to them."""
    match function, given:
        case "optional.none", []:
            return Given(False, optional=True, present=False)
        case "optional.of", [one]:
            return ANYTHING if one.optional else Given(one.schema, optional=True)
        case "optional.ofNonZeroValue", [one]:
            return ANYTHING if one.optional else Given(one.schema, optional=True, present=False)
        case "value", [Given(optional=True) as one]:
            return Given(one.schema)
        case "or", [Given(optional=True) as one, Given(optional=True) as other]:
            if one.present:
                return one
            return Given(_known(union((one.schema, other.schema))), optional=True, present=other.present)
        case (("first" | "last"), [one]) if not one.optional and types_of(one.schema) == {"array"}:
            return Given(_known(item_of(one.schema)), optional=True, present=lengths_of(one.schema, "array")[0] > 0)
    return None


def _either(one: Given, other: Given) -> Given:
    if one.optional != other.optional:
        return ANYTHING
    return Given(_known(union((one.schema, other.schema))), one.optional, one.present and other.present)


def _at(schema: JsonSchema, path: Path) -> Given:
    found = schema_at(schema, path)
    return Given(True if found is None else found)


def _known(schema: JsonSchema | None) -> JsonSchema:
    return True if schema is None else schema


def _surely(schema: JsonSchema, step: Step) -> bool:
    """Whether every object has the member, or every list so many items."""
    if isinstance(step, str):
        return types_of(schema) == {"object"} and step in required_names(schema)
    return types_of(schema) == {"array"} and lengths_of(schema, "array")[0] > step >= 0


def _mapping(values: JsonSchema | None) -> JsonSchema:
    """Objects of which only the values are known."""
    found = list_of(values)
    if not isinstance(found, dict) or "items" not in found:
        return {"type": "object"}
    definitions = {"$defs": found["$defs"]} if "$defs" in found else {}
    return {"type": "object", "additionalProperties": found["items"], **definitions}


def _smaller(schemas: Iterable[JsonSchema]) -> list[JsonSchema]:
    """The schemas, by their types alone where they are too large together."""
    known = list(schemas)
    return [coarse(each) for each in known] if _is_large(known) else known


def _is_large(schemas: list[JsonSchema]) -> bool:
    if len(schemas) == 1 and (isinstance(schemas[0], bool) or _NESTING.isdisjoint(schemas[0])):
        return False
    many = itertools.chain.from_iterable(map(subschemas, schemas))
    return sum(1 for _ in itertools.islice(many, LARGEST + 1)) > LARGEST


def _says_what(fact: Mapping[str, object]) -> bool:
    """Whether it says of a value of which nothing is known that it is JSON, and no moment or other value of CEL."""
    return "const" in fact or "enum" in fact or isinstance(fact.get("type"), str)
