"""What the policy holds against a run is told before it: by `accord verify` in CI, `accord plan` and `POST /v1/plans`;
leaks with the way of each.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson
import pytest

from accord.app import host, open_node
from accord.cli import main
from accord.client.connection import Connection
from accord.client.remote import Remote
from accord.domain.ids import AgentId
from accord.domain.template import Template
from accord.engine.node import Node
from accord.gateway.application import create_application
from accord.sdk import Agent
from accord.service import Question
from accord.settings import Settings
from accord.views.authority import with_authority
from accord.views.planning import by_template, known_of

AGENTS = """
from accord.sdk import Agent

high, low = Agent("high"), Agent("low")


@high.capability("test.high@1.0.0", input={}, output={})
async def one(value): return value


@low.capability("test.low@1.0.0", input={}, output={})
async def two(value): return value
"""

LEAKING = """accord: template/1
name: leaking
version: 1.0.0
input:
  type: object
  properties: {name: {type: string}}
  required: [name]
labels:
  /name: [personal]
tasks:
  a:
    uses: test.high@^1
    with: {v: "${ input.name }"}
  b:
    uses: test.low@^1
    with: {v: "${ tasks.a.output }"}
"""

POLICIES = """
@id("any") permit (principal, action, resource);
@id("low-sees-little") forbid (principal == Agent::"spiffe://local/agent/low", action == Action::"see", resource)
when { context.labels.contains("personal") && context.run.organisation == "local" };
"""
WAY = "`personal` by input.name → a → b; spiffe://local/agent/low: forbidden by low-sees-little"

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {"two.py": AGENTS, "leaking.yaml": LEAKING, "p.cedar": POLICIES}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def call(here: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main((*arguments, "--agents", "two.py"))
        return int(ended.value.code or 0), capsys.readouterr().out

    return run


def errors(plan: Any) -> list[Any]:
    return [one for one in plan["report"]["findings"] if one["severity"] == "error"]


def test_verify_tells_of_leaks_by_the_policies_that_are_named(call: Call) -> None:
    assert call("verify", "leaking.yaml")[0] == 0
    code, out = call("verify", "leaking.yaml", "--policies", "p.cedar", "--json")
    assert code == 2
    [problem] = json.loads(out)[0]["problems"]
    assert (problem["code"], problem["place"]["line"]) == ("ACC219", 15)
    assert WAY in problem["hint"]
    assert call("verify", "leaking.yaml", "--policies", "p.cedar", "--organisation", "acme")[0] == 0


def test_verify_tells_without_a_policy_that_too_few_can_agree(call: Call, here: Path) -> None:
    asked = LEAKING.replace("    uses: test.high@^1", "    uses: test.high@^1\n    redundancy: {copies: 2, agree: 2}")
    (here / "agreed.yaml").write_text(asked)
    code, out = call("verify", "agreed.yaml", "--json")
    [told] = json.loads(out)
    [warning] = told["warnings"]
    assert (code, warning["code"], warning["place"]["line"]) == (0, "ACC171", 12)
    assert warning["example"] == {"offer": ["spiffe://local/agent/high"]}
    assert all(fact["check"] != "authority" for fact in told["facts"])
    (here / "broken.py").write_text("from nowhere import nothing")
    assert "ACC171" not in call("verify", "agreed.yaml", "broken.py", "--json")[1], "who it offers is not known"


def test_verify_refuses_policies_that_are_none(call: Call, here: Path) -> None:
    (here / "p.cedar").write_text("permit (principal, action, resource)")
    assert call("verify", "leaking.yaml", "--policies", "p.cedar")[0] == 2
    assert call("verify", "leaking.yaml", "--policies", "nothing.cedar")[0] == 2


def test_a_plan_tells_of_leaks_by_the_policies_of_the_home(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("plan", "leaking.yaml", "--set", "name=Ann", "--json")
    code, out = call(*asked)
    assert (code, errors(json.loads(out))) == (0, [])
    monkeypatch.setenv("ACCORD_POLICIES", "p.cedar")
    code, out = call(*asked)
    assert (code, json.loads(out)["ok"]) == (2, False)
    [leak] = errors(json.loads(out))
    assert (leak["code"], leak["place"]["line"]) == ("ACC219", 15)
    assert WAY in leak["hint"]


def test_a_plan_without_labels_tells_that_nobody_may_do_a_task(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "plain.yaml").write_text(LEAKING.replace("labels:\n  /name: [personal]\n", ""))
    asked = ("plan", "plain.yaml", "--set", "name=Ann", "--json")
    assert "ACC170" not in call(*asked)[1]
    (here / "p.cedar").write_text(
        """@id("any") permit (principal, action, resource);
