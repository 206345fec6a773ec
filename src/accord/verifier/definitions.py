"""Definitions of schemas named by their content, so that equal ones are recognised whatever they were called."""

from __future__ import annotations

import hashlib
from copy import deepcopy

import orjson

from accord.domain.schema import JsonSchema, subschemas

MAX_DEFINITIONS = 64
"""Documents with more are left as they are: naming takes time with the square of it."""

_PREFIX = "#/$defs/"
_ANNOTATIONS = ("title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly")


def named_by_content(document: JsonSchema) -> JsonSchema:
    """The same schema without annotations, its `$defs` renamed to digests of what they say.

    Two definitions get one name where they are bisimilar: equal when every reference is replaced by what it refers
    to, without end. That is partition refinement: as many rounds as there are definitions tell all others apart.
    A document with references to anything but whole definitions is given back unchanged.
    """
    definitions = document.get("$defs") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(definitions, dict) or len(definitions) > MAX_DEFINITIONS:
        return document
    references = {str(part["$ref"]) for _, part in subschemas(document) if "$ref" in part}
    if not references <= {_PREFIX + name for name in definitions}:
        return document
    bare = deepcopy(document)
    for _, part in subschemas(bare):
        for keyword in _ANNOTATIONS:
            part.pop(keyword, None)
    own: dict[str, JsonSchema] = bare.pop("$defs")  # type: ignore[assignment]  # a dict of schemas, see above
    names = dict.fromkeys(own, "")
    for _ in own:
        names = {name: _digest(_renamed(schema, names)) for name, schema in own.items()}
    definitions = {names[name]: _renamed(schema, names) for name, schema in own.items()}
    whole = _renamed(bare, names)
    return {**whole, "$defs": definitions} if isinstance(whole, dict) else whole


def _renamed(schema: JsonSchema, names: dict[str, str]) -> JsonSchema:
    copied = deepcopy(schema)
    for _, part in subschemas(copied):
        if "$ref" in part:
            part["$ref"] = _PREFIX + names[str(part["$ref"]).removeprefix(_PREFIX)]
    return copied


def _digest(schema: JsonSchema) -> str:
    return hashlib.sha256(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
