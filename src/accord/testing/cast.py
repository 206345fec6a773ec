"""The agents of a simulation: their results are pure functions of their input, whatever the weather does to them, and
every piece of work leaves a trace.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from accord.domain.document import INLINE_BYTES
from accord.sdk import Agent, CallFailed, Context, Failure
from accord.sdk.agent import Bound, Terms
from accord.sdk.outcome import Output
from accord.testing.weather import Weather

PAIR = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
MADE = {"type": "object", "properties": {"made": {}}, "required": ["made"], "additionalProperties": False}
INTEGER: dict[str, Any] = {"type": "integer"}

LARGE = b'"%b"' % (b"x" * INLINE_BYTES)
"""A document that has to be in the blob store."""

GREED = 5
"""So many calls the greedy agent makes, where it may."""

Trace = tuple[str, str]
"""The idempotency key of an effect, and the capability that had it."""


class Cast:
    """Agents, and what all of them have done."""

    def __init__(self, rng: random.Random, weather: Weather, *, calls: bool = False) -> None:
        self._rng = rng
        self._calls = calls
        """Whether there are agents that ask others while they work."""
        self._weather = weather
        self.traces: dict[Trace, Any] = {}
        """The value of every effect."""
        self._reliable: set[str] = set()
        self.conflicts: list[str] = []
        """Effects that were asked for under one key with different inputs."""

    def adder(self, name: str, *, late: bool = False, reliable: bool = False) -> Agent:
        """An agent that does all the arithmetic of the workflows; or (`late`) that which the others cannot. What a
        `reliable` one gives keeps its contract: with one among them, no contract is ever suspect.
        """
        if reliable:
            self._reliable.add(name)
        agent = Agent(name, concurrency=self._rng.randint(1, 3), queue=self._rng.randint(0, 4))
        if late:
            self._offer(agent, "late.add", PAIR, _sum)
            return agent
        self._offer_all(agent, "1.0.0")
        return agent

    def upgraded(self, adder: Agent) -> Agent:
        """The next release of an agent: the same under a newer version."""
        agent = Agent(adder.name, concurrency=adder.capacity.concurrency, queue=adder.capacity.queue)
        self._offer_all(agent, "1.1.0")
        return agent

    def quack(self) -> Agent:
        """A diagnostic agent whose answers are no diagnoses, although they keep its own contract."""
        agent = Agent("quack", concurrency=2, queue=4)

        async def body(document: bytes, context: Context) -> Output:
            await asyncio.sleep(self._rng.random() * self._weather.slow_s)
            answers = (b'{"verdict":"amputate"}', b'"no idea"', b'{"verdict":"repaired","explanation":"?"}', b"null")
            return Output(self._rng.choice(answers))

        agent.offer("accord.diagnose@1.0.0", Terms(), lambda: Bound(body, {}, {}))
        return agent

    def stranger(self) -> Agent:
        """An agent with a key and a card, who has no business with anybody's tasks."""
        agent = Agent("mallory", concurrency=1, queue=1)
        self._offer(agent, "other.thing", PAIR, _sum)
        return agent

    def _offer_all(self, agent: Agent, version: str) -> None:
        self._offer(agent, "math.add", PAIR, _sum, version)
        self._offer(agent, "math.undo", MADE, lambda document: 0, version)
        self._offer(agent, "math.broken", PAIR, _refuse, version)
        self._offer(agent, "math.hang", PAIR, None, version)
        if self._calls:
            self._offer_asking(agent, "math.twice", self._ask_twice, version)
            self._offer_asking(agent, "math.greedy", _ask_again_and_again, version)

    def _offer(
        self,
        agent: Agent,
        capability: str,
        schema: dict[str, Any],
        compute: Callable[[Any], Any] | None,
        version: str = "1.0.0",
    ) -> None:
        async def body(document: bytes, context: Context) -> Output:
            await self._delay(hangs=compute is None)
            assert compute is not None  # noqa: S101 - what hangs does not come here
            value = compute(orjson.loads(document))
            self._trace(context, capability, value)
            await asyncio.sleep(self._rng.random() * self._weather.slow_s)
            return Output(orjson.dumps(value)) if agent.name in self._reliable else self._result(value)

        agent.offer(f"{capability}@{version}", Terms(), lambda: Bound(body, schema, INTEGER))

    def _offer_asking(
        self, agent: Agent, capability: str, compute: Callable[[Any, Context], Awaitable[int]], version: str
    ) -> None:
        async def body(document: bytes, context: Context) -> Output:
            await self._delay(hangs=False)
            value = await compute(orjson.loads(document), context)
            self._trace(context, capability, value)
            return self._result(value)

        agent.offer(f"{capability}@{version}", Terms(), lambda: Bound(body, PAIR, INTEGER))

    async def _ask_twice(self, document: Any, context: Context) -> int:
        """Adds by asking for the capability, and adds once more by asking for it in words. What came to nothing may
        come to something at the next attempt.
        """
        try:
            once = await context.call("math.add@^1", document)
            return int(await context.plan("add two numbers", {"a": once, "b": document["b"]}))
        except CallFailed as error:
            raise Failure("nobody", "nothing came of a call", retryable=True) from error

    async def _delay(self, *, hangs: bool) -> None:
        if hangs or self._rng.random() < self._weather.hang:
            await asyncio.Event().wait()
        await asyncio.sleep(self._rng.random() * self._weather.slow_s)
        chance = self._rng.random()
        if chance < self._weather.fail:
            raise Failure("flaky", "not now", retryable=True)
        if chance < 1.5 * self._weather.fail:
            raise RuntimeError("a fault of the agent")

    def _trace(self, context: Context, capability: str, value: Any) -> None:
        trace = (context.idempotency_key, capability)
        if self.traces.setdefault(trace, value) != value:
            self.conflicts.append(f"{trace}: {self.traces[trace]} and {value}")

    def _result(self, value: Any) -> Output:
        chance = self._rng.random()
        confidence = round(self._rng.random(), 3)
        if chance < self._weather.break_contract:
            broken = (b'"%d"' % value, b'{"error":"oops"}', b"not json", b"", b"[null]", b"1.5", LARGE)
            return Output(self._rng.choice(broken), confidence)
        return Output(orjson.dumps(value), confidence)


def _sum(document: Any) -> int:
    return int(document["a"]) + int(document["b"])


async def _ask_again_and_again(document: Any, context: Context) -> int:
    """Asks for more than anybody may."""
    for more in range(GREED):
        await context.call("math.add@^1", {"a": document["a"], "b": more})
    return 0


def _refuse(document: Any) -> int:
    raise Failure("broken", "this is never possible", retryable=False)
