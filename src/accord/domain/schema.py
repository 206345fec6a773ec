"""JSON Schemas (2020-12) safe to run: self-contained, bounded, no misspelt keywords, no unknown formats."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache, lru_cache
from itertools import islice
from typing import TypeAlias

import jsonschema_rs
import msgspec
import orjson
import rfc8785

from accord.domain.ids import Digest
from accord.errors import ContractViolation, Place, PlaceOf, Problem, pointer_only

JsonSchema: TypeAlias = dict[str, object] | bool

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MAX_SCHEMA_BYTES = 256 * 1024
MAX_SCHEMA_DEPTH = 64
MAX_UNFOLDED = 10_000
"""Schemas that may apply to one value, when references are followed: shared ones count as often as they are used."""
MAX_VIOLATIONS = 50
CACHED_SCHEMAS = 4096

_REGEX_OPTIONS = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)
_MAX_MESSAGE = 200
_NAMES_TOLD = 12
_MAX_CHAIN = 200
"""Schemas that may refer to each other in a row."""
_SUBSCHEMA = (
    *(
        "additionalProperties",
        "unevaluatedProperties",
        "propertyNames",
        "items",
        "unevaluatedItems",
        "contains",
    ),
    *("not", "if", "then", "else", "contentSchema"),
)
_SUBSCHEMA_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_SUBSCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_ASSERTIONS = (
    *("type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum"),
    *(
        "maxLength",
        "minLength",
        "pattern",
        "maxItems",
        "minItems",
        "uniqueItems",
        "maxContains",
        "minContains",
    ),
    *("maxProperties", "minProperties", "required", "dependentRequired", "format"),
)
_ANNOTATIONS = (
    *(
        "$schema",
        "$id",
        "$ref",
        "$anchor",
        "$dynamicRef",
        "$dynamicAnchor",
        "$vocabulary",
        "$comment",
        "title",
    ),
    *("description", "default", "deprecated", "readOnly", "writeOnly", "examples", "example", "nullable"),
    *("contentEncoding", "contentMediaType", "discriminator", "xml", "externalDocs"),
)
KEYWORDS = frozenset((*_SUBSCHEMA, *_SUBSCHEMA_MAPS, *_SUBSCHEMA_LISTS, *_ASSERTIONS, *_ANNOTATIONS))
CHECKED_FORMATS = frozenset(
    (
        *(
            "date-time",
            "date",
            "time",
            "duration",
            "email",
            "idn-email",
            "hostname",
            "idn-hostname",
            "ipv4",
            "ipv6",
        ),
        *("uri", "uri-reference", "iri", "iri-reference", "uuid", "uri-template", "json-pointer"),
        *("relative-json-pointer", "regex"),
    )
)
NOTED_FORMATS = frozenset(
    (
        *(
            "path",
            "file-path",
            "directory-path",
            "binary",
            "byte",
            "base64",
            "base64url",
            "password",
            "markdown",
        ),
        *("json-string", "decimal", "int32", "int64", "float", "double", "ipvanyaddress"),
    )
)
"""Formats that say what a string is for, and are not checked (Pydantic and OpenAPI write them)."""


_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")


class Schema(msgspec.Struct, frozen=True, eq=False):
    """A JSON Schema that was checked and compiled; equal to another one where their digests are."""

    document: JsonSchema
    """Not to be changed."""
    digest: Digest
    """SHA-256 over the RFC 8785 form."""
    validator: jsonschema_rs.Draft202012Validator

    def is_valid(self, value: object) -> bool:
        """Whether a JSON value is valid. Only what the schema speaks of is looked at."""
        try:
            return self.validator.is_valid(value)
        except ValueError:
            return False

    def violations(self, value: object, code: str = "ACC250", place_of: PlaceOf = pointer_only) -> tuple[Problem, ...]:
        """All violations in the order of the schema, at most `MAX_VIOLATIONS`; none for a valid value.

        The place is the JSON pointer into the value, and what `place_of` knows of it; the hint names the rule by its
        pointer into the schema.
        """
        if self.is_valid(value):
            return ()
        try:
            errors = list(islice(self.validator.iter_errors(value), MAX_VIOLATIONS + 1))
        except ValueError as error:
            return (Problem(code, f"no JSON: {error}", place_of("")),)
        each = (problem for error in errors for problem in _violations(error, code, place_of, self.document))
        found = list(islice(each, MAX_VIOLATIONS + 1))
        if len(found) > MAX_VIOLATIONS:
            found[MAX_VIOLATIONS] = Problem(code, "and more violations", place_of(""))
        return tuple(found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __reduce__(self) -> tuple[object, ...]:
        return compile_schema, (self.document,)


def compile_schema(document: JsonSchema, *, pointer: str = "") -> Schema:
    """The schema that a JSON value is, compiled once per content.

    Raises:
        ContractViolation: all problems: ACC240 no 2020-12 schema, ACC241 a reference that leads out of it or
            nowhere, ACC242 too large or too deep, ACC243 a misspelt keyword, ACC244 an unknown format. Places
            are JSON pointers, after `pointer`.
    """
    if not isinstance(document, dict | bool):
        raise ContractViolation.of("ACC240", "a schema is an object or a boolean", place=Place(pointer=pointer))
    canonical = _bounded(document, Place(pointer=pointer))
    try:
        digest, validator = _compiled(canonical)
    except _Unsound:  # its problems are told as the document is written
        raise ContractViolation(*_problems(document, pointer)) from None
    except jsonschema_rs.ValidationError as error:
        raise ContractViolation(_unusable(error, pointer)) from None
    return Schema(document, digest, validator)


def unknown_members(value: object, schema: JsonSchema) -> tuple[Problem, ...]:
    """ACC450 for each member of an object that its schema does not let in, whatever else is missing or wrong."""
    if not isinstance(schema, dict) or schema.get("additionalProperties") is not False:
        return ()
    known: dict[str, object] = {"additionalProperties": False}
    for key in ("properties", "patternProperties"):
        members = schema.get(key)
        known[key] = dict.fromkeys(members, True) if isinstance(members, dict) else {}
    return compile_schema(known).violations(value, "ACC450")


def canonical_form(value: object) -> bytes:
    """The RFC 8785 form of a JSON value.

    Raises:
        ContractViolation: ACC242 it has none: an integer beyond 2^53, NaN, a lone surrogate, or no JSON.
    """
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # it checks its argument itself
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise ContractViolation.of("ACC242", f"no canonical JSON form: {error}") from None


def digest_of(canonical: bytes) -> Digest:
    """The digest of a canonical form."""
    return Digest(hashlib.sha256(canonical).hexdigest())


def pointer_of(path: list[str | int] | tuple[str | int, ...]) -> str:
    """The JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


