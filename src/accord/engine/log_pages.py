"""Pages of what agents have logged: of a run, and of those that it was forked from, as far as it shares attempts.

ACC484  the place behind which lines are wanted is none
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec

from accord.domain.graph import node_of
from accord.domain.ids import RunId, TaskId
from accord.domain.log import LogGap, LoggedLine, LogPage, LogQuery, rank
from accord.domain.run import Run
from accord.domain.state import Attempt
from accord.engine.ledger import unknown_run
from accord.engine.logbook import Logbook
from accord.engine.parts import Parts
from accord.engine.past import Past
from accord.errors import BadInput, NotFound, Place
from accord.ports import LogPart
from accord.recent import Recent

PARTS_MAX: Final = 64
"""Parts that are read at a time."""

FORKS_MAX: Final = 256

ON_THEIR_WAY: Final = timedelta(seconds=2)

LOOK_EVERY_S: Final = 1.0
"""How often the store is asked after lines that another process has kept."""

_decode = msgspec.json.Decoder(list[LoggedLine]).decode

Shared = frozenset[tuple[TaskId, int]]
"""Attempts of an earlier run whose outputs this one has taken over."""


class _Source(NamedTuple):
    """Where lines are: a run, and which of its attempts are meant; None: all of them."""

    run: RunId
    attempts: Shared | None
    then: Run | None = None
    """The run by the time of the event that is asked about; None: all that is there is meant."""

    def has(self, task: TaskId, attempt: int) -> bool:
        """Whether the attempt is meant, and had begun."""
        of_source = self.attempts is None or (task, attempt) in self.attempts
        return of_source and (self.then is None or _attempt(self.then, task, attempt) is not None)


class _Cursor(NamedTuple):
    """A place among the lines: behind one of a part of a source."""

    source: int = 0
    position: int = 0
    """Of a part."""
    told: int = 0
    """How many lines of it were told, or looked at."""

    def __str__(self) -> str:
        return ".".join(map(str, self))


class LogPages:
    """Reads what was logged."""

    def __init__(self, parts: Parts, past: Past, logbook: Logbook) -> None:
        self._parts = parts
        self._past = past
        self._logbook = logbook
        self._forks: Recent[RunId, list[_Source]] = Recent(FORKS_MAX)
        """The runs behind a fork: they are the same for ever."""

    async def page(self, run: RunId, wanted: LogQuery) -> LogPage:
        """The lines behind a place. Raises NotFound, and BadInput where that is none."""
        return await self._page(await self._known(run), wanted)

    async def follow(self, run: RunId, wanted: LogQuery) -> AsyncGenerator[LogPage]:
        """Pages: the first one at once, whether there are lines or not; then those that come, until the run has ended
        and all were told.
        """
        begins = True
        with self._logbook.watching(run) as changed:
            while True:
                changed.clear()
                known = await self._known(run)
                page = await self._page(known, wanted)
                if page.lines or begins:
                    yield page
                begins = False
                wanted = msgspec.structs.replace(wanted, after=page.next)
                if page.more:
                    continue
                if not page.lines and self._is_over(known):
                    yield page
                    return
                try:
                    await asyncio.wait_for(changed.wait(), LOOK_EVERY_S)
                except TimeoutError:
                    continue

    def _is_over(self, run: Run) -> bool:
        """Whether nothing more comes: lines may be on their way longer than the result that ended the run."""
        return run.ended and not timedelta() <= self._parts.ports.clock.now() - run.updated_at < ON_THEIR_WAY

    async def _known(self, run: RunId) -> Run:
        found = self._parts.ledger.find(run) or (await self._parts.ledger.read_quickly(run))[0]
        if found is None:
            raise unknown_run(run)
        return found

    async def _page(self, run: Run, wanted: LogQuery) -> LogPage:
        then = await self._past.run(run.id, wanted.at) if wanted.at is not None else None
        sources = [*await self._origins_of(run), _Source(run.id, None, then)]
        begin = _cursor_of(wanted.after)
        cursor, lines, more = begin, list[LoggedLine](), False
        async for place, line in self._behind(sources, begin, wanted):
            if len(lines) == wanted.limit:
                more = True
                break
            lines.append(line)
            cursor = place
        place_told = wanted.after if cursor == begin else str(cursor)
        gaps = await self._gaps(sources, wanted)
        return LogPage(run=run.id, lines=tuple(lines), gaps=gaps, next=place_told, more=more)

    async def _behind(
        self, sources: list[_Source], begin: _Cursor, wanted: LogQuery
    ) -> AsyncIterator[tuple[_Cursor, LoggedLine]]:
        """The lines behind a place, each with the place behind it."""
        for number in range(begin.source, len(sources)):
            source = sources[number]
            begun = begin if number == begin.source else _Cursor(number)
            after = max(begun.position - 1, 0)
            while parts := await self._read(source.run, after, wanted):
                for part in parts:
                    found = await self._lines(source, part)
                    told = begun.told if part.position == begun.position else 0
                    for index, line in enumerate(found[told:], told + 1):
                        if _is_wanted(line, source, wanted):
                            yield _Cursor(number, part.position, index), line
                after = parts[-1].position

    async def _origins_of(self, run: Run) -> list[_Source]:
        """Where lines are before its own: in the runs whose outputs it has taken over, the oldest first."""
        known = self._forks.get(run.id)
        if known is None:
            known = self._forks[run.id] = await self._origins(run)
        return known

    async def _origins(self, run: Run) -> list[_Source]:
        found: list[_Source] = []
        nodes, origin = _adopted(run), run.started.origin
        while nodes and origin is not None:
            before, _ = await self._parts.ledger.read(origin.run, until=origin.sequence)
            if before is None:
                break  # it has been removed, and its lines with it
            found.insert(0, _Source(origin.run, _attempts(before, nodes)))
            nodes, origin = nodes & _adopted(before), before.started.origin
        return found

    async def _gaps(self, sources: list[_Source], wanted: LogQuery) -> tuple[LogGap, ...]:
        gaps: list[LogGap] = []
        for source in sources:
            found = await self._parts.ports.journal.log_gaps(source.run, task=wanted.task, attempt=wanted.attempt)
            gaps += [gap for gap in found if source.has(gap.task, gap.attempt)]
        return tuple(gaps)

    async def _read(self, run: RunId, after: int, wanted: LogQuery) -> list[LogPart]:
        least = rank(wanted.level)
        return await self._parts.ports.journal.log_parts(
            run, task=wanted.task, attempt=wanted.attempt, least=least, after=after, limit=PARTS_MAX
        )

    async def _lines(self, source: _Source, part: LogPart) -> list[LoggedLine]:
        """The lines of a part; none where the run was erased meanwhile."""
        if not part.encrypted:
            return _decode(part.data)
        try:
            cipher = await self._parts.data_keys.cipher(source.run)
        except NotFound:
            return []
        return _decode(cipher.unsealed(part.data)) if cipher is not None else []


def _adopted(run: Run) -> frozenset[TaskId]:
    """The nodes whose outputs a fork has taken over."""
    return frozenset(node for node in run.graph.tasks if run.state(node).adopted)


def _attempts(run: Run, nodes: frozenset[TaskId]) -> Shared:
    """All attempts at these nodes and their items."""
    return frozenset(
        (task, attempt.number)
        for task, state in run.tasks.items()
        if node_of(task) in nodes
        for attempt in state.attempts
    )


def _is_wanted(line: LoggedLine, source: _Source, wanted: LogQuery) -> bool:
    if not source.has(line.task, line.attempt) or rank(line.level) < rank(wanted.level):
        return False
    return source.then is None or _is_written(line, source.then)


def _is_written(line: LoggedLine, then: Run) -> bool:
    """Whether the line was there: of an attempt that had ended all are, whatever its agent's clock says."""
    attempt = _attempt(then, line.task, line.attempt)
    return attempt is not None and (not attempt.live or line.at <= then.updated_at)


def _attempt(run: Run, task: TaskId, number: int) -> Attempt | None:
    state = run.tasks.get(task)
    return next((one for one in state.attempts if one.number == number), None) if state is not None else None


def _cursor_of(after: str | None) -> _Cursor:
    if after is None:
        return _Cursor()
    parts = after.split(".")
    if len(parts) != len(_Cursor._fields) or not all(
        one.isascii() and one.isdigit() and len(one) < 16 for one in parts
    ):
        hint = "leave it out, or give the `next` of another page"
        raise BadInput.of("ACC484", f"`{after:.40}` is no place in a log", place=Place(pointer="/after"), hint=hint)
    return _Cursor(*map(int, parts))
