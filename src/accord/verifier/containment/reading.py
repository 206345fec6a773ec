"""Schemas read into formulas, by the rules of draft 7 or of draft 2020-12."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypeGuard

import orjson

from accord.verifier.containment.evaluated import Evaluated
from accord.verifier.containment.formulas import (
    EVERY_TYPE,
    FALSE,
    TRUE,
    Both,
    Bound,
    Containing,
    Distinct,
    Either,
    Formula,
    Formulas,
    Items,
    Members,
    Multiple,
    OfType,
    Opaque,
    Reference,
    Size,
    SomeMember,
    Text,
    number_of,
)
from accord.verifier.containment.languages import (
    EVERYTHING,
    NOTHING,
    Language,
    TooManyStatesError,
    Words,
    complement,
    intersection,
    of_lengths,
    union,
)
from accord.verifier.containment.patterns import Engine, UnreadPatternError, depends_on_engine, language_of
from accord.verifier.containment.references import Draft, References, Schema, UnreadSchemaError

_BOUNDS = {"minimum": (True, False), "exclusiveMinimum": (True, True), "maximum": (False, False)}
_BOUNDS["exclusiveMaximum"] = (False, True)
_SIZES = {"string": ("minLength", "maxLength"), "array": ("minItems", "maxItems")}
_SIZES["object"] = ("minProperties", "maxProperties")
_FORMED = {
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "date-time": r"^\d{4}-\d{2}-\d{2}[^a]\d{2}:\d{2}:\d{2}[^a]",
    "time": r"^\d{2}:\d{2}:\d{2}[^a]",
    "uuid": r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "ipv4": r"^\d{1,3}(\.\d{1,3}){3}$",
    "ipv6": r"^[0-9a-fA-F:.]{2,45}$",
    "email": r"^[^\n]+@[^\n]+$",
    "uri": "^[A-Za-z][A-Za-z0-9+.-]*:",
    "duration": "^P[0-9]|^PT[0-9]",
}
"""What texts of a format look like, as far as an expression says it."""

_MAX_NESTED = 150


class Dialect:
    """How schemas of one side are read."""

    def __init__(self, draft: Draft, *, formats: bool, engine: Engine) -> None:
        self.draft, self.formats, self.engine = draft, formats, engine

    @property
    def is_draft_7(self) -> bool:
        return self.draft is Draft.DRAFT_7


class Library:
    """The schemas that formulas refer to, of both sides."""

    def __init__(self) -> None:
        self.formulas = Formulas(self._expand)
        self._targets: list[tuple[Reader, Schema]] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._expanded: dict[int, Formula] = {}
        self.engines_differ = False
        """Whether a pattern was read that engines read differently."""

    def refer(self, reader: Reader, schema: Schema) -> Formula:
        """The formula of a schema that is read when it is needed."""
        key = (id(reader), id(schema))
        if key not in self._numbers:
            self._numbers[key] = len(self._targets)
            self._targets.append((reader, schema))
        return self.formulas.of(Reference(self._numbers[key], positive=True))

    def _expand(self, target: int) -> Formula:
        if target not in self._expanded:
            reader, schema = self._targets[target]
            self._expanded[target] = reader.read(schema)
        return self._expanded[target]


class Reader:
    """Reads the schemas of one document."""

    def __init__(self, root: Schema, dialect: Dialect, library: Library) -> None:
        self.root, self.dialect, self._library = root, dialect, library
        self.references = References(root, dialect.draft)
        self._formulas = library.formulas
        self._known: dict[int, Formula] = {}
        self._depth = 0

    def read(self, schema: object) -> Formula:
        """What a schema says.

        Raises:
            UnreadSchemaError: it has parts that cannot even be left open.
        """
        if isinstance(schema, bool):
            return TRUE if schema else FALSE
        if not isinstance(schema, dict):
            raise UnreadSchemaError("no schema")
        if id(schema) not in self._known:
            self._depth += 1
            if self._depth > _MAX_NESTED:
                raise UnreadSchemaError("nested too deep")
            self._known[id(schema)] = self._formulas.both(self._parts(schema))
            self._depth -= 1
        return self._known[id(schema)]

    def refer(self, schema: dict[str, object], keyword: str) -> Formula:
        """What the target of a reference says, read when it is needed."""
        return self._library.refer(self, self.references.target(schema, keyword))

    def _parts(self, schema: dict[str, object]) -> Iterator[Formula]:
        if "$ref" in schema:
            yield self.refer(schema, "$ref")
            if self.dialect.is_draft_7:
                return
        if "$dynamicRef" in schema and not self.dialect.is_draft_7:
            yield self.refer(schema, "$dynamicRef")
        yield from self._values(schema)
        yield from self._numbers(schema)
        yield from self._texts(schema)
        yield from self._arrays(schema)
        yield from self._objects(schema)
        yield from self._logic(schema)
        if not self.dialect.is_draft_7 and not schema.keys().isdisjoint(("unevaluatedProperties", "unevaluatedItems")):
            yield from self._unevaluated(schema)

    def _unevaluated(self, schema: dict[str, object]) -> Iterator[Formula]:
        try:
            yield from list(Evaluated(self, self._formulas).unevaluated(schema))
        except (UnreadSchemaError, UnreadPatternError, TooManyStatesError):
            yield from (self._open(name, schema, schema) for name in ("object", "array"))

    def _values(self, schema: dict[str, object]) -> Iterator[Formula]:
        stated = schema.get("type")
        if isinstance(stated, str | list):
            yield self._of_types([stated] if isinstance(stated, str) else stated)
        if "const" in schema:
            yield self._formulas.equal_to(schema["const"])
        if isinstance(values := schema.get("enum"), list):
            yield self._formulas.one_of(values)

    def _of_types(self, names: list[object]) -> Formula:
        plain = EVERY_TYPE & {each for each in names if isinstance(each, str)}
        found = [self._formulas.only(*plain)]
        if "integer" in names and "number" not in names:
            found.append(self._formulas.of(Multiple(Fraction(1), positive=True)))
        return self._formulas.either(found)

    def _numbers(self, schema: dict[str, object]) -> Iterator[Formula]:
        for keyword, (above, strict) in _BOUNDS.items():
            if _is_number(limit := schema.get(keyword)):
                yield self._formulas.unless("number", self._formulas.of(Bound(number_of(limit), above, strict)))
        if _is_number(step := schema.get("multipleOf")):
            multiple = Multiple(abs(number_of(step)), positive=True)
            yield self._formulas.unless("number", self._formulas.of(multiple))

    def _texts(self, schema: dict[str, object]) -> Iterator[Formula]:
        yield from self._sizes("string", schema)
        if isinstance(pattern := schema.get("pattern"), str):
            yield self._formulas.unless("string", self._matching(pattern))
        if self.dialect.formats and isinstance(name := schema.get("format"), str):
            yield self._formulas.unless("string", self._of_format(name))

    def _of_format(self, name: str) -> Formula:
        """That a validator says so, and what follows from it."""
        opaque = self._formulas.of(Opaque("string", "format", name, positive=True))
        if name not in _FORMED:
            return opaque
        return self._formulas.both((opaque, self._formulas.of(Text(language_of(_FORMED[name])))))

    def _sizes(self, type_name: str, schema: dict[str, object]) -> Iterator[Formula]:
        least, most = (_count(schema.get(keyword)) for keyword in _SIZES[type_name])
        if least or most is not None:
            if most is not None and (least or 0) > most:
                yield self._formulas.only(*(EVERY_TYPE - {type_name}))
            else:
                yield self._formulas.unless(type_name, self._formulas.of(Size(type_name, least or 0, most)))

    def _matching(self, pattern: str) -> Formula:
        try:
            return self._formulas.of(Text(self.language(pattern)))
        except UnreadPatternError:
            return self._formulas.of(Opaque("string", "pattern", pattern, positive=True))

    def language(self, pattern: str) -> Language:
        """The texts that a pattern is found in.

        Raises:
            UnreadPatternError: it is not read.
        """
        self._library.engines_differ |= depends_on_engine(pattern)
        return language_of(pattern, self.dialect.engine)

    # -- arrays --------------------------------------------------------------------------------------------------

    def items(self, schema: dict[str, object]) -> tuple[list[object], object]:
        """The schemas of the first items, and of all others (None where the schema says nothing of them)."""
        items = schema.get("items")
        if not self.dialect.is_draft_7:
            first = schema.get("prefixItems")
            return first if isinstance(first, list) else [], items
        if isinstance(items, list):
            return items, schema.get("additionalItems")
        return [], items

    def containing(self, schema: dict[str, object]) -> tuple[Formula, int, int | None] | None:
        """What is to be contained, and how often."""
        if "contains" not in schema:
            return None
        item = self.read(schema["contains"])
        if self.dialect.is_draft_7:
            return item, 1, None
        least = _count(schema.get("minContains"))
        return item, 1 if least is None else least, _count(schema.get("maxContains"))

    def _arrays(self, schema: dict[str, object]) -> Iterator[Formula]:
        yield from self._sizes("array", schema)
        first, rest = self.items(schema)
        for index, each in enumerate(first):
            if (item := self.read(each)) != TRUE:
                yield self._formulas.unless("array", self._formulas.of(Items(index, item, index + 1)))
        if rest is not None and (item := self.read(rest)) != TRUE:
            yield self._formulas.unless("array", self._formulas.of(Items(len(first), item)))
        if (wanted := self.containing(schema)) is not None:
            item, least, most = wanted
            if most is not None and least > most:
                yield self._formulas.only(*(EVERY_TYPE - {"array"}))
            elif least or most is not None:
                yield self._formulas.unless("array", self._formulas.of(Containing(item, least, most)))
        if schema.get("uniqueItems") is True:
            yield self._formulas.unless("array", self._formulas.of(Distinct(positive=True)))

    # -- objects -------------------------------------------------------------------------------------------------

    def names(self, schema: dict[str, object]) -> Language:
        """The names that `properties` and `patternProperties` speak of.

        Raises:
            UnreadPatternError: one of the patterns is not read.
        """
        properties, patterns = schema.get("properties"), schema.get("patternProperties")
        found: Language = Words(frozenset(properties)) if isinstance(properties, dict) else NOTHING
        for pattern in patterns if isinstance(patterns, dict) else ():
            found = union(found, self.language(pattern))
        return found

    def _objects(self, schema: dict[str, object]) -> Iterator[Formula]:
        yield from self._sizes("object", schema)
        required = schema.get("required")
        for name in required if isinstance(required, list) else ():
            yield self._formulas.unless("object", self._present(str(name)))
        properties = schema.get("properties")
        for name, each in properties.items() if isinstance(properties, dict) else ():
            yield self._members(Words(frozenset((name,))), self.read(each))
        try:
            yield from list(self._other_members(schema))
        except (UnreadPatternError, TooManyStatesError):
            yield self._open("object", schema, ("properties", "patternProperties", "additionalProperties"))
        if "propertyNames" in schema:
            yield from self._named(schema)
        yield from self._dependent(schema)

    def _other_members(self, schema: dict[str, object]) -> Iterator[Formula]:
        patterns = schema.get("patternProperties")
        for pattern, each in patterns.items() if isinstance(patterns, dict) else ():
            yield self._members(self.language(pattern), self.read(each))
        if "additionalProperties" in schema and schema["additionalProperties"] is not True:
            yield self._members(complement(self.names(schema)), self.read(schema["additionalProperties"]))

    def _members(self, names: Language, value: Formula) -> Formula:
        return TRUE if value == TRUE else self._formulas.unless("object", self._formulas.of(Members(names, value)))

    def _present(self, name: str) -> Formula:
        return self._formulas.of(SomeMember(Words(frozenset((name,))), TRUE))

    def _absent(self, name: str) -> Formula:
        return self._members(Words(frozenset((name,))), FALSE)

    def _named(self, schema: dict[str, object]) -> Iterator[Formula]:
        try:
            names = self._texts_of(self.read(schema["propertyNames"]), 0)
        except TooManyStatesError:
            yield self._open("object", schema, ("propertyNames",))
        else:
            yield self._members(complement(names), FALSE)

    def _texts_of(self, formula: Formula, depth: int) -> Language:
        """The texts of which a formula holds.

        Raises:
            TooManyStatesError: they are not to be told as a language.
        """
        if depth > _MAX_NESTED:
            raise TooManyStatesError
        node = self._formulas.node(formula)
        match node:
            case OfType(types):
                return EVERYTHING if "string" in types else NOTHING
            case Both(parts) | Either(parts):
                together = intersection if isinstance(node, Both) else union
                found: Language = EVERYTHING if isinstance(node, Both) else NOTHING
                for part in sorted(parts):
                    found = together(found, self._texts_of(part, depth + 1))
                return found
            case Reference():
                return self._texts_of(self._formulas.expanded(node), depth + 1)
            case Text(language):
                return language
            case Size("string", least, most):
                return of_lengths(least, most)
            case Opaque("string"):
                raise TooManyStatesError
        return NOTHING

    def _dependent(self, schema: dict[str, object]) -> Iterator[Formula]:
        for name, each in self.dependencies(schema):
            if isinstance(each, list):
                there = self._formulas.both(self._formulas.unless("object", self._present(str(one))) for one in each)
            else:
                there = self.read(each)
            yield self._formulas.either((self._absent(name), there))

    def dependencies(self, schema: dict[str, object]) -> Iterator[tuple[str, object]]:
        """What a member's presence asks for: names or a schema."""
        keywords = ("dependencies",) if self.dialect.is_draft_7 else ("dependentRequired", "dependentSchemas")
        for keyword in keywords:
            found = schema.get(keyword)
            yield from found.items() if isinstance(found, dict) else ()

    def absent(self, name: str) -> Formula:
        """That a value is no object with such a member."""
        return self._absent(name)

    # -- logic ---------------------------------------------------------------------------------------------------

    def _logic(self, schema: dict[str, object]) -> Iterator[Formula]:
        yield from map(self.read, _listed(schema.get("allOf")))
        if "anyOf" in schema:
            yield self._formulas.either(map(self.read, _listed(schema["anyOf"])))
        if "oneOf" in schema:
            yield self.exactly_one([self.read(each) for each in _listed(schema["oneOf"])])
        if "not" in schema:
            yield self._formulas.negated(self.read(schema["not"]))
        if "if" in schema:
            condition = self.read(schema["if"])
            if "then" in schema:
                yield self._formulas.either((self._formulas.negated(condition), self.read(schema["then"])))
            if "else" in schema:
                yield self._formulas.either((condition, self.read(schema["else"])))

    def exactly_one(self, parts: list[Formula]) -> Formula:
        """That one of them holds and no other: at least one, and of any two one does not."""
        pairs = (
            self._formulas.either((self._formulas.negated(one), self._formulas.negated(other)))
            for index, one in enumerate(parts)
            for other in parts[:index]
        )
        return self._formulas.both((self._formulas.either(parts), *pairs))

    def _open(self, type_name: str, schema: dict[str, object], keywords: Iterable[str]) -> Formula:
        """That the keywords hold, of which nothing is known; equal words without references mean the same."""
        words = orjson.dumps({name: schema[name] for name in keywords if name in schema}, option=orjson.OPT_SORT_KEYS)
        key = f"{self.dialect.draft.name} {self.dialect.formats} {words.decode()}"
        if b'"$' in words:
            key = f"{id(self)} {key}"
        return self._formulas.unless(type_name, self._formulas.of(Opaque(type_name, "schema", key, positive=True)))


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
