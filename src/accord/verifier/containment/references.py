"""Where the references of a schema lead: pointers, anchors and `$id` of the document itself."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TypeAlias
from urllib.parse import unquote, urldefrag, urljoin

Schema: TypeAlias = dict[str, object] | bool


class Draft(Enum):
    """A dialect of JSON Schema."""

    DRAFT_7 = "http://json-schema.org/draft-07/schema"
    DRAFT_2020_12 = "https://json-schema.org/draft/2020-12/schema"


class UnreadSchemaError(Exception):
    """A schema has parts that are not read."""


_SINGLE = {
    *("additionalProperties", "propertyNames", "contains", "not", "if", "then", "else", "items", "additionalItems"),
    *("unevaluatedProperties", "unevaluatedItems", "contentSchema"),
}
_MAPS = {"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"}
_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems", "items"}


def inside(schema: object) -> Iterator[dict[str, object]]:
    """All object schemas directly in a schema."""
    for keyword, value in schema.items() if isinstance(schema, dict) else ():
        if keyword in _SINGLE and isinstance(value, dict):
            yield value
        elif keyword in _MAPS and isinstance(value, dict):
            yield from (each for each in value.values() if isinstance(each, dict))
        elif keyword in _LISTS and isinstance(value, list):
            yield from (each for each in value if isinstance(each, dict))


class References:
    """The places of one document that can be referred to."""

    def __init__(self, root: Schema, draft: Draft) -> None:
        self._draft = draft
        self._resources: dict[str, object] = {"": root}
        self._anchors: dict[tuple[str, str], Schema] = {}
        self._dynamic: dict[str, int] = {}
        self._bases: dict[int, str] = {}
        self._index(root, "")

    def _index(self, root: Schema, base: str) -> None:
        waiting: list[tuple[object, str]] = [(root, base)]
        while waiting:
            schema, base = waiting.pop()
            if not isinstance(schema, dict):
                continue
            base = self._named(schema, base)
            self._bases[id(schema)] = base
            waiting.extend((each, base) for each in inside(schema))

    def _named(self, schema: dict[str, object], base: str) -> str:
        own = schema.get("$id")
        if isinstance(own, str) and not (self._draft is Draft.DRAFT_7 and "$ref" in schema):
            address, fragment = urldefrag(own)
            if address:
                base = urljoin(base, address)
                self._resources[base] = schema
            if fragment:
                self._anchors[base, fragment] = schema
        if self._draft is Draft.DRAFT_2020_12:
            for keyword in ("$anchor", "$dynamicAnchor"):
                name = schema.get(keyword)
                if isinstance(name, str):
                    self._anchors[base, name] = schema
                    self._dynamic[name] = self._dynamic.get(name, 0) + (keyword == "$dynamicAnchor")
        return base

    def target(self, schema: dict[str, object], keyword: str = "$ref") -> Schema:
        """The schema that another one refers to.

        Raises:
            UnreadSchemaError: it leads out of the document, nowhere, or to a place that depends on who asks.
        """
        reference = schema[keyword]
        if not isinstance(reference, str):
            raise UnreadSchemaError(f"{keyword} is no text")
        base = self._bases.get(id(schema), "")
        address, fragment = urldefrag(urljoin(base, reference) if not reference.startswith("#") else base + reference)
        if keyword == "$dynamicRef" and self._dynamic.get(fragment, 0) > 1:
            raise UnreadSchemaError(f"where `{reference}` leads depends on who asks")
        found = self._at(address, unquote(fragment))
        if not isinstance(found, dict | bool):
            raise UnreadSchemaError(f"`{reference}` leads nowhere in the document")
        return found

    def _at(self, address: str, fragment: str) -> object:
        if (address, fragment) in self._anchors:
            return self._anchors[address, fragment]
        if address not in self._resources or not (fragment == "" or fragment.startswith("/")):
            return None
        found: object = self._resources[address]
        for step in fragment.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
                found = found[int(name)]
            else:
                return None
        self._adopt(found, address)
        return found

    def _adopt(self, found: object, base: str) -> None:
        """Know a schema at a place where none is expected, as under a keyword that is not known."""
        if isinstance(found, dict) and id(found) not in self._bases:
            self._index(found, base)
