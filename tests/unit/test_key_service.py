"""What services that hold keys have in common: calls that take too long, or for ever, and the end of a process."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any

import pytest

import accord
from accord.errors import KeysUnavailable
from accord.keys.service import ServiceKeyStore
from accord.keys.threads import CallThreads

HANGS = """
import asyncio, threading
from accord.errors import KeysUnavailable
from accord.keys import service

service.CLOSED_WITHIN_S = 0.05

class Hanging:
    place, at_once, in_one_call = "the device", 2, 1
    def held(self, name=None): threading.Event().wait()
    def close(self): threading.Event().wait()

async def main():
    keys = service.ServiceKeyStore(Hanging(), answers_within_s=0.05)
    for _ in range(4):
        try:
            await keys.stored()
        except KeysUnavailable as error:
            print(error.problems[0].code)
    await keys.close()

asyncio.run(main())
"""


async def test_a_call_that_never_returns_holds_up_no_process() -> None:
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(accord.__file__))}  # noqa: PTH120
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HANGS, stdout=pipe, stderr=pipe, env=environment
    )
    try:
        async with asyncio.timeout(60):
            told, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, told.split()) == (0, [b"ACC631"] * 4)
    assert b"the device does not answer" in said


class Service:
    """Answers when it may."""

    place, at_once, in_one_call = "the device", 1, 1

    def __init__(self) -> None:
        self.may_answer, self.is_asked = threading.Event(), threading.Event()
        self.asked = 0

    def held(self, name: str | None = None) -> list[Any]:
        self.asked += 1
        self.is_asked.set()
        self.may_answer.wait(20)
        return []

    def close(self) -> None:
        """Nothing is open."""


async def test_what_nobody_waits_for_any_more_is_not_asked() -> None:
    service = Service()
    keys = ServiceKeyStore(service)  # type: ignore[arg-type]
    first = asyncio.create_task(keys.stored())
    await asyncio.to_thread(service.is_asked.wait, 20)
    keys._answers_within_s = 0.0
    for _ in range(3):
        with pytest.raises(KeysUnavailable, match="ACC631"):
            await keys.stored()
    service.may_answer.set()
    assert await first == []
    await keys.close()
    assert service.asked == 1


async def test_threads_are_used_again_and_what_goes_wrong_is_raised() -> None:
    threads = CallThreads(2)
    seen = {await threads.run(threading.get_ident) for _ in range(20)}
    assert len(seen) <= 2

    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await threads.run(fail)
    assert await threads.run(lambda: 1) == 1
    threads.end()


async def test_what_has_not_begun_at_the_end_never_does() -> None:
    threads, begun, may_end = CallThreads(1), threading.Event(), threading.Event()

    def first() -> bool:
        begun.set()
        return may_end.wait(20)

    one = asyncio.ensure_future(threads.run(first))
    await asyncio.to_thread(begun.wait, 20)
    two = asyncio.ensure_future(threads.run(lambda: None))
    await asyncio.sleep(0)
    threads.end()
    may_end.set()
    assert await one
    with pytest.raises(asyncio.CancelledError):
        await two
