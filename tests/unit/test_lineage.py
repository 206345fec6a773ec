"""Lineage: from a value of the output back to agents, keys and inputs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from typing_extensions import TypedDict

from accord.domain.lineage import Source, keys_behind, lineage_of, statement_digests
from accord.domain.signature import parse_statement, statement_digest
from accord.errors import NotFound
from accord.sdk import Agent
from accord.testing.stage import Stage

TASKS = {
    "list": {"uses": "test.list@^1", "with": {"where": "${ input.where }"}},
    "measure": {
        "for_each": "${ tasks.list.output }",
        "uses": "test.measure@^1",
        "with": {"name": "${ item }"},
    },
    "apart": {"uses": "test.measure@^1", "with": {"name": "${ input.other }"}},
}
OUTPUT = {
    "all": "${ tasks.measure.output }",
    "second": "${ tasks.measure.output[1] }",
    "mixed": ["${ tasks.apart.output.size + 1 }", "plain"],
    "said": "${ input.where }",
}
VALUE = {"where": "here", "other": "b", "unused": 1}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


class Size(TypedDict):
    """How long a name is."""

    size: int


def lister() -> Agent:
    agent = Agent("lister")

    @agent.capability("test.list@1.0.0")
    async def names(where: str) -> list[str]:
        return [where]

    return agent


def measurer() -> Agent:
    agent = Agent("measurer")

    @agent.capability("test.measure@1.0.0")
    async def size(name: str) -> Size:
        return Size(size=len(name))

    return agent


async def test_a_value_is_followed_through_expressions_and_whole_documents(stage: Stage) -> None:
    list_, measure = await stage.enlist(lister()), await stage.enlist(measurer())
    started = await stage.start(TASKS, VALUE, output=OUTPUT)
    await list_.answer(await list_.assigned(), ["a", "b"])
    statements = {}
    for _ in range(3):
        assignment = await measure.assigned()
        message = await measure.result(assignment, {"size": 4})
        statements[assignment.claims.task] = statement_digest(parse_statement(message.statement).claims)
        await measure.send(message)
    run = await stage.run(started)
    assert run.phase == "completed"

    whole = lineage_of(run)
    assert whole.agents() == ("spiffe://local/agent/lister", "spiffe://local/agent/measurer")
    assert set(whole.signing_keys()) == {list_.key.kid, measure.key.kid}
    assert {one.name for one in whole.sources} == {
        "tasks.measure", "tasks.measure[0]", "tasks.measure[1]", "tasks.measure.items", "tasks.list", "tasks.apart",
        "input.where", "input.other",
    }  # fmt: skip

    second = lineage_of(run, "/second/size")
    assert second.expressions == ("${ tasks.measure.output[1] }",)
    assert [one.name for one in second.sources] == [
        "tasks.measure[1]", "tasks.measure.items", "tasks.list", "input.where",
    ]  # fmt: skip
    named = {one.name: one for one in second.sources}
    assert named["tasks.measure[1]"] == Source(
        name="tasks.measure[1]",
        kind="agent",
        task="measure[1]",
        attempt=1,
        agent=measure.id,
        key=measure.key.kid,
        capability="test.measure@1.0.0",
        statement=statements["measure[1]"],
        value=run.state("measure[1]").output.sha256,
        expressions=("${ item }",),
        rests_on=("tasks.measure.items",),
    )
    assert named["tasks.list"].rests_on == ("input.where",)
    assert (named["input.where"].kind, named["input.where"].by) == ("input", "local")

    assert [one.name for one in lineage_of(run, "/mixed/0").sources] == ["tasks.apart", "input.other"]
    assert lineage_of(run, "/mixed/1").sources == ()
    assert [one.name for one in lineage_of(run, "/said").sources] == ["input.where"]
    assert keys_behind(run) == {
        list_.key.kid: ("list",),
        measure.key.kid: ("measure[0]", "measure[1]", "apart"),
    }
    assert len(statement_digests(run)) == 4


async def test_who_has_answered_is_named_as_well(stage: Stage) -> None:
    tasks = {
        "ask": {"approval": {"title": "May it?"}},
        "sub": {"uses": "test.measure@^1", "with": {"name": "${ string(tasks.ask.output.approved) }"}},
    }
    measure = await stage.enlist(measurer())
    started = await stage.start(tasks, None, output={"size": "${ tasks.sub.output.size }"})
    await stage.node.signal(started.id, {"approved": True}, by="ann", task="ask")
    await measure.answer(await measure.assigned(), {"size": 4})
    found = {one.name: one for one in lineage_of(await stage.run(started)).sources}
    assert (found["tasks.ask"].kind, found["tasks.ask"].by) == ("answer", "ann")


async def test_what_has_no_output_has_no_lineage(stage: Stage) -> None:
    await stage.enlist(measurer())
    started = await stage.start({"apart": TASKS["apart"]}, VALUE)
    with pytest.raises(NotFound, match="ACC857"):
        lineage_of(await stage.run(started))


async def test_an_upstream_context_is_followed_once_for_each_task_before(stage: Stage) -> None:
    """Not once for each way to it: of these there are two to the power of the layers."""
    measure = await stage.enlist(measurer())
    layers = [[f"t{layer}a", f"t{layer}b"] for layer in range(32)]
    tasks = {
        name: {"uses": "test.measure@^1", "with": {"name": "x"}, "needs": needs}
        for needs, layer in zip([[], *layers], layers, strict=False)
        for name in layer
    }
    tasks["last"] = {"uses": "test.measure@^1", "with": {"name": "x"}, "needs": layers[-1], "context": "upstream"}
    started = await stage.start(tasks, {}, output="${ tasks.last.output }")
    for _ in tasks:
        await measure.answer(await measure.assigned(), {"size": 1})
    run = await stage.run(started)
    assert run.phase == "completed"
    found = {one.name for one in lineage_of(run).sources}
    assert found == {"input", "tasks.last", *(f"tasks.{name}" for layer in layers for name in layer)}
