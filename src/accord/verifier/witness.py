"""Witnesses: example values that one schema allows and another one does not.

Candidates are made from the schemas: their enumerations and constants, numbers and lengths at and beside every bound
that either of them names, each type of a union, optional members left out or alone, members that are not declared. A
candidate is a witness only when the validators say so, which know nothing of how it was made. The search is bounded
and deterministic; of the witnesses found it gives the one with the shortest JSON.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeGuard

import msgspec
import orjson

from accord.domain.schema import JsonSchema, Schema, subschemas
from accord.domain.schema_path import Alternative, Alternatives, types_together
from accord.verifier.pattern import counts_in, texts_for

MAX_CANDIDATES = 3000
MAX_SCHEMAS = 2000
"""Of which values are made, counted as often as they are used; of the rest any values stand in."""
MAX_LENGTH = 5000
"""Of texts and lists that are made."""

_MAX_DEPTH = 6
_WIDTHS = (500, 48, 32, 12, 6, 3, 1)
"""How many values are made of a schema, by its depth."""

_MOST_REPEATED = 500
_SAFE = 1 << 53
_NUMERIC = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_LENGTHS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_FORMATS = {
    "date-time": "2024-02-29T12:00:00Z",
    "date": "2024-02-29",
    "time": "12:00:00Z",
    "duration": "PT1S",
    "email": "a@b.example",
    "idn-email": "a@b.example",
    "hostname": "a.example",
    "idn-hostname": "a.example",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://a.example/",
    "uri-reference": "/a",
    "iri": "https://a.example/",
    "iri-reference": "/a",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "uri-template": "/{a}",
    "json-pointer": "/a",
    "relative-json-pointer": "0/a",
    "regex": "a",
}
_PLAIN: dict[str, object] = {"object": {}, "array": [], "string": "a", "integer": 0, "boolean": True, "null": None}
_ANYTHING: tuple[object, ...] = (None, True, 0, "", [], {}, 0.5, -1, "a", [None], {"a": None})


class _Pool(msgspec.Struct, frozen=True):
    """What both schemas mention anywhere: the places where they may differ."""

    numbers: tuple[int | float, ...]
    lengths: tuple[int, ...]
    repetitions: tuple[int, ...]
    texts: tuple[str, ...]
    names: tuple[str, ...]


def find_witness(producer: Schema, consumer: Schema, *, hints: Iterable[JsonSchema] = ()) -> tuple[object, ...]:
    """One value that the producer's schema allows and the consumer's does not; empty where none was found.

    `hints` are schemas to make candidates from first, such as the difference of the two.
    """
    found: list[tuple[int, bytes, object]] = []
    for candidate in _candidates(producer, consumer, hints):
        if producer.is_valid(candidate) and not consumer.is_valid(candidate):
            form = orjson.dumps(candidate, option=orjson.OPT_SORT_KEYS)
            found.append((len(form), form, candidate))
    return (min(found, key=lambda each: each[:2])[2],) if found else ()


def _candidates(producer: Schema, consumer: Schema, hints: Iterable[JsonSchema]) -> Iterator[object]:
    pool = _pool((producer.document, consumer.document))
    sources = (*hints, producer.document, consumer.document)
    made = _in_turn([_Values(source, pool).of(source) for source in sources])
    return itertools.islice(itertools.chain(made, _ANYTHING), MAX_CANDIDATES)


def _pool(documents: Iterable[JsonSchema]) -> _Pool:
    numbers: list[int | float] = []
    lengths: list[int] = []
    texts: list[str] = []
    names: list[str] = []
    repeated = [0, 1, 2]
    for _, schema in itertools.chain.from_iterable(map(subschemas, documents)):
        numbers.extend(each for key in _NUMERIC if _is_number(each := schema.get(key)))
        lengths.extend(each for key in _LENGTHS if isinstance(each := schema.get(key), int))
        stated = [schema.get("const"), *_listed(schema.get("enum"))]
        texts.extend(each for each in stated if isinstance(each, str))
        numbers.extend(each for each in stated if _is_number(each))
        names.extend(_names(schema))
        repeated.extend(each for each in counts_in(str(schema.get("pattern", ""))) if each < _MOST_REPEATED)
    return _Pool(
        tuple(sorted(set(numbers))[:16]),
        tuple(sorted({each for each in lengths if 0 <= each <= MAX_LENGTH})[:8]),
        tuple(sorted(set(repeated))[:8]),
        tuple(dict.fromkeys(texts))[:32],
        tuple(dict.fromkeys((*names[:32], "extra"))),
    )


def _names(schema: Mapping[str, object]) -> Iterator[str]:
    for keyword in ("properties", "dependentRequired", "dependentSchemas"):
        members = schema.get(keyword)
        yield from members if isinstance(members, dict) else ()
    yield from (each for each in _listed(schema.get("required")) if isinstance(each, str))


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


class _Values:
    """Makes values from the schemas of one document."""

    def __init__(self, root: JsonSchema, pool: _Pool) -> None:
        self._alternatives = Alternatives(root)
        self._pool = pool
        self._left = MAX_SCHEMAS

    def of(self, schema: JsonSchema, depth: int = 0) -> list[object]:
        """Values that are likely to be valid, the plainest first."""
        self._left -= 1
        found = self._alternatives.of(schema)
        if found is None:
            return list(_ANYTHING[: _WIDTHS[min(depth, _MAX_DEPTH)]])
        if depth > _MAX_DEPTH or self._left < 0:
            return [value for parts in found for value in _plainest(parts)]
        per_alternative = [self._of_alternative(each, depth) for each in found]
        return list(itertools.islice(_in_turn(per_alternative), 2 * max(_WIDTHS[depth], len(found))))

    def _of_alternative(self, parts: Alternative, depth: int) -> list[object]:
        stated = [each for part in parts for each in _stated(part)]
        if stated:
            return stated
        allowed = types_together(parts)
        makers: dict[str, _Maker] = {
            "object": self._objects,
            "array": self._arrays,
            "string": self._texts,
            "number": self._numbers,
            "integer": self._integers,
            "boolean": lambda _parts, _depth: [True, False],
            "null": lambda _parts, _depth: [None],
        }
        names = [name for name in makers if name in allowed and not (name == "integer" and "number" in allowed)]
        made = [makers[name](parts, depth) for name in names]
        return list(itertools.islice(_in_turn(made), 2 * _WIDTHS[depth]))

    def _integers(self, parts: Alternative, _depth: int) -> list[object]:
        own, other = _numbers_of(parts), self._pool.numbers
        bounds = [math.floor(each) for each in own if math.isfinite(each)]
        near = [math.floor(each) + delta for each in (*own, *other) for delta in (1, -1, 0) if math.isfinite(each)]
        steps = [each for part in parts if _is_number(each := part.get("multipleOf"))]
        multiples = [int(step) * factor for step in steps for factor in (1, 2, 3)]
        return [each for each in dict.fromkeys((*bounds, 0, 1, -1, *multiples, *near)) if abs(each) < _SAFE]

    def _numbers(self, parts: Alternative, depth: int) -> list[object]:
        own, other = _numbers_of(parts), self._pool.numbers
        halves = [each + delta for each in (*own, *other) for delta in (0, 0.5, -0.5)]
        return list(dict.fromkeys((*own, 0, 0.5, *halves, *self._integers(parts, depth), -0.5)))

    def _texts(self, parts: Alternative, _depth: int) -> list[object]:
        found: list[str] = []
        for part in parts:
            found.extend(texts_for(str(part["pattern"]), self._pool.repetitions) if "pattern" in part else ())
            found.extend([_FORMATS[str(part["format"])]] if part.get("format") in _FORMATS else ())
        lengths = _lengths(parts, ("minLength", "maxLength"), self._pool)
        plain = ["a" * length for length in lengths]
        return list(dict.fromkeys((*found, "a", *plain, *self._pool.texts, "", "0")))

    def _arrays(self, parts: Alternative, depth: int) -> list[object]:
        first = [each for part in parts for each in _listed(part.get("prefixItems"))]
        items = [part["items"] for part in parts if isinstance(part.get("items"), dict | bool)]
        prefix = [self._some(each, depth + 1) for each in first if isinstance(each, dict | bool)]
        rest = self._some(items[0] if items else True, depth + 1)  # type: ignore[arg-type]  # filtered above
        heads = [each[0] for each in prefix if each]
        found: list[object] = []
        for length in _lengths(parts, ("minItems", "maxItems"), self._pool):
            filler = itertools.cycle(rest) if rest else iter(())
            found.append([*heads[:length], *itertools.islice(filler, max(0, length - len(heads)))])
        for position, values in enumerate(prefix):
            found.extend([*heads[:position], value, *heads[position + 1 :]] for value in values[1:])
        least = max((each for part in parts if isinstance(each := part.get("minItems"), int)), default=1)
        found.extend([*heads, *[value] * max(1, least - len(heads))] for value in rest)
        return [each for each in found if isinstance(each, list) and len(each) <= MAX_LENGTH]

    def _objects(self, parts: Alternative, depth: int) -> list[object]:
        declared = self._members(parts, depth)
        required = {str(each) for part in parts for each in _listed(part.get("required"))}
        plainest = {name: values[0] for name, values in declared.items() if values}
        least = {name: plainest.get(name) for name in sorted(required)}
        whole = {**plainest, **least}
        optional = sorted(plainest.keys() - required)
        alone: list[object] = [{**least, name: plainest[name]} for name in optional]
        without: list[object] = [{each: whole[each] for each in whole if each != name} for name in optional]
        changed = [[{**least, name: value} for value in values[1:]] for name, values in declared.items()]
        extra: list[object] = [{**least, **each} for each in self._extra_members(parts, declared.keys(), depth)]
        return [least, whole, *_in_turn([list(_in_turn(changed)), alone, without, extra])]

    def _extra_members(self, parts: Alternative, declared: Collection[str], depth: int) -> Iterator[dict[str, object]]:
        """Members that the schema does not name, with values that it may allow them."""
        names = [name for name in self._pool.names if name not in declared]
        stated = [part.get("additionalProperties") for part in parts]
        schemas = [each for each in stated if isinstance(each, dict)]
        values = self._some(schemas[0], depth + 1) if schemas else [None, "a"]
        yield from ({name: value} for value in values for name in names)

    def _members(self, parts: Alternative, depth: int) -> dict[str, list[object]]:
        schemas: dict[str, list[JsonSchema]] = {}
        for part in parts:
            properties = part.get("properties")
            for name, schema in properties.items() if isinstance(properties, dict) else ():
                schemas.setdefault(name, []).append(schema)
        return {
            name: self._some(each[0] if len(each) == 1 else {"allOf": each}, depth + 1)
            for name, each in sorted(schemas.items())
        }

    def _some(self, schema: JsonSchema, depth: int) -> list[object]:
        return self.of(schema, depth)[: _WIDTHS[min(depth, _MAX_DEPTH)]]


_Maker: TypeAlias = Callable[[Alternative, int], list[object]]
_NOTHING = object()


def _in_turn(lists: Iterable[Sequence[object]]) -> Iterator[object]:
    """Round robin, so that a bound on the number leaves something of every list."""
    for row in itertools.zip_longest(*lists, fillvalue=_NOTHING):
        yield from (value for value in row if value is not _NOTHING)


def _plainest(parts: Alternative) -> list[object]:
    """A value of each type that is allowed, without a look at what is inside."""
    stated = [each for part in parts for each in _stated(part)]
    allowed = types_together(parts)
    return stated[:1] or [value for name, value in _PLAIN.items() if name in allowed]


def _stated(schema: Mapping[str, object]) -> list[object]:
    return [schema["const"]] if "const" in schema else _listed(schema.get("enum"))


def _numbers_of(parts: Alternative) -> list[int | float]:
    return [each for part in parts for key in _NUMERIC if _is_number(each := part.get(key))]


def _lengths(parts: Alternative, keywords: tuple[str, str], pool: _Pool) -> list[int]:
    """Lengths at and beside each bound, the smallest that is allowed first."""
    own = [each for part in parts for key in keywords if isinstance(each := part.get(key), int)]
    near = [bound + delta for bound in (*own, *pool.lengths) for delta in (0, 1, -1)]
    least = max((each for part in parts if isinstance(each := part.get(keywords[0]), int)), default=0)
    return [least, *(each for each in sorted({0, 1, 2, *near}) if 0 <= each <= MAX_LENGTH and each != least)]
