"""A program as the body of a capability: the input on its standard input, the output from its standard output."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from accord.domain.message import PAYLOAD_MAX_BYTES, strict_json
from accord.errors import MessageRefused
from accord.sdk.context import Context
from accord.sdk.envelope import opened
from accord.sdk.outcome import Failure, Output
from accord.sdk.process import CHUNK_BYTES, STDERR_MAX_BYTES, end_in_words, kill_group, spawned
from accord.sdk.schema import not_json
from accord.sdk.written import Written

NEVER_AGAIN: Final = frozenset((os.EX_USAGE, os.EX_DATAERR, os.EX_NOINPUT))
"""Exit codes (sysexits.h) that say: the same input fails again. All others may be tried again."""


class CommandBody:
    """Runs a program without a shell, in a process group of its own and with a minimal environment.

    The group is killed when the attempt is cancelled or overdue, or writes more than `max_bytes`. The variables
    `ACCORD_RUN`, `ACCORD_TASK`, `ACCORD_ATTEMPT` and `ACCORD_IDEMPOTENCY_KEY` name the attempt. With `envelope`, what
    it writes is not the output itself, but an envelope around it. What it writes to its standard error is its log: see
    `written`.
    """

    __slots__ = ("_argv", "_envelope", "_environment", "_max_bytes")

    def __init__(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        envelope: bool = False,
        max_bytes: int = PAYLOAD_MAX_BYTES,
    ) -> None:
        self._argv = tuple(argv)
        self._environment = environment
        self._envelope = envelope
        self._max_bytes = max_bytes

    async def __call__(self, document: bytes, context: Context) -> Output:
        process = await self._spawned(context)
        try:
            output, complaint = await self._talk(process, document, context)
            await process.wait()
        finally:
            kill_group(process)
            await _gone(process)
        if process.returncode:
            raise self._failed(process.returncode, complaint)
        return opened(output) if self._envelope else _plain(output.strip())

    async def _spawned(self, context: Context) -> Process:
        attempt = {
            "ACCORD_RUN": context.run,
            "ACCORD_TASK": context.task,
            "ACCORD_ATTEMPT": str(context.attempt),
            "ACCORD_IDEMPOTENCY_KEY": context.idempotency_key,
        }
        return await spawned(self._argv, {**self._environment, **attempt})

    async def _talk(self, process: Process, document: bytes, context: Context) -> tuple[bytes, bytes]:
        assert process.stdin and process.stdout and process.stderr  # noqa: PT018, S101 -- all three are pipes
        talking = (
            asyncio.create_task(_read(process.stdout, self._max_bytes)),
            asyncio.create_task(_overheard(process.stderr, context)),
            asyncio.create_task(_write(process.stdin, document)),
        )
        try:
            output, complaint, _ = await asyncio.gather(*talking)
        finally:
            for task in talking:
                task.cancel()
        return output, complaint

    def _failed(self, code: int, complaint: bytes) -> Failure:
        message = end_in_words(self._argv[0], code, complaint)
        return Failure("command-failed", message, retryable=code not in NEVER_AGAIN, details={"exit_code": code})


def _plain(data: bytes) -> Output:
    try:
        strict_json(data)
    except MessageRefused as error:
        raise not_json(error) from None
    return Output(data)


async def _write(stream: asyncio.StreamWriter, document: bytes) -> None:
    with suppress(ConnectionError):  # a program need not read its input
        if stream.is_closing():  # it has ended already: uvloop says so by a RuntimeError
            return
        stream.write(document)
        await stream.drain()
        stream.close()
        await stream.wait_closed()


async def _read(stream: asyncio.StreamReader, max_bytes: int) -> bytes:
    data = bytearray()
    while chunk := await stream.read(CHUNK_BYTES):
        data += chunk
        if len(data) > max_bytes:
            raise Failure("output-too-large", f"the program wrote more than {max_bytes} bytes")
    return bytes(data)


async def _overheard(stream: asyncio.StreamReader, context: Context) -> bytes:
    """The end of what is written there; each line of it is a line of the attempt's log."""
    end = b""
    written = Written(lambda said: context.link)
    while chunk := await stream.read(CHUNK_BYTES):
        end = (end + chunk)[-STDERR_MAX_BYTES:]
        written.feed(chunk)
    written.close()
    return end


async def _read_end(stream: asyncio.StreamReader) -> bytes:
    end = b""
    while chunk := await stream.read(CHUNK_BYTES):
        end = (end + chunk)[-STDERR_MAX_BYTES:]
    return end


async def _gone(process: Process) -> None:
    """Wait for the end of a killed program. Its pipes have to be read empty: asyncio does not see its end before
    theirs.
    """
    assert process.stdout and process.stderr  # noqa: PT018, S101 -- both are pipes
    await asyncio.gather(_read_end(process.stdout), _read_end(process.stderr))
    await process.wait()
