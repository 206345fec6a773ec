"""What proves a run, over HTTP: asked with `Remote`, as a program would, and with bare requests."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import httpx
import msgspec
import pytest

from accord import Client
from accord.app import host
from accord.client.connection import Connection
from accord.client.remote import Remote
from accord.domain.ids import RunId
from accord.domain.template import Template
from accord.errors import NotFound, StoreUnavailable
from accord.evidence.examine import examine
from accord.evidence.witness import witnessed
from accord.policy.cedar import decide_by
from accord.sdk import Agent
from accord.views.lineage import lineage_document
from accord.views.proof import proof_of

DOCUMENT = {
    "accord": "template/1",
    "name": "play",
    "version": "1.0.0",
    "input": True,
    "tasks": {"work": {"uses": "test.work@^1", "with": {"number": "${ input.number }"}}},
    "output": {"worked": "${ tasks.work.output }"},
}


def working() -> Agent:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


@pytest.fixture
async def run(node: Any) -> RunId:
    async with host(node, [working()]):
        digest = await node.publish(msgspec.convert(DOCUMENT, Template), msgspec.json.encode(DOCUMENT))
        started = await node.start_run(digest, {"number": 3})
        assert (await node.ended(started.id)).phase == "completed"
    return RunId(started.id)


async def test_a_run_proves_itself_to_whoever_asks_the_server(asker: Any, node: Any, run: RunId) -> None:
    transport = httpx.ASGITransport(app=asker.gateway, raise_app_exceptions=False, client=("192.0.2.1", 1))
    key = await asker.key("viewer")
    async with Connection("http://127.0.0.1", key, transport=transport) as connection:
        there = Remote(connection)
        data = b"".join([chunk async for chunk in there.export(run)])
        assert data == b"".join([chunk async for chunk in node.export(run)])
        assert examine(BytesIO(data), {node.parts.identity.key.kid}, decide_by).ok
        assert (await proof_of(there, run)).ok
        assert await there.checkpoints() == await node.checkpoints()
        assert await there.checkpoints(after=1) == []
        assert await there.checkpoints(limit=1) == await node.checkpoints(limit=1)
        assert await there.anchor(run) == await node.anchor(run)
        growth = await there.growth(0)
        assert witnessed(None, growth, []).size == growth.checkpoint.size
        assert await lineage_document(there, run, "/worked") == await lineage_document(node, run, "/worked")
        for ask in (there.growth(1000), there.anchor(RunId("run_x"))):
            with pytest.raises(NotFound):
                await ask
        with pytest.raises(NotFound):
            _ = [chunk async for chunk in there.export(RunId("run_x"))]


async def test_the_client_has_it_too(asker: Any, run: RunId) -> None:
    client = Client("http://127.0.0.1", await asker.key("viewer"))
    transport = httpx.ASGITransport(app=asker.gateway, raise_app_exceptions=False, client=("192.0.2.1", 1))
    client._connection = Connection("http://127.0.0.1", await asker.key("viewer", "2"), transport=transport)
    async with client:
        data = b"".join([chunk async for chunk in client.export(run, payloads="digests")])
        assert examine(BytesIO(data), None, decide_by).ok
        lineage = await client.lineage(run, "/worked")
        assert lineage.agents == ("spiffe://local/agent/worker",)


async def test_a_server_that_goes_away_is_told(run: RunId) -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("cut")

    async with Connection("http://127.0.0.1", "key", transport=httpx.MockTransport(gone)) as connection:
        with pytest.raises(StoreUnavailable, match="ACC970"):
            _ = [chunk async for chunk in Remote(connection).export(run)]


async def test_answers_in_plain_http(asker: Any, run: RunId) -> None:
    await asker.show("viewer")
    export = await asker.http.get(f"/v1/runs/{run}/export")
    assert (export.status_code, export.headers["Content-Type"]) == (200, "application/x-tar")
    assert export.headers["Content-Disposition"] == f'attachment; filename="{run}.tar"'
    page = (await asker.http.get("/v1/checkpoints", params={"limit": 1})).json()
    assert page["next"] == page["checkpoints"][0]["number"] == 1
    missing = await asker.http.get(f"/v1/runs/{run}/lineage", params={"pointer": "x"})
    assert (missing.status_code, missing.json()["problems"][0]["code"]) == (404, "ACC857")
    assert (await asker.http.get(f"/v1/runs/{run}/export", params={"payloads": "some"})).status_code == 422
