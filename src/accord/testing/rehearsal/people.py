"""People of a rehearsal: what the test says that they say, as soon as somebody asks, or when its turn has come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from accord.domain.duration import parse_duration
from accord.domain.ids import RunId, TaskId
from accord.domain.run import Run
from accord.domain.workflow_test import Said
from accord.errors import AccordError, Problem
from accord.testing.stage import Stage

BY = "the test"
"""Who says it, in the journal."""

Paths = Callable[[Run], Awaitable[str]]
"""How the tasks of a run are named in front, in a test: `` or `inspect/`."""


class People:
    """Everybody who has something to say, in the order of the test."""

    def __init__(self, said: tuple[Said, ...], stage: Stage, path_of: Paths) -> None:
        self._said = said
        self._stage = stage
        self._path_of = path_of
        self._left = dict(enumerate(said))
        self._speaking: dict[int, asyncio.Task[None]] = {}
        self.refused: list[tuple[int, Problem]] = []
        """What nobody would take, by its place in the test."""

    @property
    def speaking(self) -> bool:
        """Whether somebody is about to say something."""
        return bool(self._speaking)

    @property
    def left(self) -> list[int]:
        """What was never said, as nobody asked."""
        return sorted(self._left)

    async def see(self, main: RunId, run: Run) -> None:
        """Look at a run that has changed, the main one or one that does a task of it: say what is to be said now."""
        prefix = await self._path_of(run)
        for number, said in list(self._left.items()):
            target = self._target(number, said, prefix, run, main)
            if target is not None:
                del self._left[number]
                task = asyncio.create_task(self._say(number, main, *target), name="accord-person")
                self._speaking[number] = task

    def _target(
        self, number: int, said: Said, prefix: str, run: Run, main: RunId
    ) -> tuple[RunId, TaskId | None] | None:
        if isinstance(said.task, str):
            own = said.task.removeprefix(prefix) if said.task.startswith(prefix) else ""
            waits = own in run.tasks and run.state(TaskId(own)).waiting is not None
            same = any(self._said[one].task == said.task for one in (*self._speaking, *self._left) if one < number)
            return (run.id, TaskId(own)) if waits and not same else None
        if any(one < number for one in (*self._left, *self._speaking)) or run.id != main or run.ended:
            return None
        return main, None

    async def _say(self, number: int, main: RunId, run: RunId, task: TaskId | None) -> None:
        said = self._said[number]
        after = parse_duration(said.after) if isinstance(said.after, str) else None
        if after:
            await asyncio.sleep(after.total_seconds())
        name = said.signal if isinstance(said.signal, str) else ""
        try:
            await self._stage.node.signal(run, said.value, by=BY, name=name, task=task)
        except AccordError as error:
            self.refused += [(number, problem) for problem in error.problems]
        finally:
            del self._speaking[number]
        await self.see(main, await self._stage.run(main))

    async def leave(self) -> None:
        """Say nothing any more."""
        tasks = list(self._speaking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
