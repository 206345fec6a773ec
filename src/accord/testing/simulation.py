"""The simulation: programs on simulated time, in which a seed decides whatever chance decides elsewhere. The same seed
gives the same history, byte for byte. What surrounds an orchestrator in it is in `accord.testing.world`.
"""

from __future__ import annotations

import asyncio
import random
from asyncio import events
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When every simulation begins."""

SHUFFLED = 0.2
"""How often what is ready runs in another order than it became so."""

_NEVER_S = 30 * 86_400.0


class Deadlock(AssertionError):
    """Everybody waits, and nothing will ever happen; or the simulated time has run out, thirty days by default."""


class LeftOver(AssertionError):
    """A scenario has ended, and tasks of it go on."""


class _NoSelector:
    """Stands where a loop waits for the world: there is no world, so time jumps to the next timer."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Let time pass."""
        if timeout is None:
            raise Deadlock("nothing is ready and no timer is set; these wait:\n" + self._loop.waiting())
        self._loop.pass_time(timeout)
        return []

    def close(self) -> None:
        """Nothing is open."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop whose time is simulated and whose ready callbacks run in an order that the seed decides."""

    def __init__(self, rng: random.Random, until_s: float = _NEVER_S) -> None:
        super().__init__()
        self._now_s = 0.0
        self._rng = rng
        self._selector = _NoSelector(self)
        self._clock_resolution = 1e-6  # finer steps than a double has would stand still
        self._until_s = until_s
        self.set_exception_handler(self._note)
        self.unhandled: list[str] = []
        """Exceptions that nobody has taken notice of."""

    def time(self) -> float:
        """Simulated seconds."""
        return self._now_s

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass."""
        self._now_s += seconds
        if self._now_s > self._until_s:
            self._until_s = float("inf")
            raise Deadlock(f"{self._now_s / 86_400:.0f} simulated days have passed; these wait:\n" + self.waiting())

    def waiting(self) -> str:
        """All tasks, and where each of them waits."""
        return "\n".join(sorted(map(_where, asyncio.all_tasks(self))))

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """Runs at once: a thread would be an order that no seed decides."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]  # the queue of BaseEventLoop
        if len(ready) > 1 and self._rng.random() < SHUFFLED:
            shuffled = list(ready)
            self._rng.shuffle(shuffled)
            ready.clear()
            ready.extend(shuffled)
        super()._run_once()  # type: ignore[misc]  # the step of BaseEventLoop

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.unhandled.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no events of a world."""

    def _write_to_self(self) -> None:
        """Nothing to wake: there are no threads."""


def _where(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack()
    place = f"{frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else "its end"
    return f"{task.get_name()} at {place}"


def run_simulated(
    rng: random.Random, program: Callable[[SimulatedLoop], Coroutine[Any, Any, T]], until_s: float = _NEVER_S
) -> T:
    """What the program gives on simulated time. Raises Deadlock, also when so much time has passed; LeftOver where
    tasks of it, or their exceptions, are left.
    """
    loop = SimulatedLoop(rng, until_s)
    try:
        asyncio.set_event_loop(loop)
        result = loop.run_until_complete(program(loop))
        left = loop.waiting()
        if left or loop.unhandled:
            raise LeftOver("\n".join([*left.splitlines(), *loop.unhandled]))
        return result
    finally:
        _silence(loop)
        asyncio.set_event_loop(None)
        events._set_running_loop(None)
        loop.close()


def _silence(loop: SimulatedLoop) -> None:
    """End what a failed program has left, so that it does not complain when it is collected."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=60))


class SimulatedClock:
    """Simulated wall-clock time, which may be set."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop
        self.offset = timedelta(0)

    def now(self) -> datetime:
        """The present."""
        return EPOCH + timedelta(seconds=self._loop.time()) + self.offset


class SeededIds:
    """Tokens and numbers of the seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def token(self) -> str:
        """26 characters."""
        return "".join(self._rng.choices("0123456789abcdefghijklmnopqrstuv", k=26))

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return self._rng.random()
