"""A run to be looked at over HTTP: its graph, what of it changes, what its tasks did when, and all of it as it was."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from accord.app import host
from accord.domain.access import Principal
from accord.engine import ledger
from accord.gateway.feeds.graph import graph_changes
from accord.gateway.layouts import Layouts
from accord.sdk import Agent
from accord.templates.reading import read_source
from accord.views.placing import MOST_BOXES

from .conftest import counted

VIEWER = Principal(name="ann", role="viewer", organisation="local", credential="")

TEMPLATE = """
accord: template/1
name: drawn
version: 1.0.0
input:
  type: object
  required: [words]
  properties: {words: {type: array, items: {type: integer}}}
tasks:
  many: {for_each: "${ input.words }", uses: number.next@^1, with: {n: "${ item }"}}
  first: {uses: number.next@^1, with: {n: 1}, compensate: {uses: number.next@^1, with: {n: 1}}}
  wrong: {uses: number.wrong@^1, with: {n: "${ tasks.first.output }"}}
  last: {needs: [wrong, many], uses: number.next@^1, with: {n: 1}}
output: "${ tasks.first.output }"
"""


@pytest.fixture
async def run(asker: Any) -> Any:
    """A run that has failed in `wrong`."""
    await asker.show("viewer")
    return await counted(asker, TEMPLATE, {"words": [1, 2, 3]})


async def asked(asker: Any, path: str, **query: Any) -> Any:
    answer = await asker.http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_graph_has_every_task_in_its_place_and_every_edge_with_its_reason(asker: Any, run: Any) -> None:
    drawn = await asked(asker, f"/v1/runs/{run.id}/graph")
    assert (drawn["placement"], drawn["state"]) == ("layered", "failed")
    tasks = {task["task"]: task for task in drawn["tasks"]}
    assert list(tasks) == list(run.graph.order)
    assert (tasks["first"]["kind"], tasks["first"]["what"], tasks["first"]["compensates"]) == (
        "agent",
        "number.next@^1",
        True,
    )
    assert tasks["last"]["box"]["x"] > tasks["wrong"]["box"]["x"] > tasks["first"]["box"]["x"]
    edges = {(edge["source"], edge["target"]): edge for edge in drawn["edges"]}
    assert set(edges) == {("first", "wrong"), ("wrong", "last"), ("many", "last")}
    assert "tasks.first.output" in edges["first", "wrong"]["reason"]
    assert len(edges["first", "wrong"]["points"]) >= 4
    states = {one["task"]: one for one in drawn["states"]}
    assert states["wrong"]["problem"]["message"] == "broken: it never works"
    assert (states["many"]["item_count"], states["many"]["items"]) == (3, {"completed": 3})
    listed = (await asked(asker, f"/v1/runs/{run.id}/tasks"))["tasks"]
    assert {one["task"]: one["state"] for one in listed} == {name: one["state"] for name, one in states.items()}
    own = [one for one in listed if one["items"] is None]
    assert {one["task"]: one["attempts"] for one in own} == {
        one["task"]: states[one["task"]].get("attempts", 0) for one in own
    }


async def test_an_open_group_shows_its_items_and_takes_more_room(asker: Any, run: Any) -> None:
    folded = await asked(asker, f"/v1/runs/{run.id}/graph")
    opened = await asked(asker, f"/v1/runs/{run.id}/graph", open=["many", "first"])
    assert (folded["items"], opened["items"]) == ({}, {"many": ["completed"] * 3})
    (box,) = [task for task in opened["tasks"] if task["task"] == "many"]
    assert box["columns"] > 0


async def test_a_run_is_told_as_it_was_after_any_event(asker: Any, run: Any) -> None:
    node, path = asker.gateway.node, f"/v1/runs/{run.id}"
    last = (await asked(asker, f"{path}/graph"))["sequence"]
    assert last == len(await node.records(run.id))
    for at in range(1, last + 1):
        state = await node.run(run.id, until=at)
        drawn = await asked(asker, f"{path}/graph", at=at)
        assert (drawn["sequence"], drawn["last"], drawn["state"]) == (at, last, state.phase)
        phases = {name: state.state(name).phase for name in state.graph.order}
        assert {one["task"]: one["state"] for one in drawn["states"]} == phases
        told = await asked(asker, f"{path}/tasks", at=at)
        assert {one["task"]: one["state"] for one in told["tasks"]} == phases
        assert (await asked(asker, path, at=at))["state"] == state.phase
        task = await asked(asker, f"{path}/tasks/wrong", at=at)
        assert [one["state"] for one in task["attempts"]] == [one.phase for one in state.state("wrong").attempts]
        assert (await asked(asker, f"{path}/timeline", at=at))["sequence"] == at
    for noun in ("", "/graph", "/tasks", "/tasks/wrong", "/timeline"):
        beyond = await asker.http.get(f"{path}{noun}", params={"at": last + 1})
        assert (beyond.status_code, beyond.json()["code"]) == (404, "ACC434")
    assert (await asker.http.get("/v1/runs/run_nowhere/timeline")).json()["code"] == "ACC409"


async def test_many_events_are_folded_while_the_server_goes_on(
    asker: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    folded = ledger._marked

    def seen(*given: Any) -> Any:
        threads.append(threading.current_thread())
        return folded(*given)

    monkeypatch.setattr(ledger, "_marked", seen)
    await asked(asker, f"/v1/runs/{run.id}/graph", at=4)
    monkeypatch.setattr(ledger, "APART_FROM", 1)
    await asked(asker, f"/v1/runs/{run.id}/graph", at=5)
    assert [one is threading.main_thread() for one in threads] == [True, False]


async def test_a_timeline_comes_in_pages_and_by_group(asker: Any, run: Any) -> None:
    path = f"/v1/runs/{run.id}/timeline"
    whole = await asked(asker, path)
    names = [track["task"] for track in whole["tracks"]]
    assert names[:4] == list(run.graph.order)
    page, seen = await asked(asker, path, limit=2), []
    while True:
        seen += [track["task"] for track in page["tracks"]]
        if page["next"] is None:
            break
        page = await asked(asker, path, limit=2, after=page["next"])
    assert seen == names
    items = await asked(asker, path, task="many")
    assert [track["task"] for track in items["tracks"]] == ["many[0]", "many[1]", "many[2]"]
    wrong = next(track for track in whole["tracks"] if track["task"] == "wrong")
    (attempt,) = wrong["attempts"]
    listed = (await asked(asker, f"/v1/runs/{run.id}/tasks/wrong"))["attempts"][0]
    assert (attempt["agent"], attempt["state"]) == (listed["agent"], listed["state"])
    assert [step["task"] for step in whole["critical"]][-1] in ("wrong", "many")
    assert sum(whole["critical_s"].values()) <= whole["until_s"] + 1e-6
    for unknown in ({"task": "nowhere"}, {"after": "nowhere"}):
        assert (await asker.http.get(path, params=unknown)).json()["code"] == "ACC434"


async def test_changes_go_on_from_any_event_and_end_with_the_run(asker: Any, run: Any) -> None:
    node = asker.gateway.node
    last = len(await node.records(run.id))
    told = [one async for one in graph_changes(node, VIEWER, run.id, 3, ["many"])]
    assert [one.event for one in told] == ["changes", "end"]
    assert (told[0].id, told[0].value.state, told[1].value.state) == (str(last), "failed", "failed")
    now = {one["task"]: one for one in (await asked(asker, f"/v1/runs/{run.id}/graph"))["states"]}
    states = {one.task: one.state for one in told[0].value.states}
    assert states == {name: now[name]["state"] for name in states}
    assert (await asker.http.get(f"/v1/runs/{run.id}/changes", params={"after": last})).status_code == 204
    streamed = await asker.http.get(f"/v1/runs/{run.id}/changes", params={"after": last - 1})
    kinds = [line.removeprefix("event: ") for line in streamed.text.splitlines() if line.startswith("event: ")]
    assert kinds == ["changes", "end"]


async def test_changes_are_told_while_they_happen(asker: Any) -> None:
    node, go = asker.gateway.node, asyncio.Event()
    agent = Agent("counter")

    @agent.capability("number.next@1.0.0")
    async def following(n: int) -> int:
        await go.wait()
        return n + 1

    source = read_source(TEMPLATE.replace("number.wrong", "number.next"))
    async with host(node, [agent]):
        digest = await node.publish(source.template, source.data)
        started = await node.start_run(digest, {"words": []})
        states, ended = {}, ""
        async for one in graph_changes(node, VIEWER, started.id, 0, []):
            if one.event == "end":
                ended = one.value.state
                break
            states |= {state.task: state.state for state in one.value.states}
            if states.get("first") == "active":
                go.set()
    assert ended == "completed"
    assert set(states.values()) == {"completed"}


async def test_a_run_proves_itself_and_a_task_tells_what_stands_behind_it(asker: Any, run: Any) -> None:
    proof = await asked(asker, f"/v1/runs/{run.id}/proof")
    assert (proof["problems"], proof["events"]) == ([], len(await asker.gateway.node.records(run.id)))
    lineage = await asked(asker, f"/v1/runs/{run.id}/tasks/first/lineage")
    assert lineage["agents"] == ["spiffe://local/agent/counter"]
    item = await asked(asker, f"/v1/runs/{run.id}/tasks/many[1]/lineage")
    assert item["lineages"][0]["sources"][0]["name"] == "tasks.many[1]"


async def test_a_layout_is_made_once_and_where_the_engine_fails_there_is_a_map(
    asker: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts = Layouts()
    first = await layouts.of(run.graph, {})
    assert await layouts.of(run.graph, {}) is first
    assert first.kind == "layered"
    monkeypatch.setattr("accord.gateway.layering.__file__", "/nowhere")
    assert (await Layouts().of(run.graph, {})).kind == "map"


async def test_a_layout_that_is_there_does_not_wait_for_one_that_is_made(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts, begun = Layouts(), asyncio.Event()
    first = await layouts.of(run.graph, {})

    async def never(request: Any) -> None:
        begun.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("accord.gateway.layouts._answered", never)
    making = asyncio.create_task(layouts.of(run.graph, {run.graph.order[0]: 2}))
    await begun.wait()
    async with asyncio.timeout(30):
        assert await layouts.of(run.graph, {}) is first
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making


async def test_a_large_graph_is_a_map(asker: Any) -> None:
    await asker.show("viewer")
    tasks = {f"t{number}": {"uses": "number.next@^1", "with": {"n": 1}} for number in range(MOST_BOXES + 1)}
    document = {"accord": "template/1", "name": "wide", "version": "1.0.0", "tasks": tasks, "output": 1}
    started = await counted(asker, json.dumps(document), {})
    drawn = await asked(asker, f"/v1/runs/{started.id}/graph")
    assert (drawn["placement"], len(drawn["tasks"])) == ("map", MOST_BOXES + 1)
