"""Reading templates: a file becomes a `Template`, or an error with all that is wrong in it, each with its place."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import rfc8785

from accord.domain.compile import compile_graph, compile_problems
from accord.domain.graph import Graph
from accord.domain.ids import Digest
from accord.domain.template import TaskSpec, Template
from accord.errors import Place, Problem, TemplateInvalid
from accord.templates.documents import read_document
from accord.templates.nodes import Document, pointer_tokens
from accord.templates.schema import shape_problems

_STAND_IN = TaskSpec(sleep="1s")
"""Takes the place of a task that cannot be read, so that the others can still be checked."""


class Source(msgspec.Struct, frozen=True):
    """A template with the document that it was read from."""

    template: Template
    document: Document
    data: bytes
    """The document's RFC 8785 form, which is what is journalled."""
    digest: Digest
    """Of `data`."""
    graph: Graph


def read_template(source: Path | str, *, file: str | None = None) -> Template:
    """The template in a file (a `Path`) or a text (a `str`).

    Raises:
        TemplateInvalid: all problems at once: syntax (ACC100 to ACC104), shape (ACC105 to ACC114), rules (ACC120 to
            ACC136), expressions (ACC200 to ACC206), schemas (ACC240 to ACC244).
    """
    return read_source(source, file=file).template


def read_source(source: Path | str, *, file: str | None = None) -> Source:
    """The template with its document, digest and graph. Raises TemplateInvalid as `read_template` does."""
    document = read_document(source, file=file)
    value = document.value
    shape = shape_problems(document)
    if shape:
        rest = [problem for problem in _rest_problems(value, shape) if not _is_below(problem, shape)]
        raise TemplateInvalid(*_sorted([*shape, *document.located(rest)]))
    try:
        data = rfc8785.dumps(value)
        digest = Digest(sha256(data).hexdigest())
        template = msgspec.convert(value, Template)
        return Source(template, document, data, digest, compile_graph(template, digest))
    except TemplateInvalid as error:
        raise TemplateInvalid(*_sorted(document.located(error.problems))) from None


def template_digest(document: Document | Any) -> Digest:
    """SHA-256 over the RFC 8785 form of a document, or of its JSON value."""
    value = document.value if isinstance(document, Document) else document
    return Digest(sha256(rfc8785.dumps(value)).hexdigest())


def template_from_json(data: bytes) -> Template:
    """The template in journalled bytes.

    Raises:
        TemplateInvalid: ACC105, they are no template of this version of the language.
    """
    try:
        return msgspec.json.decode(data, type=Template)
    except msgspec.DecodeError as error:
        raise TemplateInvalid.of("ACC105", f"no template of this version: {error}") from None


def _rest_problems(value: Any, shape: list[Problem]) -> tuple[Problem, ...]:
    """The problems of all that can be read although the shape is wrong elsewhere."""
    if not isinstance(value, dict) or not isinstance(value.get("tasks"), dict):
        return ()
    broken = {tokens[0] for problem in shape if (tokens := pointer_tokens(problem.place.pointer or ""))} - {"tasks"}
    kept = {key: part for key, part in value.items() if key not in broken}
    tasks = {str(name): _task(part) for name, part in value["tasks"].items()}
    defaults = {"accord": "template/1", "name": "x", "version": "0.0.0"}
    try:
        whole = msgspec.convert({**defaults, **kept, "tasks": {"x": {"sleep": "1s"}}}, Template)
    except msgspec.ValidationError:
        whole = msgspec.convert({**defaults, "tasks": {"x": {"sleep": "1s"}}}, Template)
    return compile_problems(msgspec.structs.replace(whole, tasks=tasks)) if tasks else ()


def _task(part: Any) -> TaskSpec:
    try:
        return msgspec.convert(part, TaskSpec)
    except msgspec.ValidationError:
        return _STAND_IN


def _is_below(problem: Problem, shape: list[Problem]) -> bool:
    """Whether a problem only follows from one of the shape's: it is in the same task, or in the same part."""
    return _part(problem) in {_part(each) for each in shape}


def _part(problem: Problem) -> tuple[str, ...]:
    """The task, or else the top-level key, that a problem is in."""
    tokens = pointer_tokens(problem.place.pointer or "")
    return tuple(tokens[: 2 if tokens[:1] == ["tasks"] else 1])


def _sorted(problems: Any) -> list[Problem]:
    def position(problem: Problem) -> tuple[int, int, str]:
        place: Place = problem.place
        return place.line or 0, place.column or 0, problem.code

    return sorted(dict.fromkeys(problems), key=position)
