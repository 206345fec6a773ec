"""The reference page of templates, generated from the language itself: it cannot say what is not so."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from accord.domain import template as language
from accord.domain.template_names import TASK_MEMBERS
from accord.templates.schema import accord_template_schema

_SECTIONS = (
    ("Template", "The file"),
    ("TaskSpec", "Tasks"),
    ("ApprovalSpec", "`approval`"),
    ("SignalSpec", "`signal`"),
    ("AtLeast", "`join: {at_least: n}`"),
    ("RetrySpec", "`retry`, and `defaults` of the template"),
    ("BackoffSpec", "`backoff`"),
    ("RedundancySpec", "`redundancy`"),
    ("ConfidenceSpec", "`confidence`"),
    ("FallbackSpec", "`fallback`"),
    ("DeclassifySpec", "`declassify`"),
    ("CallsSpec", "`calls`"),
    ("ChoiceSpec", "`choices`"),
    ("Call", "`compensate`, and `aggregate` of the template"),
    ("LimitsSpec", "`limits`"),
    ("SuggestedSpec", "`suggested`"),
)
_HEAD = """\
# Templates

This page is generated from `accord.domain.template`; do not edit it. Templates are YAML 1.2 or JSON. Every key is
listed here, an unknown one is an error. All problems of a file are reported at once, each with its line and column.

"""
_EXPRESSIONS = """\
## Expressions

`${{ ... }}` is an expression in [CEL](https://cel.dev). A value that is one expression has its type; inside other text
the result is text. `$${{` is a literal `${{`. In YAML, put expressions into quotes. `3.0` in data is `3`: JSON knows
one kind of number, and CEL integers and doubles. Of a text the library's `substring(start, end)` takes no `end` that
is the text's `size()`, and fails (ACC215): the rest of a text is `substring(start)`.

| variable | what it is | where |
|---|---|---|
| `input` | the run's input, completed with the defaults of its schema | everywhere |
| `tasks.NAME` | another task: {members} | everywhere |
| `run` | `id`, `template` and `started_at` of the run | everywhere |
| `item`, `index` | the item of a `for_each`, and its position from 0 | inputs of a task with `for_each` |
| `error` | `code` and `message` of the failure | `fallback` |
| `task` | `input` and `output` of the task itself | `compensate` |

A task that an expression mentions becomes a need of the task that mentions it (not in `compensate`). The output of a
task that was skipped is absent: `tasks.NAME.?output.orValue(null)`, or ask with `has(tasks.NAME.output)`.
"""


def template_reference() -> str:
    """The page, as Markdown."""
    schema = accord_template_schema()
    sections = [_section(name, title, _definition(name, schema)) for name, title in _SECTIONS]
    members = ", ".join(f"`{member}`" for member in TASK_MEMBERS)
    return _HEAD + "\n".join(sections) + "\n" + _EXPRESSIONS.format(members=members)


def _definition(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema if name == "Template" else schema["$defs"][name]
    return found


def _section(name: str, title: str, definition: dict[str, Any]) -> str:
    text = inspect.getdoc(getattr(language, name)) or ""
    rows = "\n".join(_rows(definition))
    return f"## {title}\n\n{text}\n\n| key | what is written | default | meaning |\n|---|---|---|---|\n{rows}\n"


def _rows(definition: dict[str, Any]) -> Iterator[str]:
    required = definition.get("required", ())
    for key, part in definition["properties"].items():
        default = "required" if key in required else _default(part)
        yield f"| `{key}` | {_kind(part)} | {default} | {_cell(part.get('description', ''))} |"


def _default(part: dict[str, Any]) -> str:
    if "default" not in part or part["default"] in ("", {}, []):
        return ""
    return f"`{_plain(part['default'])}`"


def _kind(part: dict[str, Any]) -> str:
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(_kind(option) for option in part["anyOf"]))
    if "enum" in part:
        return " or ".join(f"`{option}`" for option in part["enum"])
    if "$ref" in part:
        return f"[mapping](#{_slug(dict(_SECTIONS)[part['$ref'].rpartition('/')[2]])})"
    kind = str(part.get("type", "any value"))
    if kind == "array":
        return f"list of {_kind(part['items'])}"
    if kind == "object" and isinstance(part.get("additionalProperties"), dict):
        return f"mapping of names to {_kind(part['additionalProperties'])}"
    words = {"object": "mapping", "boolean": "`true` or `false`", "string": "text", "integer": "whole number"}
    return words.get(kind, kind) + _bounds(part)


def _slug(title: str) -> str:
    """The anchor that Markdown renderers give a heading."""
    return re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")


def _bounds(part: dict[str, Any]) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    return f", at least {low}" if low is not None else ""


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
