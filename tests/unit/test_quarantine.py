"""An agent whose doing too many incidents are is quarantined by itself; nobody can bring that about for another one."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from accord.domain.ids import LeaseToken
from accord.domain.incident import Sought
from accord.domain.message import Message
from accord.domain.system import AgentQuarantined
from accord.engine.quarantine import Quarantine
from accord.sdk import Agent
from accord.testing.stage import QUIET, ScriptedAgent, Stage, node_on

STRICT = replace(QUIET, quarantine_after=3, quarantine_within=timedelta(minutes=1))

WORK = {"work": {"uses": "test.work@^1", "with": {"number": 7}}}


def counting(name: str) -> Agent:
    agent = Agent(name)

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


async def looked(stage: Stage) -> list[str]:
    """Who is quarantined once it was looked."""
    await Quarantine(stage.parts, stage.node.quarantine).look()
    return sorted(stage.parts.holds.quarantined)


async def rogue(agent: ScriptedAgent, other: ScriptedAgent, count: int, start: int = 0) -> None:
    """So many different statements in the name of another one."""
    for number in range(start, start + count):
        await agent.tell(await agent.news("heartbeat", agent.beat(), issuer=other.id, id=f"rogue/{number}"))


@pytest.mark.abuse(
    "ASI10", at="gate", stride="denial of service", case="an agent with too many incidents is quarantined"
)
async def test_who_does_too_much_is_quarantined_by_itself_told_and_let_go_by_a_person() -> None:
    async with Stage.open(STRICT) as stage:
        good, bad = await stage.enlist(counting("good")), await stage.enlist(counting("bad"))
        await rogue(bad, good, 2)
        assert await looked(stage) == []
        await rogue(bad, good, 1, start=2)
        sought = Sought(code="ACC360")
        while (found := await stage.node.incidents(1, sought=sought)) == []:  # noqa: ASYNC110 - that nobody waits for
            await asyncio.sleep(0)
        assert await looked(stage) == [bad.id]
        (hold,) = await stage.node.holds()
        assert (hold.scope, hold.subject, hold.by, hold.quarantine) == ("agent", bad.id, "accord", True)
        assert [(one.severity, type(one.event)) for one in found] == [("critical", AgentQuarantined)]
        assert bad.id in stage.parts.router.held_back
        async with await node_on(stage.ports) as other:
            assert other.parts.holds.quarantined == {bad.id}
        stage.clock.forward(1)
        await stage.node.lift("agent", bad.id, by="ann")
        assert await looked(stage) == []
        stage.clock.forward(1)
        await rogue(bad, good, 2, start=10)
        assert await looked(stage) == []
        await rogue(bad, good, 1, start=20)
        assert await looked(stage) == [bad.id]


@pytest.mark.abuse("ASI10", at="gate", stride="denial of service", case="nobody can have another agent quarantined")
async def test_nobody_gets_another_agent_quarantined() -> None:
    """Forged, replayed, damaged and misdirected: whatever can be made of an honest agent's statements."""
    async with Stage.open(STRICT) as stage:
        victim, liar = await stage.enlist(counting("victim")), await stage.enlist(Agent("liar"))
        run = await stage.start(WORK)
        assignment = await victim.assigned()
        honest = [await victim.result(assignment, 3, issued_at=assignment.claims.issued_at + n) for n in range(5)]
        await victim.send(*(Message(one.statement, b"another payload") for one in honest))
        for number in range(5):
            forged = victim.claims(assignment, b"3", id=f"forged/{number}")
            await stage.deliver(run.id, await liar.sign(forged, b"3"))  # in the victim's name
        await victim.send(*(Message(one.statement[:-4] + b"AAAA", one.payload) for one in honest))
        old = [await victim.news("heartbeat", victim.beat(), expires_at=n) for n in range(1, 6)]
        elsewhere = [await victim.news("heartbeat", victim.beat(), audience=liar.id, id=f"beat/{n}") for n in range(5)]
        await victim.tell(*old, *elsewhere)
        assert len(await stage.incidents()) == 25
        assert await looked(stage) == [liar.id]


async def test_the_same_statement_counts_once_and_what_is_old_not_at_all() -> None:
    async with Stage.open(STRICT) as stage:
        good, bad = await stage.enlist(counting("good")), await stage.enlist(counting("bad"))
        one = await bad.news("heartbeat", bad.beat(), issuer=good.id)
        for _ in range(5):
            await bad.tell(one)
        assert len(await stage.incidents()) == 5
        assert await looked(stage) == []
        await rogue(bad, good, 1)
        stage.clock.forward(90)
        await rogue(bad, good, 2, start=5)
        assert await looked(stage) == []


async def test_incidents_at_several_processes_count_together() -> None:
    async with Stage.open(STRICT) as stage:
        good, bad = await stage.enlist(counting("good")), await stage.enlist(counting("bad"))
        await rogue(bad, good, 2)
        async with await node_on(stage.ports, STRICT) as other:
            found = await stage.parts.gate.authenticate(
                [_delivery(await bad.news("heartbeat", bad.beat(), issuer=good.id, id="x"))], stage.clock.now()
            )
            await other.parts.incidents.record_all(found)  # type: ignore[arg-type]  # suspects
        assert await looked(stage) == [bad.id]


async def test_it_can_be_switched_off_and_a_person_can_quarantine() -> None:
    async with Stage.open(replace(STRICT, quarantine_after=0)) as stage:
        good, bad = await stage.enlist(counting("good")), await stage.enlist(counting("bad"))
        await rogue(bad, good, 5)
        assert await looked(stage) == []
        await stage.node.quarantine(bad.id, by="ann", reason="it is suspected")
        await stage.node.quarantine(bad.id, by="bob", reason="again")
        assert [(hold.by, hold.reason) for hold in await stage.node.holds()] == [("ann", "it is suspected")]
        run = await stage.start(WORK)
        assignment = await good.assigned()
        assert assignment.claims.run == run.id
        assert assignment.claims.lease != LeaseToken("")


def _delivery(message: Message):  # type: ignore[no-untyped-def]  # what the gate takes
    return type("Delivery", (), {"message": message, "attempts": 1})()