@id("no-low") forbid (principal == Agent::"spiffe://local/agent/low", action == Action::"execute", resource);"""
    )
    monkeypatch.setenv("ACCORD_POLICIES", "p.cedar")
    report = json.loads(call(*asked)[1])["report"]
    [told] = [one for one in report["findings"] if one["code"] == "ACC170"]
    assert (told["severity"], told["place"]["line"]) == ("warning", 13)
    assert told["example"]["may_not"] == {"spiffe://local/agent/low": "forbidden by no-low"}


# -- over HTTP ---------------------------------------------------------------------------------------------------


def working(name: str) -> Agent:
    agent = Agent(name)

    @agent.capability(f"test.{name}@1.0.0", input={}, output={})
    async def work(value: Any) -> Any:
        return value

    return agent


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    (tmp_path / "p.cedar").write_text('@id("any") permit (principal, action, resource);')
    settings = Settings(home=tmp_path / "home", policies=tmp_path / "p.cedar")
    async with open_node(settings) as node, host(node, [working("high"), working("low")]):
        yield node


async def test_a_plan_over_http_tells_of_leaks_of_what_was_published_before(node: Node, tmp_path: Path) -> None:
    document = {
        "accord": "template/1",
        "name": "leaking",
        "version": "1.0.0",
        "input": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        "labels": {"/name": ["personal"]},
        "tasks": {
            "a": {"uses": "test.high@^1", "with": {"v": "${ input.name }"}},
            "b": {"uses": "test.low@^1", "with": {"v": "${ tasks.a.output }"}},
        },
    }
    await node.publish(msgspec.convert(document, Template), orjson.dumps(document))
    (tmp_path / "p.cedar").write_text(POLICIES)
    await node.parts.policies.go()
    key = await node.issue_api_key("ann", "operator", by="test")
    async with create_application(node) as gateway, _asking(gateway, key.text) as http:
        plan = (await http.post("/v1/plans", json={"template": "leaking", "input": {"name": "Ann"}})).json()
        assert plan["ok"] is False
        [leak] = errors(plan)
        assert (leak["code"], leak["place"]["pointer"]) == ("ACC219", "/tasks/b")
        assert WAY in leak["hint"]

        asked = {"action": "see", "capability": "test.low@1.0.0", "template": "leaking@1.0.0", "labels": ["personal"]}
        both = [{**asked, "agent": f"spiffe://local/agent/{name}"} for name in ("low", "high")]
        decided = (await http.post("/v1/policy/decisions", json={"questions": both})).json()
        assert [one["allowed"] for one in decided] == [False, True]
        transport = httpx.ASGITransport(app=gateway, client=("192.0.2.1", 1))
        async with Connection("http://127.0.0.1", key.text, transport=transport) as connection:
            there = Remote(connection)
            known = await known_of(there)
            found = by_template(known.templates.find("leaking"), {"name": "Ann"}, known)
            assert found.plan.report.ok
            far = await with_authority(there, found, known, by="ann")
            assert [one.message for one in far.plan.report.errors] == [leak["message"]]
            assert await there.keys() == await node.keys()
        wrong = await http.post("/v1/policy/decisions", json={"questions": [{**both[0], "agent": "low"}]})
        assert wrong.status_code == 422


async def test_a_decision_is_of_the_run_that_the_principal_would_start(node: Node, tmp_path: Path) -> None:
    (tmp_path / "p.cedar").write_text(
        '@id("hers") permit (principal is Agent, action, resource) when { context.run.tenant == "ann" };'
    )
    await node.parts.policies.go()
    low = AgentId("spiffe://local/agent/low")
    question = Question("see", low, "test.low@1.0.0", "leaking@1.0.0", frozenset(("internal",)))
    for by, allowed in (("ann", True), ("bob", False)):
        [decision] = await node.decisions([question], by=by)
        assert decision.allowed is allowed


def _asking(gateway: Any, key: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=gateway, client=("192.0.2.1", 1))
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(transport=transport, base_url="http://accord.test", headers=headers)
