"""A program that is started once, as the body of a capability: a line of JSON for each task, one for each answer."""

from __future__ import annotations

import asyncio
import logging
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from accord.domain.message import PAYLOAD_MAX_BYTES, strict_json
from accord.domain.payloads import ProgressPayload
from accord.errors import BadInput, MessageRefused
from accord.sdk.context import Context, Link
from accord.sdk.envelope import Envelope
from accord.sdk.outcome import Failure, Output
from accord.sdk.process import CHUNK_BYTES, STDERR_MAX_BYTES, end_in_words, kill_group, spawned
from accord.sdk.written import Written

logger = logging.getLogger("accord.agent")

LINE_MAX_BYTES: Final = PAYLOAD_MAX_BYTES + (1 << 16)
"""Bound of an answer: the largest output, and what is around it."""

CANCEL_GRACE_S: Final = 5.0
"""How long a program has to answer a task that was cancelled before it is ended."""

STOP_GRACE_S: Final = 2.0
"""How long a program has to end by itself when there is nothing more to do."""

END_WITHIN_S: Final = 1.0
"""How long is waited for the last words of a program that was killed."""

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 30.0
"""How long a program that has ended is not started again; doubles while it gives no answer."""


class _Answer(Envelope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of the program: an `output` or a `failure` ends the task `id`; `progress` does not."""

    id: str
    progress: ProgressPayload | None = None


class LinesBody:
    """Hands tasks to one process of a program while it is open: several at once, each on a line that begins the task
    and on one that answers it.

    The process is started with the first task, and after it has ended with the next one, not before a back-off. It is
    killed with its process group when it writes what is no answer, when a task that was cancelled is not answered
    within `CANCEL_GRACE_S`, and when nobody has this open any more; other tasks in it may be tried again.
    """

    def __init__(
        self, argv: Sequence[str], environment: Mapping[str, str], *, line_max_bytes: int = LINE_MAX_BYTES
    ) -> None:
        self._argv = tuple(argv)
        self._environment = environment
        self._line_max_bytes = line_max_bytes
        self._starting = asyncio.Lock()
        self._program: _Program | None = None
        self._numbers = count(1)
        self._backoff_s = 0.0
        self._users = 0

    async def __aenter__(self) -> Self:
        self._users += 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users -= 1
        if not self._users and self._program is not None:
            program, self._program = self._program, None
            await program.stop()

    async def __call__(self, document: bytes, context: Context) -> Output:
        program = await self._running()
        outcome = await program.ask(str(next(self._numbers)), document, context)
        if isinstance(outcome, Failure):
            raise outcome
        return outcome

    async def _running(self) -> _Program:
        async with self._starting:
            if not self._users:
                raise Failure("command-stopped", f"{self._argv[0]} is not to be started any more", retryable=True)
            if self._program is None or self._program.ended:
                await self._wait_for_turn()
                process = await spawned(self._argv, self._environment, line_max_bytes=self._line_max_bytes)
                self._program = _Program(self._argv[0], process)
            return self._program

    async def _wait_for_turn(self) -> None:
        """A program that has ended is not started again at once, and later and later while it gives no answer."""
        if self._program is not None:
            grown_s = BACKOFF_FIRST_S if self._program.has_answered else 2 * self._backoff_s
            self._backoff_s = min(max(grown_s, BACKOFF_FIRST_S), BACKOFF_MAX_S)
            await asyncio.sleep(self._backoff_s)


class _Task(msgspec.Struct):
    context: Context
    answered: asyncio.Future[Output | Failure]


class _Program:
    """One process and the tasks that it has."""

    def __init__(self, name: str, process: Process) -> None:
        assert process.stdin and process.stdout and process.stderr  # noqa: PT018, S101 -- all three are pipes
        self._name = name
        self._process = process
        self._input, self._output, self._errors = process.stdin, process.stdout, process.stderr
        self._tasks: dict[str, _Task] = {}
        self._complaint = b""
        self._broken = ""
        self.ended = False
        self.has_answered = False
        self._listening = asyncio.create_task(self._listen(), name=f"listening to {name}")

    async def ask(self, task: str, document: bytes, context: Context) -> Output | Failure:
        """What the program makes of the task. When this is cancelled, the program is asked to stop doing it."""
        answered: asyncio.Future[Output | Failure] = asyncio.get_running_loop().create_future()
        self._tasks[task] = _Task(context, answered)
        try:
            await self._write(_request(task, document, context))
            return await asyncio.shield(answered)
        except asyncio.CancelledError:
            await self._call_off(task, answered)
            raise
        finally:
            del self._tasks[task]

    async def stop(self) -> None:
        """Let the program end by itself, as it does when its input ends; else end it."""
        self._input.close()
        await asyncio.wait({self._listening}, timeout=STOP_GRACE_S)
        kill_group(self._process)
        await self._listening

    async def _call_off(self, task: str, answered: asyncio.Future[Output | Failure]) -> None:
        await self._write(msgspec.json.encode({"id": task, "cancel": True}) + b"\n")
        await asyncio.wait({answered}, timeout=CANCEL_GRACE_S)
        if not answered.done():
            self._end("a task that was cancelled was not answered")

    async def _write(self, line: bytes) -> None:
        with suppress(ConnectionError):  # it has ended: its tasks are told so
            if self._input.is_closing():  # uvloop says so by a RuntimeError
                return
            self._input.write(line)
            await self._input.drain()

    def _end(self, why: str) -> None:
        self._broken = self._broken or why
        self.ended = True
        kill_group(self._process)

    async def _listen(self) -> None:
        overhearing = asyncio.create_task(self._overhear(), name=f"overhearing {self._name}")
        try:
            while line := await self._output.readline():
                self._take(line)
        except (ValueError, MessageRefused, BadInput) as error:
            self._end(f"a line that is no answer: {error}")
        finally:
            self.ended = True
            kill_group(self._process)
            self._input.close()
            # What has left the group may still hold the pipes open, and so asyncio from seeing the end.
            await asyncio.wait({overhearing}, timeout=END_WITHIN_S)
            overhearing.cancel()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), END_WITHIN_S)
            self._fail_all(self._process.returncode or 0)

    def _take(self, line: bytes) -> None:
        strict_json(line, max_bytes=LINE_MAX_BYTES)
        try:
            answer = msgspec.json.decode(line, type=_Answer)
        except msgspec.ValidationError as error:
            raise MessageRefused.of("ACC330", str(error)) from None
        task = self._tasks.get(answer.id)
        if answer.progress is not None:
            if task is not None:
                task.context.progress(answer.progress.fraction, answer.progress.message)
            return
        outcome = answer.outcome()
        self.has_answered = True
        if task is not None and not task.answered.done():
            task.answered.set_result(outcome)

    async def _overhear(self) -> None:
        written = Written(self._whose)
        while chunk := await self._errors.read(CHUNK_BYTES):
            self._complaint = (self._complaint + chunk)[-STDERR_MAX_BYTES:]
            written.feed(chunk)
        written.close()

    def _whose(self, said: Mapping[str, Any]) -> Link | None:
        """Whose log a line of the program's is: of the task that it names, or of the only one that it has."""
        named = said.get("id")
        if named is None and len(self._tasks) == 1:
            (task,) = self._tasks.values()
            return task.context.link
        known = self._tasks.get(named) if isinstance(named, str) else None
        return known.context.link if known is not None else None

    def _fail_all(self, code: int) -> None:
        if self._broken:
            logger.warning("%s was ended: %s", self._name, self._broken)
        words = f"{self._broken}; " if self._broken else ""
        message = words + end_in_words(self._name, code, self._complaint)
        for task in self._tasks.values():
            if not task.answered.done():
                failure = Failure("command-ended", message, retryable=True, details={"exit_code": code})
                task.answered.set_result(failure)


def _request(task: str, document: bytes, context: Context) -> bytes:
    """The line that begins a task. A line break in a JSON document is only ever white space."""
    told = {
        "run": context.run,
        "task": context.task,
        "attempt": context.attempt,
        "idempotency_key": context.idempotency_key,
    }
    flat = document.replace(b"\n", b" ").replace(b"\r", b" ")
    return b'{"id":"%b","input":%b,"context":%b}\n' % (task.encode(), flat, msgspec.json.encode(told))
