"""Reading templates: a file becomes a `Template`, or an error with all that is wrong in it, each with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from accord.domain.compile import compile_soundly
from accord.domain.graph import Graph
from accord.domain.ids import Digest
from accord.domain.schema import canonical_form, digest_of
from accord.domain.template import Template
from accord.errors import Place, Problem, TemplateInvalid, in_order
from accord.templates.documents import scan_document
from accord.templates.nodes import Document
from accord.templates.schema import shape_flaws
from accord.templates.soundness import Told, sound_parts


class Source(msgspec.Struct, frozen=True):
    """A template with the document that it was read from."""

    template: Template
    document: Document
    data: bytes
    """The document's RFC 8785 form, which is what is journalled."""
    digest: Digest
    """Of `data`."""
    graph: Graph


class Examined(msgspec.Struct, frozen=True):
    """What a file says, as far as it can be told, and everything that is wrong with it."""

    document: Document
    problems: tuple[Problem, ...]
    template: Template | None = None
    """Of all that is sound; None where nothing is."""
    graph: Graph | None = None
    """With all unknown that is not sound, under the digest of the document."""
    data: bytes = b""
    """The document's RFC 8785 form."""
    knows_input: bool = False
    """Whether the schema of its input can be used."""
    written: Mapping[str, str] = {}
    """By the JSON pointer of a key that was meant: the pointer of the misspelt one in the file."""

    def place(self, pointer: str, /, *, key: bool = False) -> Place:
        """Where the part of the template at a JSON pointer is written."""
        meant = max((at for at in self.written if f"{pointer}/".startswith(f"{at}/")), key=len, default="")
        there = self.written.get(meant, "") + pointer[len(meant) :]
        return msgspec.structs.replace(self.document.place(there, key=key), pointer=pointer or None)


def read_template(source: Path | str, *, file: str | None = None) -> Template:
    """The template in a file (a `Path`) or a text (a `str`).

    Raises:
        TemplateInvalid: all problems at once: syntax (ACC100 to ACC104), shape (ACC105 to ACC114), rules (ACC120 to
            ACC136), expressions (ACC200 to ACC206), schemas (ACC240 to ACC244, ACC248).
    """
    return read_source(source, file=file).template


def read_source(source: Path | str, *, file: str | None = None) -> Source:
    """The template with its document, digest and graph. Raises TemplateInvalid as `read_template` does."""
    return source_of(examine(source, file=file))


def source_of(found: Examined) -> Source:
    """The source of a template that was examined. Raises TemplateInvalid with its problems, unless there are none."""
    TemplateInvalid.raise_if(found.problems)
    assert found.template is not None, "a document without problems is a template"  # noqa: S101
    assert found.graph is not None, "and has a graph"  # noqa: S101
    return Source(found.template, found.document, found.data, found.graph.digest, found.graph)


def examine(source: Path | str, *, file: str | None = None) -> Examined:
    """What a file (a `Path`) or a text (a `str`) says, see `examined`.

    Raises:
        TemplateInvalid: it cannot be read at all (ACC100 to ACC104).
    """
    return examined(scan_document(source, file=file))


def examined(document: Document) -> Examined:
    """What a document says, and all its problems, in the order of the file.

    Problems of one kind hide none of another: what is not sound counts as unknown, and what would only follow from it
    is not told.
    """
    flaws = shape_flaws(document)
    found = _added(document.problems, (flaw.problem for flaw in flaws))
    sound = sound_parts(document, flaws)
    if sound is None:
        return Examined(document, found)
    data = canonical_form(document.value)
    compiled = compile_soundly(sound.template, digest_of(data), sound.unknown)
    plain = Examined(document, found, sound.template, compiled.graph, data, written=sound.written)
    rest = (_placed(each, plain) for each in compiled.problems if sound.stands(each))
    problems = _added(found, rest)
    knows_input = sound.knows_input and not Told(problems).concerns(("input",))
    return msgspec.structs.replace(plain, problems=problems, knows_input=knows_input)


def _placed(problem: Problem, found: Examined) -> Problem:
    return msgspec.structs.replace(problem, place=found.place(problem.place.pointer or ""))


def _added(told: tuple[Problem, ...], problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """What is told, and what does not follow from it, in the order of the file."""
    known = Told(told)
    return in_order([*told, *(each for each in problems if not known.covers(each))])
