"""Why a run is where it is, over HTTP and with the client: what it waits for, who could do it, what has changed."""

from __future__ import annotations

from typing import Any

import pytest

from accord.app import host
from accord.domain.command import Cancel, Pause
from accord.domain.explanation import demands
from accord.domain.ids import AgentId, TaskId
from accord.domain.run import Run
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
    assert told["summary"].startswith("It is paused: ")
    assert [one["kind"] for one in told["waits"]] == ["paused", "approval", "paused"]
    async with host(node, [slow("ann"), slow("bob")]):
        await node.present(AgentId("spiffe://local/agent/ann"))
        assert await who(node, paused) == {"ann": "free", "bob": "held"}
        await node.quarantine(AgentId("spiffe://local/agent/ann"), by="ann", reason="odd")
        assert await who(node, paused) == {"ann": "quarantined", "bob": "held"}


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
    unknown = await asker.http.get(f"/v1/runs/{run.id}/diff", params={"other": "run_x"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "ACC409")


async def test_only_what_has_ended_is_captured(asker: Any, run: Run) -> None:
    refused = await asker.http.get(f"/v1/runs/{run.id}/capture")
    assert (refused.status_code, refused.json()["code"]) == (409, "ACC595")
    await asker.gateway.node.control(run.id, Cancel(by="ann"))
    test = (await asker.http.get(f"/v1/runs/{run.id}/capture")).json()
    assert (test["accord"], test["expect"]["state"], test.get("agents", {})) == ("test/1", "cancelled", {})
    assert test["digest"] == run.started.graph
