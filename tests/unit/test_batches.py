"""Statements that share a signature, from the orchestrator to agents and back: who gets them, and what they prove."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from accord.domain.agent import encode_card
from accord.domain.ids import AgentId, InstanceId
from accord.domain.message import Message, decode_claims, encode_claims
from accord.domain.signature import parse_statement, statement_digest
from accord.sdk import Agent
from accord.statements import Draft, Signer
from accord.testing.stage import Assignment, ScriptedAgent, Stage
from accord.views.proof import proof_of

MANY = {"work": {"uses": "test.work@^1", "for_each": "${ input.numbers }", "with": {"number": "${ item }"}}}
NUMBERS = {"numbers": [1, 2, 3, 4, 5]}


def working(name: str = "worker") -> Agent:
    agent = Agent(name, concurrency=5)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


async def enlisted(stage: Stage, *instances: bool) -> ScriptedAgent:
    """An agent with these instances: whether each verifies batches."""
    agent = await stage.enlist(working(), present=False)
    for number, batches in enumerate(instances):
        card = agent.agent.card(InstanceId(f"{agent.id}#{number}"), [agent.key])
        await agent.tell(await agent.news("card", encode_card(msgspec.structs.replace(card, batches=batches))))
    return agent


def batched(assignments: list[Assignment]) -> set[bool]:
    return {parse_statement(one.message.statement).batched for one in assignments}


@pytest.mark.parametrize(
    ("instances", "expected"),
    [((True,), True), ((False,), False), ((True, True), True), ((True, False), False)],
    ids=str,
)
async def test_assignments_share_a_signature_where_every_instance_verifies_it(
    stage: Stage, instances: tuple[bool, ...], expected: bool
) -> None:
    agent = await enlisted(stage, *instances)
    await stage.start(MANY, NUMBERS)
    assert batched([await agent.assigned() for _ in range(5)]) == {expected}


async def test_each_agent_gets_what_it_verifies(stage: Stage) -> None:
    """Agents that do not know batches and agents that do, in one turn."""
    knowing, other = await enlisted(stage, True), await stage.enlist(working("other"), present=False)
    card = msgspec.structs.replace(other.agent.card(other.instance, [other.key]), batches=False)
    await other.tell(await other.news("card", encode_card(card)))
    await stage.start(MANY, {"numbers": list(range(10))})
    assert batched([await knowing.assigned() for _ in range(5)]) == {True}
    assert batched([await other.assigned() for _ in range(5)]) == {False}


async def test_an_instance_that_leaves_counts_no_more(stage: Stage) -> None:
    agent = await enlisted(stage, True, False)
    registry = stage.parts.registry
    assert not registry.verifies_batches(agent.id)
    half_s = stage.parts.tuning.absent_after.total_seconds() / 2
    stage.clock.forward(half_s)
    await agent.tell(await agent.news("heartbeat", agent.beat(instance=f"{agent.id}#0")))
    stage.clock.forward(half_s + 1)
    registry.expire(stage.clock.now())
    assert registry.verifies_batches(agent.id)
    assert not registry.verifies_batches(AgentId("spiffe://local/agent/nobody"))


async def test_one_assignment_is_signed_by_itself(stage: Stage) -> None:
    agent = await enlisted(stage, True)
    await stage.start(MANY, {"numbers": [1]})
    assert batched([await agent.assigned()]) == {False}


async def test_an_assignment_made_again_says_the_same(stage: Stage) -> None:
    """After a crash it may be signed with others, or alone: the claims are the same, and by them it is named."""
    agent = await enlisted(stage, True)
    await stage.start(MANY, NUMBERS)
    first = [await agent.assigned() for _ in range(5)]
    run = await stage.run(first[0].claims.run)
    executor: Any = stage.node.orchestrator._executor
    agent.stage.parts.registry.expire(stage.clock.now() + 2 * stage.parts.tuning.absent_after)
    await executor.resume(run)
    await executor.send_again(stage.clock.now() + stage.parts.tuning.returns_within)
    again = [await agent.assigned() for _ in range(5)]
    assert (batched(first), batched(again)) == ({True}, {False})
    assert sorted(map(_said, first)) == sorted(map(_said, again))


def _said(assignment: Assignment) -> tuple[str, str, bytes]:
    claims = parse_statement(assignment.message.statement).claims
    return decode_claims(claims).id, statement_digest(claims), assignment.message.payload


async def test_a_run_is_proven_by_statements_of_batches(stage: Stage) -> None:
    agent = await enlisted(stage, True)
    run = await stage.start(MANY, NUMBERS)
    given = [await agent.assigned() for _ in range(5)]
    payloads = [b"%d" % number for number in range(5)]
    drafts = [Draft(encode_claims(agent.claims(one, payload))) for one, payload in zip(given, payloads, strict=True)]
    statements = await Signer(stage.keys, agent.key).sign(drafts)
    await agent.send(*(Message(one, payload) for one, payload in zip(statements, payloads, strict=True)))
    assert (await stage.run(run)).phase == "completed"
    proof = await proof_of(stage.node, run.id)
    assert proof.ok
    assert proof.statements == 5
