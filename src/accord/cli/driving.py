"""Carrying a run on: until it ends, with a view of it, and with questions to whoever sits at the terminal."""

from __future__ import annotations

import sys

from accord.cli.following import followed, observed
from accord.cli.live import view
from accord.cli.output import Screen
from accord.cli.watching import how_to_answer, is_idle, waiting_tasks
from accord.domain.ids import RunId, TaskId
from accord.domain.state import Run
from accord.engine.feed import Happened
from accord.engine.node import Node


async def carried_on(node: Node, run: RunId, screen: Screen) -> Run:
    """The run once it has ended; this node does its part meanwhile. Whoever sits there is asked what a task waits for."""
    while True:
        state = await _watched(node, run, screen)
        if state.ended:
            return state
        await _ask(node, state, screen)


async def _watched(node: Node, run: RunId, screen: Screen) -> Run:
    """The run when it has ended, or when it can only go on with an answer from this terminal."""
    reminded: set[TaskId] = set()
    async with view(screen) as shown:
        async for news in followed(node, run):
            shown.show(news)
            if isinstance(news, Happened):
                last = news.run
                if last.ended or (can_ask(screen) and _must_ask(last)):
                    return last
                _remind(last, reminded, screen)
    return await node.run(run)


async def looked_on(node: Node, run: RunId, screen: Screen) -> Run:
    """The run once it has ended, carried on by another process."""
    async with view(screen) as shown:
        async for news in observed(node, run):
            shown.show(news)
    return await node.run(run)


def can_ask(screen: Screen) -> bool:
    """Whether somebody sits at the terminal."""
    return sys.stdin.isatty() and screen.err.is_terminal and not screen.as_json


def _must_ask(run: Run) -> bool:
    return run.phase == "running" and not run.paused and bool(waiting_tasks(run)) and is_idle(run)


def _remind(run: Run, reminded: set[TaskId], screen: Screen) -> None:
    """Say once of each waiting task how it is answered."""
    if screen.err.is_terminal:
        return
    new = [task for task in waiting_tasks(run) if task not in reminded]
    reminded.update(new)
    for command in how_to_answer(run.id, new):
        screen.note(f"          answer with: {command}")


async def _ask(node: Node, run: Run, screen: Screen) -> None:
    from accord.cli.asking import answered_in_terminal

    await answered_in_terminal(node, run, waiting_tasks(run)[0], screen)
