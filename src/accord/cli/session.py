"""From the synchronous command line into the engine: one event loop for one command, a node, and its agents."""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, redirect_stdout
from typing import Any, TypeVar

import typer

from accord.app import host, open_node, settle_memory
from accord.cli.errors import DONE, INTERRUPTED
from accord.cli.hosting import hosted_agents
from accord.cli.logs import logging_to_stderr
from accord.cli.options import Shared
from accord.cli.output import Screen
from accord.engine.node import Node
from accord.errors import Problems
from accord.otel import open_telemetry
from accord.sdk import Agent
from accord.service import Service

if sys.platform != "win32":
    import uvloop

T = TypeVar("T")
Work = Callable[[Screen], Awaitable[int]]


def carry_out(shared: Shared, work: Work, *, warns: bool = False, raises: bool = False) -> None:
    """Do the work of a command in an event loop of its own, and exit with the code that it gives. It `warns` also where
    nobody asked for more words; `raises` tells what agents of this process raise as soon as they do.

    The first Ctrl-C cancels the work, so that everything is closed in order; the second one leaves at once.
    """
    settle_memory()
    logs = logging_to_stderr(warns=warns or shared.verbose, raises=raises)
    with logs as raised, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        screen = Screen(as_json=shared.as_json, raised=raised, elsewhere=shared.elsewhere)
        with redirect_stdout(sys.stderr):  # the result alone goes to stdout, whatever agents of this process print
            code = runner.run(_interruptible(work, screen))
        raise typer.Exit(code)


async def _interruptible(work: Work, screen: Screen) -> int:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    interrupted: list[int] = []

    def interrupt(number: int) -> None:
        if interrupted:
            os._exit(128 + number)
        interrupted.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    try:
        return await work(screen)
    except asyncio.CancelledError:
        if not interrupted:
            raise
        return INTERRUPTED if interrupted[0] == signal.SIGINT else 128 + interrupted[0]


async def ended_or_interrupted(*ends: asyncio.Future[Any]) -> None:
    """Return when the command is interrupted, or one of these has ended; raise what that one raises."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        task.uncancel()  # stopping is what was asked for: what follows is no cancelled work
        return
    for one in ends:
        if one.done():
            await one


def tell_draining(screen: Screen) -> None:
    """Say that a server or an agent ends once what it has begun has ended."""
    screen.note("Draining: nothing new is taken, what is under way may end. Once more leaves at once.")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    return uvloop.new_event_loop


@asynccontextmanager
async def opened(shared: Shared) -> AsyncIterator[Service]:
    """The server that was named, or a node of this home that hosts no agents."""
    url = shared.server()
    if url is not None:
        from accord.cli.server import asked_server  # noqa: PLC0415 - an HTTP client, which few commands need

        async with asked_server(url, shared) as server:
            yield server
    else:
        async with at_home(shared) as node:
            yield node


def answered(shared: Shared, ask: Callable[[Service], Awaitable[T]], show: Callable[[T, Screen], None]) -> None:
    """Carry out a command that asks one thing: the answer is printed as JSON, or shown in words."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            answer = await ask(service)
        if screen.as_json:
            screen.document(answer)
        else:
            show(answer, screen)
        return DONE

    carry_out(shared, work)


@asynccontextmanager
async def at_home(shared: Shared) -> AsyncIterator[Node]:
    """A node of this home that hosts no agents, whichever server is asked else."""
    async with open_node(shared.settings()) as node:
        yield node


@asynccontextmanager
async def staffed(shared: Shared, agents: Sequence[Agent] | None = None) -> AsyncIterator[Service]:
    """The server that was named, or a node that hosts these agents; the built-in ones and those of `--agents` where
    None.

    Raises:
        BadInput: all that is wrong with the settings and with the agents.
    """
    problems = Problems()
    settings = problems.attempt(shared.settings)
    hosted = problems.attempt(lambda: hosted_agents(shared.agents)) if agents is None else agents
    problems.refuse()
    if settings is not None and shared.server() is not None:
        async with opened(shared) as server:
            yield server
        return
    assert settings is not None and hosted is not None, "they are there without problems"  # noqa: PT018, S101
    async with (
        open_telemetry(settings.exports, "accord", logging.WARNING) as telemetry,
        open_node(settings, telemetry=telemetry) as node,
        host(node, hosted),
    ):
        yield node


def who() -> str:
    """The person at the command line, as the system knows them: for the journal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "local"