class _Unsound(Exception):
    """There are problems."""


@lru_cache(maxsize=CACHED_SCHEMAS)
def _compiled(canonical: bytes) -> tuple[Digest, jsonschema_rs.Draft202012Validator]:
    document = orjson.loads(canonical)
    if next(_problems(document, ""), None) is not None:
        raise _Unsound
    validator = jsonschema_rs.Draft202012Validator(
        document, validate_formats=True, pattern_options=_REGEX_OPTIONS, offline=True
    )
    return digest_of(canonical), validator


@cache
def _meta_validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"$ref": DIALECT}, validate_formats=True, offline=True)


def _violations(
    error: jsonschema_rs.ValidationError, code: str, place_of: PlaceOf, document: JsonSchema, about: str = ""
) -> Iterator[Problem]:
    """What an error says: of members that may not be there, one problem for each; of alternatives, what is wrong with
    the one that was meant.
    """
    names = getattr(error.kind, "unexpected", ())
    found = resolve(document, "#" + pointer_of(error.schema_path[:-1]))
    schema = found if isinstance(found, dict) else {}
    about = str(schema.get("description", about))
    if meant := _meant(error):
        for each in meant:
            yield from _violations(each, code, place_of, document, about)
        return
    if not names:
        yield _violation(error, code, place_of, about, schema)
        return
    rule, at = pointer_of(error.schema_path), pointer_of(error.instance_path)
    properties = schema.get("properties")
    known = tuple(properties) if isinstance(properties, dict) else ()
    for name in names:
        place = place_of(at + pointer_of((name,)), key=True)
        yield Problem(code, _short(f"there is no `{name}` here"), place, f"{_near(name, known)}rule {rule}")


def _near(name: str, known: tuple[str, ...]) -> str:
    """Which of the known names may have been meant; all of them where there are few."""
    close = get_close_matches(name, known, n=1)
    if close:
        return f"did you mean `{close[0]}`? "
    return f"there are {', '.join(f'`{one}`' for one in known)}; " if 0 < len(known) <= _NAMES_TOLD else ""


def _violation(
    error: jsonschema_rs.ValidationError, code: str, place_of: PlaceOf, about: str, schema: dict[str, object]
) -> Problem:
    hint = f"rule {pointer_of(error.schema_path) or '/'}"
    if about and error.kind.name != "required":
        hint = f"{_short(about)}; {hint}"
    closest = _closest(error)
    if closest is not None:
        inner = closest.instance_path[len(error.instance_path) :]
        hint += f"; closest: {pointer_of(inner)} {_short(closest.message)}".replace("  ", " ")
    if error.kind.name == "required":
        hint = f"{_perhaps_meant(error, schema)}{hint}"
    types = _types_of_alternatives(error)
    message = f"{_short_json(error.instance)} is not of types {types}" if types else error.message
    return Problem(code, _short(message), place_of(pointer_of(error.instance_path)), hint)


