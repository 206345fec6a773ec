"""Patterns as Python reads them: those of JSON Schema are of ECMA-262, and Python takes more for `$` and `\\w`."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any, TypeAlias

from accord.domain.schema import subschemas

Schema: TypeAlias = dict[str, Any] | bool

_CLASSES = {r"\d": "0-9", r"\w": "A-Za-z0-9_"}
_TOKENS = re.compile(r"\\.|.", re.DOTALL)


def for_python(schema: Schema) -> Schema:
    """The schema with patterns that mean to Python what they mean to ECMA-262: `$` is not before a last line feed, and
    digits and letters are those of ASCII.
    """
    copied = deepcopy(schema)
    for _, part in subschemas(copied):
        pattern, members = part.get("pattern"), part.get("patternProperties")
        if isinstance(pattern, str):
            part["pattern"] = _pattern(pattern)
        if isinstance(members, dict):
            part["patternProperties"] = {_pattern(name): each for name, each in members.items()}
    return copied


def _pattern(pattern: str) -> str:
    found: list[str] = []
    in_class = False
    for sign in _TOKENS.findall(pattern):
        if sign in _CLASSES:
            found.append(_CLASSES[sign] if in_class else f"[{_CLASSES[sign]}]")
        else:
            found.append(r"\Z" if sign == "$" and not in_class else sign)
            in_class = sign == "[" or (in_class and sign != "]")
    return "".join(found)
