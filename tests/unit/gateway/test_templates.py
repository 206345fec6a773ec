"""Templates over HTTP: what is said of a text before it is published, and how a template is drawn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from accord.app import host, open_node
from accord.domain.experience import Experience
from accord.domain.ids import RunId
from accord.engine import hindsight
from accord.engine.node import Node
from accord.sdk import Agent
from accord.settings import Settings

from .conftest import Asker

YAML = {"Content-Type": "application/yaml"}
GREETS = """\
accord: template/1
name: greets
version: 1.0.0
input: {type: object, required: [name], properties: {name: {type: string}}}
tasks:
  greet: {uses: text.greet@^1, with: {name: "${input.name}"}}
  again: {uses: text.greet@^1, with: {name: "${tasks.greet.output}"}}
output: "${tasks.again.output}"
"""


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    agent = Agent("greeter")

    @agent.capability("text.greet@1.0.0")
    async def greet(name: str) -> str:
        if name == "nobody":
            raise ValueError("there is nobody")
        return f"hello {name}"

    async with open_node(Settings(home=tmp_path / "home")) as node, host(node, [agent]):
        yield node


async def test_what_would_be_published_is_judged_and_is_not(asker: Asker) -> None:
    await asker.show("author")
    judged = (await asker.http.post("/v1/templates/judgements", content=GREETS, headers=YAML)).json()
    assert judged == {"ok": True, "template": "greets@1.0.0", "problems": [], "warnings": [], "edges": 2, "proven": 2}
    assert (await asker.http.get("/v1/templates/greets/1.0.0")).status_code == 404


async def test_all_that_is_wrong_is_told_with_its_line(asker: Asker) -> None:
    await asker.show("author")
    text = GREETS.replace("tasks.again", "tasks.agin").replace("uses: text.greet", "uses: text.great", 1)
    judged = (await asker.http.post("/v1/templates/judgements", content=text, headers=YAML)).json()
    assert not judged["ok"]
    assert [one["place"]["line"] for one in judged["problems"]] == [6, 8]
    broken = (await asker.http.post("/v1/templates/judgements", content="a: [", headers=YAML)).json()
    assert broken["template"] is None
    assert broken["problems"][0]["place"]["line"] == 1


async def test_a_version_that_is_too_low_is_told_before_and_refused_but_as_written(asker: Asker) -> None:
    await published(asker, GREETS)
    text = GREETS.replace("1.0.0", "1.0.1").replace("required: [name]", "required: [name, more]")
    judged = (await asker.http.post("/v1/templates/judgements", content=text, headers=YAML)).json()
    (low,) = judged["problems"]
    assert (judged["ok"], low["code"], low["place"]["line"]) == (False, "ACC267", 3)
    assert "deserves 2.0.0 (an input that was taken is refused" in low["message"]
    refused = await asker.http.post("/v1/templates", content=text, headers=YAML)
    assert (refused.status_code, refused.json()["code"]) == (409, "ACC267")
    assert (await asker.http.get("/v1/templates/greets/1.0.1")).status_code == 404
    taken = await asker.http.post("/v1/templates?as_written=true", content=text, headers=YAML)
    assert (taken.status_code, taken.json()["version"]) == (201, "1.0.1")
    judged = (await asker.http.post("/v1/templates/judgements", content=text, headers=YAML)).json()
    assert judged["ok"]


async def test_a_template_that_comes_with_accord_counts_before_it_is_published(asker: Asker) -> None:
    await asker.show("author")
    text = GREETS.partition("tasks:")[0] + 'tasks:\n  audit: {workflow: source-audit@^1, with: {directory: "."}}\n'
    judged = (await asker.http.post("/v1/templates/judgements", content=text, headers=YAML)).json()
    assert not [one for one in judged["problems"] if "there is no workflow" in one["message"]]


async def test_who_may_not_publish_is_not_told(asker: Asker) -> None:
    await asker.show("operator")
    assert (await asker.http.post("/v1/templates/judgements", content=GREETS, headers=YAML)).status_code == 403


async def test_a_template_is_drawn_in_its_place(asker: Asker) -> None:
    await asker.show("author")
    assert (await asker.http.post("/v1/templates", content=GREETS, headers=YAML)).status_code == 201
    graph = (await asker.http.get("/v1/templates/greets/1/graph")).json()
    assert graph["template"] == "greets@1.0.0"
    assert [(one["source"], one["target"]) for one in graph["edges"]] == [("greet", "again")]
    first, second = graph["tasks"]
    assert first["what"] == "text.greet@^1"
    assert first["box"]["x"] + first["box"]["width"] < second["box"]["x"]


async def test_what_an_agent_has_done_is_told_of_it(asker: Asker) -> None:
    await asker.show("admin")
    assert (await asker.http.get("/v1/agents/greeter")).json()["work"] is None
    assert (await asker.http.post("/v1/templates", content=GREETS, headers=YAML)).status_code == 201
    for name in ("Ada", "nobody"):
        asked = {"template": "greets", "input": {"name": name}}
        run = (await asker.http.post("/v1/runs", json=asked)).json()["run"]
        async for _ in asker.gateway.node.follow(RunId(run)):
            pass
    work = (await asker.http.get("/v1/agents/greeter")).json()["work"]
    assert (work["held"], work["succeeded"]) == (0, 2)
    assert work["failed"] >= 1
    assert work["latency_ms"] > 0
    assert work["failed_latency_ms"] > 0
    assert 0 < work["trust"]["text.greet"] < 1


async def published(asker: Asker, *texts: str) -> None:
    await asker.show("author")
    for text in texts:
        answer = await asker.http.post("/v1/templates", content=text, headers=YAML)
        assert answer.is_success, answer.text


async def test_two_versions_are_drawn_as_one(asker: Asker) -> None:
    after = GREETS.replace("1.0.0", "1.1.0").replace("tasks.greet.output", "input.name") + "\n"
    after = after.replace("tasks:\n", 'tasks:\n  new: {uses: text.greet@^1, needs: [again], with: {name: "x"}}\n')
    await published(asker, GREETS, after)
    path = "/v1/templates/diff/graph"
    drawn = (await asker.http.get(path, params={"before": "greets@1.0.0", "after": "greets@1.1.0"})).json()
    assert (drawn["before"]["template"], drawn["after"]["template"]) == ("greets@1.0.0", "greets@1.1.0")
    tasks = {one["task"]: one for one in drawn["tasks"]}
    assert {name: one.get("change") for name, one in tasks.items()} == {
        "greet": None,
        "again": "changed",
        "new": "added",
    }
    assert [one["pointer"] for one in tasks["again"]["differences"]] == ["/with/name"]
    edges = {(one["source"], one["target"]): one["change"] for one in drawn["edges"]}
    assert edges == {("greet", "again"): "removed", ("again", "new"): "added"}


async def test_an_edge_that_was_turned_round_is_drawn_both_ways(asker: Asker) -> None:
    before = GREETS.replace("  again", "  third: {uses: text.greet@^1, needs: [again], with: {name: x}}\n  again")
    turned = before.replace("1.0.0", "2.0.0").replace("tasks.greet.output", "input.name")
    turned = turned.replace("  greet: {uses", "  greet: {needs: [again], uses")
    await published(asker, before, turned)
    path = "/v1/templates/diff/graph"
    drawn = (await asker.http.get(path, params={"before": "greets@1.0.0", "after": "greets@2.0.0"})).json()
    edges = {(one["source"], one["target"]): one for one in drawn["edges"]}
    assert edges["greet", "again"]["change"] == "removed"
    assert edges["again", "greet"]["change"] == "added"
    assert "change" not in edges["again", "third"]
    assert "points" not in edges["greet", "again"]  # it closes a cycle: it is straight
    assert drawn["placement"] == "layered"


async def test_a_parameter_that_there_is_not_is_refused_with_those_that_there_are(asker: Asker) -> None:
    await asker.show("viewer")
    refused = await asker.http.get("/v1/templates", params={"limt": 3, "other": "x"})
    assert (refused.status_code, refused.json()["code"]) == (422, "ACC956")
    problems = refused.json()["problems"]
    assert [one["message"] for one in problems] == [
        "GET /v1/templates has no parameter `limt`",
        "GET /v1/templates has no parameter `other`",
    ]
    assert problems[0]["hint"] == "did you mean `limit`? it takes after, limit"
    assert (await asker.http.get("/v1/templates", params={"limit": 3})).is_success


async def test_a_plan_is_estimated_by_what_has_ended(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hindsight, "FRESH", timedelta(0))
    await asker.show("admin")
    assert (await asker.http.post("/v1/templates", content=GREETS, headers=YAML)).status_code == 201
    asked = {"template": "greets", "input": {"name": "Ada"}}
    before = (await asker.http.post("/v1/plans", json=asked)).json()["estimate"]
    assert before["unknown"] == ["greet", "again"]
    assert "time_s" not in before
    run = (await asker.http.post("/v1/runs", json=asked)).json()["run"]
    async for _ in asker.gateway.node.follow(RunId(run)):
        pass
    after = (await asker.http.post("/v1/plans", json=asked)).json()["estimate"]
    assert (after["runs"], [one["basis"] for one in after["tasks"]]) == (1, ["capability", "capability"])
    assert 0 < after["time_s"]["p10"] <= after["time_s"]["p50"] <= after["time_s"]["p90"]
    told = await asker.http.get("/v1/experience", params={"template": "greets@1.0.0"})
    known = msgspec.json.decode(told.content, type=Experience)
    assert known == await asker.gateway.node.experience("greets@1.0.0")
    assert set(known.tasks) == {"greet", "again"}
