"""The library: published templates, and the graphs that they compile to. A version of a template never changes."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from accord.domain.capability import Version
from accord.domain.compile import compile_graph
from accord.domain.graph import Graph
from accord.domain.ids import Digest
from accord.domain.schema import Schema, compile_schema
from accord.domain.system import SystemEvent, TemplatePublished
from accord.domain.template import Template, template_from_json
from accord.engine.streams import SystemStream
from accord.errors import Place, Refused
from accord.ports import BlobStore
from accord.service import Published, newest
from accord.verifier.revisions import predecessor


class Library:
    """Knows every published version by name and by digest."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._published: dict[str, dict[str, Published]] = {}
        self._graphs: dict[Digest, Graph] = {}
        self.generation = 0
        """Counts the published versions."""
        self._inputs: dict[Digest, Schema] = {}
        self._templates: dict[Digest, Template] = {}

    def apply(self, event: SystemEvent) -> None:
        """Fold an event of the stream `sys:templates`."""
        if isinstance(event, TemplatePublished):
            published = Published(event.name, event.version, event.digest, event.description, event.at)
            self._published.setdefault(event.name, {})[event.version] = published
            self.generation += 1

    async def publish(
        self, template: Template, document: bytes, stream: SystemStream, by: str, now: datetime
    ) -> Digest:
        """Publish a template under the digest of its canonical document; again is no error.

        Raises Refused where the version stands for another document already, unless it is a draft (`1.0.0-draft`):
        then the new document takes its place. Runs that have begun keep the one that they began with.
        """
        known = self._published.get(template.name, {}).get(template.version)
        digest = await self._blobs.put(document)
        if known is not None and known.digest == digest:
            return digest
        if known is not None and not Version.parse(template.version).prerelease:
            hint = f"give the changed template a new version; while you write it, `{template.version}-draft` may change"
            place = Place(pointer="/version")
            raise Refused.of(
                "ACC760", f"{template.name}@{template.version} is published with another text", hint=hint, place=place
            )
        await stream.append(
            TemplatePublished(
                at=now,
                name=template.name,
                version=template.version,
                digest=digest,
                description=template.description,
                by=by,
            )
        )
        return digest

    async def document(self, digest: Digest) -> bytes:
        """The document that was published under this digest. Raises NotFound."""
        return await self._blobs.get(digest)

    async def template(self, digest: Digest) -> Template:
        """The template of this digest. Raises NotFound, TemplateInvalid."""
        if digest not in self._templates:
            self._templates[digest] = template_from_json(await self.document(digest))
        return self._templates[digest]

    async def graph(self, digest: Digest) -> Graph:
        """The graph of this digest, compiled once. Raises NotFound, TemplateInvalid."""
        if digest not in self._graphs:
            self._graphs[digest] = compile_graph(await self.template(digest), digest)
        return self._graphs[digest]

    def compiled(self, document: bytes) -> Graph:
        """The graph of a document that may be published now, at hand from then on. Raises TemplateInvalid."""
        digest = Digest(sha256(document).hexdigest())
        if digest not in self._graphs:
            self._templates[digest] = template_from_json(document)
            self._graphs[digest] = compile_graph(self._templates[digest], digest)
        return self._graphs[digest]

    def input_schema(self, graph: Graph) -> Schema:
        """The compiled schema of the graph's input."""
        if graph.digest not in self._inputs:
            self._inputs[graph.digest] = compile_schema(graph.input_schema)
        return self._inputs[graph.digest]

    def find(self, reference: str) -> Published:
        """The newest version that `name@range`, `name@version` or `name` admits. Raises NotFound."""
        name = reference.partition("@")[0]
        return newest(list(self._published.get(name, {}).values()) or self.published(), reference)

    def before(self, template: Template) -> Published | None:
        """The version that a new one of this template follows; None where there is none, or it is published already."""
        known = self._published.get(template.name, {})
        earlier = predecessor(template.version, known)
        return known[earlier] if earlier is not None else None

    def published(self) -> list[Published]:
        """All versions of all templates, by name, the newest first."""
        names = sorted(self._published)
        return [
            self._published[name][version]
            for name in names
            for version in sorted(self._published[name], key=Version.parse, reverse=True)
        ]
