"""What is measured over the network: agents in other processes, on Socket.IO connections to a server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from pathlib import Path

from accord.app import open_node
from accord.client.client import Client
from accord.domain.agent import encode_card
from accord.domain.capability import CapabilityRange
from accord.domain.document import document_of
from accord.domain.ids import InstanceId
from accord.domain.state import TaskState, Want
from accord.domain.system import AgentEnrolled, CardAccepted
from accord.engine.node import Node
from accord.engine.parts import Point
from accord.keys.private import PrivateKey
from accord.sdk import Agent
from accord.settings import Settings
from bench.agents import hop, worker
from bench.measure import Figures, Meter, Readings, share
from bench.places import Crowd, Server, crowd, folder, here, served
from bench.scenarios import HOP, TEXT, Scenario, chains, publish, template_of

IDLE_S = 20.0
"""How long connected agents are watched while they do nothing."""

LOOK_EVERY_S = 0.05

CROWDS = 2
"""Processes that many agents are in: the loop of one alone could not keep up with the server."""

SKILLS = 100
"""Capabilities that the agents of a large registry share."""

ROW_BYTES = 1_000
"""What an item of a large array holds."""

READ = {"rows": {"uses": "bench.rows@^1", "with": {"count": "${ input.count }", "text": "${ input.text }"}}}


# -- 1 000 agents ----------------------------------------------------------------------------------------------------


async def connected(scale: float) -> Readings:
    """Agents connected at once: how long that takes, what they cost while they do nothing, and what they get done."""
    count = max(int(1_000 * scale), CROWDS)
    async with folder() as root, served(root / "server") as server, AsyncExitStack() as stack:
        crowds = [
            await stack.enter_async_context(crowd("hopper", server, root, count // CROWDS, part))
            for part in range(CROWDS)
        ]
        await asyncio.gather(*(one.reached("enrolled") for one in crowds))
        held, used = server.process.resident_mib, server.process.cpu_s
        await asyncio.gather(*(one.go_on() for one in crowds))
        took = max(await asyncio.gather(*(one.reached("joined") for one in crowds)))
        values = {
            "agents": float(count),
            "all connected after, s": took,
            "server CPU for each connection, ms": (server.process.cpu_s - used) / count * 1e3,
        }
        await _all_present(server, count)
        values |= await _idle(server, crowds, count)
        values["server memory for each agent, KiB"] = (server.process.resident_mib - held) / count * 1024
        return Readings(values | await _busy(server, crowds, count))


async def _all_present(server: Server, count: int) -> None:
    """Wait until the card of each has been accepted, and the server is at rest."""
    async with server.client() as client:
        await _until(lambda: _are_present(client, count))


async def _are_present(client: Client, count: int) -> bool:
    return len(await client.service().sightings()) >= count


async def _idle(server: Server, crowds: Sequence[Crowd], count: int) -> dict[str, float]:
    used, those = server.process.cpu_s, sum(one.process.cpu_s for one in crowds)
    await asyncio.sleep(IDLE_S)
    others = sum(one.process.cpu_s for one in crowds) - those
    return {
        "idle: server CPU, % of a core": (server.process.cpu_s - used) / IDLE_S * 100,
        "idle: agents' CPU, % of a core": others / IDLE_S * 100,
    }


async def _busy(server: Server, crowds: Sequence[Crowd], count: int) -> dict[str, float]:
    """Five hand-offs for each agent, in one run."""
    tasks = {
        "hops": {"uses": "bench.hop@^1", "for_each": "${ input.numbers }", "with": {"n": "${ item }", "text": TEXT}}
    }
    numbers = {"numbers": {"type": "array", "items": {"type": "integer"}}}
    meter = Meter([server.process, *(one.process for one in crowds)])
    async with server.client() as client:
        await client.publish(json.dumps(template_of("all", tasks, "${ size(tasks.hops.output) }", numbers)))
        await _done(client, "all", {"numbers": [1]})
        with meter.measuring(), meter.run(5 * count):
            await _done(client, "all", {"numbers": list(range(5 * count))})
    figures = meter.figures()
    return {"busy: hand-offs a second": figures.per_second, "busy: CPU-ms each, of all": figures.cpu_ms_each}


async def _done(client: Client, template: str, value: object) -> None:
    started = await client.start(template, value)
    result = await client.result(started.run)
    if result.state != "completed":
        raise RuntimeError(f"{started.run}: {result}")


# -- 10 000 agents that are known ------------------------------------------------------------------------------------


async def registry(scale: float) -> Readings:
    """A registry with many agents: starting with it, listing it, and finding an agent in it."""
    count = max(int(10_000 * scale), SKILLS)
    async with folder() as root:
        await _settle(root / "empty", 0)
        await _settle(root / "full", count)
        async with served(root / "empty") as server:
            bare_s, bare_mib = server.seconds, server.process.resident_mib
        async with served(root / "full") as server:
            values = {
                "agents": float(count),
                "start, s": server.seconds,
                "start with none, s": bare_s,
                "memory for each agent, KiB": (server.process.resident_mib - bare_mib) / count * 1024,
            } | await _pages(server)
        return Readings(values | await _matches(root / "full", count))


async def _settle(home: Path, count: int) -> None:
    """A home that knows so many agents."""
    async with open_node(Settings(home=home)) as node:
        for first in range(0, count, 500):
            now, events = node.parts.ports.clock.now(), []
            for agent in _skilled(range(first, min(first + 500, count))):
                key = PrivateKey.generate("ES256").public
                card = encode_card(agent.card(InstanceId(f"{agent.id}#0"), [key]))
                document = node.parts.documents.document(card)
                events.append(AgentEnrolled(at=now, agent=agent.id, key=key.kid, jwk=key.to_jwk(), by="bench"))
                events.append(CardAccepted(at=now, agent=agent.id, card=document, statement=""))
            await node.parts.documents.store()
            await node.parts.registry_stream.append(*events)


def _skilled(numbers: Sequence[int]) -> list[Agent]:
    agents = []
    for number in numbers:
        agent = Agent(f"agent-{number:05}", concurrency=2, queue=10)
        agent.capability(f"bench.skill{number % SKILLS}@1.0.0", description=hop.__doc__)(hop)
        agents.append(agent)
    return agents


async def _pages(server: Server) -> dict[str, float]:
    """How long a page of 100 agents takes, at the beginning and in the middle of the list, and the filtered list."""
    asked = {
        "the first page, p50 ms": {"limit": 100},
        "a page in the middle, p50 ms": {"limit": 100, "after": "spiffe://local/agent/agent-05000"},
        "who offers a capability, p50 ms": {"limit": 100, "capability": "bench.skill7@^1"},
    }
    values = {}
    async with server.client() as client:
        for name, parameters in asked.items():
            took = []
            for _ in range(20):
                begun = time.perf_counter()
                await client._connection.get("/v1/agents", object, parameters)
                took.append((time.perf_counter() - begun) * 1e3)
            values[name] = share(took, 0.5)
    return values


async def _matches(home: Path, count: int) -> dict[str, float]:
    """What finding an agent costs when all of them are present."""
    async with open_node(Settings(home=home)) as node:
        parts, now = node.parts, node.parts.ports.clock.now()
        begun = time.perf_counter()
        for card in parts.registry.agents():
            parts.registry.arrive(card, now)
        arrived = time.perf_counter() - begun
        first = _match(node, 0, now)
        took = [_match(node, number % SKILLS, now) for number in range(1_000)]
    return {
        "arrival, each, ms": arrived / count * 1e3,
        "a match, the first, ms": first,
        "a match, p50 ms": share(took, 0.5),
    }


def _match(node: Node, skill: int, now: datetime) -> float:
    want = Want(input=document_of(b"{}"), since=now)
    begun = time.perf_counter()
    peers = node.parts.registry.peers(CapabilityRange.parse(f"bench.skill{skill}@^1"))
    if node.parts.router.choose(peers, want, TaskState(wants=(want,)), now) is None:
        raise RuntimeError(f"nobody offers skill {skill}")
    return (time.perf_counter() - begun) * 1e3


# -- one assignment --------------------------------------------------------------------------------------------------


async def assignment(scale: float) -> Readings:
    """How long an assignment takes to an agent that is connected, one at a time."""
    tasks = {"stamp": {"uses": "bench.stamp@^1", "with": {"n": "${ input.n }"}}}
    commits: list[int] = []

    def reached(point: Point) -> None:
        if point == "after_append":
            commits.append(time.perf_counter_ns())

    from_start, from_commit, whole = [], [], []
    async with folder() as root, here(root / "server") as site, crowd("worker", site, root):
        node = site.node
        await node.present(worker("worker").id)
        digest = await publish(node, template_of("stamp", tasks, "${ tasks.stamp.output }", {"n": HOP["n"]}))
        node.parts.reached = reached
        for number in range(max(int(300 * scale), 20)):
            commits.clear()
            begun = time.perf_counter_ns()
            run = await node.start_run(digest, {"n": number})
            ended = await node.ended(run.id)
            whole.append((time.perf_counter_ns() - begun) / 1e6)
            received = int(await node.parts.documents.fetched(ended.output))  # type: ignore[arg-type]  # it has one
            from_start.append((received - begun) / 1e6)
            from_commit.append((received - commits[0]) / 1e6)
    named = {"from start to receipt": from_start, "from commit to receipt": from_commit, "from start to end": whole}
    return Readings(
        {
            f"{name}, {label} ms": share(took, part)
            for name, took in named.items()
            for label, part in (("p50", 0.5), ("p95", 0.95))
        }
    )


async def network_chain(scale: float) -> Figures:
    """Chains whose agent is in another process."""
    async with folder() as root, here(root / "server") as site, crowd("worker", site, root) as agents:
        await site.node.present(worker("worker").id)
        return await chains(site.node, 100, max(int(1_000 * scale), 100), Meter([agents.process]))


# -- a large array ---------------------------------------------------------------------------------------------------


async def large(scale: float) -> Readings:
    """An array that one agent makes and another one reads, while other runs go on; then one whose upload dies."""
    return await _large(scale)


async def large_encrypted(scale: float) -> Readings:
    """The same in encrypted runs."""
    return await _large(scale, ACCORD_ENCRYPT_PAYLOADS="true")


async def _large(scale: float, **settings: str) -> Readings:
    count = int(1_000_000 * scale)
    async with folder() as root, served(root / "server", **settings) as server, AsyncExitStack() as stack:
        crowds = [await stack.enter_async_context(crowd(kind, server, root)) for kind in ("maker", "reader", "worker")]
        async with server.client() as client:
            await _publish_large(client)
            before = await _lone(client, 50)
            await _done(client, "pass-on", _rows(20_000))  # what is used for the first time is loaded and no growth
            values = await _passed_on(server, client, crowds, count)
            values["other runs of one step, p50 ms, before"] = share(before, 0.5)
            values["other runs of one step, p95 ms, before"] = share(before, 0.95)
            return Readings(values | await _dying(server, client, crowds[0]))


async def _publish_large(client: Client) -> None:
    read = {"sum": {"uses": "bench.read@^1", "with": {"rows": "${ tasks.rows.output }"}}}
    members = {"count": {"type": "integer"}, "text": {"type": "string"}}
    await client.publish(json.dumps(template_of("pass-on", {**READ, **read}, "${ tasks.sum.output }", members)))
    hops = {"hop": {"uses": "bench.hop@^1", "with": {"n": "${ input.n }", "text": "${ input.text }"}}}
    await client.publish(json.dumps(template_of("one-hop", hops, "${ tasks.hop.output }", HOP)))


def _rows(count: int) -> dict[str, object]:
    return {"count": count, "text": "x" * ROW_BYTES}


async def _lone(client: Client, count: int) -> list[float]:
    return [await _hop(client) for _ in range(count)]


async def _hop(client: Client) -> float:
    """How long a run of one step takes over HTTP, from its start to its result, ms."""
    begun = time.perf_counter()
    await _done(client, "one-hop", {"n": 1, "text": TEXT})
    return (time.perf_counter() - begun) * 1e3


async def _passed_on(server: Server, client: Client, crowds: Sequence[Crowd], count: int) -> dict[str, float]:
    processes = [server.process, *(one.process for one in crowds[:2])]
    used = [one.cpu_s for one in processes]
    held, stored = server.process.resident_mib, server.stored_bytes
    server.process.forget_peak()
    begun = time.perf_counter()
    passing = asyncio.create_task(_done(client, "pass-on", _rows(count)))
    meanwhile = []
    while not passing.done():
        meanwhile.append(await _hop(client))
    await passing
    took, megabytes = time.perf_counter() - begun, (server.stored_bytes - stored) / 1e6
    return {
        "array, MB": megabytes,
        "from its making to its reading, s": took,
        "MB/s, there and on": megabytes / took,
        "server peak memory growth, MiB": server.process.peak_mib - held,
        **{
            f"{name} CPU, ms for each MB": (one.cpu_s - before) / megabytes * 1e3
            for name, one, before in zip(("server's", "maker's", "reader's"), processes, used, strict=True)
        },
        "other runs of one step, p50 ms, meanwhile": share(meanwhile, 0.5),
        "other runs of one step, p95 ms, meanwhile": share(meanwhile, 0.95),
        "other runs of one step, longest ms, meanwhile": max(meanwhile),
    }


async def _dying(server: Server, client: Client, making: Crowd) -> dict[str, float]:
    """What is left on disk when an agent dies while it uploads."""
    stored = server.stored_bytes
    await client.start("pass-on", _rows(10_000_000))
    await _until(lambda: _stores(server, stored + 50e6))
    on_its_way = server.stored_bytes - stored
    making.kill()
    begun = time.perf_counter()
    with suppress(TimeoutError):
        async with asyncio.timeout(30):
            await _until(lambda: _stores_no_more(server, stored))
    return {
        "upload that dies: MB on disk before": on_its_way / 1e6,
        "upload that dies: MB on disk after": (server.stored_bytes - stored) / 1e6,
        "upload that dies: gone after, s": time.perf_counter() - begun,
    }


async def _stores(server: Server, amount_bytes: float) -> bool:
    return server.stored_bytes >= amount_bytes


async def _stores_no_more(server: Server, amount_bytes: float) -> bool:
    return server.stored_bytes <= amount_bytes


async def _until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again: other processes tell nothing."""
    while not await reached():  # noqa: ASYNC110 - there is no event that another process could set
        await asyncio.sleep(LOOK_EVERY_S)


NETWORK = (
    Scenario("connected", "1 000 agents on connections of their own", connected),
    Scenario("registry", "10 000 agents that are known", registry),
    Scenario("assignment", "from a commit to an agent on a connection", assignment),
    Scenario("network-chain", "as chain-100, the agent in another process", network_chain),
    Scenario("large", "an array of 1 GB from agent to agent", large),
    Scenario("large-encrypted", "the same in encrypted runs", large_encrypted),
)
