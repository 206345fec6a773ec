"""The published JSON Schema of templates, generated from `accord.domain.template`, and its violations in plain words.

ACC105  no template of this version of the language
ACC110  an unknown key
ACC111  a missing key
ACC112  a value of the wrong type
ACC113  a value that is none of those allowed
ACC114  a text of the wrong form, or a number out of bounds
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args

import jsonschema_rs
import msgspec

from accord.domain import template as language
from accord.errors import Problem
from accord.templates.nodes import Document, pointer

SCHEMA_ID = "urn:accord:schema:template:1"
_NUMBER_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}
_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_YAML_1_1_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
_FORMS = {
    "Name": "small letters, digits and `_`, with a letter first, at most 63",
    "Version": 'three numbers, like "1.2.0"',
    "Duration": "a duration like `90s`, `5m` or `1h30m`",
    "DurationOrExpression": "a duration like `90s`, or an expression in `${ ... }`",
    "ExpressionText": 'one expression, like "${ input.limit > 3 }"',
    "CapabilityRangeText": "a capability, like `text.summarize` or `text.summarize@^1.2`",
    "TemplateName": "small letters and digits, with `-` or `.` between them, like `source-audit`",
}
"""What each text of the language looks like, for hints."""

_NAME_PATTERN = get_args(language.Name)[1].pattern


def accord_template_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of template files, for editors and other tools; a new copy."""
    copy: dict[str, Any] = msgspec.json.decode(_schema_text())
    return copy


class Flaw(msgspec.Struct, frozen=True):
    """One way in which a document differs from the schema."""

    problem: Problem
    meant: str | None = None
    """The key that was meant by a misspelt one."""
    names: bool = False
    """Whether it is the name of a task that is wrong, and not the task."""
    foreign: bool = False
    """Whether the document is no template of this language at all."""


def shape_flaws(document: Document) -> list[Flaw]:
    """Everything in which a document differs from the schema, each with its place."""
    value = document.value
    if not isinstance(value, dict):
        hint = "a template starts with `accord: template/1`"
        problem = Problem("ACC105", "this is no template, it is not a mapping", document.place(""), hint)
        return [Flaw(problem, foreign=True)]
    language = [] if value.get("accord") == "template/1" else [Flaw(_language_problem(value, document))]
    if language and not _is_meant(value):
        return [Flaw(language[0].problem, foreign=True)]
    errors = _validator().iter_errors({**value, "accord": "template/1"})
    found = dict.fromkeys(flaw for error in errors for flaw in _described(error, document))
    meant = {_meant_pointer(flaw) for flaw in found}
    return [*language, *(flaw for flaw in found if flaw.problem.code != "ACC111" or _pointer(flaw) not in meant)]


def _pointer(flaw: Flaw) -> str:
    return flaw.problem.place.pointer or ""


def _meant_pointer(flaw: Flaw) -> str | None:
    """The pointer of the key that was meant by a misspelt one: it is not missing."""
    return f"{_pointer(flaw).rpartition('/')[0]}/{flaw.meant}" if flaw.meant is not None else None


def _is_meant(value: dict[str, Any]) -> bool:
    """Whether a document that does not say so is a template of this language all the same."""
    said = str(value.get("accord", "template/1"))
    is_another = re.fullmatch(r"[a-z]+/\d+", said) is not None and said.startswith(("template/", "agent/"))
    is_near = bool(get_close_matches(said, ["template/1"], cutoff=0.8))
    return isinstance(value.get("tasks"), dict) and is_near and (said == "template/1" or not is_another)


def field_descriptions(kind: type) -> dict[str, str]:
    """The docstrings under the fields of a class of the language, by field name as it is in files."""
    tree = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 - the source of a class is a class
    found: dict[str, str] = {}
    for field, after in zip(tree.body, tree.body[1:], strict=False):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            found[field.target.id.rstrip("_")] = inspect.cleandoc(str(after.value.value))
    return found


@cache
def _schema_text() -> bytes:
    schema = msgspec.json.schema(language.Template)
    definitions = schema["$defs"]
    root = definitions.pop("Template")
    for name, definition in [("Template", root), *definitions.items()]:
        _describe(definition, getattr(language, name))
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **root,
        "title": "Accord template",
        "$defs": definitions,
    }
    return msgspec.json.encode(_tightened(schema))


def _describe(definition: dict[str, Any], kind: type) -> None:
    for name, text in field_descriptions(kind).items():
        if name in definition["properties"]:
            definition["properties"][name] = {**definition["properties"][name], "description": text}


