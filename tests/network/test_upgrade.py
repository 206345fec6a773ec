"""A rolling upgrade under load: a server of the version before and one of this version share a store; agents and people
go over, and nothing is lost or done twice.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from accord import Client
from accord.app import open_node
from accord.postgres.address import StoreAddress
from accord.settings import Settings
from accord.testing.audit import Audit
from accord.testing.postgres import PostgresServer

from .flows import STUBBORN, Flow
from .processes import ACCORD, HERE, Started, effects_in
from .proxy import Proxy

PREVIOUS = "adfe010988aa238e6cafbe72e643dde8bce058e2"
"""The commit of the version before this one: whoever begins a new version writes the last one's here."""

REPOSITORY = HERE.parents[1]
AGENTS = ("mill", "lathe")
IN_FLIGHT = 4
"""As many runs are under way all the time; so many more are started once the new server is alone."""

STEP: dict[str, Any] = {"uses": "mill.add@^1", "retry": {"attempts": 20, "backoff": {"first": "50ms", "jitter": 0}}}
FLOW = Flow(
    "rolling",
    {
        "t0": {**STEP, "with": {"parts": []}, "for_each": "${ input.items }", "parallel": 2},
        **{f"t{n}": {**STEP, "with": {"parts": [f"${{ tasks.t{n - 1}.output }}"]}} for n in range(1, 6)},
    },
    items=4,
)


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The sources of the version before, as git has them."""
    known = subprocess.run(["git", "-C", REPOSITORY, "cat-file", "-e", f"{PREVIOUS}^{{commit}}"], check=False)
    if known.returncode:
        pytest.skip("this clone has not the history in which the version before is")
    folder = tmp_path / "previous"
    folder.mkdir()
    archive = subprocess.run(["git", "-C", REPOSITORY, "archive", PREVIOUS, "src"], check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder / "src"


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[StoreAddress]:
    """A database without our schema: the version before makes its own."""
    address = postgres.create()
    yield address
    postgres.drop(address)


class Upgrade:
    """Both servers, an agent of each version, and one address for everybody."""

    def __init__(self, folder: Path, previous: Path, store: StoreAddress, proxy: Proxy) -> None:
        self.folder = folder
        self.store = store
        self.proxy = proxy
        self.effects = folder / "effects"
        old = {"PYTHONPATH": str(previous)}
        self.old = self._server("old", **old)
        self.new = self._server("new", ACCORD_TAKE_UNCERTIFIED="true")  # the version before certifies nothing
        self.agents = [self._agent("mill", **old), self._agent("lathe")]
        self.runs: dict[str, str] = {}
        """What has become of each run."""
        self._key = ""

    def _server(self, name: str, **more: str) -> Started:
        environment = {
            "ACCORD_HOME": str(self.folder / name), "ACCORD_STORE": self.store.url, "ACCORD_DRAIN_WITHIN_S": "1", **more
        }  # fmt: skip
        return Started(self.folder, name, (*ACCORD, "serve", "--port", "0"), **environment)

    def _agent(self, name: str, **more: str) -> Started:
        environment = {
            "ACCORD_HOME": str(self.folder / name), "MILL_NAME": name, "MILL_EFFECTS": str(self.effects), **more
        }  # fmt: skip
        command = (*ACCORD, "agent", str(HERE / "mill.py"), "--connect", self.proxy.url)
        return Started(self.folder, name, command, **environment)

    @property
    def everybody(self) -> list[Started]:
        """All processes, agents first."""
        return [*self.agents, self.old, self.new]

    def client(self) -> Client:
        """Somebody who asks until there is an answer."""
        return Client(self.proxy.url, self._key, patience=STUBBORN)

    async def begin(self) -> None:
        """The version before serves, and all agents work for it."""
        await self._serve(self.old)
        self._key = (self.folder / "old" / "credentials").read_text().strip()
        headers = {"Authorization": f"Bearer {self._key}"}
        async with httpx.AsyncClient(base_url=self.proxy.url, headers=headers, timeout=60) as http:
            for agent in self.agents:
                asked = await http.post("/v1/enrolments", json={"name": agent.name})
                await agent.start("--token", asked.json()["text"])
        async with self.client() as client:
            await client.publish(FLOW.template)

    async def keep_busy(self, until: asyncio.Event) -> None:
        """See one run after the other through, up to then and one more."""
        async with self.client() as client:
            over = False
            while not over:
                over = until.is_set()
                run = (await client.start(FLOW.name, {"items": [0] * FLOW.items})).run
                self.runs[run] = "running"
                self.runs[run] = (await client.result(run)).state

    async def upgrade(self) -> None:
        """Bring the store to this version, serve with it beside the old one, and send that away."""
        for name in ("keys", "passphrase", "credentials"):
            source, to = self.folder / "old" / name, self.folder / "new" / name
            to.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, to)
        await self._store("migrate")
        await self._serve(self.new)
        await self.old.end(signal.SIGTERM)

    async def finish(self) -> None:
        """No process of the version before is left."""
        await self._store("migrate", "--finish")

    async def _serve(self, server: Started) -> None:
        told = await server.start()
        assert told, server.said
        self.proxy.target = ("127.0.0.1", int(told["url"].rpartition(":")[2]))

    async def _store(self, *arguments: str) -> None:
        command = (*ACCORD[1:], "store", *arguments, "--store", self.store.url)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said

    async def judge(self) -> list[str]:
        """Everything that is not as it must be; nobody is there any more."""
        problems = [complaint for one in self.everybody for complaint in one.complaints()]
        problems += [f"{run} is {state}" for run, state in self.runs.items() if state != "completed"]
        async with open_node(Settings(home=self.folder / "new", store=self.store)) as node:
            audit = Audit(node)
            problems += await audit.all()
        if set(audit.runs) != set(self.runs):
            problems.append(f"{len(self.runs)} runs were started, the journal has {len(audit.runs)}")
        done = Counter(effect.key for effect in effects_in(self.effects))
        wanted = [f"{run}/{work}/0" for run in self.runs for work in FLOW.expected()[1]]
        return problems + [f"{work} was done {done[work]} times" for work in wanted if done[work] != 1]


async def test_a_rolling_upgrade_under_load_loses_nothing(tmp_path: Path, previous: Path, empty: StoreAddress) -> None:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy.before("127.0.0.1", None))
        site = Upgrade(tmp_path, previous, empty, proxy)
        try:
            await site.begin()
            upgraded = asyncio.Event()
            async with asyncio.timeout(100), asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT):
                    group.create_task(site.keep_busy(upgraded))
                await site.upgrade()
                upgraded.set()
            await site.finish()
            for one in (*site.agents, site.new):
                await one.end(signal.SIGTERM)
            assert await site.judge() == []
        finally:
            for one in site.everybody:
                await one.end(signal.SIGKILL)
