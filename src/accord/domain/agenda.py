"""The agenda of a run: which task is due when. Frozen, ordered by time, and cheap to change: O(log n).

A treap (Seidel and Aragon, "Randomized Search Trees", 1996) whose priorities are hashes of the tasks' names: the same
entries always make the same tree, in whatever order they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TypeAlias
from zlib import crc32

import msgspec

from accord.domain.ids import TaskId

_Key: TypeAlias = tuple[datetime, TaskId]


class _Node(msgspec.Struct, frozen=True, gc=False):
    key: _Key
    rank: int
    earlier: _Node | None
    later: _Node | None


class Agenda(msgspec.Struct, frozen=True, gc=False):
    """Entries of a time and a task, in order; a task has one at most."""

    root: _Node | None = None

    def add(self, when: datetime, task: TaskId) -> Agenda:
        """The agenda with one entry more; the task must not have one yet."""
        return Agenda(_insert(self.root, (when, task), crc32(task.encode())))

    def drop(self, when: datetime, task: TaskId) -> Agenda:
        """The agenda without an entry. Raises KeyError where there is none."""
        return Agenda(_remove(self.root, (when, task)))

    def until(self, when: datetime) -> Iterator[_Key]:
        """The entries that are not later than `when`, in order."""
        return (key for key in _until(self.root, when))

    def after(self, when: datetime) -> datetime | None:
        """The time of the first entry that is later than `when`."""
        node = self.root
        found: datetime | None = None
        while node is not None:
            if node.key[0] > when:
                found, node = node.key[0], node.earlier
            else:
                node = node.later
        return found

    def __bool__(self) -> bool:
        return self.root is not None

    def __iter__(self) -> Iterator[_Key]:
        return _walk(self.root)


def _insert(node: _Node | None, key: _Key, rank: int) -> _Node:
    if node is None:
        return _Node(key, rank, None, None)
    if key < node.key:
        earlier = _insert(node.earlier, key, rank)
        if earlier.rank > node.rank:
            lower = _Node(node.key, node.rank, earlier.later, node.later)
            return _Node(earlier.key, earlier.rank, earlier.earlier, lower)
        return _Node(node.key, node.rank, earlier, node.later)
    later = _insert(node.later, key, rank)
    if later.rank > node.rank:
        lower = _Node(node.key, node.rank, node.earlier, later.earlier)
        return _Node(later.key, later.rank, lower, later.later)
    return _Node(node.key, node.rank, node.earlier, later)


def _remove(node: _Node | None, key: _Key) -> _Node | None:
    if node is None:
        raise KeyError(key)
    if key == node.key:
        return _merge(node.earlier, node.later)
    if key < node.key:
        return _Node(node.key, node.rank, _remove(node.earlier, key), node.later)
    return _Node(node.key, node.rank, node.earlier, _remove(node.later, key))


def _merge(left: _Node | None, right: _Node | None) -> _Node | None:
    if left is None or right is None:
        return left or right
    if left.rank > right.rank:
        return _Node(left.key, left.rank, left.earlier, _merge(left.later, right))
    return _Node(right.key, right.rank, _merge(left, right.earlier), right.later)


def _walk(node: _Node | None) -> Iterator[_Key]:
    open_: list[_Node] = []
    while open_ or node is not None:
        while node is not None:
            open_.append(node)
            node = node.earlier
        node = open_.pop()
        yield node.key
        node = node.later


def _until(node: _Node | None, when: datetime) -> Iterator[_Key]:
    for key in _walk(node):
        if key[0] > when:
            return
        yield key
