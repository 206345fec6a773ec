"""The gate: what an honest message becomes, whose fault a broken result is, and what a diagnosis may do.

What it refuses is in `tests/security`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from accord.domain import command as c
from accord.domain.event import AttemptRejected
from accord.domain.ids import TaskId
from accord.engine.verdicts import Authentic, Late, News, Suspect
from accord.sdk import Agent
from accord.testing.stage import Assignment, ScriptedAgent, Stage, attempts_of

ONE = {"work": {"uses": "test.work@^1", "with": {"number": 1}}}
TASK = TaskId("work")


class Taken:
    """A delivery that no bus knows."""

    attempts = 1

    def __init__(self, message: Any) -> None:
        self.message = message


def working(name: str = "worker") -> Agent:
    agent = Agent(name)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


def doctor() -> Agent:
    agent = Agent("doctor")

    @agent.capability("accord.diagnose@1.0.0", input={}, output={"type": "object"})
    async def diagnose(case: Any) -> Any:
        return case

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


async def verdict(stage: Stage, agent: ScriptedAgent, assignment: Assignment, value: Any, **changed: Any) -> Any:
    """What the gate makes of this answer, without anybody acting on it."""
    gate, now = stage.parts.gate, stage.clock.now()
    message = await agent.result(assignment, value, **changed)
    (found,) = await gate.authenticate([Taken(message)], now)
    assert isinstance(found, Authentic)
    return gate.admit(stage.parts.ledger.find(assignment.claims.run), found)  # type: ignore[arg-type]  # a run's id


async def test_every_kind_becomes_its_command(stage: Stage) -> None:
    agent = await stage.enlist(working())
    await stage.start(ONE)
    given = await agent.assigned()
    accept = await verdict(stage, agent, given, b"", kind="accept")
    assert accept == c.Accept(task=TASK, attempt=1)
    failure = await verdict(
        stage, agent, given, {"code": "busy", "message": "later", "retryable": True}, kind="failure"
    )
    assert isinstance(failure, c.Fail)
    assert (failure.retryable, failure.problem.code, failure.problem.message) == (True, "ACC420", "busy: later")
    result = await verdict(stage, agent, given, 8, confidence="0.75")
    assert isinstance(result, c.Deliver)
    assert (result.output.data, result.confidence, result.problems) == (b"8", 0.75, ())
    progress = await verdict(stage, agent, given, {"fraction": 0.5}, kind="progress")
    assert isinstance(progress, News)


async def test_the_statement_is_kept_as_it_came(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(ONE)
    message = await agent.result(await agent.assigned(), 8)
    await agent.send(message)
    attempt = (await stage.run(run)).attempt(TASK, 1)
    assert attempt is not None
    assert attempt.statement == message.statement.decode()


@pytest.mark.parametrize("count", [1, 7, 8, 25])
async def test_batches_of_any_size_keep_their_order(stage: Stage, count: int) -> None:
    agent = await stage.enlist(working())
    await stage.start(ONE)
    given = await agent.assigned()
    messages = [await agent.result(given, n, kind="bid" if n % 3 == 0 else "result") for n in range(count)]
    found = await stage.parts.gate.authenticate([Taken(one) for one in messages], stage.clock.now())
    assert [one.delivery.message for one in found] == messages
    assert [isinstance(one, Suspect) for one in found] == [n % 3 == 0 for n in range(count)]


async def test_what_is_about_an_ended_attempt_is_late(stage: Stage) -> None:
    agent = await stage.enlist(working())
    run = await stage.start(ONE)
    given = await agent.assigned()
    await stage.node.control(run.id, c.Cancel(by="test"))
    message = await agent.result(given, 8)
    (found,) = await stage.parts.gate.authenticate([Taken(message)], stage.clock.now())
    assert isinstance(found, Authentic)
    assert isinstance(stage.parts.gate.admit(await stage.run(run), found), Late)


async def faults(stage: Stage, run: Any) -> list[str]:
    return [event.fault for _, event in await stage.node.events(run.id) if isinstance(event, AttemptRejected)]


async def test_when_several_agents_break_a_contract_it_is_suspect_itself(stage: Stage) -> None:
    agents = [await stage.enlist(working(f"worker{number}")) for number in range(3)]
    for agent in agents[1:]:
        await agent.heartbeat(draining=True)
    run = await stage.start(ONE)
    for agent, following in zip(agents, [*agents[1:], None], strict=True):
        await agent.answer(await agent.assigned(), b'"x"')
        await agent.heartbeat(draining=True)
        stage.clock.forward(60)
        if following is not None:
            await following.heartbeat(draining=False)
            await stage.node.orchestrator.submit(run.id, c.Tick())
    assert await faults(stage, run) == ["producer", "producer", "contract"]


# -- diagnosis ---------------------------------------------------------------------------------------------------


async def diagnosed(stage: Stage, diagnosis: dict[str, Any]) -> Any:
    """A run whose result was broken, after this diagnosis."""
    agent, medic = await stage.enlist(working()), await stage.enlist(doctor())
    run = await stage.start(ONE, output="${ tasks.work.output }")
    await agent.answer(await agent.assigned(), b'"8"')
    case = await medic.assigned()
    assert case.input["output"] == "8"
    assert case.input["agent"] == agent.id
    assert case.input["problems"][0]["code"] == "ACC251"
    await medic.answer(case, diagnosis)
    return await stage.run(run)


async def test_a_repaired_result_is_the_tasks_and_signed_by_the_doctor(stage: Stage) -> None:
    run = await diagnosed(stage, {"verdict": "repaired", "explanation": "a number in quotes", "output": 8})
    assert (run.phase, run.output.data) == ("completed", b"8")
    attempt = run.attempt(TASK, run.state(TASK).attempt)
    assert attempt.agent == "spiffe://local/agent/doctor"
    assert orjson.loads(attempt.output.data)["explanation"] == "a number in quotes"


async def test_a_repair_that_breaks_the_contract_is_rejected(stage: Stage) -> None:
    run = await diagnosed(stage, {"verdict": "repaired", "explanation": "", "output": "eight"})
    assert list(attempts_of(run)) == ["work/1 rejected", "work/2 rejected"]
    assert run.phase == "running"


async def test_a_task_that_is_given_up_fails_with_the_explanation(stage: Stage) -> None:
    run = await diagnosed(stage, {"verdict": "fail", "explanation": "there is no number in it"})
    assert run.phase == "failed"
    assert "there is no number in it" in run.problem.message


async def test_a_task_that_is_sent_back_goes_to_the_same_agent(stage: Stage) -> None:
    run = await diagnosed(stage, {"verdict": "retry", "explanation": "once more"})
    assert run.attempt(TASK, 3).agent == "spiffe://local/agent/worker"
