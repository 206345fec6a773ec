"""Templates: what is published, and what it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from accord.domain.capability import Version, VersionRange
from accord.domain.graph import Graph
from accord.domain.ids import Digest
from accord.domain.template import Template
from accord.errors import NotFound


class Published(msgspec.Struct, frozen=True):
    """A version of a template in the library."""

    name: str
    version: str
    digest: Digest
    description: str
    at: datetime


class Templates(Protocol):
    """What may be asked of templates."""

    async def templates(self) -> list[Published]:
        """All versions of all published templates, by name, the newest first."""
        ...

    async def template(self, digest: Digest) -> bytes:
        """The document that was published under this digest. Raises NotFound."""
        ...

    async def graph(self, digest: Digest) -> Graph:
        """The graph that a published template compiles to. Raises NotFound."""
        ...

    async def publish(
        self, template: Template, document: bytes, *, by: str = "local", as_written: bool = False
    ) -> Digest:
        """Publish a template under the digest of its canonical document, once it is verified; again is no error.

        Raises:
            TemplateInvalid: the graph does not hold; with everything that the verifier found.
            Refused: this version stands for another document already; or it is lower than what has changed since the
                version before deserves, and is not to be taken `as_written`.
        """
        ...


def newest(published: Sequence[Published], reference: str) -> Published:
    """The newest version that `name@range`, `name@version` or `name` admits. Raises NotFound."""
    name, _, text = reference.partition("@")
    versions = {Version.parse(one.version): one for one in published if one.name == name}
    best = VersionRange.parse(text or "*").best(versions)
    if best is None:
        known = ", ".join(sorted({one.name for one in published})) or "none"
        raise NotFound.of("ACC761", f"no template {reference} is published", hint=f"published are: {known}")
    return versions[best]
