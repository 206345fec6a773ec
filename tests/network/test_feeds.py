"""Feeds: who may watch, what they are told, and that cuts neither lose nor repeat anything."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
import socketio

from accord.app import open_node
from accord.domain.agent import agent_id
from accord.engine.node import Node
from accord.gateway.access import guard
from accord.gateway.feeds import sockets, streams
from accord.sdk import Agent
from accord.settings import Settings
from accord.templates.reading import read_source

from .conftest import Places, Site, serving_at
from .proxy import Proxy
from .watching import streaming, watching

STEPS = """
accord: template/1
name: steps
version: 1.0.0
description: Waits for a signal.
input: {type: object, properties: {}}
tasks:
  asked: {signal: {name: go}}
"""


@pytest.fixture
async def viewer(site: Site) -> str:
    return (await site.node.parts.access.issue("watcher", "viewer", by="test")).text


async def start(node: Node, tmp_path: Path) -> Any:
    path = tmp_path / "steps.yaml"
    path.write_text(STEPS)
    source = read_source(path)
    digest = await node.publish(source.template, source.data)
    return await node.start_run(digest, {})


async def go(node: Node, run: Any) -> None:
    await node.signal(run.id, {}, by="test", name="go")
    async with asyncio.timeout(30):
        await node.ended(run.id)


def greeter() -> Agent:
    agent = Agent("hello")

    @agent.capability("text.greet@1.0.0")
    async def greet(name: str) -> str:
        return f"Hello {name}"

    return agent


# -- who may watch ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace", ["/registry", "/runs"])
@pytest.mark.parametrize(("token", "code"), [(None, "ACC650"), ("accord_0123456789ab_wrong", "ACC651")])
async def test_without_a_credential_nothing_is_told(site: Site, namespace: str, token: str | None, code: str) -> None:
    client = socketio.AsyncClient(reconnection=False)
    refusals: list[Any] = []
    client.on("connect_error", refusals.append, namespace=namespace)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(site.url, auth={"token": token}, namespaces=[namespace], transports=["websocket"])
    await client.disconnect()
    assert refusals[0]["data"]["problems"][0]["code"] == code
    assert "accord access keys new" in refusals[0]["data"]["problems"][0]["hint"]


async def test_a_credential_that_is_revoked_ends_what_it_opened(
    site: Site, viewer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "ASKED_AGAIN_S", 0.01)
    async with (
        watching(site.url, "/registry", viewer) as watcher,
        streaming(f"{site.url}/v1/agents/feed", viewer) as events,
    ):
        await watcher.until("agents")
        await events.until(lambda data: data["complete"])
        await site.node.revoke_api_key("watcher", by="test")
        assert (await watcher.until("cut"))["problems"][0]["code"] == "ACC653"
        assert await events.next() is None


# -- agents ----------------------------------------------------------------------------------------------------------


async def test_agents_appear_change_and_vanish(site: Site, places: Places, tmp_path: Path, viewer: str) -> None:
    async with (
        watching(site.url, "/registry", viewer) as watcher,
        streaming(f"{site.url}/v1/agents/feed", viewer) as events,
    ):
        assert events.response.headers["content-type"].startswith("text/event-stream")
        assert events.response.headers["cache-control"] == "no-store"
        assert events.response.headers["x-accel-buffering"] == "no"
        assert (await watcher.until("agents"))["complete"]
        hello = agent_id("local", "hello")

        def present(data: Any) -> bool:
            return any(one["agent"] == hello and one["instances"] for one in data["agents"])

        def absent(data: Any) -> bool:
            return any(one["agent"] == hello and not one["instances"] for one in data["agents"])

        joined = await places.join(greeter(), site.url, token=await site.token("hello"))
        told = await watcher.until("agents", present)
        await events.until(present)
        (one,) = (one for one in told["agents"] if one["agent"] == hello)
        assert one["capabilities"] == ["text.greet@1.0.0"]
        assert {"instance", "process", "load", "queued", "concurrency", "queue"} <= set(one["instances"][0])

        await site.node.hold("agent", hello, by="test")
        await watcher.until("agents", lambda data: data["agents"] and data["agents"][0]["held"])

        (instance,) = site.node.parts.registry.instances(hello)
        assert one["instances"][0]["instance"] == instance
        site.node.parts.registry._leave(hello, instance)
        told = await watcher.until("agents", absent)
        assert told["agents"][0]["present"] is None
        await events.until(absent)
        assert joined is not None


# -- one run ---------------------------------------------------------------------------------------------------------


async def test_a_run_is_told_without_gap_or_repetition_across_cuts(
    site: Site, proxy: Proxy, tmp_path: Path, viewer: str
) -> None:
    run = await start(site.node, tmp_path)
    seen: list[int] = []
    for _ in await site.node.records(run.id):
        async with watching(proxy.url, "/runs", viewer) as watcher:
            after = seen[-1] if seen else 0
            assert await watcher.ask("subscribe", {"run": run.id, "after": after}) == {"ok": True}
            seen += await watcher.records(run.id, 1)
            proxy.cut()
    async with watching(proxy.url, "/runs", viewer) as watcher:
        assert await watcher.ask("subscribe", {"run": run.id, "after": seen[-1]}) == {"ok": True}
        await go(site.node, run)
        seen += await watcher.records(run.id, 1_000)
    assert len(seen) > 3
    assert seen == [record.sequence for record in await site.node.records(run.id)]


async def test_events_are_those_of_the_journal(site: Site, tmp_path: Path, viewer: str) -> None:
    run = await start(site.node, tmp_path)
    await go(site.node, run)
    (first, *_) = await site.node.records(run.id)
    async with watching(site.url, "/runs", viewer) as watcher:
        await watcher.ask("subscribe", {"run": run.id})
        told = await watcher.until("record")
        assert (told["sequence"], told["digest"], told["event"]["event"]) == (1, first.digest, "run.started")
        assert await watcher.until("end") == {"run": run.id, "state": "completed"}


async def test_the_run_of_another_process(site: Site, tmp_path: Path, viewer: str) -> None:
    async with open_node(Settings(home=tmp_path / "server")) as other:
        run = await start(other, tmp_path)
        assert not site.node.parts.ledger.owns(run.id)
        async with (
            watching(site.url, "/runs", viewer) as one,
            watching(site.url, "/runs", viewer) as all_,
        ):
            await one.ask("subscribe", {"run": run.id})
            await all_.ask("watch", {"template": "steps"})
            await all_.until("runs", lambda data: [run["state"] for run in data["runs"]] == ["running"])
            await go(other, run)
            seen = await one.records(run.id, 1_000)
            assert seen == [record.sequence for record in await other.records(run.id)]
            await all_.until("runs", lambda data: [run["state"] for run in data["runs"]] == ["completed"])


async def test_what_cannot_be_subscribed_to_is_told(site: Site, viewer: str) -> None:
    async with watching(site.url, "/runs", viewer) as watcher:

        async def code(event: str, asked: Any) -> str:
            answer = await watcher.ask(event, asked)
            assert answer["ok"] is False
            return str(answer["problems"][0]["code"])

        assert await code("subscribe", {"run": "0" * 26}) == "ACC409"
        assert await code("subscribe", {"after": 3}) == "ACC983"
        assert await code("subscribe", "nonsense") == "ACC983"
        assert await code("watch", {"state": ["running"]}) == "ACC983"
        assert await watcher.ask("unsubscribe", {"run": "0" * 26}) == {"ok": True}


async def test_who_takes_nothing_is_cut_off_and_begins_again(
    site: Site, tmp_path: Path, viewer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await start(site.node, tmp_path)
    await go(site.node, run)
    full: asyncio.Queue[object] = asyncio.Queue()
    for _ in range(sockets.WINDOW):
        full.put_nowait(None)
    async with watching(site.url, "/runs", viewer) as watcher:
        with monkeypatch.context() as patched:
            patched.setattr(sockets, "STALLED_AFTER_S", 0.01)
            patched.setattr(sockets.Watchers, "waiting", lambda self, sid: full)
            await watcher.ask("subscribe", {"run": run.id, "after": 1})
            cut = await watcher.until("cut")
        assert (cut["run"], cut["after"], cut["problems"][0]["code"]) == (run.id, "1", "ACC981")
        await watcher.ask("subscribe", {"run": run.id, "after": int(cut["after"])})
        assert (await watcher.records(run.id, 1_000))[0] == 2


async def test_a_connection_has_so_many_feeds(
    site: Site, tmp_path: Path, viewer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "FEEDS_MAX", 1)
    run = await start(site.node, tmp_path)
    async with watching(site.url, "/runs", viewer) as watcher:
        assert (await watcher.ask("watch"))["ok"]
        assert (await watcher.ask("watch", {"states": ["failed"]}))["ok"]
        refused = await watcher.ask("subscribe", {"run": run.id})
        assert refused["problems"][0]["code"] == "ACC982"
        assert (await watcher.ask("unwatch"))["ok"]
        assert (await watcher.ask("subscribe", {"run": run.id}))["ok"]


# -- all runs --------------------------------------------------------------------------------------------------------


async def test_all_runs_are_told_and_nothing_is_left_out_across_a_restart(tmp_path: Path) -> None:
    async with serving_at(tmp_path / "server") as site:
        viewer = (await site.node.parts.access.issue("watcher", "viewer", by="test")).text
        early = await start(site.node, tmp_path)
        async with streaming(f"{site.url}/v1/events", viewer) as events:
            await events.until(lambda data: [run["run"] for run in data["runs"]] == [early.id])
            place = await events.until(lambda data: data["after"] is not None)
        await go(site.node, early)
    async with serving_at(tmp_path / "server") as site:
        async with streaming(f"{site.url}/v1/events", viewer, last=place["id"]) as events:
            told = await events.until(lambda data: data["runs"])
            assert [(run["run"], run["state"]) for run in told["data"]["runs"]] == [(early.id, "completed")]
        url = f"{site.url}/v1/events?state=completed&template=steps"
        async with streaming(url, viewer) as events:
            assert (await events.next() or {})["data"]["runs"] == []
            late = await start(site.node, tmp_path)
            await go(site.node, late)
            told = await events.until(lambda data: data["runs"])
            assert [(run["run"], run["state"]) for run in told["data"]["runs"]] == [(late.id, "completed")]


async def test_a_place_that_is_none_is_refused(site: Site, viewer: str) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {viewer}"}, timeout=60) as http:
        answer = await http.get(f"{site.url}/v1/events", headers={"Last-Event-ID": "nonsense"})
        assert answer.status_code == 422
        assert answer.json()["code"] == "ACC956"


async def test_a_silent_stream_says_that_it_is_there(site: Site, viewer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "PING_EVERY_S", 0.01)
    async with streaming(f"{site.url}/v1/events", viewer) as events:
        assert await events.next() is not None
        async with asyncio.timeout(30):
            assert await events.comment() == ": still here"


async def test_whoever_watches_is_told_when_the_server_leaves(site: Site, viewer: str) -> None:
    async with (
        watching(site.url, "/runs", viewer) as runs,
        watching(site.url, "/registry", viewer) as registry,
        streaming(f"{site.url}/v1/events", viewer) as events,
    ):
        assert await events.next() is not None
        await site.gateway.drain()
        await runs.until("leaving")
        await registry.until("leaving")
        assert await events.next() is None
