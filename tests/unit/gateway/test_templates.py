"""Templates over HTTP: what is said of a text before it is published, and how a template is drawn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from accord.app import host, open_node
from accord.domain.ids import RunId
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
    assert 0 < work["trust"]["text.greet"] < 1
