"""Lists in pages: so many members, of those behind the one that `after` names.

ACC959  the list has no such member, behind which a page could begin
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from accord.errors import NotFound

T = TypeVar("T")
N = TypeVar("N", bound=str)

Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many.")]
After = Annotated[str | None, Query(max_length=200, description="Only what is behind this one; `next` names it.")]


def paged(
    members: Sequence[T], name_of: Callable[[T], N], after: str | None, limit: int
) -> tuple[tuple[T, ...], N | None]:
    """A page of a list, and behind which member the next one begins, None where there is none. Raises NotFound."""
    begin = 0 if after is None else _place(members, name_of, after) + 1
    page = tuple(members[begin : begin + limit])
    return page, name_of(page[-1]) if begin + limit < len(members) else None


def _place(members: Sequence[T], name_of: Callable[[T], N], name: str) -> int:
    for place, member in enumerate(members):
        if name_of(member) == name:
            return place
    raise NotFound.of("ACC959", f"the list has no {name}, behind which a page could begin", hint="begin without after")
