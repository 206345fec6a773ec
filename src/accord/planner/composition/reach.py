"""Reach: what comes after something, directly or not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Node = TypeVar("Node", int, str)


def reached(start: Node, after: Callable[[Node], Iterable[Node]]) -> Iterator[Node]:
    """All that can be come to, each once; the start is the first. `after` gives what comes right after one."""
    seen, left = {start}, [start]
    while left:
        at = left.pop()
        yield at
        new = set(after(at)) - seen
        seen |= new
        left.extend(new)
