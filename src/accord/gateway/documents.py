"""Answers that are values of ours: encoded with msgspec, described in OpenAPI by the schema of their class.

@router.get("", responses=answers(list[ApiKey]), response_class=Document)
async def list_keys(...) -> Document:
    return Document(keys)
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.responses import Response

_REFERENCE: Final = "#/components/schemas/{name}"
_COMPONENTS: Final[dict[str, Any]] = {}


class Document(Response):
    """A value of ours as JSON, in the words of the command line's `--json`."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The value as JSON."""
        return msgspec.json.encode(content)


def answers(kind: Any, *, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """What an operation answers with, for its `responses`."""
    return {status: {"description": "The answer", "content": {"application/json": {"schema": schema_of(kind)}}}}


def schema_of(kind: Any) -> dict[str, Any]:
    """The schema of a value of ours; what it refers to gets into the OpenAPI document."""
    (schema,), components = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    for name, component in components.items():
        if _COMPONENTS.setdefault(name, component) != component:
            raise TypeError(f"two different values of the HTTP API are called {name}")
    return schema


def described(openapi: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document, with the schemas that `answers` refers to."""
    openapi.setdefault("components", {}).setdefault("schemas", {}).update(_COMPONENTS)
    return openapi
