"""Lists that come in pages, as one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar

import msgspec

from accord.client.connection import Connection, Parameters

T = TypeVar("T")

PAGE: Final = 1000


async def pages(
    connection: Connection, path: str, name: str, kind: type[T], parameters: Parameters | None = None
) -> AsyncIterator[T]:
    """The members of a list, page by page as they are asked for; `name` is what a page calls them."""
    asked: dict[str, Any] = {"limit": PAGE, **(parameters or {})}
    while True:
        page = await connection.get(path, dict[str, Any], asked)
        for one in page[name]:
            yield msgspec.convert(one, kind)
        if page["next"] is None:
            return
        asked["after"] = page["next"]


async def first(members: AsyncIterator[T], limit: int) -> list[T]:
    """The first members of a list, at most so many."""
    found: list[T] = []
    async for one in members:
        found.append(one)
        if len(found) == limit:
            break
    return found