def _perhaps_meant(error: jsonschema_rs.ValidationError, schema: dict[str, object]) -> str:
    """Whether a member that the schema does not know may be the missing one."""
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    value: object = error.instance
    unknown = [str(one) for one in value if one not in known] if isinstance(value, dict) else []
    close = get_close_matches(str(error.kind.as_dict()["property"]), unknown, n=1)
    return f"is it what `{close[0]}` means? " if close else ""


def _meant(error: jsonschema_rs.ValidationError) -> list[jsonschema_rs.ValidationError]:
    """The errors of the only alternative that is of the value's type; none where there is no such."""
    if error.kind.name != "anyOf":
        return []
    fitting = [each for each in error.kind.as_dict()["context"] if each and not _of_type(each, error)]
    return fitting[0] if len(fitting) == 1 else []


def _types_of_alternatives(error: jsonschema_rs.ValidationError) -> str:
    """`"string", "null"` where no alternative is of the value's type; else nothing."""
    if error.kind.name != "anyOf":
        return ""
    found = [_of_type(each, error) for each in error.kind.as_dict()["context"]]
    types = [str(name) for one in found if one for name in one[0].kind.as_dict()["types"]]
    return ", ".join(f'"{name}"' for name in dict.fromkeys(types)) if found and all(found) else ""


def _of_type(
    alternative: list[jsonschema_rs.ValidationError], error: jsonschema_rs.ValidationError
) -> list[jsonschema_rs.ValidationError]:
    """That the value as a whole is of another type."""
    return [each for each in alternative if each.kind.name == "type" and each.instance_path == error.instance_path]


