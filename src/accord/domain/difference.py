"""What is different between two JSON values, by JSON pointer (RFC 6901)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from accord.domain.schema import pointer_of

Kind = Literal["added", "removed", "changed"]


class Difference(msgspec.Struct, frozen=True):
    """A place where two values differ."""

    pointer: str
    kind: Kind
    before: Any = UNSET
    """What was there; left out where it was added."""
    after: Any = UNSET
    """What is there; left out where it was removed."""


def differences(before: Any, after: Any, pointer: str = "") -> Iterator[Difference]:
    """The places where two values differ, as deep as both have the same form, in the order of the values. Members of
    arrays are compared by their positions.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_members(before, after, pointer)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_members(dict(enumerate(before)), dict(enumerate(after)), pointer)
    elif _plain(before) != _plain(after):
        yield Difference(pointer, "changed", before, after)


def _of_members(before: dict[Any, Any], after: dict[Any, Any], pointer: str) -> Iterator[Difference]:
    for name in {**before, **after}:
        inner = pointer + pointer_of([name])
        if name not in after:
            yield Difference(inner, "removed", before=before[name])
        elif name not in before:
            yield Difference(inner, "added", after=after[name])
        else:
            yield from differences(before[name], after[name], inner)


def _plain(value: Any) -> tuple[bool, Any]:
    """A value to compare: `true` is not 1."""
    return isinstance(value, bool), value
