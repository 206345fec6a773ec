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
from accord.domain.ids import RunId
from accord.domain.template import Template
from accord.engine.node import Node
from accord.errors import Forbidden
from accord.gateway.application import Gateway, create_application
from accord.settings import Settings

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
        assert (await officer.post("/v1/documents/decrypt", json=body)).json() == {"name": "Ann"}
        assert (await ann.post("/v1/documents/decrypt", json=body)).status_code == 403


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
