"""Reading tests of workflows: `accord: test/1`. All that is wrong is told at once, each part with its place.

ACC591  a workflow test does not have the shape that it has to have
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from accord.domain.agent import NAME_PATTERN
from accord.domain.labels import MOST
from accord.domain.labels import PATTERN as LABEL_PATTERN
from accord.domain.machine import TaskPhase
from accord.domain.schema import compile_schema
from accord.domain.workflow_test import LANGUAGE, Happening, WorkflowTest
from accord.errors import TemplateInvalid, in_order
from accord.templates.documents import scan_document
from accord.templates.nodes import Document
from accord.templates.writing import yaml_text

_ANY: Final = True
_DECIMAL: Final = {
    "type": "string",
    "pattern": r"^[0-9]{1,12}(\.[0-9]{1,9})?$",
    "description": 'a decimal in quotes, like `"0.25"`',
}
_DURATION: Final = {
    "type": "string",
    "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$",
    "description": "a duration, like `90s`, `5m` or `1h30m`",
}
_TASK: Final = {
    "type": "string",
    "pattern": r"^(undo:)?[A-Za-z][A-Za-z0-9_-]*(\[[0-9]+\])?(/(undo:)?[A-Za-z][A-Za-z0-9_-]*(\[[0-9]+\])?)*!?$",
    "description": "a task, an item of one (`measure[3]`), or one of the run that does a task (`inspect/measure`)",
}
_LABELS: Final = {"type": "array", "items": {"type": "string", "pattern": LABEL_PATTERN}, "maxItems": MOST}
_CONFIDENCE: Final = {"type": "number", "minimum": 0, "maximum": 1}


def _closed(required: tuple[str, ...] = (), **properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _one_of(*names: str) -> dict[str, object]:
    return {"oneOf": [{"required": [name]} for name in names]}


_ANSWER: Final = {
    **_closed(
        output=_ANY,
        error=_closed(
            code={"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
            message={"type": "string", "maxLength": 4000},
            retryable={"type": "boolean"},
        ),
        refuse={"type": "string", "maxLength": 4000},
        silent={"const": True},
        input=_ANY,
        agent={"type": "string", "pattern": NAME_PATTERN},
        confidence=_CONFIDENCE,
        cost=_DECIMAL,
        labels=_LABELS,
        declassified={"type": "boolean"},
        delay=_DURATION,
    ),
    **_one_of("output", "error", "refuse", "silent"),
    "description": "exactly one of `output`, `error`, `refuse` and `silent`, with what goes with it",
}

_CONTRACT: Final = _closed(
    ("input", "output"),
    input={"type": ["object", "boolean"]},
    output={"type": ["object", "boolean"]},
    deadline=_DURATION,
    confidence=_CONFIDENCE,
    max_cost=_DECIMAL,
    labels=_LABELS,
)

_EXPECTED: Final = _closed(
    state={"enum": ["completed", "failed", "cancelled"]},
    output=_ANY,
    output_schema={"type": ["object", "boolean"]},
    holds={"type": "array", "items": {"type": "string", "minLength": 1}},
    labels=_LABELS,
    problem={"type": "string", "pattern": "^ACC[0-9]{3}$", "description": "the code of a problem, like `ACC420`"},
    tasks={
        "type": "object",
        "propertyNames": _TASK,
        "additionalProperties": {"enum": list(get_args(TaskPhase))},
    },
    order={"type": "array", "items": _TASK, "uniqueItems": True},
    attempts={
        "type": "object",
        "propertyNames": _TASK,
        "additionalProperties": {"type": "integer", "minimum": 0},
    },
    cost=_DECIMAL,
    duration={**_closed(at_least=_DURATION, at_most=_DURATION), "minProperties": 1},
)

TEST_SCHEMA: Final[dict[str, object]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Accord workflow test",
    **_closed(
        ("accord", "name", "template", "expect"),
        accord={"const": LANGUAGE},
        name={"type": "string", "minLength": 1, "maxLength": 200},
        description={"type": "string", "maxLength": 4000},
        template={
            "type": ["string", "object"],
            "minLength": 1,
            "description": "a path from this file, a template's name, or a template's document",
        },
        digest={"type": "string", "pattern": "^[0-9a-f]{64}$"},
        input=_ANY,
        labels=_LABELS,
        contracts={
            "type": "object",
            "propertyNames": {"pattern": "^[^@]+@[^@]+$", "description": "`name@version`"},
            "additionalProperties": _CONTRACT,
        },
        agents={
            "type": "object",
            "propertyNames": {"minLength": 1, "maxLength": 300},
            "additionalProperties": {"type": "array", "items": _ANSWER, "minItems": 1},
        },
        said={
            "type": "array",
            "items": {
                **_closed(task=_TASK, signal={"type": "string", "minLength": 1}, value=_ANY, after=_DURATION),
                **_one_of("task", "signal"),
            },
        },
        faults={
            "type": "array",
            "items": _closed(
                ("task", "what"),
                task=_TASK,
                attempt={"type": "integer", "minimum": 1},
                what={"enum": list(get_args(Happening))},
            ),
        },
        expect=_EXPECTED,
    ),
}
"""JSON Schema of the document, for editors."""

_TEST: Final = compile_schema(TEST_SCHEMA)


def read_workflow_test(source: Path | str, *, file: str | None = None) -> WorkflowTest:
    """The test in a file (a `Path`) or a text (a `str`; `file` names it).

    Raises:
        TemplateInvalid: all that is wrong: syntax (ACC100 to ACC104), shape (ACC591).
    """
    return workflow_test_of(scan_document(source, file=file))


def workflow_test_of(document: Document) -> WorkflowTest:
    """The test that a document declares. Raises TemplateInvalid with all that is wrong, each with its place."""
    value = document.value
    found = [*document.problems, *_TEST.violations(value, "ACC591", document.place)]
    TemplateInvalid.raise_if(in_order(found))
    return msgspec.convert(value, WorkflowTest)


def workflow_test_document(test: WorkflowTest) -> dict[str, Any]:
    """The inverse of `workflow_test_of`: members that say nothing are left out."""
    document: dict[str, Any] = msgspec.to_builtins(test)
    return document


def workflow_test_text(test: WorkflowTest) -> str:
    """The test as YAML, which is read as the same test."""
    return yaml_text(workflow_test_document(test))
