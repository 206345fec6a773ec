"""Which templates there are: those that come with Accord, those that were published, and files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import msgspec

from accord.domain.capability import Version, VersionRange
from accord.domain.compile import compile_graph
from accord.domain.graph import Graph
from accord.domain.ids import Digest
from accord.domain.template import Template, template_from_json
from accord.errors import NotFound
from accord.planner.ways import KnownTemplate
from accord.service import Service
from accord.templates.reading import Source, read_source

_DIGEST = re.compile("[0-9a-f]{64}")

BUILT_IN = "built in"
PUBLISHED = "published"
MADE = "made for the objective"
GIVEN = "given"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A template, the bytes that it is published as, and where it comes from."""

    template: Template
    digest: Digest
    data: bytes
    origin: str
    """`built in`, `published`, `made for the objective`, `given` with a request, or the file's name."""
    published_at: datetime | None = None

    @property
    def name(self) -> str:
        """`name@version`."""
        return f"{self.template.name}@{self.template.version}"

    @property
    def known(self) -> KnownTemplate:
        """What the planner has to know of it."""
        return KnownTemplate(self.template, self.digest)


def entry_of(source: Source, origin: str) -> Entry:
    """The entry of a template that was read from a file."""
    return Entry(template=source.template, digest=source.digest, data=source.data, origin=origin)


def read_entry(path: Path) -> Entry:
    """The template in a file. Raises TemplateInvalid with everything that is wrong."""
    return entry_of(read_source(path), str(path))


@cache  # they are part of the package: no process sees others
def built_in_entries() -> tuple[Entry, ...]:
    """The templates that come with Accord."""
    return tuple(_built_in_entries())


def _built_in_entries() -> Iterator[Entry]:
    for file in sorted((files("accord.builtin") / "templates").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml"):
            with as_file(file) as path:
                yield entry_of(read_source(path, file=file.name), BUILT_IN)


async def all_entries(service: Service) -> Catalogue:
    """The built-in templates, and everything that was published here."""
    found = {entry.digest: entry for entry in built_in_entries()}
    for published in await service.templates():
        if published.digest in found:
            found[published.digest] = msgspec.structs.replace(found[published.digest], published_at=published.at)
        else:
            data = await service.template(published.digest)
            template = template_from_json(data)
            entry = Entry(
                template=template, digest=published.digest, data=data, origin=PUBLISHED, published_at=published.at
            )
            found[published.digest] = entry
    return Catalogue(found.values())


class Catalogue:
    """Templates by name and version; the verifier looks sub-workflows up in it."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = sorted(entries, key=_order)
        self._graphs: dict[Digest, Graph] = {}

    def entries(self) -> Sequence[Entry]:
        """All of them, by name, the newest version first."""
        return self._entries

    def known(self) -> list[KnownTemplate]:
        """All of them, for the planner."""
        return [entry.known for entry in self._entries]

    def with_entry(self, entry: Entry) -> Catalogue:
        """These and one more."""
        return Catalogue([*(one for one in self._entries if one.digest != entry.digest), entry])

    def of_digest(self, digest: Digest) -> Entry:
        """The one with this digest. Raises NotFound."""
        for entry in self._entries:
            if entry.digest == digest:
                return entry
        raise NotFound.of("ACC761", f"there is no template {digest}", hint="accord templates list shows them")

    def find(self, reference: str) -> Entry:
        """The one with this digest, or the newest one that `name`, `name@version` or `name@range` admits.

        Raises NotFound, BadInput.
        """
        if _DIGEST.fullmatch(reference):
            return self.of_digest(Digest(reference))
        found = self._best(reference)
        if found is None:
            raise NotFound.of("ACC761", f"there is no template `{reference}`", hint=self._near(reference))
        return found

    def graph(self, wanted: str) -> Graph | None:
        """The graph of the newest one in a range."""
        found = self._best(wanted)
        if found is None:
            return None
        if found.digest not in self._graphs:
            self._graphs[found.digest] = compile_graph(found.template, found.digest)
        return self._graphs[found.digest]

    def below(self, entry: Entry) -> list[Entry]:
        """The templates that one runs as sub-workflows, directly and through others, those that run first in front."""
        found: dict[Digest, Entry] = {}
        self._gather(entry, found, frozenset({entry.template.name}))
        return list(found.values())

    def names(self) -> list[str]:
        """All names, each once."""
        return list(dict.fromkeys(entry.template.name for entry in self._entries))

    def _best(self, reference: str) -> Entry | None:
        name, _, text = reference.partition("@")
        versions = VersionRange.parse(text or "*")
        named = (entry for entry in self._entries if entry.template.name == name)
        return next((entry for entry in named if versions.matches(Version.parse(entry.template.version))), None)

    def _gather(self, entry: Entry, found: dict[Digest, Entry], path: frozenset[str]) -> None:
        for task in entry.template.tasks.values():
            inner = self._best(task.workflow) if task.workflow is not None else None
            if inner is not None and inner.digest not in found and inner.template.name not in path:
                self._gather(inner, found, path | {inner.template.name})
                found[inner.digest] = inner

    def _near(self, reference: str) -> str:
        name = reference.partition("@")[0]
        same = [entry.name for entry in self._entries if entry.template.name == name]
        if same:
            return f"known are: {', '.join(same)}"
        close = get_close_matches(name, self.names(), n=1)
        known = ", ".join(self.names())
        return f"did you mean `{close[0]}`?" if close else f"known are: {known}; or give a file"


class _Newest(msgspec.Struct, frozen=True):
    version: Version

    def __lt__(self, other: _Newest) -> bool:
        return other.version < self.version


def _order(entry: Entry) -> tuple[str, _Newest]:
    return entry.template.name, _Newest(Version.parse(entry.template.version))
