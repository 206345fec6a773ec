"""Data flow by names: which task feeds which, where each says which files or data it reads and writes.

Names are compared as paths: `./a//b` is `a/b`, case counts. Whoever reads a directory reads all that is written into
it, whoever writes one writes all that is read from it, and a pattern (`*`, `?`, `[…]`) that nobody writes as it stands
reads what is written and fits it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from fnmatch import translate
from graphlib import CycleError, TopologicalSorter
from posixpath import normpath

import msgspec

from accord.planner.composition.reach import reached

_PATTERN = re.compile(r"[*?\[]")


class DataTask(msgspec.Struct, frozen=True):
    """A task, and the names of what it reads and writes."""

    name: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


class DataFlow(msgspec.Struct, frozen=True):
    """One task feeds another one."""

    source: str
    target: str
    data: tuple[str, ...]
    """What it feeds it, by the reader's names, sorted."""


class Circle(Exception):
    """Tasks wait for each other for ever."""


def data_flow(tasks: Sequence[DataTask]) -> tuple[DataFlow, ...]:
    """Which task feeds which, in the order of the tasks: whoever writes a datum feeds everyone else that reads it.

    A task that reads what it writes itself changes it in place, and feeds itself nothing. Those that change the same
    datum do so one after the other, in the order of the tasks, after those that only write it; who only reads it is fed
    by the last of them that comes before it, else by those who only write it. Of several that only write it, each feeds
    a reader, but for those that themselves wait for the reader: they write what comes later.

    Raises:
        Circle: tasks would wait for each other.
    """
    flows = _Flows(tasks)
    flows.add()
    _refuse_circles(flows.found, tasks)
    return tuple(
        DataFlow(tasks[source].name, tasks[target].name, tuple(sorted(data)))
        for (source, target), data in sorted(flows.found.items())
    )


class _Flows:
    """What feeds what, by places of tasks."""

    def __init__(self, tasks: Sequence[DataTask]) -> None:
        self.found: dict[tuple[int, int], set[str]] = defaultdict(set)
        self._after: dict[int, set[int]] = defaultdict(set)
        self._written: dict[str, _Datum] = {}
        self._under: dict[str, set[str]] = defaultdict(set)
        for at, task in enumerate(tasks):
            reads = {normpath(one) for one in task.reads}
            for name in dict.fromkeys(map(normpath, task.writes)):
                self._written.setdefault(name, _Datum()).add(at, changes=name in reads)
                for above in _above(name):
                    self._under[above].add(name)
        self._reads = [(at, one) for at, task in enumerate(tasks) for one in dict.fromkeys(task.reads)]

    def add(self) -> None:
        """All of it: first what is sure, then what several write, as far as they do not wait for the reader."""
        several: list[tuple[int, str, Sequence[int]]] = []
        for reader, name in self._reads:
            for datum in self._read(name):
                sources = datum.sources(reader)
                if len(sources) == 1:
                    self._add(sources[0], reader, name)
                else:
                    several.append((reader, name, sources))
        for reader, name, sources in several:
            for source in sources:
                if not self._waits(source, reader):
                    self._add(source, reader, name)

    def _add(self, source: int, target: int, name: str) -> None:
        if source != target:
            self.found[source, target].add(name)
            self._after[source].add(target)

    def _waits(self, task: int, other: int) -> bool:
        """Whether a task waits for another one, directly or not."""
        return task != other and task in reached(other, lambda at: self._after.get(at, ()))

    def _read(self, name: str) -> Iterator[_Datum]:
        """All data that are read by this name."""
        path = normpath(name)
        inside = self._under.get(path, set())
        names = {path, *inside, *(above for above in _above(path))}
        if _PATTERN.search(path) and path not in self._written:
            fits = re.compile(translate(path)).match
            names |= {each for each in self._written if fits(each) and each.count("/") == path.count("/")}
        for each in sorted(names & self._written.keys()):
            yield self._written[each]


def _above(path: str) -> Iterator[str]:
    """The directories in which a path is."""
    while "/" in path.strip("/"):
        path = path.rpartition("/")[0]
        yield path


class _Datum:
    """Who writes a datum: those that only write it, and those that change it, in the order of the tasks."""

    def __init__(self) -> None:
        self._writers: list[int] = []
        self._changers: list[int] = []

    def add(self, task: int, *, changes: bool) -> None:
        (self._changers if changes else self._writers).append(task)

    def sources(self, reader: int) -> Sequence[int]:
        """Those who feed it to a reader; none where it is given."""
        before = [one for one in self._changers if one < reader]
        if before:
            return before[-1:]
        # Who stands before all that write it: the order says nothing of when it reads.
        first = bool(self._writers) and reader not in self._changers and reader < min(self._writers)
        return self._changers[-1:] if first and self._changers else self._writers


def _refuse_circles(flows: dict[tuple[int, int], set[str]], tasks: Sequence[DataTask]) -> None:
    needs: dict[int, set[int]] = {at: set() for at in range(len(tasks))}
    for source, target in flows:
        needs[target].add(source)
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        path = " → ".join(f"`{tasks[at].name}`" for at in error.args[1])
        raise Circle(f"these wait for each other: {path}") from None
