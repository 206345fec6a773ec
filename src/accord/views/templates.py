"""Templates as scripts and programs get them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from accord.domain.difference import Difference
from accord.domain.ids import Digest
from accord.service import Published
from accord.verifier.evolution import Evolution
from accord.verifier.known import Capabilities, Templates
from accord.verifier.revisions import TaskChanges, revision
from accord.views.catalogue import Entry


class TemplateDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A template."""

    template: str
    """`name@version`."""
    name: str
    version: str
    digest: Digest
    origin: str
    """`built in`, `published`, or the file's name."""
    published_at: datetime | None
    """None for one that has not been published here yet: it is, as soon as a run of it starts."""
    description: str
    examples: tuple[str, ...]
    tasks: tuple[str, ...]
    document: Any = UNSET
    """The whole template, where it was asked for."""

    def published(self) -> Published | None:
        """What the library knows of it."""
        if self.published_at is None:
            return None
        return Published(self.name, self.version, self.digest, self.description, self.published_at)


class TemplatePage(msgspec.Struct, frozen=True):
    """A page of templates, by name, the newest version first."""

    templates: tuple[TemplateDocument, ...]
    next: str | None


def template_document(entry: Entry, *, whole: bool) -> TemplateDocument:
    """The template's document; with the template itself where `whole`."""
    template = entry.template
    document: Any | UnsetType = msgspec.json.decode(entry.data) if whole else UNSET
    return TemplateDocument(
        template=entry.name,
        name=template.name,
        version=template.version,
        digest=entry.digest,
        origin=entry.origin,
        published_at=entry.published_at,
        description=template.description,
        examples=tuple(template.examples),
        tasks=tuple(template.tasks),
        document=document,
    )


class Compared(msgspec.Struct, frozen=True):
    """One of two templates that are compared."""

    template: str
    """`name@version`."""
    digest: Digest


class TemplateDiff(msgspec.Struct, frozen=True):
    """What is different between two templates."""

    before: Compared
    after: Compared
    tasks: TaskChanges
    changes: tuple[Difference, ...]
    """By JSON pointer into the documents."""
    evolution: Evolution
    """Who the new one is safe for, and which version it deserves."""


def template_diff(before: Entry, after: Entry, capabilities: Capabilities, templates: Templates) -> TemplateDiff:
    """What is different in `after`, by what these capabilities and templates give."""
    found = revision(before, after, capabilities, templates)
    return TemplateDiff(compared(before), compared(after), found.tasks, found.changes, found.evolution)


def compared(entry: Entry) -> Compared:
    """Which template it is."""
    return Compared(entry.name, entry.digest)
