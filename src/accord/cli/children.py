"""Processes of ours that a command keeps running: started again when they end by themselves, and ended with it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Coroutine, Sequence

import msgspec

from accord.cli.errors import BAD_INPUT, DONE
from accord.cli.output import Screen
from accord.cli.session import ended_or_interrupted, tell_draining

RESTARTED_AFTER_S = 1.0
"""A process that ended by itself is started again after so long."""


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A process that is kept running."""

    name: str
    """As people are told of it: `An instance`, `Worker 2`."""
    command: Sequence[str]
    files: tuple[int, ...] = ()
    """Open files that it inherits, beside stdin, which ends with this process."""
    heard: Callable[[bytes], None] | None = None
    """Is given the first line that it writes to stdout, after each start: it is ready then. Without it, stdout is this
    process's.
    """


async def kept_running(child: Child, screen: Screen) -> int:
    """Run it again and again; returns its code where it was refused, was never ready, or ended after being told to."""
    was_ready = child.heard is None
    while True:
        process = await _started(child)
        try:
            was_ready |= await _is_ready(process, child)
            code = await process.wait()
        except asyncio.CancelledError:
            if process.returncode is None:
                process.terminate()
            return await process.wait()
        if code == BAD_INPUT or not was_ready:
            return code
        screen.note(f"{child.name} ended with {code}; it is started again.", "yellow")
        await asyncio.sleep(RESTARTED_AFTER_S)


async def until_stopped(running: Sequence[Coroutine[None, None, int]], screen: Screen) -> int:
    """Wait until the command is interrupted, or one of these ends; say once that the others drain, end them, and give
    the first code that is none of success.
    """
    tasks = [asyncio.create_task(one) for one in running]
    try:
        await ended_or_interrupted(*tasks)
        if not all(one.done() for one in tasks):
            tell_draining(screen)
    finally:
        for one in tasks:
            one.cancel()
        codes = await asyncio.gather(*tasks, return_exceptions=True)
    return next((code for code in codes if isinstance(code, int) and code != DONE), DONE)


async def parent_gone() -> None:
    """Return once the process that has started this one is gone: it holds the other end of the standard input."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def _started(child: Child) -> Process:
    # In a session of its own: a Ctrl-C at the terminal reaches this process alone, which passes it on.
    return await asyncio.create_subprocess_exec(
        *child.command,
        stdin=PIPE,
        stdout=None if child.heard is None else PIPE,
        pass_fds=child.files,
        start_new_session=True,
    )


async def _is_ready(process: Process, child: Child) -> bool:
    """Whether it says that it is, before it ends."""
    if child.heard is None or process.stdout is None:
        return False
    line = await process.stdout.readline()
    if line:
        child.heard(line)
    return bool(line)
