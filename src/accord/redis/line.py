"""The line: one connection for everything that a process asks of the server, many questions at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeAlias

from accord.redis.driver import Connection, exceptions
from accord.redis.errors import FAILURES, as_bus_error, closed, is_elsewhere
from accord.redis.scripts import digest_of, scripts

Argument: TypeAlias = bytes | str | int

BATCH_BYTES = 16 << 20
"""Questions of so many bytes together are sent in one batch, or a longer one alone."""


class _Question:
    """A call of a script, and whoever waits for what it gives."""

    __slots__ = ("answered", "arguments", "name", "size_bytes")

    def __init__(self, name: str, arguments: Sequence[Argument]) -> None:
        self.name = name
        self.arguments = arguments
        self.size_bytes = sum(len(one) for one in arguments if not isinstance(one, int))
        self.answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @property
    def command(self) -> tuple[Argument, ...]:
        return ("EVALSHA", digest_of(self.name), 0, *self.arguments)


class Line:
    """Asks the server in the order of the calls: while some questions are under way, the next ones gather.

    A connection that is lost is made again for the next question. What was under way raises, and may have happened.
    """

    def __init__(self, address: object, connect: Callable[[], Connection]) -> None:
        self._address = address
        self._connect = connect
        self._connection: Connection | None = None
        self._waiting: list[_Question] = []
        self._wake = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Raises BusUnavailable where the server cannot be reached, or lacks our scripts and may not be given them."""
        try:
            await self._load(await self._connected())
        except FAILURES as error:
            await self._hang_up()
            raise as_bus_error(error, self._address) from error
        self._asking = asyncio.create_task(self._ask_for_ever(), name="accord-redis-line")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.wait([asking])
        self._give_up(self._waiting, closed(self._address))
        await self._hang_up()

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now; there is one again as soon as something is asked."""
        return self._connection is not None

    def ask(self, name: str, *arguments: Argument) -> asyncio.Future[Any]:
        """What the script gives, once it has run. It runs also where nobody waits for it any more.

        The future raises BusUnavailable.
        """
        question = _Question(name, arguments)
        if self._asking is None:
            question.answered.set_exception(closed(self._address))
        else:
            self._waiting.append(question)
            self._wake.set()
        return question.answered

    async def _ask_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            batch = self._next_batch()
            try:
                await self._ask_all(batch)
            except FAILURES as error:
                await self._hang_up()
                self._give_up(batch, as_bus_error(error, self._address))
            except asyncio.CancelledError:
                self._give_up(batch, closed(self._address))
                raise

    def _next_batch(self) -> list[_Question]:
        size = count = 0
        for question in self._waiting:
            size += question.size_bytes
            if count and size > BATCH_BYTES:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        if not self._waiting:
            self._wake.clear()
        return batch

    async def _ask_all(self, batch: Sequence[_Question]) -> None:
        connection = await self._connected()
        answers = await _answers(connection, [question.command for question in batch])
        if any(isinstance(answer, exceptions.NoScriptError) for answer in answers):
            await self._load(connection)
            answers = [
                (await _answers(connection, [question.command]))[0] if _is_unknown(answer) else answer
                for question, answer in zip(batch, answers, strict=True)
            ]
        for question, answer in zip(batch, answers, strict=True):
            _tell(question, answer, self._address)
        if any(map(is_elsewhere, answers)):
            await self._hang_up()

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._connect()
        await self._connection.connect()  # type: ignore[no-untyped-call]  # the driver tells no types here
        return self._connection

    async def _load(self, connection: Connection) -> None:
        """Bring our scripts; where our user may not, those have to be there that others have brought."""
        for answer in await _answers(connection, [("SCRIPT LOAD", one.text) for one in scripts().values()]):
            if isinstance(answer, exceptions.NoPermissionError):
                return
            if isinstance(answer, Exception):
                raise answer

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(*FAILURES):  # whatever a connection says that is not needed any more
                await connection.disconnect(nowait=True)

    def _give_up(self, batch: Sequence[_Question], error: Exception) -> None:
        for question in batch:
            if not question.answered.done():
                question.answered.set_exception(error)
                question.answered.exception()  # whoever asked may have gone


async def _answers(connection: Connection, commands: Sequence[Sequence[Argument]]) -> list[Any]:
    """What the server answers to each command, refusals included. Raises FAILURES where an answer is missing."""
    await connection.send_packed_command(connection.pack_commands(commands))
    answers: list[Any] = []
    for _ in commands:
        try:
            answers.append(await connection.read_response())
        except exceptions.ResponseError as refusal:
            answers.append(refusal)
    return answers


def _is_unknown(answer: object) -> bool:
    return isinstance(answer, exceptions.NoScriptError)


def _tell(question: _Question, answer: object, address: object) -> None:
    if question.answered.done():
        return
    if isinstance(answer, Exception):
        question.answered.set_exception(as_bus_error(answer, address))
        question.answered.exception()  # whoever asked may have gone
    else:
        question.answered.set_result(answer)
