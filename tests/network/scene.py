"""A scene: a server, instances of two agents, and people who start runs, with a proxy before each; and what is done to
all of them, as a seed decides.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx

from accord import Client
from accord.app import open_node
from accord.domain.system import INCIDENTS
from accord.settings import Settings
from accord.testing.audit import Audit, swept

from .flows import STUBBORN, Deeds, Flow, random_flows, told_of
from .processes import ACCORD, HERE, SHORT, Started, effects_in
from .proxy import Proxy

INSTANCES = 3
ENDS_WITHIN_S = 90


class Scene:
    """All processes and proxies of one seed; what was started, and what was told of it."""

    def __init__(self, folder: Path, seed: int, server: tuple[str, ...], proxies: tuple[Proxy, Proxy]) -> None:
        self.random = Random(seed)  # noqa: S311 - chance, no secret
        self.folder = folder
        self.home = folder / "home"
        self.effects = folder / "effects"
        self.to_agents, self.to_people = proxies
        for proxy in proxies:
            proxy.random = Random(seed)  # noqa: S311 - as above
        quick = {"ACCORD_HOME": str(self.home), "ACCORD_DRAIN_WITHIN_S": "1"}
        self.server = Started(folder, "server", (*server, "serve", "--port", "0"), **quick)
        self.agents = [self._agent(index) for index in range(INSTANCES)]
        self.flows = random_flows(self.random)
        self.started: dict[str, Flow] = {}
        """The flow of each run."""
        self.results: dict[str, Any] = {}
        self.log: list[str] = []
        self.problems: list[str] = []
        self._key = ""

    def _agent(self, index: int) -> Started:
        """Instances of one agent, and the last one of another that begins with long polling."""
        polls = index == INSTANCES - 1
        name = "lathe" if polls else "mill"
        more = {"MILL_NAME": name, "MILL_EFFECTS": str(self.effects)} | ({"MILL_POLLS": "1"} if polls else {})
        command = (*ACCORD, "agent", str(HERE / "mill.py"), "--connect", self.to_agents.url, "--drain", "1")
        return Started(self.folder, f"{name}{index}", command, ACCORD_HOME=str(self.folder / name), **more)

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, seed: int, server: tuple[str, ...] = SHORT) -> AsyncIterator[Scene]:
        """The scene with everybody in it; whatever becomes of it, no process is left."""
        async with AsyncExitStack() as stack:
            before = [await stack.enter_async_context(Proxy.before("127.0.0.1", None)) for _ in range(2)]
            scene = cls(folder, seed, server, (before[0], before[1]))
            try:
                await scene._enter()
                yield scene
            finally:
                for one in (scene.server, *scene.agents):
                    await one.end(signal.SIGKILL)

    async def _enter(self) -> None:
        await self.serve()
        self._key = (self.home / "credentials").read_text().strip()
        headers = {"Authorization": f"Bearer {self._key}"}
        async with httpx.AsyncClient(base_url=self.to_people.url, headers=headers, timeout=60) as http:
            tokens = {}
            for name in ("mill", "lathe"):
                tokens[name] = (await http.post("/v1/enrolments", json={"name": name})).json()["text"]
        for agent in self.agents:
            token = tokens.pop(agent.name[:-1], None)
            await agent.start(*(("--token", token) if token else ()))

    def person(self) -> Client:
        """Somebody who asks until there is an answer."""
        return Client(self.to_people.url, self._key, patience=STUBBORN)

    # -- what people do ------------------------------------------------------------------------------------------

    async def publish(self) -> None:
        """Publish all templates."""
        async with self.person() as client:
            for flow in self.flows:
                await client.publish(flow.template)

    async def run(self, name: str) -> None:
        """Start a run under this name, and watch it to its end: every event has to be told, and once."""
        flow = self.random.choice(self.flows)
        async with self.person() as client:
            run = (await client.start(flow.name, {"items": [0] * flow.items}, once=name)).run
            self.started[run] = flow
            told = await told_of(client, run)
            if told != list(range(1, len(told) + 1)):
                self.problems.append(f"{run}: the feed told {told}")
            self.results[run] = await client.result(run)

    # -- what is done to processes and connections ---------------------------------------------------------------

    async def serve(self) -> None:
        """Start the server, again."""
        told = await self.server.start()
        port = int(told["url"].rpartition(":")[2]) if told else None
        for proxy in (self.to_agents, self.to_people):
            proxy.target = ("127.0.0.1", port) if port is not None else None

    async def act(self) -> None:
        """Do one thing to somebody."""
        acts: list[Callable[[], Awaitable[None]]] = [
            self._cut, self._cut, self._cut_one, self._cut_in_the_midst, self._cut_in_the_midst, self._half_open,
            self._swallow, self._delay, self._hold, self._repeat, self._repeat,
            self._kill_agent, self._kill_agent, self._stop_agent, self._drain_agent,
            self._kill_server, self._kill_server, self._stop_server, self._drain_server, self._kill_both,
        ]  # fmt: skip
        act = self.random.choice(acts)
        self.log.append(act.__name__)
        await act()

    def _proxy(self) -> Proxy:
        return self.random.choice((self.to_agents, self.to_agents, self.to_people))

    async def _cut(self) -> None:
        self._proxy().cut()

    async def _cut_one(self) -> None:
        links = sorted(self.to_agents.links, key=id)
        if links:
            self.random.choice(links).cut()

    async def _cut_in_the_midst(self) -> None:
        for link in self._proxy().links:
            link.cut_after(self.random.randint(1, 3000), up=self.random.random() < 0.5)

    async def _half_open(self) -> None:
        for link in self._proxy().links:
            link.half_open(near=self.random.random() < 0.5)

    async def _swallow(self) -> None:
        proxy = self._proxy()
        for link in proxy.links:
            link.swallow()
        await self._for_a_while()
        proxy.calm()

    async def _delay(self) -> None:
        proxy = self._proxy()
        proxy.delay_s = self.random.choice((0.01, 0.1, 0.3))
        await self._for_a_while()
        proxy.delay_s = 0

    async def _hold(self) -> None:
        proxy = self._proxy()
        proxy.hold()
        await self._for_a_while()
        proxy.go_on()

    async def _repeat(self) -> None:
        for proxy in (self.to_agents, self.to_people):
            proxy.repeats = self.random.choice((0.1, 0.5, 1.0))

    async def _kill_agent(self) -> None:
        agent = self.random.choice(self.agents)
        await agent.end(signal.SIGKILL)
        await agent.start()

    async def _drain_agent(self) -> None:
        agent = self.random.choice(self.agents)
        await agent.end(signal.SIGTERM)
        await agent.start()

    async def _stop_agent(self) -> None:
        agent = self.random.choice(self.agents)
        agent.stand_still()
        await self._for_a_while(5)
        agent.go_on()

    async def _kill_server(self) -> None:
        await self._end_server(signal.SIGKILL)
        await self.serve()

    async def _drain_server(self) -> None:
        await self._end_server(signal.SIGTERM)
        await self.serve()

    async def _stop_server(self) -> None:
        """It does nothing for longer than its ownership holds, and then goes on."""
        self.server.stand_still()
        await self._for_a_while(3)
        self.server.go_on()

    async def _kill_both(self) -> None:
        agent = self.random.choice(self.agents)
        await asyncio.gather(agent.end(signal.SIGKILL), self._end_server(signal.SIGKILL))
        await asyncio.gather(agent.start(), self.serve())

    async def _end_server(self, number: signal.Signals) -> None:
        await self.server.end(number)
        self.to_agents.target = self.to_people.target = None

    async def _for_a_while(self, longest_s: float = 2) -> None:
        await asyncio.sleep(self.random.random() * longest_s)  # what lasts is what is tested

    # -- the course of it ----------------------------------------------------------------------------------------

    async def play(self, runs: int, faults: int) -> None:
        """Start runs while things happen; then let everything end."""
        await self.publish()
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(self.run(f"run-{index}")) for index in range(runs // 2)]
            for index in range(faults):
                await self._for_a_while(0.6)
                if index % 2 and len(running) < runs:
                    running.append(group.create_task(self.run(f"run-{len(running)}")))
                await self.act()
            self.calm()
            async with asyncio.timeout(ENDS_WITHIN_S):
                await asyncio.gather(*running)

    def calm(self) -> None:
        """From now on nothing is done to anybody."""
        for proxy in (self.to_agents, self.to_people):
            proxy.calm()

    async def leave(self) -> None:
        """Everybody goes, as they are told to."""
        for one in (*self.agents, self.server):
            if not one.runs:
                self.problems.append(f"{one.name} has ended by itself: {one.said[-2000:]}")
            await one.end(signal.SIGTERM)

    # -- what came of it -----------------------------------------------------------------------------------------

    async def judge(self) -> list[str]:
        """Everything that is not as it must be; nobody is there any more."""
        for one in (self.server, *self.agents):
            self.problems.extend(one.complaints())
        async with open_node(Settings(home=self.home)) as node:
            audit = Audit(node)
            self.problems.extend(await audit.all())
            self.problems.extend(await swept(node))
            if (await node.parts.ports.journal.head(INCIDENTS)).sequence:
                self.problems.extend(f"an honest message is an incident: {one}" for one in await node.incidents(10))
        if set(audit.runs) != set(self.started):
            self.problems.append(f"{len(self.started)} runs were started, the journal has {len(audit.runs)}")
        for run, flow in self.started.items():
            self.problems.extend(flow.mistakes(run, self.results[run]))
        deeds = Deeds(effects_in(self.effects), set[int]().union(*(agent.killed for agent in self.agents)))
        self.problems.extend(deeds.problems(self.started, audit.attempts))
        drafts = [path for path in (self.home / "blobs" / "drafts").iterdir() if path.is_dir()]
        self.problems.extend(f"a draft is left: {path}" for path in drafts)
        return self.problems
