"""Whoever may look at some runs only sees these, and nothing of others: in lists, in counts, page by page, in searches
and in the feed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from accord.app import open_node
from accord.domain import command as c
from accord.domain.access import Principal
from accord.domain.ids import RunId
from accord.domain.template import Template
from accord.engine import lists
from accord.engine.node import Node
from accord.gateway.application import create_application
from accord.gateway.feeds.runs import RunFilter, RunsFeed
from accord.service import Fork
from accord.settings import Settings

from .conftest import Asker

POLICIES = """
@id("look") permit (principal in Role::"viewer", action == Action::"look", resource is Orchestrator);
@id("own") permit (principal is Principal, action in [Action::"look", Action::"control"], resource is Run)
when { resource.tenant == principal.name };
@id("audit") permit (principal == Principal::"auditor", action == Action::"look", resource is Run)
unless { resource.labels.contains("personal") };
"""

WAITS = {"accord": "template/1", "name": "waits", "version": "1.0.0", "tasks": {"ask": {"approval": {"title": "?"}}}}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    (tmp_path / "p.cedar").write_text(POLICIES)
    async with open_node(Settings(home=tmp_path / "home", policies=tmp_path / "p.cedar")) as node:
        yield node


@pytest.fixture
async def theirs(node: Node) -> dict[str, list[RunId]]:
    """Nine runs, by who started them, each the oldest first; the last of ann's is labelled."""
    digest = await node.publish(msgspec.convert(WAITS, Template), orjson.dumps(WAITS))
    found: dict[str, list[RunId]] = {"ann": [], "bob": []}
    for number, by in enumerate(["ann", "bob", "ann", "ann", "ann", "bob", "ann", "bob", "ann"]):
        labels = ["personal"] if number == 8 else []
        run = await node.start_run(digest, {}, title=f"{by} seeks no-{number}-", by=by, labels=labels)
        found[by].append(run.id)
    return found


class Person:
    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def get(self, path: str, **parameters: Any) -> Any:
        answer = await self._asker.http.get(path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def listed(self, **parameters: Any) -> list[str]:
        """The runs of all pages; each page but the last one is full."""
        found: list[str] = []
        limit, after = parameters.setdefault("limit", 50), None
        while True:
            page = await self.get("/v1/runs", **parameters, **({"after": after} if after else {}))
            found += [one["run"] for one in page["runs"]]
            after = page["next"]
            if after is None:
                return found
            assert len(page["runs"]) == limit
            assert after == found[-1], "a cursor names no run that was not seen"


@pytest.fixture
async def people(node: Node) -> AsyncIterator[dict[str, Person]]:
    async with create_application(node) as gateway:
        found = {}
        for name in ("ann", "bob", "auditor", "eve"):
            asker = Asker(gateway)
            asker.http.headers["Authorization"] = f"Bearer {await asker.key('operator', name)}"
            found[name] = Person(asker)
        yield found


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
async def test_lists_hold_only_what_one_may_see(
    people: dict[str, Person], theirs: dict[str, list[RunId]], monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(lists, "AT_LEAST", 2)
    every = sorted([*theirs["ann"], *theirs["bob"]], reverse=True)
    assert await people["bob"].listed(limit=limit) == theirs["bob"][::-1]
    assert await people["ann"].listed(limit=limit) == theirs["ann"][::-1]
    assert await people["auditor"].listed(limit=limit) == [run for run in every if run != theirs["ann"][-1]]
    assert await people["eve"].listed(limit=limit) == []


async def test_nothing_is_told_of_others_by_counts_searches_and_filters(
    people: dict[str, Person], theirs: dict[str, list[RunId]]
) -> None:
    ann, bob, eve = people["ann"], people["bob"], people["eve"]
    assert await bob.get("/v1/runs/counts") == {"states": {"running": 3}}
    assert await ann.get("/v1/runs/counts") == {"states": {"running": 6}}
    assert await people["auditor"].get("/v1/runs/counts") == {"states": {"running": 8}}
    assert await eve.get("/v1/runs/counts") == {"states": {}}
    assert await bob.get("/v1/runs/counts", text="ann") == {"states": {}}
    assert await bob.listed(text="ann") == []
    assert await bob.listed(text="seeks no-5-") == [theirs["bob"][1]]
    assert await bob.listed(label="personal") == []
    assert await ann.listed(label="personal") == [theirs["ann"][-1]]
    assert await bob.listed(after=theirs["ann"][-1]) == theirs["bob"][::-1], "a cursor may be any id"


async def test_who_is_left_and_forks_are_told_only_of_ones_own(
    people: dict[str, Person], theirs: dict[str, list[RunId]], node: Node
) -> None:
    fork = await node.fork(theirs["ann"][0], Fork(), by="ann")
    assert await people["ann"].listed(origin=theirs["ann"][0]) == [fork.id]
    assert await people["bob"].listed(origin=theirs["ann"][0]) == []
    await node.parts.partitions.release()
    asked = {"run": [theirs["ann"][0], theirs["bob"][0]]}
    assert [one["run"] for one in await people["bob"].get("/v1/runs/left", **asked)] == [theirs["bob"][0]]


async def test_the_feed_tells_only_of_ones_own(theirs: dict[str, list[RunId]], node: Node) -> None:
    bob = Principal(name="bob", role="operator", organisation="local", credential="key")
    feed = RunsFeed(node)
    async with aclosing(feed.changes(RunFilter(), bob)) as told:
        first = await anext(told)
        assert [run.run for run in first.value.runs] == theirs["bob"][::-1]
        assert not (await anext(told)).value.runs
        await node.control(theirs["ann"][0], c.Pause(by="ann"))
        await node.control(theirs["bob"][0], c.Pause(by="bob"))
        news = await anext(told)
        assert [(run.run, run.state) for run in news.value.runs] == [(theirs["bob"][0], "paused")]
