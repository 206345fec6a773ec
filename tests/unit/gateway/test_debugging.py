"""Why a run is where it is, over HTTP and with the client: what it waits for, who could do it, what has changed."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import pytest

from accord.app import host
from accord.domain.command import Cancel, Pause
from accord.domain.explanation import demands
from accord.domain.ids import AgentId, InstanceId, TaskId
from accord.domain.run import Run
from accord.engine.node import Node
from accord.engine.past import Room
from accord.ports import Sighting
from accord.sdk import Agent
from accord.templates.reading import read_source
from accord.views.candidates import could_do

TEMPLATE = """
accord: template/1
name: waits
version: 1.0.0
tasks:
  slow: {uses: text.slow@^1, with: {n: 1}}
  ask: {approval: {title: "Go on?"}}
  last: {needs: [slow, ask], uses: text.slow@^1, with: {n: 2}}
"""


def slow(name: str) -> Agent:
    agent = Agent(name, concurrency=1, queue=0)

    @agent.capability("text.slow@1.0.0")
    async def slowly(n: int) -> int:
        return n

    return agent


@pytest.fixture
async def run(asker: Any) -> Any:
    """A run that waits for an agent of which the last instance has left, and for a person."""
    node = asker.gateway.node
    await asker.show("viewer")
    source = read_source(TEMPLATE)
    async with host(node, [slow("ann"), slow("bob")]):
        digest = await node.publish(source.template, source.data)
    await node.hold("agent", "spiffe://local/agent/bob", by="ann", reason="it is slow")
    return await node.start_run(digest, {})


async def who(node: Any, run: Run) -> dict[str, str]:
    (demand,) = demands(run, run.updated_at)
    return {one.agent.rpartition("/")[2]: one.why for one in await could_do(node, run, demand)}


async def test_what_a_run_waits_for_is_told_with_who_could_do_it(asker: Any, run: Run) -> None:
    told = (await asker.http.get(f"/v1/runs/{run.id}/explanation")).json()
    assert (told["state"], told["run"], told["causes"]) == ("running", run.id, [])
    waits = {(one["kind"], one["task"]): one for one in told["waits"]}
    assert set(waits) == {("agent", "slow"), ("approval", "ask")}
    could = {one["agent"].rpartition("/")[2]: one["why"] for one in waits["agent", "slow"]["who"]}
    assert could == {"ann": "absent", "bob": "held"}
    commands = [one["command"] for one in told["advice"]]
    assert commands == [
        f"accord runs signal {run.id} --task ask --approve",
        "accord agents show ann",
        "accord runs resume --agent bob",
    ]


async def test_a_task_that_has_not_begun_names_what_comes_before(asker: Any, run: Run) -> None:
    told = (await asker.http.get(f"/v1/runs/{run.id}/explanation", params={"task": "last"})).json()
    assert told["summary"] == "last has not begun."
    assert [one["kind"] for one in told["waits"]] == ["needs", "approval", "agent"]
    assert told["waits"][0]["words"] == "last comes after ask (waiting), slow (active)"
    unknown = await asker.http.get(f"/v1/runs/{run.id}/explanation", params={"task": "nope"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "ACC434")


async def test_who_could_do_it_follows_who_is_there(asker: Any, run: Run) -> None:
    node = asker.gateway.node
    await node.control(run.id, Pause(by="ann"))
    paused = await node.run(run.id)
    told = (await asker.http.get(f"/v1/runs/{run.id}/explanation")).json()
    said = "it was paused by ann: nothing is assigned; 1 waits for an approval; 1 waits until it goes on."
    assert told["summary"] == f"It is paused: 0 of 3 tasks done; {said}"
    assert [one["kind"] for one in told["waits"]] == ["paused", "approval", "paused"]
    async with host(node, [slow("ann"), slow("bob")]):
        await node.present(AgentId("spiffe://local/agent/ann"))
        assert await who(node, paused) == {"ann": "free", "bob": "held"}
        await node.quarantine(AgentId("spiffe://local/agent/ann"), by="ann", reason="odd")
        assert await who(node, paused) == {"ann": "quarantined", "bob": "held"}


async def test_an_agent_is_full_as_soon_as_it_is_given_no_more(
    asker: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = asker.gateway.node
    ann = AgentId("spiffe://local/agent/ann")
    seen: list[Sighting] = []
    monkeypatch.setattr(node, "sightings", AsyncMock(return_value=seen))
    for places, queued, why in (
        ([4], 1, "free"),  # of 3 and 3, of which the last is left free
        ([5], 2, "full"),
        ([5, 4], 1, "free"),
        ([5, 5], 2, "full"),
        ([4], 3, "full"),  # more waits in it than is to
    ):
        seen[:] = [
            Sighting(
                agent=ann,
                instance=InstanceId(f"one-{number}"),
                process="there",
                seen_at=run.updated_at,
                concurrency=3,
                queue=3,
                queued=queued,
                load=held / 6,
            )
            for number, held in enumerate(places)
        ]
        assert await who(node, run) == {"ann": why, "bob": "held"}


async def test_what_is_different_between_two_events_is_told(asker: Any, run: Run) -> None:
    records = await asker.gateway.node.records(run.id)
    path = f"/v1/runs/{run.id}/difference"
    whole = (await asker.http.get(path)).json()
    assert (whole["after"], whole["until"]) == (0, records[-1].sequence)
    told = {(one["task"], one["what"]): one["after"] for one in whole["changes"]}
    assert told["slow", "state"] == "active"
    assert (await asker.http.get(path, params={"after": len(records)})).json()["changes"] == []
    for parameters, status, code in (({"after": 3, "until": 2}, 422, "ACC590"), ({"until": 99}, 404, "ACC434")):
        refused = await asker.http.get(path, params=parameters)
        assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_runs_are_compared(asker: Any, run: Run) -> None:
    node = asker.gateway.node
    other = await node.start_run(run.started.graph, {})
    await node.signal(other.id, {"approved": True}, by="ann", task=TaskId("ask"))
    found = (await asker.http.get(f"/v1/runs/{run.id}/diff", params={"other": other.id})).json()
    assert found["given"] == []
    parted = {one["task"]: one["parted"]["words"] for one in found["tasks"] if one["parted"] is not None}
    assert parted == {"ask": "only in the second run: ann answered it"}
    (ask,) = [one for one in found["tasks"] if one["task"] == "ask"]
    assert (ask["input"], ask["output"]) == ([], [{"pointer": "", "kind": "added", "after": {"approved": True}}])
    answer = (await asker.http.get(f"/v1/runs/{other.id}/tasks/ask")).json()["answer"]
    assert (answer["by"], answer["value"]) == ("ann", {"approved": True})
    assert (await asker.http.get(f"/v1/runs/{run.id}/tasks/ask")).json()["answer"] is None
    unknown = await asker.http.get(f"/v1/runs/{run.id}/diff", params={"other": "run_x"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "ACC409")


CHAIN = """
accord: template/1
name: chain
version: 1.0.0
input: {type: object, properties: {n: {type: integer}}, required: [n]}
tasks:
  then: {needs: [begin], uses: text.picky@^1, with: {n: 2}, retry: {attempts: 1}}
  begin: {uses: text.picky@^1, with: {n: "${ input.n }"}, retry: {attempts: 1}}
