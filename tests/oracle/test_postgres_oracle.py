"""The whole engine on PostgreSQL, in real time: random workflows against the interpreter, every commit watched."""

from __future__ import annotations

import logging
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from accord.app import host, open_stores
from accord.bus.memory import MemoryBus
from accord.domain.ids import AgentId, RunId
from accord.engine.node import Node
from accord.engine.parts import Identity, Parts, Ports, Tuning
from accord.machine import RandomIds, SystemClock
from accord.policy.live import shipped
from accord.postgres.address import StoreAddress
from accord.settings import Settings
from accord.templates.reading import read_source
from accord.testing.cast import Cast
from accord.testing.keys import MemoryKeyStore
from accord.testing.outcome import Told, mistakes
from accord.testing.watch import Watch, WatchedJournal
from accord.testing.weather import Weather
from accord.testing.workflows import Maker
from accord.verifier.compatibility import compatible_version

OWNER = "main"


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


class _Alone(Maker):
    """Makes workflows that need nobody's answer."""

    def _signal(self, name: str) -> object:  # type: ignore[override]  # the same, spelled for tests
        return self._sum(name)

    _approval = _unsure = _signal  # type: ignore[assignment]  # as above


async def _at_once() -> None:
    """No delay beyond that of the database."""


@asynccontextmanager
async def _watched(store: StoreAddress, home: Path, watch: Watch) -> AsyncIterator[Node]:
    keys = MemoryKeyStore()
    async with open_stores(Settings(home=home, store=store)) as (journal, blobs):
        watched = WatchedJournal(journal, watch, OWNER, _at_once, _at_once)
        ports = Ports(watched, blobs, MemoryBus(), keys, SystemClock(), RandomIds(), shipped())
        identity = Identity(
            id=AgentId("spiffe://local/orchestrator/main"),
            organisation="local",
            key=await keys.create("orchestrator"),
            owner=OWNER,
        )
        tuning = Tuning(lease=timedelta(seconds=10), sweep_every=timedelta(seconds=0.5))
        parts = Parts(ports, identity, compatible_version, tuning)
        watch.parts[OWNER] = parts
        async with Node(parts) as node:
            await parts.partitions.claim_all()
            yield node


@pytest.mark.parametrize("seed", range(3))
async def test_what_comes_out_is_what_must(tmp_path: Path, store: StoreAddress, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - the same workflows every time
    cast, watch = Cast(rng, Weather(fail=0.1, break_contract=0.1, slow_s=0.02)), Watch(SystemClock())
    agents = [cast.adder(name, reliable=name == "cyd") for name in ("ada", "bob", "cyd")]
    async with _watched(store, tmp_path / "home", watch) as node, host(node, agents):
        child = _Alone(rng).workflow("child", 3)
        flow = _Alone(rng).workflow("main", 8, child=child)
        sources = [read_source(orjson.dumps(one.source).decode()) for one in (child, flow)]
        _, digest = [await node.publish(one.template, one.data) for one in sources]
        told: dict[RunId, Told] = {}
        for n in range(10):
            run = await node.start_run(digest, {"n": n})
            told[run.id] = Told(flow, n)
        for run_id in told:
            await node.ended(run_id)
        watch.broken.extend(await mistakes(watch, node, told, cast.traces))
    assert watch.broken + cast.conflicts == []
    assert watch.commits > 0
