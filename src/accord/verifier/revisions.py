"""Revisions: what is different between two versions of a template, and which number that deserves.

ACC267  a version is lower than what has changed since the one before deserves
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from accord.domain.capability import Version
from accord.domain.compile import compile_graph
from accord.domain.difference import Difference, differences
from accord.domain.graph import capabilities_of
from accord.domain.ids import Digest
from accord.domain.template import Template
from accord.errors import Place, Problem
from accord.verifier.evolution import Evolution, Step, Surface, evolution
from accord.verifier.flow import Flow
from accord.verifier.known import Capabilities, Templates
from accord.verifier.members import changes_of
from accord.verifier.outputs import Outputs
from accord.verifier.verify import verify

_ALL_THE_SAME = "`accord templates publish --version-as-written` publishes it all the same"


class Edition(Protocol):
    """One version of a template, and the document that it stands in."""

    @property
    def template(self) -> Template:
        """The template."""
        ...

    @property
    def digest(self) -> Digest:
        """Of its document."""
        ...

    @property
    def data(self) -> bytes:
        """Its document."""
        ...


class TaskChanges(msgspec.Struct, frozen=True):
    """Tasks that differ, each in the order of its template."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


class Revision(msgspec.Struct, frozen=True):
    """What a version makes of another."""

    tasks: TaskChanges
    changes: tuple[Difference, ...]
    """By JSON pointer into the documents."""
    evolution: Evolution
    """Who the new one is safe for, and which version it deserves."""


def revision(before: Edition, after: Edition, capabilities: Capabilities, templates: Templates) -> Revision:
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
    members = changes_of(before.template, after.template, compile_graph(after.template, after.digest))
    return Revision(tasks, changes, evolution(was_seen, is_seen, changed=_step(changes, tasks), members=members))


def predecessor(version: str, known: Iterable[str]) -> str | None:
    """Of these versions the one that a new version is measured against: the highest one below it. None where there is
    none, or it is among them; drafts are measured against nothing, and nothing is against them.
    """
    new, versions = Version.parse(version), {text: Version.parse(text) for text in known}
    below = [text for text, one in versions.items() if not one.prerelease and one.precedence < new.precedence]
    return None if new.prerelease or version in versions else max(below, key=versions.__getitem__, default=None)


def too_low(name: str, before: str, found: Evolution) -> tuple[Problem, ...]:
    """What is wrong with the version of a template that follows this one: nothing where it says what has changed."""
    if found.enough:
        return ()
    reasons = "; ".join(one.why for one in found.effects if not one.safe) or f"a {found.step} change inside"
    said = f"{name}@{found.has} is too low a version after {before}: it deserves {found.deserves} ({reasons})"
    hint = f"give it version {found.deserves}; {_ALL_THE_SAME}"
    return (Problem("ACC267", said, Place(pointer="/version"), hint),)


def _step(changes: Iterable[Difference], tasks: TaskChanges) -> Step:
    """How far a version has to rise by what has changed inside: tasks that come or go are new behaviour."""
    if tasks.added or tasks.removed:
        return "minor"
    return "patch" if any(one.pointer != "/version" for one in changes) else "none"


def _surface(one: Edition, capabilities: Capabilities, templates: Templates) -> Surface:
    graph = compile_graph(one.template, one.digest)
    known = all(capabilities.contracts(each) for task in graph.tasks.values() for each in capabilities_of(task))
    given = Outputs(graph, capabilities, templates).result if known else None
    labels = frozenset(Flow(graph, capabilities, templates, {}, certain=False).of_output())
    found = verify(graph, capabilities, templates) if known else None
    doubts = () if found is None else (*found.errors, *found.warnings)
    template = one.template
    surface = Surface(name=template.name, version=template.version, input=template.input, output=given)
    return msgspec.structs.replace(surface, labels=labels, doubts=doubts)
