"""The policy in force, at both ends of a hand-off: who may not is no candidate, and whose answer comes too late to be
permitted is refused and replaced.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from accord.domain import event as e
from accord.domain.ids import RunId
from accord.domain.run import Run
from accord.domain.system import POLICIES
from accord.engine.assigner import Assigner
from accord.engine.dispatcher import Proposal
from accord.engine.gate import Gate
from accord.errors import Problem
from accord.policy.live import open_policy
from accord.sdk import Agent
from accord.testing.stage import Stage, attempts_of

ANY = '@id("any") permit (principal, action, resource);'
NOT_FIRST = (
    '@id("not-first") forbid (principal == Agent::"spiffe://local/agent/first", action == Action::"execute", resource);'
)
TASK = {"work": {"uses": "test.work@^1", "with": {"number": 1}}}


def working(name: str) -> Agent:
    agent = Agent(name, concurrency=4, queue=0)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


def written(file: Path, *policies: str) -> None:
    file.write_text("\n".join(policies))


@asynccontextmanager
async def ruled(file: Path, *policies: str) -> AsyncIterator[Stage]:
    written(file, *policies)
    async with Stage.open(policy=await open_policy(file)) as stage:
        yield stage


async def assigned_events(stage: Stage, run: RunId) -> list[e.AttemptAssigned]:
    return [event for _, event in await stage.node.events(run) if isinstance(event, e.AttemptAssigned)]


@pytest.mark.abuse("ASI02", at="gate", stride="elevation of privilege", case="who may not is given nothing")
async def test_who_may_not_is_no_candidate_and_the_journal_says_why(tmp_path: Path) -> None:
    async with ruled(tmp_path / "p.cedar", ANY, NOT_FIRST) as stage:
        await stage.enlist(working("first"))
        second = await stage.enlist(working("second"))
        run = await stage.start(TASK)
        await second.answer(await second.assigned(), 1)
        assert (await stage.run(run)).phase == "completed"
        [event] = await assigned_events(stage, run.id)
        assert event.agent == second.agent.id
        assert event.grounds is not None
        [passed] = event.grounds.passed
        assert (passed.why, passed.count, passed.policy) == ("barred", 1, "forbidden by not-first")
        assert event.policy is not None
        assert event.policy.by == ("any",)
        assert event.policy.digest == stage.ports.policy.source.digest
        kept = await stage.ports.blobs.get(event.policy.digest)
        assert b"not-first" in kept
        [record] = await stage.ports.journal.read(POLICIES)
        assert event.policy.digest in record.data.decode()


async def test_the_set_that_ships_leaves_no_trace() -> None:
    async with Stage.open() as stage:
        agent = await stage.enlist(working("first"))
        run = await stage.start(TASK)
        await agent.answer(await agent.assigned(), 1)
        [event] = await assigned_events(stage, run.id)
    assert event.policy is None
    assert b'"policy"' not in msgspec.json.encode(event)


@pytest.mark.abuse(
    "ASI02",
    "ASI03",
    at="gate",
    stride="elevation of privilege",
    case="an answer that the policy does not permit any more",
    codes=("ACC675",),
)
async def test_an_answer_that_is_not_permitted_any_more_is_an_incident_and_somebody_else_does_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "p.cedar"
    async with ruled(file, ANY) as stage:
        first = await stage.enlist(working("first"))
        run = await stage.start(TASK)
        held = await first.assigned()
        second = await stage.enlist(working("second"))
        written(file, ANY, NOT_FIRST)
        await stage.parts.policies.go()
        await first.answer(held, 1)
        assert await stage.codes() == ["ACC675"]
        stage.clock.forward(5)
        stage.node.orchestrator.kick()
        await second.answer(await second.assigned(), 1)
        after = await stage.run(run)
        assert after.phase == "completed"
        assert list(attempts_of(after)) == ["work/1 cancelled", "work/2 succeeded"]


async def test_without_the_question_it_would_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gate, "denial", lambda self, run, task, attempt: None)
    with pytest.raises(AssertionError):
        await test_an_answer_that_is_not_permitted_any_more_is_an_incident_and_somebody_else_does_it(tmp_path)


@pytest.mark.abuse(
    "ASI02", at="gate", stride="elevation of privilege", case="the policy changes while an assignment is made"
)
async def test_policies_that_change_while_an_assignment_is_made_hold_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "p.cedar"
    async with ruled(file, ANY) as stage:
        await stage.enlist(working("first"))
        looked = Assigner._input_problems

        async def changing(self: Assigner, run: Run, proposal: Proposal) -> tuple[Problem, ...]:
            monkeypatch.undo()
            written(file, ANY, NOT_FIRST)
            await stage.parts.policies.go()
            return await looked(self, run, proposal)

        monkeypatch.setattr(Assigner, "_input_problems", changing)
        run = await stage.start(TASK)
        assert not await assigned_events(stage, run.id)
        second = await stage.enlist(working("second"))
        await second.answer(await second.assigned(), 1)
        assert (await stage.run(run)).phase == "completed"
        [event] = await assigned_events(stage, run.id)
        assert event.agent == second.agent.id
        assert event.policy is not None
        assert event.policy.digest == stage.ports.policy.source.digest


async def test_nobody_may(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with ruled(tmp_path / "p.cedar", '@id("none") permit (principal is Principal, action, resource);') as stage:
        await stage.enlist(working("first"))
        run = await stage.start(TASK)
        assert (await stage.run(run)).phase == "running"
        assert "nobody who is present may be given a task of test.work: no policy permits it" in caplog.text
        assert not await assigned_events(stage, run.id)
