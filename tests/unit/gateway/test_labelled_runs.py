"""Who may look at a run, by the labels of what it holds: in memory or not, and its encrypted payloads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from accord.app import open_node
from accord.domain.access import Principal
from accord.domain.command import Pause, Resume
from accord.domain.ids import RunId, TaskId
from accord.domain.template import Template
from accord.engine.node import Node
from accord.engine.uploads import Uploads
from accord.errors import Forbidden
from accord.gateway.application import Gateway, create_application
from accord.gateway.feeds.run import run_changes
from accord.settings import Settings
from accord.testing.blob_suite import chunks

POLICIES = """
@id("any") permit (principal, action, resource);
@id("nothing-personal") forbid (principal is Principal, action == Action::"look", resource is Run)
when { resource.labels.contains("personal") } unless { principal.name == "officer" };
"""

ASKS = {
    "accord": "template/1",
    "name": "asks",
    "version": "1.0.0",
    "input": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    "tasks": {"ask": {"approval": {"title": "Go on?"}}},
    "output": "${ input.name }",
}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    (tmp_path / "p.cedar").write_text(POLICIES)
    settings = Settings(home=tmp_path / "home", policies=tmp_path / "p.cedar", encrypt_payloads=True)
    async with open_node(settings) as node:
        yield node


async def started(node: Node, **more: Any) -> RunId:
    document = {**ASKS, **more}
    digest = await node.publish(msgspec.convert(document, Template), orjson.dumps(document))
    return (await node.start_run(digest, {"name": "Ann"}, by="test")).id


async def asking(node: Node, gateway: Gateway, name: str) -> httpx.AsyncClient:
    key = await node.issue_api_key(name, "admin", by="test")
    transport = httpx.ASGITransport(app=gateway, client=("192.0.2.1", 1))
    headers = {"Authorization": f"Bearer {key.text}"}
    return httpx.AsyncClient(transport=transport, base_url="http://accord.test", headers=headers)


@pytest.mark.abuse(
    "ASI03", at="gateway", stride="information disclosure", case="somebody looks at a run whose data they may not see"
)
async def test_who_may_not_see_what_a_run_holds_may_not_look_at_it(node: Node) -> None:
    secret = await started(node, labels={"/name": ["personal"]})
    open_ = await started(node, version="1.1.0")
    async with (
        create_application(node) as gateway,
        await asking(node, gateway, "ann") as ann,
        await asking(node, gateway, "officer") as officer,
    ):
        for path in ("", "/tasks", "/result", "/records"):
            assert (await ann.get(f"/v1/runs/{open_}{path}")).status_code == 200
            assert (await officer.get(f"/v1/runs/{secret}{path}")).status_code == 200
            refused = await ann.get(f"/v1/runs/{secret}{path}")
            assert refused.status_code == 403
            assert "nothing-personal" in refused.text
        kept = (await node.run(secret)).started.input
        body = msgspec.to_builtins(kept)
        assert body["encrypted"]["key"] == secret
        shown = await officer.post("/v1/documents/decrypt", json=body)
        assert shown.json() == {"name": "Ann"}
        assert (shown.headers["Cache-Control"], "ETag" in shown.headers) == ("no-store", False)
        assert (await ann.post("/v1/documents/decrypt", json=body)).status_code == 403


async def test_what_was_uploaded_is_decrypted_while_it_is_sent(node: Node) -> None:
    run, data = await started(node), b"[" + b"1," * 100_000 + b"1]"
    uploads = Uploads(node.parts.ports.journal, node.parts.ports.blobs, node.parts.data_keys)
    body = msgspec.to_builtins(await uploads.keep(run, chunks(data)))
    async with create_application(node) as gateway, await asking(node, gateway, "officer") as officer:
        assert (await officer.post("/v1/documents/decrypt", json=body)).content == data
        refused = await officer.post("/v1/documents/decrypt", json={**body, "len": 1})
        assert (refused.status_code, refused.json()["problems"][0]["code"]) == (422, "ACC597")


@pytest.mark.abuse(
    "ASI03", at="gateway", stride="information disclosure", case="somebody forks a run that they may not look at"
)
async def test_who_may_not_look_at_a_run_may_not_fork_it_either(node: Node) -> None:
    secret = await started(node, labels={"/name": ["personal"]})
    async with create_application(node) as gateway, await asking(node, gateway, "ann") as ann:
        refused = await ann.post(f"/v1/runs/{secret}/fork", json={"changes": {"name": "nobody"}})
        assert (refused.status_code, "nothing-personal" in refused.text) == (403, True)
    async with create_application(node) as gateway, await asking(node, gateway, "officer") as officer:
        assert (await officer.post(f"/v1/runs/{secret}/fork", json={})).status_code == 201


@pytest.mark.abuse(
    "ASI03", at="gateway", stride="information disclosure", case="a run is exported with others that may not be seen"
)
async def test_a_bundle_and_a_lineage_tell_of_no_run_that_who_asks_may_not_look_at(node: Node) -> None:
    secret = await started(node, labels={"/name": ["personal"]})
    inner = {**ASKS, "name": "inner", "tasks": {"ask": {"approval": {"title": "Go on?"}, "labels": ["personal"]}}}
    await node.publish(msgspec.convert(inner, Template), orjson.dumps(inner))
    outer = {**ASKS, "name": "outer", "tasks": {"inner": {"workflow": "inner", "with": {"name": "x"}}}}
    outer["output"] = "${ tasks.inner.output }"
    digest = await node.publish(msgspec.convert(outer, Template), orjson.dumps(outer))
    run = (await node.start_run(digest, {"name": "x"}, by="test")).id
    child = (await node.run(run)).subruns[TaskId("inner")]
    with node.parts.feed.subscribe(child) as news:
        while node.parts.ledger.find(child) is None:
            await news.take()
    await node.signal(child, {"approved": True}, by="test", task=TaskId("ask"))
    assert (await node.ended(run)).phase == "completed"
    async with (
        create_application(node) as gateway,
        await asking(node, gateway, "ann") as ann,
        await asking(node, gateway, "officer") as officer,
    ):
        assert (await ann.get(f"/v1/runs/{run}")).status_code == 200
        for path in ("export", "lineage"):
            refused = await ann.get(f"/v1/runs/{run}/{path}")
            assert (refused.status_code, "nothing-personal" in refused.text) == (403, True), path
            assert (await officer.get(f"/v1/runs/{run}/{path}")).status_code == 200
        assert (await ann.get("/v1/approvals")).json()["approvals"] == []
        assert secret in {one["run"] for one in (await officer.get("/v1/approvals")).json()["approvals"]}


async def test_a_feed_tells_nothing_more_once_its_watcher_may_look_no_longer(node: Node) -> None:
    run = await started(node, tasks={"ask": {"signal": {"name": "go"}, "labels": ["personal"]}})
    ann = Principal(name="ann", role="admin", organisation="local", credential="")
    changes = run_changes(node, ann, run, 0)
    assert (await anext(changes)).event == "record"
    for _ in range(len(await node.records(run)) - 1):
        await anext(changes)
    await node.signal(run, 1, by="test", name="go")
    with pytest.raises(Forbidden):
        await anext(changes)


async def test_labels_of_a_run_that_is_not_in_memory_are_read_once_for_each_event(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await started(node, labels={"/name": ["personal"]})
    ledger, permission, read = node.parts.ledger, node.parts.permission, []
    quickly = ledger.read_quickly

    async def counted(wanted: RunId) -> Any:
        read.append(wanted)
        return await quickly(wanted)

    def forget() -> None:
        ledger.forget([slot for slot in ledger.slots() if slot.run.id == run])
        monkeypatch.setattr(ledger, "read_quickly", counted)

    ann = Principal(name="ann", role="admin", organisation="local", credential="")
    for times in (1, 2):
        await node.control(run, Pause(by="test") if times == 1 else Resume(by="test"))
        forget()
        for _ in range(3):
            with pytest.raises(Forbidden) as refused:
                await permission.require(ann, "look", run)
        assert "nothing-personal" in str(refused.value)
        assert read == [run] * times
        monkeypatch.undo()


async def test_labels_are_not_sought_for_the_policy_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_node(Settings(home=tmp_path / "home")) as node:
        run = await started(node, labels={"/name": ["personal"]})
        node.parts.ledger.forget(list(node.parts.ledger.slots()))
        monkeypatch.setattr(node.parts.ledger, "read_quickly", None)
        viewer = Principal(name="ann", role="viewer", organisation="local", credential="")
        await node.parts.permission.require(viewer, "look", run)
