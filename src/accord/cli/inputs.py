"""The input of a run, as it comes from `--input` and `--set`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from accord.cli.errors import usage
from accord.cli.output import shortened
from accord.domain.defaults import completed
from accord.domain.schema import JsonSchema, compile_schema
from accord.domain.schema_path import schema_at, types_of
from accord.errors import BadInput, Place, Problem, Problems, pointer_only
from accord.templates.documents import is_file, not_utf8, scan_document
from accord.templates.nodes import Document, pointer


class Given(msgspec.Struct, frozen=True):
    """A value, and where its parts were written."""

    value: Any
    document: Document | None = None
    sets: Mapping[str, str] = {}
    """By JSON pointer: what `--set` says of a part."""

    def place(self, pointer: str, /, *, key: bool = False) -> Place:
        """Where the part at a JSON pointer was written: in a `--set`, or in the file that the value came from."""
        above = [at for at in self.sets if f"{pointer}/".startswith(f"{at}/")]
        below = [at for at in self.sets if pointer and at.startswith(f"{pointer}/")]
        written = max(above, key=len, default=below[0] if below else None)
        if written is not None:
            return Place(f"--set {self.sets[written]}", pointer=pointer)
        return self.document.place(pointer, key=key) if self.document is not None else pointer_only(pointer)


_SCALAR = re.compile(r"true|false|null|-?\d+(\.\d+)?([eE][+-]?\d+)?")


def read_value(text: str, option: str) -> Given:
    """The value of an option: JSON as it is, `-` for stdin, else a JSON or YAML file. Raises BadInput."""
    document = _document(text, option)
    BadInput.raise_if(document.problems)
    return Given(document.value, document)


def _document(text: str, option: str) -> Document:
    if text == "-":
        return scan_document(_stdin(), file="<stdin>")
    if text.lstrip().startswith(("{", "[", '"')) or _SCALAR.fullmatch(text):
        return scan_document(text, file=option)
    path = Path(text)
    if not is_file(path):
        hint = "give JSON, the name of a file, or - for stdin"
        raise usage("ACC911", f"{option}: there is no file {shortened(text, 100)}", hint)
    return scan_document(path)


def _stdin() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise not_utf8(error, "<stdin>") from error


def read_input(given: str | None, sets: Sequence[str], schema: JsonSchema) -> Given:
    """The input of a template: what `--input` says, changed by every `--set`, with the defaults of its schema.

    Raises:
        BadInput: ACC911 an option cannot be read, ACC450 the input breaks the schema; all that is wrong at once.
    """
    problems = Problems()
    document = problems.attempt(lambda: _document(given, "--input")) if given is not None else None
    problems.found.extend(document.problems if document is not None else ())
    changed_to = _Changing({} if document is None else document.value, schema, problems)
    changed_to.all(sets)
    value = completed(changed_to.value, schema)
    read = Given(value, document, changed_to.sets)
    unread = bool(problems.found)
    violations = [_with_way(each, schema) for each in compile_schema(schema).violations(value, "ACC450", read.place)]
    # Where something could not be read, what is missing may be in it.
    problems.found.extend(each for each in violations if each.place.pointer or not unread)
    problems.refuse()
    return read


def _with_way(problem: Problem, schema: JsonSchema) -> Problem:
    """The problem; of a member that is missing, with the option that gives it."""
    required = schema.get("required") if isinstance(schema, dict) else None
    for name in required if isinstance(required, list) and not problem.place.pointer else ():
        near = "means?" in (problem.hint or "")
        if problem.message == f'"{name}" is a required property' and not near:
            return msgspec.structs.replace(problem, hint=f"give it with --set {name}=…; {problem.hint}")
    return problem


def changed(value: Any, sets: Sequence[str], schema: JsonSchema) -> Any:
    """The value with the members that `--set` names. Raises BadInput with all that cannot be read."""
    problems = Problems()
    changing = _Changing(value, schema, problems)
    changing.all(sets)
    problems.refuse()
    return changing.value


class _Changing:
    """A value that one `--set` after the other changes."""

    def __init__(self, value: Any, schema: JsonSchema, problems: Problems) -> None:
        self.value = value
        self.sets: dict[str, str] = {}
        self._schema = schema
        self._problems = problems

    def all(self, sets: Sequence[str]) -> None:
        """Take these in; what cannot be read is added to the problems."""
        for text in sets:
            self._problems.attempt(partial(self._take, text))

    def _take(self, text: str) -> None:
        path, said = _parsed(text)
        self.value = _with(self.value, path, _meant(text, said, schema_at(self._schema, path)), text)
        self.sets[pointer(*path)] = text


def changes(given: str | None, sets: Sequence[str], schema: JsonSchema) -> dict[str, Any]:
    """The members of an input that are to be changed. Raises BadInput."""
    value = changed(read_value(given, "--input").value if given is not None else {}, sets, schema)
    if not isinstance(value, dict):
        raise usage("ACC911", "--input: only members of an object can be changed", "give a JSON object")
    return value


def _parsed(text: str) -> tuple[tuple[str, ...], str]:
    name, equals, said = text.partition("=")
    if not equals or not all(name.split(".")):
        raise usage("ACC911", f"--set {text}: this is no KEY=VALUE", "for example --set limit=3")
    return tuple(name.split(".")), said


def _with(value: Any, path: tuple[str, ...], part: Any, text: str) -> Any:
    if not isinstance(value, Mapping):
        raise usage("ACC911", f"--set {text}: there is no object to set {path[0]} in")
    inner = _with(value.get(path[0], {}), path[1:], part, text) if len(path) > 1 else part
    return {**value, path[0]: inner}


def _meant(text: str, said: str, schema: JsonSchema | None) -> Any:
    """The value that a text means: by the type that the schema asks for, else as JSON, else as text."""
    types = types_of(schema) if schema is not None else frozenset()
    if types == {"string"}:
        return said
    try:
        return msgspec.json.decode(said)
    except msgspec.DecodeError:
        if "string" in types:
            return said
        if said.lstrip().startswith(("[", "{", '"')):
            raise usage(
                "ACC911", f"{shortened(said, 60)} begins like JSON, and is none", "put it into quotes"
            ) from None
        return _listed(text, said, schema) if "array" in types else said


def _listed(text: str, said: str, schema: JsonSchema | None) -> list[Any]:
    """Parts with commas between, each by what the schema says of an item in its place."""
    items = (schema_at(schema, (n,)) if schema is not None else None for n in count())
    return [_meant(text, part.strip(), one) for part, one in zip(said.split(","), items, strict=False)]
