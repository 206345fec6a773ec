"""Templates as scripts and programs get them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from accord.domain.compile import compile_graph
from accord.domain.difference import Difference, differences
from accord.domain.graph import capabilities_of
from accord.domain.ids import Digest
from accord.service import Published
from accord.verifier.evolution import Evolution, Step, Surface, evolution
from accord.verifier.flow import Flow
from accord.verifier.known import Capabilities, Templates
from accord.verifier.outputs import Outputs
from accord.verifier.verify import verify
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


class TaskChanges(msgspec.Struct, frozen=True):
    """Tasks that differ, each in the order of its template."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


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
    old, new = msgspec.json.decode(before.data), msgspec.json.decode(after.data)
    was, now = old["tasks"], new["tasks"]
    tasks = TaskChanges(
        added=tuple(name for name in now if name not in was),
        removed=tuple(name for name in was if name not in now),
        changed=tuple(name for name in now if name in was and any(differences(was[name], now[name]))),
    )
    changes = tuple(differences(old, new))
    was_seen, is_seen = (_surface(one, capabilities, templates) for one in (before, after))
    effect = evolution(was_seen, is_seen, changed=_step(changes, tasks))
    return TemplateDiff(compared(before), compared(after), tasks, changes, effect)


def _step(changes: Iterable[Difference], tasks: TaskChanges) -> Step:
    """How far a version has to rise by what has changed inside: tasks that come or go are new behaviour."""
    if tasks.added or tasks.removed:
        return "minor"
    return "patch" if any(one.pointer != "/version" for one in changes) else "none"


def _surface(entry: Entry, capabilities: Capabilities, templates: Templates) -> Surface:
    graph = compile_graph(entry.template, entry.digest)
    known = all(capabilities.contracts(one) for task in graph.tasks.values() for one in capabilities_of(task))
    given = Outputs(graph, capabilities, templates).result if known else None
    labels = frozenset(Flow(graph, capabilities, templates, {}, certain=False).of_output())
    found = verify(graph, capabilities, templates) if known else None
    doubts = () if found is None else (*found.errors, *found.warnings)
    version, input_ = entry.template.version, entry.template.input
    return Surface(version=version, input=input_, output=given, labels=labels, doubts=doubts)


def compared(entry: Entry) -> Compared:
    """Which template it is."""
    return Compared(entry.name, entry.digest)
