"""Documents of templates that the planner makes: expressions, names, and the schema of the input."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from accord.domain.schema import JsonSchema, canonical_form, digest_of

DRAFT = "0.1.0-draft"
"""The version of what was made for one objective."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)
"""Words that CEL keeps for itself."""

_MOST_NAMED = 6
"""Capabilities that a name has at most."""

_MARKS = 12
"""Letters of a digest that a name ends with: two graphs with the same are not met by chance."""

_COMPOSED = re.compile(rf"composed(?:-[a-z0-9]+)*-[0-9a-f]{{{_MARKS}}}")


def expression(path: str) -> str:
    """A value of a document that is an expression."""
    return f"${{ {path} }}"


def path(base: str, name: str) -> str:
    """The member of a value, in CEL."""
    if _IDENTIFIER.fullmatch(name) and name not in RESERVED:
        return f"{base}.{name}"
    return f"{base}[{msgspec.json.encode(name).decode()}]"


def free_name(name: str, taken: Sequence[str]) -> str:
    """The name of a task, numbered where it is taken; a word of CEL is none by itself."""
    name = f"{name}_task" if name in RESERVED else name[:58]
    return next(each for each in (name, *(f"{name}_{at}" for at in range(2, 1000))) if each not in taken)


def made_template(
    made: str, capabilities: Sequence[str], given: Mapping[str, object], tasks: Mapping[str, object]
) -> dict[str, Any]:
    """The document of a template that was `made` for an objective, of these capabilities. It has none of its words:
    those could not be erased from it. Equal graphs are equal templates; their names end with what they are.
    """
    used = list(dict.fromkeys(capabilities))
    words = (re.sub(r"[^a-z0-9]+", "-", one.rpartition(".")[2].lower()).strip("-") for one in used[:_MOST_NAMED])
    return {
        "accord": "template/1",
        "name": f"{'-'.join([made, *filter(None, words)])[:80].rstrip('-')}-{_marks(given, tasks)}",
        "version": DRAFT,
        "description": f"{made.capitalize()} of {', '.join(used)}.",
        "input": given,
        "tasks": tasks,
    }


def is_composed(name: str) -> bool:
    """Whether a graph that was composed for an objective is called so."""
    return _COMPOSED.fullmatch(name) is not None


def suggested_by(document: dict[str, Any], suggested: dict[str, Any]) -> dict[str, Any]:
    """The document with what a model took to suggest it, which is a part of what its name ends with."""
    name = document["name"][:-_MARKS] + _marks(document["input"], document["tasks"], suggested)
    return {**document, "name": name, "suggested": suggested}


def _marks(*what: object) -> str:
    return digest_of(canonical_form(list(what)))[:_MARKS]


def input_schema(schemas: Mapping[str, JsonSchema], definitions: Mapping[str, object]) -> dict[str, Any]:
    """The schema of an input with exactly these members."""
    schema: dict[str, Any] = {"type": "object", "properties": dict(schemas), "required": list(schemas)}
    if definitions:
        schema["$defs"] = dict(definitions)
    return schema | {"additionalProperties": False}
