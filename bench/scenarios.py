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

from accord.domain.ids import Digest
from accord.engine.node import Node
from accord.templates.reading import read_source
from bench.deployment import orchestrator, staffed
from bench.measure import Family, Figures, Meter, Readings
from bench.servers import running

TEXT = "x" * 260
"""Makes inputs and outputs of about 300 bytes."""

HOP: dict[str, Any] = {"n": {"type": "integer"}, "text": {"type": "string"}}
"""The members of a hop's input and output."""

Measure = Callable[[float], Awaitable[Figures | Readings]]


class Scenario(msgspec.Struct, frozen=True):
    """A measurement with a name."""

    name: str
    what: str
    measure: Measure

    async def run(self, *, scale: float) -> Figures | Readings:
        """Measure."""
        return await self.measure(scale)


ON: dict[str, tuple[str, ...]] = {
    "embedded": (),
    "postgres": ("postgres",),
    "postgres+nats": ("postgres", "nats"),
    "postgres+redis": ("postgres", "redis"),
}
"""The servers that are started for a measurement, by what it is on."""


@asynccontextmanager
async def _node(on: str) -> AsyncIterator[tuple[Node, Meter]]:
    """An orchestrator with its agents, and a meter of everything."""
    with tempfile.TemporaryDirectory() as folder, running(ON[on]) as servers:
        addresses = {kind: one.address for kind, one in servers.items()}
        home = Path(folder) / "home"
        async with orchestrator(addresses, home) as node, staffed(node, addresses, home) as children:
            counted = (*(one.pid for one in servers.values()), *children)
            yield node, Meter([Family(pid) for pid in counted])


async def publish(node: Node, template: dict[str, Any]) -> Digest:
    """The template, published."""
    source = read_source(json.dumps(template), file="bench.json")
    return await node.publish(source.template, source.data)


async def one_run(node: Node, digest: Digest, value: Any, meter: Meter, handoffs: int) -> None:
    """A run, measured from its start to its end, which has to be a good one."""
    with meter.run(handoffs):
        run = await node.start_run(digest, value)
        ended = await node.ended(run.id)
    if ended.phase != "completed":
        raise RuntimeError(f"{ended.id} {ended.phase}: {ended.problem}")


def template_of(name: str, tasks: dict[str, Any], output: str, properties: dict[str, Any]) -> dict[str, Any]:
    """A template with these tasks."""
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


def hops(count: int) -> dict[str, Any]:
    """The tasks of a chain."""
    tasks: dict[str, Any] = {}
    before = "input"
    for number in range(count):
        inputs = {"n": f"${{ {before}.n }}", "text": f"${{ {before}.text }}"}
        tasks[f"t{number}"] = {"uses": "bench.hop@^1", "with": inputs}
        before = f"tasks.t{number}.output"
    return tasks


def chain() -> dict[str, Any]:
    """The template of 5 steps, one after the other."""
    return template_of("chain", hops(5), "${ tasks.t4.output }", HOP)


def fan() -> dict[str, Any]:
    """The template of 1 → as many as the input says → 1."""
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
    return template_of("fan", tasks, "${ tasks.counts.output }", {"count": {"type": "integer"}})


async def chains(node: Node, in_flight: int, count: int, meter: Meter) -> Figures:
    """The figures of so many runs of 5 steps, so many of them in flight."""
    digest = await publish(node, chain())
    await one_run(node, digest, {"n": 0, "text": TEXT}, Meter(), 5)
    places = asyncio.Semaphore(in_flight)

    async def place(number: int) -> None:
        async with places:
            await one_run(node, digest, {"n": number, "text": TEXT}, meter, 5)

    with meter.measuring():
        await asyncio.gather(*(place(number) for number in range(count)))
    return meter.figures()


def _chain(on: str, in_flight: int, runs: int) -> Measure:
    async def measure(scale: float) -> Figures:
        async with _node(on) as (node, meter):
            return await chains(node, in_flight, max(int(runs * scale), in_flight), meter)

    return measure


def _fan(on: str, width: int, runs: int) -> Measure:
    async def measure(scale: float) -> Figures:
        wide = max(int(width * (scale if runs == 1 else 1)), 10)
        async with _node(on) as (node, meter):
            digest = await publish(node, fan())
            await one_run(node, digest, {"count": 3}, Meter(), 5)
            with meter.measuring():
                await asyncio.gather(*(one_run(node, digest, {"count": wide}, meter, wide + 2) for _ in range(runs)))
        return meter.figures()

    return measure


def _large(on: str, tasks: int, branches: int) -> Measure:
    async def measure(scale: float) -> Figures:
        count = max(int(tasks * scale), branches)
        spec: dict[str, Any] = {}
        for number in range(count):
            before = "input" if number < branches else f"tasks.t{number - branches}.output"
            inputs = {"n": f"${{ {before}.n }}", "text": f"${{ {before}.text }}"}
            spec[f"t{number}"] = {"uses": "bench.hop@^1", "with": inputs}
        last = f"${{ tasks.t{count - 1}.output.n }}"
        template = template_of("large", spec, last, HOP)
        async with _node(on) as (node, meter):
            digest = await publish(node, template)
            with meter.measuring():
                await one_run(node, digest, {"n": 0, "text": TEXT}, meter, count)
        return meter.figures()

    return measure


def on(place: str) -> tuple[Scenario, ...]:
    """Those of an orchestrator and its agents, on one of the places of `ON`."""
    return (
        Scenario("lone", "one run of 5 steps at a time", _chain(place, 1, 100)),
        Scenario("chain-10", "5 steps, 10 runs in flight", _chain(place, 10, 500)),
        Scenario("chain-100", "5 steps, 100 runs in flight", _chain(place, 100, 2_000)),
        Scenario("chain-500", "5 steps, 500 runs in flight", _chain(place, 500, 4_000)),
        Scenario("fan-out", "1 → 100 → 1, 10 runs at once", _fan(place, 100, 10)),
        Scenario("wide", "1 → 10 000 → 1", _fan(place, 10_000, 1)),
        Scenario("large-1000", "a graph of 1 000 tasks, 100 branches", _large(place, 1_000, 100)),
        Scenario("large-10000", "a graph of 10 000 tasks, 100 branches", _large(place, 10_000, 100)),
        Scenario("large-100000", "a graph of 100 000 tasks, 100 branches", _large(place, 100_000, 100)),
    )
