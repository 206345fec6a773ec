"""A key is compromised: what rests on it, across tasks, sub-runs and forks; and its quarantine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import orjson
import pytest

from accord.domain.ids import KeyId, RunId
from accord.domain.impact import together
from accord.domain.run import Run
from accord.errors import NotFound, TransitionRefused
from accord.sdk import Agent
from accord.service import Fork
from accord.testing.stage import QUIET, ScriptedAgent, Stage, node_on
from accord.views.proof import proof_of

CHAIN = {
    "first": {"uses": "test.first@^1", "with": {"number": 1}},
    "second": {"uses": "test.second@^1", "with": {"number": "${ tasks.first.output }"}},
    "aside": {"uses": "test.second@^1", "with": {"number": 2}},
}


def offering(name: str) -> Agent:
    agent = Agent(name)

    @agent.capability(f"test.{name}@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


class Scene:
    def __init__(self, stage: Stage, first: ScriptedAgent, second: ScriptedAgent) -> None:
        self.stage, self.first, self.second = stage, first, second

    async def started(self, output: str = "second") -> Run:
        return await self.stage.start(CHAIN, name=f"ends-with-{output}", output=f"${{ tasks.{output}.output }}")

    async def done(self, run: Run, *, second: bool = True) -> Run:
        await self.first.answer(await self.first.assigned(), 1)
        await self.second.answer(await self.second.assigned(), 2)
        if second:
            await self.second.answer(await self.second.assigned(), 3)
        return await self.stage.run(run)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with Stage.open() as stage:
        yield Scene(stage, await stage.enlist(offering("first")), await stage.enlist(offering("second")))


async def impact(scene: Scene, key: KeyId, **more: Any) -> list[tuple[RunId, tuple[str, ...], tuple[str, ...], bool]]:
    found = await scene.stage.node.impact(key, **more)
    return [(one.run, one.signed, one.tasks, one.report) for one in found.runs]


async def test_results_by_the_key_and_what_depends_on_them_are_named(scene: Scene) -> None:
    run = await scene.done(await scene.started())
    assert run.phase == "completed"
    assert await impact(scene, scene.first.key.kid) == [(run.id, ("first",), ("first", "second"), True)]
    assert await impact(scene, scene.second.key.kid) == [(run.id, ("second", "aside"), ("second", "aside"), True)]
    aside = await scene.done(await scene.started(output="aside"))
    assert (await impact(scene, scene.first.key.kid))[1] == (aside.id, ("first",), ("first", "second"), False)


async def test_only_what_was_signed_since_a_time_counts(scene: Scene) -> None:
    await scene.done(await scene.started())
    noon = scene.stage.clock.now()
    scene.stage.clock.forward(3600)
    later = await scene.done(await scene.started())
    assert [one[0] for one in await impact(scene, scene.first.key.kid, since=noon + timedelta(minutes=1))] == [later.id]
    assert len(await impact(scene, scene.first.key.kid)) == 2


@pytest.mark.abuse("ASI03", at="gate", stride="repudiation", case="a stolen key that signs with a date of before")
async def test_a_date_that_is_too_early_hides_nothing(scene: Scene) -> None:
    """When a statement was signed says whoever holds the key; what counts is when it was accepted."""
    run, node = await scene.started(), scene.stage.node
    given = await scene.first.assigned()
    scene.stage.clock.forward(5)
    stolen_at = scene.stage.clock.now()
    claims = msgspec.structs.replace(scene.first.claims(given, b"1"), issued_at=int(stolen_at.timestamp()) - 30)
    await scene.first.send(await scene.first.sign(claims, b"1"))
    assert await impact(scene, scene.first.key.kid, since=stolen_at) == [
        (run.id, ("first",), ("first", "second"), True)
    ]
    await node.revoke_key(scene.first.key.kid, by="ann", since=stolen_at)
    assert [one.code for one in (await proof_of(node, run.id)).problems] == ["ACC543"]


async def test_of_several_keys_all_is_told_that_rests_on_any(scene: Scene) -> None:
    both, one = await scene.done(await scene.started()), await scene.done(await scene.started(), second=False)
    node, kids = scene.stage.node, (scene.first.key.kid, scene.second.key.kid)
    await node.contain(kids[1], by="ann", reason="lost")
    found = together([await node.impact(kid) for kid in kids])
    assert (found.key, found.agent, found.doubted) == (kids[0], scene.first.id, (both.id, one.id))
    told = [(each.run, each.signed, set(each.tasks), each.report) for each in found.runs]
    every = {"first", "second", "aside"}
    assert [(run, tasks) for run, _, tasks, _ in told] == [(both.id, every), (one.id, every)]
    for each in found.runs:
        assert each.tasks.index("first") < each.tasks.index("second"), "in topological order"  # type: ignore[arg-type]
        assert set(each.signed) <= every
    assert set(told[0][1]) == every


async def test_forks_rest_on_what_they_have_adopted(scene: Scene) -> None:
    run = await scene.done(await scene.started())
    fork = await scene.stage.node.fork(run.id, Fork(task="second"), by="test")  # type: ignore[arg-type]  # a task's id
    await scene.second.answer(await scene.second.assigned(), 4)
    assert (await scene.stage.run(fork)).phase == "completed"
    found = {one[0]: one[1:] for one in await impact(scene, scene.first.key.kid)}
    assert found[fork.id] == ((), ("first", "second"), True)


async def test_runs_rest_on_the_runs_that_did_their_tasks(scene: Scene) -> None:
    await scene.stage.publish(CHAIN, name="inner", output="${ tasks.second.output }")
    tasks = {"inner": {"workflow": "inner@^1", "with": {}}, "more": {"uses": "test.second@^1", "with": {"number": 5}}}
    outer = await scene.stage.start(tasks, name="outer", output="${ tasks.inner.output }")
    await scene.first.answer(await scene.first.assigned(), 1)
    for _ in range(3):
        await scene.second.answer(await scene.second.assigned(), 2)
    found = {one[0]: one[1:] for one in await impact(scene, scene.first.key.kid)}
    assert len(found) == 2
    assert found[outer.id] == ((), ("inner",), True)


async def test_quarantine_holds_the_agent_marks_the_runs_and_pauses_those_under_way(scene: Scene) -> None:
    over = await scene.done(await scene.started())
    live = await scene.done(await scene.started(), second=False)
    node, kid = scene.stage.node, scene.first.key.kid
    found = await node.contain(kid, by="ann", reason="lost")
    assert found.doubted == (over.id, live.id)
    assert scene.stage.parts.holds.quarantined == {scene.first.id}
    assert (await scene.stage.run(live)).paused
    assert not (await scene.stage.run(over)).paused
    assert [(one.run, one.by, one.reason) for one in await node.doubted()] == [
        (over.id, "ann", "lost"), (live.id, "ann", "lost"),
    ]  # fmt: skip
    await node.contain(kid, by="bob", reason="again")
    async with await node_on(scene.stage.ports) as other:
        assert [one.by for one in await other.doubted()] == ["ann", "ann"]
    await node.clear(over.id, by="ann", note="looked at")
    assert (await node.impact(kid)).doubted == (live.id,)
    with pytest.raises(TransitionRefused, match="ACC365"):
        await node.clear(over.id, by="ann")


async def test_nothing_rests_on_a_key_that_nobody_knows(scene: Scene) -> None:
    with pytest.raises(NotFound, match="ACC713"):
        await scene.stage.node.impact(KeyId("nobody"))
    with pytest.raises(NotFound, match="ACC713"):
        await scene.stage.node.contain(KeyId("nobody"), by="ann", reason="lost")
    assert list(await scene.stage.node.holds()) == []


async def test_a_revoked_key_still_verifies_what_it_has_signed(scene: Scene) -> None:
    run = await scene.done(await scene.started())
    await scene.stage.node.revoke_key(scene.first.key.kid, by="ann", reason="lost")
    scene.stage.clock.forward(10 * 365 * 86_400)
    kept = msgspec.structs.replace(QUIET, keep=timedelta(days=100_000))
    async with await node_on(scene.stage.ports, kept) as later:
        proof = await proof_of(later, run.id)
        assert proof.ok, proof.problems
    assert orjson.loads(await scene.stage.node.data(run.output)) == 3  # type: ignore[arg-type]  # it is completed