def _tightened(schema: Any) -> Any:
    """Without `null` as another way to leave a key out, and with the form of every text named in `title`."""
    if isinstance(schema, list):
        return [_tightened(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    options = schema.get("anyOf", [])
    if {"type": "null"} in options:
        kept = [option for option in options if option != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
        merged = {**kept[0], **rest} if len(kept) == 1 else {"anyOf": kept, **rest}
        return _tightened(merged)
    return {key: _tightened(value) for key, value in schema.items()}


@cache
def _schema() -> dict[str, Any]:
    return accord_template_schema()


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_schema(), offline=True)


@cache
def _forms() -> dict[str, str]:
    """What to write, by the pattern that it has to match."""
    return {
        meta.pattern: text
        for name, text in _FORMS.items()
        for meta in getattr(language, name).__metadata__
        if meta.pattern
    }


def _language_problem(value: dict[str, Any], document: Document) -> Problem:
    if "accord" not in value:
        hint = "the first line of a template is `accord: template/1`"
        return Problem("ACC105", "this is no template: it has no `accord`", document.place(""), hint)
    said = value["accord"]
    place = document.place("/accord")
    if isinstance(said, str) and said.startswith("template/"):
        return Problem("ACC105", f"the language `{said}` is not known here", place, "use `template/1`")
    return Problem("ACC105", f"this is no template: `accord` is `{said}`", place, "write `accord: template/1`")


def _described(error: jsonschema_rs.ValidationError, document: Document) -> Iterator[Flaw]:
    kind, at = error.kind, pointer(*error.instance_path)
    details = kind.as_dict()
    match kind.name:
        case "additionalProperties":
            known = tuple(_properties(error))
            yield from (_unknown_key(key, at, known, document) for key in details["unexpected"])
        case "required":
            missing = details["property"]
            place = document.place(at + pointer(missing))
            yield Flaw(Problem("ACC111", f"`{missing}` is missing", place, _missing_hint(at)))
        case "propertyNames":
            yield from _name_flaws(error.instance, at, document)
        case "anyOf":
            yield from _of_alternatives(error, at, document)
        case name:
            yield Flaw(_simple(name, details, error.instance, document, at))


def _name_flaws(names: Any, at: str, document: Document) -> Iterator[Flaw]:
    for name in names:
        if re.fullmatch(_NAME_PATTERN, name) is None:
            place = document.place(at + pointer(name), key=True)
            yield Flaw(Problem("ACC114", f"`{name}` is no name", place, _FORMS["Name"]), names=True)


def _of_alternatives(error: jsonschema_rs.ValidationError, at: str, document: Document) -> Iterator[Flaw]:
    """The problems of the alternative that was meant: the one of the right type, or else all of them in one."""
    context = error.kind.as_dict()["context"]
    meant = [
        inner
        for inner in context
        if inner and all(each.kind.name != "type" or each.instance_path != error.instance_path for each in inner)
    ]
    if meant:
        for each in meant[0]:
            yield from _described(each, document)
        return
    types = [_TYPES.get(each.kind.as_dict()["types"][0], "") for inner in context for each in inner[:1]]
    message = f"expected {' or '.join(dict.fromkeys(types))}, found {_shown(error.instance)}"
    yield Flaw(Problem("ACC112", message, document.place(at), _type_hint(error.instance, types)))


def _properties(error: jsonschema_rs.ValidationError) -> Iterator[str]:
    schema: Any = _schema()
    for step in error.schema_path[:-1]:
        schema = schema[int(step) if isinstance(schema, list) else step]
    yield from schema["properties"]


def _unknown_key(key: str, at: str, known: tuple[str, ...], document: Document) -> Flaw:
    close = get_close_matches(key, known, n=1)
    place = document.place(f"{at}{pointer(key)}", key=True)
    if key.startswith(("input.", "tasks.")) or "${" in key:
        hint = 'for an expression, write "${ ... }" in quotes'
        return Flaw(Problem("ACC104", f"`{key}` is read as a key", place, hint))
    hint = f"did you mean `{close[0]}`?" if close else f"there are {', '.join(f'`{name}`' for name in known)}"
    return Flaw(Problem("ACC110", f"there is no `{key}` here", place, hint), close[0] if close else None)


def _missing_hint(at: str) -> str | None:
    return "a template has `accord`, `name`, `version` and `tasks`" if not at else None


def _simple(name: str, details: dict[str, Any], value: Any, document: Document, at: str) -> Problem:
    place = document.place(at)
    if name == "type":
        types = [_TYPES.get(each, each) for each in details["types"]]
        message = f"expected {' or '.join(types)}, found {_shown(value)}"
        return Problem("ACC112", message, place, _type_hint(value, types))
    if name in ("enum", "const"):
        options = details.get("options") or [details.get("expected_value")]
        close = get_close_matches(str(value), map(str, options), n=1)
        hint = f"did you mean `{close[0]}`?" if close else None
        allowed = ", ".join(f"`{option}`" for option in options)
        return Problem("ACC113", f"{_shown(value)} is none of {allowed}", place, hint)
    if name == "pattern":
        form = _forms().get(details["pattern"])
        return Problem("ACC114", f"{_shown(value)} has the wrong form", place, _form_hint(value, form))
    if name in _NUMBER_BOUNDS:
        return Problem("ACC114", f"{_shown(value)} is not {_NUMBER_BOUNDS[name]} {details['limit']}", place)
    if name == "minProperties":
        return Problem("ACC114", "there must be at least one", place)
    return Problem("ACC114", f"{_shown(value)} breaks the rule `{name}`", place)


def _form_hint(value: str, form: str | None) -> str | None:
    if form == _FORMS["ExpressionText"]:
        return f'write "${{ {value.strip()} }}"' if "${" not in value and len(value) < 80 else form
    return form


def _type_hint(value: object, wanted: list[str]) -> str | None:
    if value is None:
        return "write a value, or remove the key"
    if _TYPES["boolean"] in wanted and isinstance(value, str) and value.lower() in _YAML_1_1_BOOLEANS:
        return f"YAML 1.2 knows only `true` and `false`: write `{_YAML_1_1_BOOLEANS[value.lower()]}`"
    if _TYPES["string"] in wanted and isinstance(value, (int, float)):
        return f'put it into quotes: "{_plain(value)}"; a duration has a unit: `{_plain(value)}s`'
    if _TYPES["array"] in wanted and isinstance(value, str):
        return f"write `[{value}]`"
    if _TYPES["string"] in wanted and isinstance(value, dict):
        return 'for an expression, write "${ ... }" in quotes'
    return None


def _plain(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = _plain(value)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`" if value is not None else "nothing"
