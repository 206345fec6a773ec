"""Agents that are declared in a document (YAML or JSON) instead of written: `accord: agent/1`."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from accord.domain.agent import CONCURRENCY_MAX, NAME_PATTERN, QUEUE_MAX
from accord.domain.contract import Limits
from accord.domain.duration import parse_duration
from accord.domain.schema import compile_schema
from accord.errors import BadInput, Place, Problem
from accord.sdk.agent import Agent, Bound, Terms, bound_function
from accord.sdk.command import SEARCH_PATH, CommandBody
from accord.sdk.endpoint import EndpointBody
from accord.sdk.parameters import Declared

DEFAULT_TIMEOUT: Final = timedelta(seconds=30)
"""How long an HTTP endpoint may take that declares nothing else."""

_DURATION: Final = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"}
_TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_SCHEMA: Final = {"type": ["object", "boolean"]}


def _closed(required: tuple[str, ...] = (), **properties: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_RUN: Final = {
    **_closed(
        command={"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
        environment=_TEXTS,
        python={"type": "string", "pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$"},
        http=_closed(
            ("url",),
            url={"type": "string", "pattern": r"^https?://[^\s/@]+(/\S*)?$"},
            headers=_TEXTS,
            timeout=_DURATION,
        ),
    ),
    "oneOf": [{"required": ["command"]}, {"required": ["python"]}, {"required": ["http"]}],
    "dependentRequired": {"environment": ["command"]},
}

_CAPABILITY: Final = _closed(
    ("run",),
    description={"type": "string", "maxLength": 4000},
    input=_SCHEMA,
    output=_SCHEMA,
    deadline=_DURATION,
    confidence={"type": "number", "minimum": 0, "maximum": 1},
    examples={"type": "array"},
    tags={"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 64}},
    run=_RUN,
)

AGENT_SCHEMA: Final[dict[str, object]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Accord agent",
    **_closed(
        ("accord", "name", "capabilities"),
        accord={"const": "agent/1"},
        name={"type": "string", "pattern": NAME_PATTERN},
        organisation={"type": "string", "pattern": NAME_PATTERN},
        description={"type": "string", "maxLength": 4000},
        concurrency={"type": "integer", "minimum": 1, "maximum": CONCURRENCY_MAX},
        queue={"type": "integer", "minimum": 0, "maximum": QUEUE_MAX},
        capabilities={"type": "object", "additionalProperties": _CAPABILITY, "minProperties": 1},
    ),
}
"""JSON Schema of the document, for editors."""

_AGENT: Final = compile_schema(AGENT_SCHEMA)


def declared_agent(document: Mapping[str, Any]) -> Agent:
    """The agent that a document declares.

    Raises:
        BadInput: all that is wrong, each with its JSON pointer: ACC740 the document's shape, ACC741 a binding that
            cannot be used, and what `Agent.capability` refuses.
    """
    BadInput.raise_if(_AGENT.violations(document, "ACC740"))
    BadInput.raise_if(_overlong(document))
    given = {name: document[name] for name in _HEAD if name in document}
    agent = Agent(document["name"], **given)
    problems: list[Problem] = []
    for name, declared in document["capabilities"].items():
        try:
            agent.offer(name, _terms(declared), _binding(declared))
        except BadInput as error:
            problems.extend(_placed(error, _pointer_to(name)))
    BadInput.raise_if(problems)
    return agent


_HEAD: Final = ("organisation", "description", "concurrency", "queue")


def _terms(declared: Mapping[str, Any]) -> Terms:
    return Terms(
        description=declared.get("description", ""),
        limits=Limits(
            deadline=parse_duration(declared["deadline"]) if "deadline" in declared else None,
            min_confidence=Decimal(str(declared["confidence"])) if "confidence" in declared else None,
        ),
        examples=tuple(declared.get("examples", ())),
        tags=tuple(declared.get("tags", ())),
    )


def _binding(declared: Mapping[str, Any]) -> Callable[[], Bound]:
    run = declared["run"]
    if "python" in run:
        return lambda: _python(run["python"], Declared(declared.get("input"), declared.get("output")))
    return lambda: _outside(declared)


def _python(target: str, schemas: Declared) -> Bound:
    module, _, path = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except Exception as error:  # whatever the module's own code raises
        raise _unusable("/run/python", f"{target} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise _unusable("/run/python", f"{target} cannot be called")
    return bound_function(found, schemas)


def _outside(declared: Mapping[str, Any]) -> Bound:
    """A command or an endpoint, whose schemas nobody can derive."""
    run = declared["run"]
    problems = [
        Problem("ACC741", f"the {name} schema is missing", Place(pointer=""), f"add `{name}:` with a JSON Schema")
        for name in ("input", "output")
        if name not in declared
    ]
    if "command" in run and shutil.which(run["command"][0], path=SEARCH_PATH) is None:
        hint = f"give an absolute path, or a program in {SEARCH_PATH}"
        where = Place(pointer="/run/command/0")
        problems.append(Problem("ACC741", f"there is no program {run['command'][0]}", where, hint))
    BadInput.raise_if(problems)
    body = _command(run) if "command" in run else _endpoint(run["http"])
    return Bound(body, declared["input"], declared["output"])


def _command(run: Mapping[str, Any]) -> CommandBody:
    return CommandBody(run["command"], run.get("environment", {}))


def _endpoint(http: Mapping[str, Any]) -> EndpointBody:
    timeout = parse_duration(http["timeout"]) if "timeout" in http else None
    return EndpointBody(http["url"], http.get("headers", {}), timeout or DEFAULT_TIMEOUT)


def _overlong(document: Mapping[str, Any]) -> Iterator[Problem]:
    """Durations that are written well and still are none."""
    for name, declared in document["capabilities"].items():
        pointer = _pointer_to(name)
        for place, text in (
            (f"{pointer}/deadline", declared.get("deadline")),
            (f"{pointer}/run/http/timeout", declared["run"].get("http", {}).get("timeout")),
        ):
            if text is not None and not parse_duration(text):
                yield Problem("ACC740", f"{text} is no duration that can be waited for", Place(pointer=place))


def _pointer_to(capability: str) -> str:
    return f"/capabilities/{capability.replace('~', '~0').replace('/', '~1')}"


def _unusable(pointer: str, message: str) -> BadInput:
    return BadInput.of("ACC741", message, place=Place(pointer=pointer))


def _placed(error: BadInput, pointer: str) -> Iterator[Problem]:
    """The error's problems, their places inside of the whole document."""
    for problem in error.problems:
        yield msgspec.structs.replace(problem, place=Place(pointer=pointer + (problem.place.pointer or "")))
