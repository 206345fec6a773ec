"""Tasks and attempts over HTTP: pages, states, why an agent was chosen, and why its answer was refused."""

from __future__ import annotations

from typing import Any

import pytest

from accord.app import host
from accord.domain.ids import TaskId
from accord.domain.news import Happened
from accord.templates.reading import read_source
from accord.views import basis

from .conftest import counted, counting

TEMPLATE = """
accord: template/1
name: tasks
version: 1.0.0
input:
  type: object
  required: [n, words]
  properties: {n: {type: integer}, words: {type: array, items: {type: integer}}}
tasks:
  many: {for_each: "${ input.words }", uses: number.next@^1, with: {n: "${ item }"}}
  first: {uses: number.next@^1, with: {n: "${ input.n }"}}
  wrong: {needs: [first], uses: number.wrong@^1, with: {n: 1}}
  last: {needs: [wrong], uses: number.next@^1, with: {n: 1}}
output: "${ tasks.first.output }"
"""


@pytest.fixture
async def run(asker: Any) -> Any:
    """A run that has failed in `wrong`."""
    await asker.show("viewer")
    return await counted(asker, TEMPLATE, {"n": 1, "words": [1, 2, 3]})


async def test_tasks_come_in_pages_and_by_state(asker: Any, run: Any) -> None:
    path, names = f"/v1/runs/{run.id}/tasks?limit=3", []
    while True:
        page = await asker.http.get(path)
        names += [task["task"] for task in page.json()["tasks"]]
        if "next" not in page.links:
            break
        path = page.links["next"]["url"]
    assert names == list(run.graph.order)
    whole = (await asker.http.get(f"/v1/runs/{run.id}")).json()["tasks"]
    assert (await asker.http.get(f"/v1/runs/{run.id}/tasks")).json() == {"tasks": whole, "next": None}
    failed = (await asker.http.get(f"/v1/runs/{run.id}/tasks", params={"state": "failed"})).json()["tasks"]
    assert [task["task"] for task in failed] == ["wrong"]
    both = await asker.http.get(f"/v1/runs/{run.id}/tasks", params={"state": ["completed", "failed"], "limit": 1})
    assert "state=completed&state=failed&limit=1&after=" in both.headers["Link"]
    unknown = await asker.http.get(f"/v1/runs/{run.id}/tasks", params={"after": "nowhere"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "ACC434")


async def test_a_task_tells_its_attempts_and_why(asker: Any, run: Any) -> None:
    task = (await asker.http.get(f"/v1/runs/{run.id}/tasks/wrong")).json()
    assert (task["state"], task["problem"]["message"], len(task["attempts"])) == ("failed", "broken: it never works", 1)
    (attempt,) = task["attempts"]
    assert (attempt["agent"], attempt["state"]) == ("spiffe://local/agent/counter", "failed")
    assert "1 of 1" in attempt["chosen_because"]
    assert attempt["chosen"]["decided"] == "only"
    assert (attempt["chosen"]["peers"], attempt["chosen"]["compared"]) == (1, 1)
    assert attempt["refused"]["why"] == "the agent could not do it: ACC420 broken: it never works"
    assert attempt["refused"]["then"] == "the task failed: ACC420 broken: it never works"
    assert attempt["assigned_event"] < attempt["ended_event"]
    assert attempt["problems"][0]["message"] == "broken: it never works"
    assert (attempt["input"], attempt["input_document"]["length_bytes"]) == ({"n": 1}, 7)
    assert attempt["statement"].count(".") == 2
    contract = await asker.gateway.node.contracts()
    assert attempt["contract"] in [one.digest for one in contract]
    path = f"/v1/runs/{run.id}/tasks/wrong/attempts"
    assert (await asker.http.get(path)).json() == task["attempts"]
    assert (await asker.http.get(f"{path}/1")).json() == attempt


async def test_items_have_attempts_of_their_own(asker: Any, run: Any) -> None:
    task = (await asker.http.get(f"/v1/runs/{run.id}/tasks/many")).json()
    assert [item["task"] for item in task["items"]] == ["many[0]", "many[1]", "many[2]"]
    item = (await asker.http.get(f"/v1/runs/{run.id}/tasks/many[1]")).json()
    assert (item["output"], item["attempts"][0]["output"]) == (3, 3)
    assert run.state(TaskId("many[1]")).output.sha256 == item["output_document"]["sha256"]


@pytest.mark.parametrize("path", ["nowhere", "many[3]", "wrong/attempts/2", "last/attempts/1", "nowhere/attempts"])
async def test_what_is_not_there(asker: Any, run: Any, path: str) -> None:
    missing = await asker.http.get(f"/v1/runs/{run.id}/tasks/{path}")
    assert (missing.status_code, missing.json()["code"]) == (404, "ACC434")
    assert missing.json()["problems"][0]["hint"]


DECIDED = """
accord: template/1
name: decided
version: 1.0.0
input:
  type: object
  required: [n, words]
  properties: {n: {type: integer}, words: {type: array, items: {type: integer}}}
tasks:
  many: {for_each: "${ input.words }", uses: number.next@^1, with: {n: "${ item }"}}
  first: {uses: number.next@^1, with: {n: "${ input.n }"}, description: Counts on.}
  each:
    needs: [first, many]
    for_each: "${ input.words }"
    approval: {title: "Is ${ item } right?"}
    description: Whether the counting was right.
"""


async def test_whoever_is_asked_learns_what_it_rests_on(asker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    node = asker.gateway.node
    await asker.show("viewer")
    source = read_source(DECIDED)
    async with host(node, [counting()]):
        digest = await node.publish(source.template, source.data)
        run = await node.start_run(digest, {"n": 1, "words": [7, 8]})
        async for news in node.follow(run.id):
            if isinstance(news, Happened) and news.run.state(TaskId("each[1]")).waiting:
                break
    path = f"/v1/runs/{run.id}/tasks/each[1]/basis"
    told = (await asker.http.get(path)).json()
    assert (told["description"], told["item"]) == ("Whether the counting was right.", 8)
    assert (told["input"], told["more"]) == ({"n": 1, "words": [7, 8]}, 0)
    first, many = told["before"]
    assert (first["task"], first["description"], first["state"]) == ("first", "Counts on.", "completed")
    assert (first["agent"], first["output"]) == ("spiffe://local/agent/counter", 2)
    assert (many["task"], many["items"], many["output"]) == ("many", 2, [8, 9])

    monkeypatch.setattr(basis, "MOST_BEFORE", 1)
    monkeypatch.setattr(basis, "MOST_BYTES", 0)
    told = (await asker.http.get(path)).json()
    assert ([one["task"] for one in told["before"]], told["more"]) == (["first"], 1)
    assert {"input", "item", "output"}.isdisjoint({*told, *told["before"][0]})
    assert (await asker.http.get(f"/v1/runs/{run.id}/tasks/nobody/basis")).status_code == 404
