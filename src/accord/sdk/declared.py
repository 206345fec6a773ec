"""Agents that are declared in a document (YAML or JSON) instead of written: `accord: agent/1`."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec

from accord.domain.agent import CONCURRENCY_MAX, NAME_PATTERN, QUEUE_MAX
from accord.domain.contract import Limits
from accord.domain.duration import parse_duration
from accord.domain.labels import MOST
from accord.domain.labels import PATTERN as LABEL_PATTERN
from accord.domain.schema import compile_schema
from accord.errors import BadInput, ContractViolation, Place, PlaceOf, Problem, in_order, pointer_only
from accord.sdk.agent import Agent, Bound, Terms, bound_function
from accord.sdk.command import CommandBody
from accord.sdk.endpoint import EndpointBody
from accord.sdk.lines import LinesBody
from accord.sdk.parameters import Declared
from accord.sdk.process import SEARCH_PATH

DEFAULT_TIMEOUT: Final = timedelta(seconds=30)
"""How long an HTTP endpoint may take that declares nothing else."""

_DURATION: Final = {
    "type": "string",
    "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$",
    "description": "a duration, like `90s`, `5m` or `1h30m`",
}
_NAME: Final = {
    "type": "string",
    "pattern": NAME_PATTERN,
    "description": "small letters and digits, with `.`, `_` or `-` between them, at most 63",
}
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
        lines={
            "type": "boolean",
            "description": "whether the command is started once and has a line of JSON for each task and each answer",
        },
        envelope={
            "type": "boolean",
            "description": "whether the command writes its output in an envelope, with `confidence` and `cost`, or a "
            "`failure`; lines are envelopes always",
        },
        python={
            "type": "string",
            "pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$",
            "description": "a module and a function in it, like `my_agents.text:summarize`",
        },
        http=_closed(
            ("url",),
            url={
                "type": "string",
                "pattern": r"^https?://[^\s/@]+(/\S*)?$",
                "description": "an address that starts with `http://` or `https://`, without a user in it",
            },
            headers=_TEXTS,
            timeout=_DURATION,
        ),
    ),
    "oneOf": [{"required": [name]} for name in ("command", "python", "http")],
    "dependentRequired": {"environment": ["command"], "lines": ["command"], "envelope": ["command"]},
    "description": "exactly one of `command` (with `environment`, and `lines` or `envelope`), `python` and `http`",
}

_BINDINGS: Final = frozenset(("command", "python", "http"))

_CAPABILITY: Final = _closed(
    ("run",),
    description={"type": "string", "maxLength": 4000},
    input=_SCHEMA,
    output=_SCHEMA,
    deadline=_DURATION,
    confidence={"type": "number", "minimum": 0, "maximum": 1},
    max_cost={"type": "string", "pattern": r"^[0-9]{1,12}(\.[0-9]{1,9})?$"},
    examples={"type": "array"},
    tags={"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 64}},
    labels={"type": "array", "items": {"type": "string", "pattern": LABEL_PATTERN}, "maxItems": MOST},
    run=_RUN,
)

AGENT_SCHEMA: Final[dict[str, object]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Accord agent",
    **_closed(
        ("accord", "name", "capabilities"),
        accord={"const": "agent/1"},
        name=_NAME,
        organisation=_NAME,
        description={"type": "string", "maxLength": 4000},
        concurrency={"type": "integer", "minimum": 1, "maximum": CONCURRENCY_MAX},
        queue={"type": "integer", "minimum": 0, "maximum": QUEUE_MAX},
        capabilities={"type": "object", "additionalProperties": _CAPABILITY, "minProperties": 1},
    ),
}
"""JSON Schema of the document, for editors."""

_AGENT: Final = compile_schema(AGENT_SCHEMA)


def declared_agent(document: Mapping[str, Any], place_of: PlaceOf = pointer_only) -> Agent:
    """The agent that a document declares; `place_of` knows where its parts are written.

    Raises:
        BadInput: all that is wrong, each with its place: ACC740 the document's shape, ACC741 a binding that cannot be
            used, and what `Agent.capability` refuses. What is wrong with one part hides nothing of the others.
    """
    violations = list(_without_echo(_AGENT.violations(document, "ACC740", place_of), document))
    broken = {tuple((each.place.pointer or "").split("/")[1:3]) for each in violations}
    given = {name: document[name] for name in _HEAD if name in document and (name,) not in broken}
    agent = Agent("agent" if ("name",) in broken or "name" not in document else document["name"], **given)
    problems = violations
    for name, declared in _readable(document, broken):
        found = [*_overlong(declared), *_offered(agent, name, declared)]
        problems.extend(_placed(found, _pointer_to(name), place_of))
    BadInput.raise_if(in_order(problems))
    return agent


def _without_echo(violations: Sequence[Problem], document: Mapping[str, Any]) -> Iterator[Problem]:
    """The violations, without one that says that a binding is missing where its misspelt key is told."""
    inside = {(each.place.pointer or "").rpartition("/")[0] for each in violations}
    for each in violations:
        at = each.place.pointer or ""
        if at not in inside or not (each.hint or "").endswith("/run/oneOf") or _has_binding(document, at):
            yield each


def _has_binding(document: Mapping[str, Any], pointer: str) -> bool:
    name = pointer.split("/")[2].replace("~1", "/").replace("~0", "~")
    return not _BINDINGS.isdisjoint(document["capabilities"][name]["run"])


def _readable(document: Mapping[str, Any], broken: Set[tuple[str, ...]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The capabilities that have the right shape."""
    capabilities = document.get("capabilities")
    for name, declared in capabilities.items() if isinstance(capabilities, dict) else ():
        if tuple(_pointer_to(name).split("/")[1:3]) not in broken:
            yield name, declared


