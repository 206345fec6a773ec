"""What a policy set says of principals holds over HTTP: which template they start, which runs they see and control."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import orjson
import pytest

from accord.app import open_node
from accord.domain.template import Template
from accord.engine.node import Node
from accord.gateway.application import Gateway, create_application
from accord.settings import Settings

POLICIES = """
@id("look") permit (principal in Role::"viewer", action == Action::"look", resource is Orchestrator);
@id("own") permit (principal is Principal, action in [Action::"look", Action::"control"], resource is Run)
when { resource.tenant == principal.name };
@id("open") permit (principal in Role::"operator", action == Action::"run", resource is Template)
when { resource.name == "open" };
@id("approvers") permit (principal == Principal::"boss", action == Action::"approve", resource is Run)
when { resource.template == "open" };
@id("drafts") permit (principal is Principal, action == Action::"publish", resource)
when { resource has name && resource.name like "draft*" };
"""


def document(name: str) -> dict[str, object]:
    wait = {"approval": {"title": "Go on?"}}
    return {"accord": "template/1", "name": name, "version": "1.0.0", "input": True, "tasks": {"ask": wait}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "p.cedar").write_text(POLICIES)
    return tmp_path


@pytest.fixture
async def node(home: Path) -> AsyncIterator[Node]:
    async with open_node(Settings(home=home / "home", policies=home / "p.cedar")) as node:
        for name in ("open", "closed"):
            await node.publish(msgspec.convert(document(name), Template), orjson.dumps(document(name)))
        yield node


class Person:
    def __init__(self, gateway: Gateway, key: str) -> None:
        transport = httpx.ASGITransport(app=gateway, client=("192.0.2.1", 1))
        self._http = httpx.AsyncClient(
            transport=transport, base_url="http://accord.test", headers={"Authorization": f"Bearer {key}"}
        )

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        answer = await self._http.request(method, path, content=orjson.dumps(body) if body else None, headers=JSON)
        return answer.status_code, answer.text


JSON = {"Content-Type": "application/json"}


async def test_a_policy_set_decides_over_http(node: Node) -> None:
    async with create_application(node) as gateway:
        people = {}
        for name in ("ann", "bob", "boss"):
            key = await node.issue_api_key(name, "operator", by="test")
            people[name] = Person(gateway, key.text)
        ann, bob, boss = people["ann"], people["bob"], people["boss"]

        status, text = await ann.ask("POST", "/v1/runs", {"template": "closed"})
        assert status == 403
        assert "ACC654" in text
        assert "ann may not run: no policy permits it" in text
        status, text = await ann.ask("POST", "/v1/runs", {"template": "open"})
        assert status == 201
        run = orjson.loads(text)["run"]

        assert (await ann.ask("GET", f"/v1/runs/{run}"))[0] == 200
        assert (await bob.ask("GET", f"/v1/runs/{run}"))[0] == 403
        assert (await bob.ask("GET", f"/v1/runs/{run}/events"))[0] == 403
        assert (await bob.ask("GET", "/v1/runs"))[0] == 200
        assert (await bob.ask("POST", f"/v1/runs/{run}/pause"))[0] == 403
        assert (await ann.ask("POST", f"/v1/runs/{run}/pause"))[0] == 200
        assert (await ann.ask("POST", f"/v1/runs/{run}/resume"))[0] == 200
        answer = {"task": "ask", "value": {"approved": True}}
        assert (await ann.ask("POST", f"/v1/runs/{run}/signals", answer))[0] == 403
        assert (await boss.ask("POST", f"/v1/runs/{run}/signals", answer))[0] == 200
        assert (await bob.ask("POST", "/v1/templates", document("draft-1")))[0] == 201
        assert (await bob.ask("POST", "/v1/templates", document("other")))[0] == 403
        assert (await ann.ask("GET", "/v1/runs/run_unknown"))[0] == 404
