"""The scenarios: chains, fans, expansions, large graphs; every hand-off is signed, verified, checked and journalled."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from typing_extensions import TypedDict

from accord.app import host, open_node
from accord.domain.ids import Digest
from accord.engine.node import Node
from accord.engine.parts import Tuning
from accord.sdk import Agent
from accord.settings import Settings
from accord.templates.reading import read_source
from bench.measure import Figures, Meter

TEXT = "x" * 260
"""Makes inputs and outputs of about 300 bytes."""

agent = Agent("bench", concurrency=2_000, queue=20_000)


class Hop(TypedDict):
    """What every task of the bench takes and gives."""

    n: int
    text: str


@agent.capability("bench.hop@1.0.0", description="Adds one.")
async def hop(n: int, text: str) -> Hop:
    """The least that an agent can do."""
    return {"n": n + 1, "text": text}


@agent.capability("bench.items@1.0.0", description="Makes a list.")
async def items(count: int) -> list[int]:
    """The items of a fan."""
    return list(range(count))


@agent.capability("bench.total@1.0.0", description="Adds up.")
async def total(numbers: list[int]) -> int:
    """The end of a fan."""
    return sum(numbers)


Measure = Callable[[float], Awaitable[Figures]]


class Scenario(msgspec.Struct, frozen=True):
    """A measurement with a name."""

    name: str
    what: str
    measure: Measure

    async def run(self, *, scale: float) -> Figures:
        """Measure."""
        return await self.measure(scale)


@asynccontextmanager
async def _node() -> AsyncIterator[Node]:
    tuning = Tuning(max_runs=100_000, max_waiting=1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        async with open_node(Settings(home=Path(folder) / "home"), tuning) as node, host(node, [agent]):
            yield node


async def _publish(node: Node, template: dict[str, Any]) -> Digest:
    source = read_source(json.dumps(template), file="bench.json")
    return await node.publish(source.template, source.data)


async def _one(node: Node, digest: Digest, value: Any, meter: Meter, handoffs: int) -> None:
    with meter.run(handoffs):
        run = await node.start_run(digest, value)
        ended = await node.ended(run.id)
    if ended.phase != "completed":
        raise RuntimeError(f"{ended.id} {ended.phase}: {ended.problem}")


def _template(name: str, tasks: dict[str, Any], output: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "accord": "template/1",
        "name": name,
        "version": "1.0.0",
        "input": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
        "limits": {"parallel": 1000},
        "tasks": tasks,
        "output": output,
    }


def _hops(count: int) -> dict[str, Any]:
    tasks: dict[str, Any] = {}
    before = "input"
    for number in range(count):
        inputs = {"n": f"${{ {before}.n }}", "text": f"${{ {before}.text }}"}
        tasks[f"t{number}"] = {"uses": "bench.hop@^1", "with": inputs}
        before = f"tasks.t{number}.output"
    return tasks


def _chain(in_flight: int, runs: int) -> Measure:
    async def measure(scale: float) -> Figures:
        meter = Meter()
        count = max(int(runs * scale), in_flight)
        template = _template(
            "chain", _hops(5), "${ tasks.t4.output }", {"n": {"type": "integer"}, "text": {"type": "string"}}
        )
        async with _node() as node:
            digest = await _publish(node, template)
            await _one(node, digest, {"n": 0, "text": TEXT}, Meter(), 5)
            places = asyncio.Semaphore(in_flight)

            async def place(number: int) -> None:
                async with places:
                    await _one(node, digest, {"n": number, "text": TEXT}, meter, 5)

            with meter.measuring():
                await asyncio.gather(*(place(number) for number in range(count)))
        return meter.figures()

    return measure


def _fan(width: int, runs: int) -> Measure:
    async def measure(scale: float) -> Figures:
        meter = Meter()
        wide = max(int(width * (scale if runs == 1 else 1)), 10)
        tasks = {
            "items": {"uses": "bench.items@^1", "with": {"count": "${ input.count }"}},
            "hops": {
                "uses": "bench.hop@^1",
                "for_each": "${ tasks.items.output }",
                "with": {"n": "${ item }", "text": TEXT},
            },
            "counts": {
                "uses": "bench.total@^1",
                "needs": ["hops"],
                "with": {"numbers": "${ tasks.items.output }"},
            },
        }
        template = _template("fan", tasks, "${ tasks.counts.output }", {"count": {"type": "integer"}})
        async with _node() as node:
            digest = await _publish(node, template)
            await _one(node, digest, {"count": 3}, Meter(), 5)
            with meter.measuring():
                await asyncio.gather(*(_one(node, digest, {"count": wide}, meter, wide + 2) for _ in range(runs)))
        return meter.figures()

    return measure


def _large(tasks: int, branches: int) -> Measure:
    async def measure(scale: float) -> Figures:
        meter = Meter()
        count = max(int(tasks * scale), branches)
        spec: dict[str, Any] = {}
        for number in range(count):
            before = "input" if number < branches else f"tasks.t{number - branches}.output"
            inputs = {"n": f"${{ {before}.n }}", "text": f"${{ {before}.text }}"}
            spec[f"t{number}"] = {"uses": "bench.hop@^1", "with": inputs}
        last = f"${{ tasks.t{count - 1}.output.n }}"
        template = _template("large", spec, last, {"n": {"type": "integer"}, "text": {"type": "string"}})
        async with _node() as node:
            digest = await _publish(node, template)
            with meter.measuring():
                await _one(node, digest, {"n": 0, "text": TEXT}, meter, count)
        return meter.figures()

    return measure


SCENARIOS = (
    Scenario("lone", "one run of 5 steps at a time", _chain(1, 100)),
    Scenario("chain-10", "5 steps, 10 runs in flight", _chain(10, 500)),
    Scenario("chain-100", "5 steps, 100 runs in flight", _chain(100, 2_000)),
    Scenario("chain-500", "5 steps, 500 runs in flight", _chain(500, 4_000)),
    Scenario("fan-out", "1 → 100 → 1, 10 runs at once", _fan(100, 10)),
    Scenario("wide", "1 → 10 000 → 1", _fan(10_000, 1)),
    Scenario("large-1000", "a graph of 1 000 tasks, 100 branches", _large(1_000, 100)),
    Scenario("large-10000", "a graph of 10 000 tasks, 100 branches", _large(10_000, 100)),
    Scenario("large-100000", "a graph of 100 000 tasks, 100 branches", _large(100_000, 100)),
)