def _offered(agent: Agent, name: str, declared: Mapping[str, Any]) -> Sequence[Problem]:
    """What is wrong with a capability; where nothing is, the agent offers it."""
    try:
        agent.offer(name, _terms(declared), _binding(declared))
    except BadInput as error:
        return error.problems
    return ()


_HEAD: Final = ("organisation", "description", "concurrency", "queue")


def _terms(declared: Mapping[str, Any]) -> Terms:
    return Terms(
        description=declared.get("description", ""),
        limits=Limits(
            deadline=parse_duration(declared["deadline"]) if "deadline" in declared else None,
            max_cost=Decimal(declared["max_cost"]) if "max_cost" in declared else None,
            min_confidence=Decimal(str(declared["confidence"])) if "confidence" in declared else None,
        ),
        examples=tuple(declared.get("examples", ())),
        tags=tuple(declared.get("tags", ())),
        labels=tuple(declared.get("labels", ())),
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
    problems = [problem for name in ("input", "output") for problem in _schema_problems(name, declared)]
    if "max_cost" in declared and not _tells_cost(run):
        said = "a command whose output is plain cannot say what it has cost: nothing could keep this"
        hint = "add `envelope: true` and write one, or remove it"
        problems.append(Problem("ACC741", said, Place(pointer="/max_cost"), hint))
    if run.get("lines", False) and "envelope" in run:
        said = "lines are envelopes always"
        problems.append(Problem("ACC741", said, Place(pointer="/run/envelope"), "remove it"))
    if "command" in run and shutil.which(run["command"][0], path=SEARCH_PATH) is None:
        hint = f"give an absolute path, or a program in {SEARCH_PATH}"
        where = Place(pointer="/run/command/0")
        problems.append(Problem("ACC741", f"there is no program {run['command'][0]}", where, hint))
    BadInput.raise_if(problems)
    body = _command(run) if "command" in run else _endpoint(run["http"])
    return Bound(body, declared["input"], declared["output"])


def _tells_cost(run: Mapping[str, Any]) -> bool:
    return "http" in run or run.get("lines", False) or run.get("envelope", False)


def _schema_problems(name: str, declared: Mapping[str, Any]) -> Sequence[Problem]:
    if name not in declared:
        hint = f"add `{name}:` with a JSON Schema"
        return [Problem("ACC741", f"the {name} schema is missing", Place(pointer=""), hint)]
    try:
        compile_schema(declared[name], pointer=f"/{name}")
    except ContractViolation as error:
        return error.problems
    return ()


def _command(run: Mapping[str, Any]) -> CommandBody | LinesBody:
    argv, environment = run["command"], run.get("environment", {})
    if run.get("lines", False):
        return LinesBody(argv, environment)
    return CommandBody(argv, environment, envelope=run.get("envelope", False))


def _endpoint(http: Mapping[str, Any]) -> EndpointBody:
    timeout = parse_duration(http["timeout"]) if "timeout" in http else None
    return EndpointBody(http["url"], http.get("headers", {}), timeout or DEFAULT_TIMEOUT)


def _overlong(declared: Mapping[str, Any]) -> Iterator[Problem]:
    """Durations that are written well and still are none."""
    for place, text in (
        ("/deadline", declared.get("deadline")),
        ("/run/http/timeout", declared["run"].get("http", {}).get("timeout")),
    ):
        if text is not None and not parse_duration(text):
            yield Problem("ACC740", f"{text} is no duration that can be waited for", Place(pointer=place))


def _pointer_to(capability: str) -> str:
    return f"/capabilities/{capability.replace('~', '~0').replace('/', '~1')}"


def _unusable(pointer: str, message: str) -> BadInput:
    return BadInput.of("ACC741", message, place=Place(pointer=pointer))


def _placed(problems: Iterable[Problem], pointer: str, place_of: PlaceOf) -> Iterator[Problem]:
    """The problems of a part, their places inside of the whole document."""
    for problem in problems:
        place = place_of(pointer + (problem.place.pointer or ""), key=not problem.place.pointer)
        yield msgspec.structs.replace(problem, place=place)
