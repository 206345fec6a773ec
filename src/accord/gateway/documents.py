"""Answers that are values of ours: encoded with msgspec, described in OpenAPI by the schema of their class.

@router.get("", responses=answers(list[ApiKey]), response_class=Document)
async def list_keys(...) -> Document:
    return Document(keys)

What is read has a strong entity tag, the digest of its bytes: who has them already is told so and no more (RFC 9110,
13.1.2). A page of a list names the next one (RFC 8288).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, Final, Protocol, Self
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from accord.domain.ids import Digest

_REFERENCE: Final = "#/components/schemas/{name}"
_ASKED: Final[list[tuple[Any, dict[str, Any]]]] = []
"""What schemas are wanted of, and where they are to be."""
_COMPONENTS: Final[dict[str, Any]] = {}

_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')

REVALIDATED: Final = "private, no-cache"
"""What may be kept by who has asked for it, and by nobody else; it is asked for again each time, with its tag."""


class Document(JSONResponse):
    """A value of ours as JSON, in the words of the command line's `--json`."""

    def render(self, content: Any) -> bytes:
        """The value as JSON."""
        return msgspec.json.encode(content)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or that who asks has it already."""
        if scope["method"] == "GET":
            tag = entity_tag(sha256(self.body).hexdigest())
            if is_known(scope, tag):
                await unchanged(tag)(scope, receive, send)
                return
            self.headers.update({"ETag": tag, "Cache-Control": REVALIDATED})
        await super().__call__(scope, receive, send)


class HasNext(Protocol):
    """A page of a list."""

    @property
    def next(self) -> Any:
        """Behind what the next page begins; None where there is none."""
        ...


class Page(Document):
    """A page of a list, with a link to the next one."""

    def render(self, content: HasNext) -> bytes:
        """The page as JSON."""
        self._next = content.next
        return super().render(content)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if self._next is not None:
            asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            more = urlencode([*(one for one in asked if one[0] != "after"), ("after", str(self._next))])
            self.headers["Link"] = f'<{quote(scope["path"])}?{more}>; rel="next"'
        await super().__call__(scope, receive, send)


class Bytes(StreamingResponse):
    """The exact bytes of a document, as they are read."""

    media_type = "application/octet-stream"

    @classmethod
    async def begun(cls, chunks: AsyncIterator[bytes], digest: Digest | None = None) -> Self:
        """The answer, once the first of the bytes are there: what is missing is told before anything is sent. Without
        their digest nobody may keep them.
        """
        first = await anext(chunks, b"")

        async def whole() -> AsyncIterator[bytes]:
            yield first
            async for chunk in chunks:
                yield chunk

        kept = {"ETag": entity_tag(digest), "Cache-Control": REVALIDATED} if digest is not None else None
        return cls(whole(), headers=kept)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them, or that who asks has them already."""
        tag = self.headers.get("ETag")
        if tag is not None and is_known(scope, tag):
            await unchanged(tag)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def entity_tag(digest: str) -> str:
    """The strong entity tag of the bytes with this digest."""
    return f'"{digest}"'


def is_known(scope: Scope, tag: str) -> bool:
    """Whether who asks has what has this tag."""
    given = ",".join(Headers(scope=scope).getlist("if-none-match"))
    return given.strip() == "*" or tag in _TAG.findall(given)


def unchanged(tag: str) -> Response:
    """The answer to who has it already."""
    return Response(status_code=304, headers={"ETag": tag, "Cache-Control": REVALIDATED})


# -- OpenAPI -----------------------------------------------------------------------------------------------------


def answers(
    kind: Any, *, status: int = 200, located: bool = False, media_type: str = "application/json"
) -> dict[int | str, dict[str, Any]]:
    """What an operation answers with, for its `responses`; `located` where a header says where it is from now on."""
    told: dict[str, Any] = {"description": "The answer", "content": {media_type: {"schema": schema_of(kind)}}}
    if located:
        described = "The path of what was made."
        told["headers"] = {"Location": {"description": described, "schema": {"type": "string"}, "required": True}}
    return {status: told}


def schema_of(kind: Any) -> dict[str, Any]:
    """Where the schema of a value of ours will be, once `components` has been asked for: who serves, and tells nobody,
    does without it.
    """
    place: dict[str, Any] = {}
    _ASKED.append((kind, place))
    return place


def components() -> dict[str, Any]:
    """The schemas that the answers refer to; their own are where they belong from now on."""
    for kind, place in _ASKED:
        (schema,), found = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
        place.update(schema)
        for name, component in found.items():
            if _COMPONENTS.setdefault(name, component) != component:
                raise TypeError(f"two different values of the HTTP API are called {name}")
    _ASKED.clear()
    return _COMPONENTS
