"""Tasks of a plan that nobody who is present could do: each is told before the run starts, with what to start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from accord.domain.schema import digest_of
from accord.domain.template import template_from_json
from accord.engine.node import Node
from accord.sdk import Agent
from accord.testing.stage import Stage
from accord.verifier.known import ContractTable
from accord.views.catalogue import Catalogue, Entry
from accord.views.planning import Known, by_template
from accord.views.unstaffed import unstaffed

INNER: dict[str, Any] = {
    "accord": "template/1",
    "name": "inner",
    "version": "1.0.0",
    "tasks": {"deep": {"uses": "test.deep@^1", "with": {}}},
}
OUTER: dict[str, Any] = {
    "accord": "template/1",
    "name": "outer",
    "version": "1.0.0",
    "tasks": {
        "first": {"uses": "test.work@^1", "with": {}},
        "again": {"uses": "test.work@^1", "with": {}},
        "either": {"uses": "test.rare@^1", "with": {}, "fallback": [{"uses": "test.work@^1", "with": {}}]},
        "below": {"workflow": "inner@^1", "with": {}},
    },
}


def agent(name: str, *capabilities: str) -> Agent:
    made = Agent(name)
    for one in capabilities:

        @made.capability(one)
        async def work() -> int:
            return 1

    return made


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def entry(document: dict[str, Any]) -> Entry:
    data = msgspec.json.encode(document)
    return Entry(template=template_from_json(data), digest=digest_of(data), data=data, origin="a test")


async def told(node: Node) -> list[tuple[str, str | None]]:
    outer = entry(OUTER)
    known = Known(Catalogue([outer, entry(INNER)]), ContractTable(await node.contracts()))
    found = by_template(outer, {}, known)
    warnings = await unstaffed(node, found)
    assert {one.code for one in warnings} <= {"ACC497"}
    return [(one.message, one.hint) for one in warnings]


async def test_what_nobody_present_could_do_is_named_with_what_to_start(stage: Stage) -> None:
    deep = await stage.enlist(agent("deep", "test.deep@1.0.0"))
    worker = await stage.enlist(agent("worker", "test.work@1.0.0"))
    assert await told(stage.node) == []
    await worker.heartbeat(leaving=True)
    missing = await told(stage.node)
    assert [message for message, _ in missing] == [
        "nobody is present who could do first, again: worker is not there",
        "nobody is present who could do either: nobody offers test.rare@^1",
    ]
    assert missing[0][1] == "start an instance of worker; until then the run waits"
    await worker.announce()
    await stage.node.quarantine(deep.id, by="ann", reason="why not")
    assert await told(stage.node) == [
        (
            "nobody is present who could do below/deep: deep is quarantined",
            "start an agent that offers test.deep@^1, or lift the hold; until then the run waits",
        )
    ]