def _closest(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError | None:
    """An error of the alternative that fits at its top and fails further down: the one that was meant."""
    context = getattr(error.kind, "context", [])
    depth = len(error.instance_path)
    meant = [each for each in context if each and all(len(inner.instance_path) > depth for inner in each)]
    return min(meant, key=len)[0] if meant else None


def _short_json(value: object) -> str:
    return _short(orjson.dumps(value).decode())


def _short(message: str) -> str:
    if len(message) <= _MAX_MESSAGE:
        return message
    half = _MAX_MESSAGE // 2 - 2
    return f"{message[:half]} … {message[-half:]}"


def _unusable(error: jsonschema_rs.ValidationError, pointer: str) -> Problem:
    code = "ACC241" if error.kind.name == "$ref" or "ointer" in error.message else "ACC240"
    place = Place(pointer=pointer + pointer_of(error.instance_path))
    if error.instance_path and error.instance_path[-1] == "type" and isinstance(error.instance, str):
        close = get_close_matches(error.instance, _TYPES, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(_TYPES)}"
        return Problem(code, f"no JSON Schema: {_short(f'`{error.instance}` is no type of JSON')}", place, hint)
    return Problem(code, f"no JSON Schema: {_short(error.message)}", place)


def _bounded(document: JsonSchema, place: Place) -> bytes:
    """The canonical form. Raises ContractViolation ACC242 where there is none, or it is too large or too deep."""
    if _too_deep(document):
        message = f"nested deeper than {MAX_SCHEMA_DEPTH} levels"
        raise ContractViolation.of("ACC242", message, place=place, hint="name parts of it in $defs")
    try:
        canonical = canonical_form(document)
    except ContractViolation as refusal:
        raise ContractViolation(msgspec.structs.replace(refusal.problems[0], place=place)) from None
    if len(canonical) > MAX_SCHEMA_BYTES:
        message = f"the schema has {len(canonical)} bytes, at most {MAX_SCHEMA_BYTES} are allowed"
        raise ContractViolation.of("ACC242", message, place=place)
    return canonical


def _problems(document: JsonSchema, pointer: str) -> Iterator[Problem]:
    for error in _meta_validator().iter_errors(document):
        yield _unusable(error, pointer)
    if _unfolded(document) > MAX_UNFOLDED:
        message = f"one value would be checked against more than {MAX_UNFOLDED} schemas at once"
        yield Problem("ACC242", message, Place(pointer=pointer), "refer to the same definition less often")
    for path, schema in subschemas(document):
        yield from _keyword_problems(schema, pointer + path, is_root=not path)


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_SCHEMA_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def subschemas(document: JsonSchema, pointer: str = "") -> Iterator[tuple[str, dict[str, object]]]:
    """Every object schema in a document with its JSON pointer, the document itself first."""
    if not isinstance(document, dict):
        return
    yield pointer, document
    for keyword, value in document.items():
        for step, schema in _children(keyword, value):
            yield from subschemas(schema, f"{pointer}{pointer_of(step)}")


def are_more_than(many: int, documents: Iterable[JsonSchema]) -> bool:
    """Whether there are more object schemas than so many in documents; it looks no further."""
    count, open_ = 0, list(documents)
    while open_ and count <= many:
        one = open_.pop()
        if isinstance(one, dict):
            count += 1
            open_.extend(inner for keyword, value in one.items() for _, inner in _children(keyword, value))
    return count > many


def _children(keyword: str, value: object) -> Iterator[tuple[tuple[str | int, ...], JsonSchema]]:
    if keyword in _SUBSCHEMA and isinstance(value, dict):
        yield (keyword,), value
    elif keyword in _SUBSCHEMA_MAPS and isinstance(value, dict):
        yield from (((keyword, name), schema) for name, schema in value.items() if isinstance(schema, dict))
    elif keyword in _SUBSCHEMA_LISTS and isinstance(value, list):
        yield from (((keyword, index), schema) for index, schema in enumerate(value) if isinstance(schema, dict))


def resolve(document: JsonSchema, reference: object) -> JsonSchema | None:
    """The schema at a local JSON pointer (`#/$defs/name`); None where there is none, or for any other reference."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        return None
    target: object = document
    for part in reference[2:].split("/") if len(reference) > 1 else ():
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, list) and name.isdigit() and int(name) < len(target):
            target = target[int(name)]
        elif isinstance(target, dict) and name in target:
            target = target[name]
        else:
            return None
    return target if isinstance(target, dict | bool) else None


def _unfolded(document: JsonSchema) -> int:
    """The most schemas that apply to one value; what refers to itself counts once, validators remember it."""
    anchors = {
        f"#{part[keyword]}": part
        for _, part in subschemas(document)
        for keyword in ("$anchor", "$dynamicAnchor")
        if keyword in part
    }
    counted: dict[int, int] = {}

    def count(schema: object, depth: int = 0) -> int:
        if not isinstance(schema, dict):
            return 1
        if depth > _MAX_CHAIN:
            return MAX_UNFOLDED + 1
        if id(schema) not in counted:
            counted[id(schema)] = 1
            counted[id(schema)] = min(MAX_UNFOLDED + 1, 1 + sum(count(part, depth + 1) for part in in_place(schema)))
        return counted[id(schema)]

    def in_place(schema: dict[str, object]) -> Iterator[object]:
        for keyword in ("$ref", "$dynamicRef"):
            if keyword in schema:
                yield anchors.get(str(schema[keyword]), resolve(document, schema[keyword]))
        for keyword in ("allOf", "anyOf", "oneOf"):
            yield from _listed(schema.get(keyword))
        for keyword in ("not", "if", "then", "else"):
            yield schema.get(keyword, True)
        dependent = schema.get("dependentSchemas")
        yield from dependent.values() if isinstance(dependent, dict) else ()

    return max((count(part) for _, part in subschemas(document)), default=1)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _keyword_problems(schema: dict[str, object], pointer: str, *, is_root: bool) -> Iterator[Problem]:
    for keyword in ("$ref", "$dynamicRef"):
        target = schema.get(keyword)
        if isinstance(target, str) and not target.startswith("#") and target != DIALECT:
            message = f"`{target:.120}` leads out of the schema"
            hint = "schemas are self-contained: copy it into $defs"
            yield Problem("ACC241", message, Place(pointer=f"{pointer}/{keyword}"), hint)
    if "$id" in schema and not is_root:
        yield Problem("ACC241", "a schema inside a schema has no `$id`", Place(pointer=f"{pointer}/$id"))
    if "$schema" in schema and str(schema["$schema"]).rstrip("#") != DIALECT:
        message = f"`{schema['$schema']!s:.120}` is not the dialect of Accord"
        yield Problem("ACC240", message, Place(pointer=f"{pointer}/$schema"), f"use {DIALECT}")
    for keyword in schema.keys() - KEYWORDS:
        if close := get_close_matches(keyword, KEYWORDS, n=1, cutoff=0.8):
            message = f"`{keyword}` is no keyword"
            place = Place(pointer=pointer + pointer_of((keyword,)))
            yield Problem("ACC243", message, place, f"did you mean {close[0]}?")
    yield from _format_problems(schema.get("format"), pointer)


def _format_problems(name: object, pointer: str) -> Iterator[Problem]:
    if not isinstance(name, str) or name in CHECKED_FORMATS or name in NOTED_FORMATS:
        return
    close = get_close_matches(name, CHECKED_FORMATS | NOTED_FORMATS, n=1)
    hint = f"did you mean {close[0]}?" if close else "say it with pattern, or in the description"
    message = f"the format `{name:.80}` is not known, it would not be checked"
    yield Problem("ACC244", message, Place(pointer=f"{pointer}/format"), hint)
