"""The text of a policy set: files, statements with their lines, and a digest that names all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from accord.domain.ids import Digest
from accord.errors import BadInput, Place, Problem

SUFFIX: Final = ".cedar"
MAX_BYTES: Final = 1 << 20
"""Of all files of a set together."""

_TOKEN: Final = re.compile(r'//[^\n]*|"(?:[^"\\]|\\.)*"|;|[^\s";/]+|/', re.DOTALL)


class Statement(msgspec.Struct, frozen=True):
    """One policy as it is written."""

    text: str
    place: Place

    @property
    def depth(self) -> int:
        """How deep its brackets are nested."""
        level = deepest = 0
        for token in _TOKEN.finditer(self.text):
            for letter in "" if token[0].startswith(("//", '"')) else token[0]:
                level += (letter in "([{") - (letter in ")]}")
                deepest = max(deepest, level)
        return deepest


class PolicyFile(msgspec.Struct, frozen=True):
    """A file of a set: its name and its text."""

    name: str
    text: str

    def statements(self) -> Iterator[Statement]:
        """Each policy, up to its semicolon; what follows the last one as well, where it is more than comments."""
        begin: int | None = None
        for token in _TOKEN.finditer(self.text):
            if token[0].startswith("//"):
                continue
            begin = token.start() if begin is None else begin
            if token[0] == ";":
                yield self._statement(begin, token.end())
                begin = None
        if begin is not None:
            yield self._statement(begin, len(self.text))

    def _statement(self, begin: int, end: int) -> Statement:
        return Statement(self.text[begin:end], Place(self.name, self.text.count("\n", 0, begin) + 1))


class PolicySource(msgspec.Struct, frozen=True, dict=True):
    """A policy set as it is written, and kept as evidence."""

    files: tuple[PolicyFile, ...]
    shipped: bool = False
    """Whether it is the one that comes with Accord."""

    @cached_property
    def document(self) -> bytes:
        """All of it as one JSON document, `{"policies": {FILE: TEXT}}`: its SHA-256 names the set."""
        return msgspec.json.encode({"policies": {one.name: one.text for one in self.files}})

    @cached_property
    def digest(self) -> Digest:
        """Names the set."""
        return Digest(sha256(self.document).hexdigest())

    def statements(self) -> list[Statement]:
        """All policies, in the order of the files."""
        return [statement for one in self.files for statement in one.statements()]


def shipped_source() -> PolicySource:
    """The set that comes with Accord."""
    text = (files("accord.policy") / "default.cedar").read_text(encoding="utf-8")
    return PolicySource((PolicyFile("default.cedar", text),), shipped=True)


def schema_text() -> str:
    """The schema that every policy is checked against."""
    return (files("accord.policy") / "schema.cedarschema").read_text(encoding="utf-8")


def source_of(document: bytes) -> PolicySource:
    """The set that this document is. Raises msgspec.DecodeError."""
    held = msgspec.json.decode(document, type=dict[str, dict[str, str]])
    return PolicySource(tuple(PolicyFile(name, text) for name, text in held["policies"].items()))


def read_source(path: Path) -> PolicySource:
    """The set of a file, or of all `*.cedar` files of a folder, by name.

    Raises:
        BadInput: ACC670 there is none, or it cannot be read, or it is too large; all problems at once.
    """
    problems: list[Problem] = []
    found: list[PolicyFile] = []
    for file in _files_of(path, problems):
        try:
            found.append(
                PolicyFile(str(file.relative_to(path)) if path.is_dir() else file.name, file.read_text("utf-8"))
            )
        except (OSError, UnicodeDecodeError) as error:
            problems.append(_unreadable(file, str(getattr(error, "strerror", None) or "it is not UTF-8")))
    if sum(len(one.text.encode()) for one in found) > MAX_BYTES:
        problems.append(_unreadable(path, f"the set is longer than {MAX_BYTES} bytes"))
    BadInput.raise_if(problems)
    return PolicySource(tuple(found))


def _files_of(path: Path, problems: list[Problem]) -> Sequence[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(path.glob(f"*{SUFFIX}"))
    if not found:
        problems.append(
            _unreadable(path, f"the folder has no {SUFFIX} file", "accord policy show prints a set to begin with")
        )
    return found


def _unreadable(path: Path, why: str, hint: str | None = None) -> Problem:
    return Problem("ACC670", f"the policies cannot be read: {why}", Place(str(path)), hint)
