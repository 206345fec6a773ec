"""The input of a run, as it comes from `--input` and `--set`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from accord.cli.errors import usage
from accord.domain.defaults import completed
from accord.domain.schema import JsonSchema, compile_schema
from accord.domain.schema_path import schema_at, types_of
from accord.errors import BadInput, ContractViolation, Problem
from accord.templates.documents import read_document
from accord.templates.nodes import Document


class Given(msgspec.Struct, frozen=True):
    """A value, and where its parts were written."""

    value: Any
    document: Document | None = None

    def placed(self, problems: Sequence[Problem]) -> Iterator[Problem]:
        """The problems, with the lines of the file that the value came from."""
        yield from self.document.located(problems) if self.document is not None else problems


def read_value(text: str, option: str) -> Given:
    """The value of an option: JSON as it is, `-` for stdin, else a JSON or YAML file. Raises BadInput."""
    document = _document(text, option)
    return Given(document.value, document)


def _document(text: str, option: str) -> Document:
    if text == "-":
        return read_document(sys.stdin.read(), file="<stdin>")
    if text.lstrip().startswith(("{", "[", '"')) or text in ("true", "false", "null"):
        return read_document(text, file=option)
    path = Path(text)
    if not path.is_file():
        hint = "give JSON, the name of a file, or - for stdin"
        raise usage("ACC911", f"{option}: there is no file {text}", hint)
    return read_document(path)


def read_input(given: str | None, sets: Sequence[str], schema: JsonSchema) -> Given:
    """The input of a template: what `--input` says, changed by every `--set`, with the defaults of its schema.

    Raises:
        BadInput: ACC911 an option cannot be read, ACC450 the input breaks the schema; all violations at once.
    """
    start = read_value(given, "--input") if given is not None else Given({})
    value = changed(start.value, sets, schema)
    value = completed(value, schema)
    ContractViolation.raise_if(start.placed(compile_schema(schema).violations(value, "ACC450")))
    return Given(value, start.document)


def changed(value: Any, sets: Sequence[str], schema: JsonSchema) -> Any:
    """The value with the members that `--set` names. Raises BadInput with all that cannot be read."""
    problems: list[Problem] = []
    for text in sets:
        try:
            path, said = _parsed(text)
            value = _with(value, path, _meant(said, schema_at(schema, path)), text)
        except BadInput as error:
            problems.extend(error.problems)
    BadInput.raise_if(problems)
    return value


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


def _meant(said: str, schema: JsonSchema | None) -> Any:
    """The value that a text means: by the type that the schema asks for, else as JSON, else as text."""
    types = types_of(schema) if schema is not None else frozenset()
    if types == {"string"}:
        return said
    try:
        return msgspec.json.decode(said)
    except msgspec.DecodeError:
        if "array" in types and "string" not in types:
            return [part.strip() for part in said.split(",")]
        return said
