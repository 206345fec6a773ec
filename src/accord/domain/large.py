"""Large documents: what is over `PAYLOAD_MAX_BYTES` is never held or parsed whole. To expressions, contracts and agents
its value is a small reference, and its items are checked while they pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from accord.domain.document import Document
from accord.domain.ids import Digest
from accord.domain.items import Items
from accord.domain.message import PAYLOAD_MAX_BYTES
from accord.domain.schema import JsonSchema, compile_schema
from accord.errors import ContractViolation, Place, Problem

MEMBER: Final = "$blob"
"""The only member of a reference."""

DOCUMENT_MAX_BYTES: Final = 64 << 30
VIOLATIONS_MAX: Final = 20
"""So many violations are told of a large document; then it is read no further."""

_WHOLE: Final = frozenset(("type", "items", "minItems", "maxItems"))
_ASIDE: Final = frozenset(
    ("$schema", "$id", "$defs", "definitions", "title", "description", "examples", "default", "$comment")
)


class Blob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names the bytes of a large document."""

    sha256: Digest
    length_bytes: int = msgspec.field(name="len")


def is_large(document: Document) -> bool:
    """Whether the document is handed on by reference."""
    return document.length_bytes > PAYLOAD_MAX_BYTES


def reference(document: Document) -> dict[str, Any]:
    """The value that stands for a large document."""
    return {MEMBER: {"sha256": document.sha256, "len": document.length_bytes}}


def blob_of(value: object) -> Blob | None:
    """The blob that a value stands for; None where it stands for itself."""
    if not isinstance(value, dict) or value.keys() != {MEMBER}:
        return None
    try:
        return msgspec.convert(value[MEMBER], Blob)
    except msgspec.ValidationError:
        return None


def blobs_in(value: object) -> list[tuple[str, Blob]]:
    """The references in a value, with their JSON pointers: the value itself, or members of it."""
    whole = blob_of(value)
    if whole is not None:
        return [("", whole)]
    members = value.items() if isinstance(value, dict) else ()
    found = [(name, blob) for name, member in members if (blob := blob_of(member)) is not None]
    return [(f"/{name.replace('~', '~0').replace('/', '~1')}", blob) for name, blob in found]


def beside(problems: Iterable[Problem], places: tuple[str, ...]) -> tuple[Problem, ...]:
    """The violations that are not at these places, which hold references: they are no values, and checked in another
    way.
    """
    return tuple(one for one in problems if not _is_at(one.place.pointer or "", places))


def _is_at(pointer: str, places: tuple[str, ...]) -> bool:
    return any(pointer == place or pointer.startswith(f"{place}/") for place in places)


class LargeCheck:
    """Checks a large document against a schema while its bytes pass; `feed` them in order, then `end`.

    Raises:
        MessageRefused: the document is no strict JSON, or no array.
        ContractViolation: ACC328 the schema says of the whole what cannot be seen in its parts; ACC251 what is wrong
            with the items, at most `VIOLATIONS_MAX` problems.
    """

    def __init__(self, schema: JsonSchema) -> None:
        problems = tuple(_unchecked(schema))
        ContractViolation.raise_if(problems)
        assert isinstance(schema, dict)  # noqa: S101 - anything else is unchecked
        self._least, self._most = schema.get("minItems", 0), schema.get("maxItems")
        kept = {name: part for name, part in schema.items() if name not in ("minItems", "maxItems")}
        self._batch = compile_schema(kept)
        self._items = Items()

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        first = self._items.count
        for batch in self._items.feed(data):
            self._check(batch, first)
            first = self._items.count

    def end(self) -> None:
        """The document ends here."""
        first = self._items.count
        self._check(self._items.end(), first)
        count = self._items.count
        if isinstance(self._least, int) and count < self._least:
            raise ContractViolation.of("ACC251", f"{count} items, at least {self._least} are wanted")
        if isinstance(self._most, int) and count > self._most:
            raise ContractViolation.of("ACC251", f"{count} items, at most {self._most} are wanted")

    def _check(self, batch: list[object], first: int) -> None:
        found = self._batch.violations(batch, "ACC251")[:VIOLATIONS_MAX]
        ContractViolation.raise_if(_moved(one, first) for one in found)


def _moved(problem: Problem, first: int) -> Problem:
    """The problem with its place in the whole document."""
    _, index, *rest = (problem.place.pointer or "/0").split("/")
    pointer = "/".join(("", str(int(index) + first) if index.isdigit() else index, *rest))
    return msgspec.structs.replace(problem, place=Place(pointer=pointer))


def _unchecked(schema: JsonSchema) -> Iterator[Problem]:
    """Why documents over the bound cannot be checked against this schema while they pass."""
    hint = f"a document of more than {PAYLOAD_MAX_BYTES >> 20} MiB has to be an array: `type: array` with `items`"
    if not isinstance(schema, dict) or schema.get("type") != "array":
        yield Problem("ACC328", "the output is too large for a schema that is not of an array", hint=hint)
        return
    for name in sorted(schema.keys() - _WHOLE - _ASIDE):
        yield Problem(
            "ACC328", f"`{name}` cannot be checked while a large document passes", Place(pointer=f"/{name}"), hint
        )
