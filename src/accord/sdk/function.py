"""A Python function as the body of a capability."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from accord.sdk.context import Context
from accord.sdk.making import made
from accord.sdk.outcome import Output, Result
from accord.sdk.parameters import Signature

THREAD_GRACE_S = 5.0
"""How long a cancelled thread has to see that it is."""


class Body(Protocol):
    """What a capability does. One that is an asynchronous context manager, too, is open while a worker runs it."""

    async def __call__(self, document: bytes, context: Context) -> Output:
        """The output for an input that keeps the contract. Raises Failure, or what user code raises."""
        ...


class FunctionBody:
    """Calls a function with the document as its arguments; a plain function is called in a thread."""

    __slots__ = ("_call", "_context", "_function", "_input", "_makes", "_output", "_whole")

    def __init__(self, function: Callable[..., Any], signature: Signature) -> None:
        self._function = function
        self._input = signature.input
        self._output = signature.output
        self._whole = signature.whole
        self._context = signature.context
        self._makes = inspect.isasyncgenfunction(function)
        self._call = self._on_loop if _gives_coroutine(function) else self._in_thread

    async def __call__(self, document: bytes, context: Context) -> Output:
        loaded = self._input.load(document, context.link.payloads)
        arguments: dict[str, Any] = loaded if self._whole is None else {self._whole: loaded}
        if self._context is not None:
            arguments[self._context] = context
        if self._makes:
            return await made(self._function(**arguments), self._output, context.link.payloads)
        returned = await self._call(arguments, context)
        if isinstance(returned, Result):
            return returned.output(self._output.dump(returned.value))
        return Output(self._output.dump(returned))

    def _on_loop(self, arguments: dict[str, Any], context: Context) -> Awaitable[Any]:
        coroutine: Awaitable[Any] = self._function(**arguments)
        return coroutine

    async def _in_thread(self, arguments: dict[str, Any], context: Context) -> Any:
        call = partial(contextvars.copy_context().run, _called, self._function, arguments)
        thread = asyncio.get_running_loop().run_in_executor(context.link.threads, call)
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            # A thread cannot be interrupted, only asked: it has some time to see that it is cancelled.
            await asyncio.wait({thread}, timeout=THREAD_GRACE_S)
            if not thread.done():
                context.link.lingering = thread
            raise


def _called(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    try:
        return function(**arguments)
    except StopIteration as error:
        # It cannot be set on a future: whoever awaits that would wait for ever.
        raise RuntimeError("the function raised StopIteration") from error


def _gives_coroutine(function: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(function)
