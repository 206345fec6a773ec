"""Carrying a run on: until it ends, with a view of it, and with questions to whoever sits at the terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, Final

from accord.cli.asking import answer_in_terminal
from accord.cli.live import LiveTable, View, view
from accord.cli.output import Screen
from accord.cli.watching import hold_words, how_to_answer
from accord.domain.approval import open_approvals, waiting_tasks
from accord.domain.forecast import usual
from accord.domain.ids import RunId, TaskId
from accord.domain.news import Happened
from accord.domain.state import Run
from accord.engine.node import Node
from accord.service import Service, held
from accord.views.explain import Waits, explanation
from accord.views.waiting import is_idle

LOOK_EVERY_S: Final = 2.0
"""How often it is asked whether somebody works on a run that is watched."""

MISSED_MOST: Final = 3
"""So many tasks are told that nobody takes, and of each so many agents that could."""

ADOPT_EVERY_S: Final = 1.0
"""How often it is tried to take a run over from an owner that does not answer."""


async def carried_on(
    service: Service, run: RunId, screen: Screen, *, until_idle: bool = False, began: bool = False
) -> Run:  # fmt: skip
    """The run once it has ended, carried on meanwhile. Whoever sits there is asked what a task waits for. With
    `until_idle` the run is given back when it waits for somebody and nobody sits there. `began` says that the run was
    started just now.
    """
    asks = can_ask(screen)
    try:
        while True:
            state = await _watched(service, run, screen, until_idle=until_idle or asks, began=began)
            began = False
            if state.ended or not asks:
                return state
            await answer_in_terminal(service, state, waiting_tasks(state)[0], screen)
    except asyncio.CancelledError:
        screen.note("Stopping: what is under way may end now. Once more leaves at once.", "yellow")
        raise


async def _watched(service: Service, run: RunId, screen: Screen, *, until_idle: bool, began: bool) -> Run:
    """The run when it has ended, or where that is asked for when it can only go on with somebody's answer."""
    reminded: set[TaskId] = set()
    async with _view(service, run, screen, began=began) as shown, told_when_held(service, run, screen):
        async for news in service.follow(run):
            shown.show(news)
            if isinstance(news, Happened):
                last = news.run
                if last.ended or (until_idle and _must_ask(last)):
                    return last
                _remind(last, reminded, screen)
    return await service.run(run)


@asynccontextmanager
async def _view(service: Service, run: RunId, screen: Screen, *, began: bool = False) -> AsyncIterator[View]:
    """The view of a run that suits the screen, which soon knows what earlier runs of its template took."""
    async with view(screen, began=began) as shown:
        if not isinstance(shown, LiveTable):
            yield shown
            return
        async with _beside(_tell_usual(service, run, shown)):
            yield shown


async def _tell_usual(service: Service, run: RunId, shown: LiveTable) -> None:
    summary = await service.summary(run)
    if summary is not None:
        shown.expect(usual(await service.experience(summary.template)))


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have this told meanwhile; where it cannot be, that ends nothing."""
    telling = asyncio.create_task(work)
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


def told_when_held(service: Service, run: RunId, screen: Screen) -> AbstractAsyncContextManager[None]:
    """Whoever sees the run go on is told which holds keep it back, and when none does any more."""
    return _beside(_tell_when_held(service, run, screen))


async def _tell_when_held(service: Service, run: RunId, screen: Screen) -> None:
    state, told, missed = await service.run(run), "", Missed(screen)
    while True:
        words = "; ".join(hold_words(hold) for hold in held(state, await service.holds()))
        if words != told:
            screen.note(f"held back: {words}" if words else "held back no more", "yellow")
        told = words
        if not words:
            await missed.look(service, run)
        await asyncio.sleep(LOOK_EVERY_S)


class Missed:
    """Tells of each task that nobody takes, and why, once nothing has happened for a while. It is found out once each
    time that the run stands still: it costs as much as an explanation does.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._moved_at: datetime | None = None
        self._looked_at: datetime | None = None

    async def look(self, service: Service, run: RunId) -> None:
        """Look at the run once more."""
        summary = await service.summary(run)
        before, self._moved_at = self._moved_at, summary.updated_at if summary is not None else None
        if self._moved_at is None or self._moved_at != before or self._moved_at == self._looked_at:
            return
        self._looked_at = self._moved_at
        waits = (await explanation(service, run)).waits
        if not any(one.kind in ("attempt", "assigned") for one in waits):
            for one in [one for one in waits if one.kind == "agent"][:MISSED_MOST]:
                self._screen.note(_missing(one), "yellow")


def _missing(one: Waits) -> str:
    who = [could.words for could in one.who[:MISSED_MOST]]
    more = f", and {len(one.who) - len(who)} more" if len(one.who) > len(who) else ""
    return f"{one.words}: {'; '.join(who)}{more}" if who else f"{one.words}: nobody who is known does"


async def looked_on(service: Service, run: RunId, screen: Screen) -> Run:
    """The run once it has ended, carried on by another process."""
    async with _view(service, run, screen) as shown, told_when_held(service, run, screen):
        async for news in service.follow(run):
            shown.show(news)
    return await service.run(run)


def told_when_left(service: Service, run: RunId, screen: Screen) -> AbstractAsyncContextManager[None]:
    """Whoever watches the run is told when nobody works on it any more."""
    return _beside(_tell_when_left(service, run, screen))


async def _tell_when_left(service: Service, run: RunId, screen: Screen) -> None:
    """Say it each time that the run is left: it does not go on by itself then."""
    told = False
    while True:
        left = run in await service.left([run])
        if left and not told:
            screen.note(f"No process is working on the run; accord runs resume {run} takes it up.", "yellow")
        told = left
        await asyncio.sleep(LOOK_EVERY_S)


async def adopted(node: Node, run: RunId, screen: Screen) -> bool:
    """Whether this node owns the run; while another process does, the run is watched, until it ends or that process
    has left it.
    """
    if await node.adopt(run):
        return True
    screen.note("Another process carries the run on; this one watches, and takes over where that one leaves it.")
    watching = asyncio.ensure_future(looked_on(node, run, screen))
    try:
        while not watching.done():
            await asyncio.wait([watching], timeout=ADOPT_EVERY_S)
            if not watching.done() and await node.adopt(run):
                return True
        await watching
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return False


def can_ask(screen: Screen) -> bool:
    """Whether somebody sits at the terminal."""
    return sys.stdin.isatty() and screen.err.is_terminal and not screen.as_json


def _must_ask(run: Run) -> bool:
    return run.phase == "running" and not run.paused and bool(waiting_tasks(run)) and is_idle(run)


def _remind(run: Run, reminded: set[TaskId], screen: Screen) -> None:
    """Say once of each waiting task how it is answered."""
    if screen.err.is_terminal:
        return
    new = [one for one in open_approvals(run) if one.task not in reminded]
    reminded.update(one.task for one in new)
    for one in new:
        screen.note(f"          answer with: accord {how_to_answer(one)}")