"""


async def test_what_parted_first_is_told_first_though_a_task_has_begun_in_one_run_only(asker: Any) -> None:
    node = asker.gateway.node
    await asker.show("viewer")
    agent, source = Agent("picky"), read_source(CHAIN)

    @agent.capability("text.picky@1.0.0")
    async def picky(n: int) -> int:
        if n == 1:
            raise ValueError("not 1")
        return n

    async with host(node, [agent]):
        digest = await node.publish(source.template, source.data)
        failed, good = [await node.ended((await node.start_run(digest, {"n": n})).id) for n in (1, 2)]
    assert (failed.phase, good.phase) == ("failed", "completed")
    found = (await asker.http.get(f"/v1/runs/{failed.id}/diff", params={"other": good.id})).json()
    assert [one["task"] for one in found["tasks"] if one["parted"] is not None] == ["begin", "then"]


async def test_only_what_has_ended_is_captured(asker: Any, run: Run) -> None:
    refused = await asker.http.get(f"/v1/runs/{run.id}/capture")
    assert (refused.status_code, refused.json()["code"]) == (409, "ACC595")
    await asker.gateway.node.control(run.id, Cancel(by="ann"))
    test = (await asker.http.get(f"/v1/runs/{run.id}/capture")).json()
    assert (test["accord"], test["expect"]["state"], test.get("agents", {})) == ("test/1", "cancelled", {})
    assert test["digest"] == run.started.graph


async def test_too_many_who_look_at_histories_are_told_to_come_back(
    asker: Any, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asker.show("viewer")
    monkeypatch.setattr(node, "room", Room(at_once=1, waiting=0))
    for noun in ("explanation", "diff?other=run_b", "capture"):
        answer = await asker.http.get(f"/v1/runs/run_a/{noun}")
        assert (answer.status_code, answer.json()["code"]) == (503, "ACC463"), noun
        assert int(answer.headers["Retry-After"]) > 0
