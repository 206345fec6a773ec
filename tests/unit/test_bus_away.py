"""While the bus or the key store is away, nothing is lost: what could not be signed or sent is sent once there is one,
in its order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from accord.domain import command as c
from accord.domain.delegation import LIFETIME, OF_ORCHESTRATORS
from accord.domain.ids import KeyId
from accord.domain.message import decode_claims
from accord.domain.signature import parse_statement
from accord.engine.rounds import Delegation
from accord.errors import BusUnavailable, KeysUnavailable
from accord.keys.short import delegating
from accord.ports import Parcel
from accord.sdk import Agent
from accord.testing.stage import Stage

WORK = {"work": {"uses": "test.work@^1"}}


def working() -> Agent:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work() -> int:
        return 1

    return agent


class Line:
    """The bus's `publish`, which may be away."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_away = False
        self.sent: list[str] = []
        """The kinds of what was published."""
        self._publish = stage.ports.bus.publish
        monkeypatch.setattr(stage.ports.bus, "publish", self.publish)

    async def publish(self, parcels: Sequence[Parcel]) -> None:
        if self.is_away:
            raise BusUnavailable.of("ACC754", "it is away")
        await self._publish(parcels)
        self.sent += [decode_claims(parse_statement(one.message.statement).claims).kind for one in parcels]


async def test_what_could_not_be_sent_is_sent_later_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(60), Stage.open() as stage:
        agent = await stage.enlist(working())
        digest = await stage.publish(WORK)
        line = Line(stage, monkeypatch)
        line.is_away = True
        run = await stage.node.start_run(digest, {})
        await stage.node.control(run.id, c.Cancel(by="somebody"))
        await stage.node.orchestrator.send_again()
        assert line.sent == []
        line.is_away = False
        other = await stage.node.start_run(digest, {})
        assert line.sent == [], "what is kept goes first"
        await stage.node.orchestrator.send_again()
        assert line.sent == ["assign", "cancel", "assign"]
        assigned = [await agent.assigned() for _ in range(2)]
        await agent.answer(assigned[1], 1)
        assert (await stage.node.ended(other.id)).phase == "completed"


async def test_what_could_not_be_signed_is_signed_later_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(60), Stage.open() as stage:
        agent = await stage.enlist(working())
        digest = await stage.publish(WORK)
        stage.parts.delegates.use(delegating("always", LIFETIME, OF_ORCHESTRATORS))
        await Delegation(stage.node.orchestrator).go()  # to sign that runs begin; the agent knows nothing of it
        line = Line(stage, monkeypatch)
        sign, asked = stage.ports.keys.sign, []

        async def away(kid: KeyId, inputs: Sequence[bytes]) -> list[bytes]:
            asked.append(kid)
            raise KeysUnavailable.of("ACC631", "it does not answer")

        monkeypatch.setattr(stage.ports.keys, "sign", away)
        run = await stage.node.start_run(digest, {})
        await stage.node.control(run.id, c.Cancel(by="somebody"))
        assert len(asked) == 1, "while something waits to be signed, no turn waits for the key store"
        await stage.node.orchestrator.send_again()
        assert (len(asked), line.sent) == (2, [])
        monkeypatch.setattr(stage.ports.keys, "sign", sign)
        other = await stage.node.start_run(digest, {})
        assert line.sent == [], "what is kept goes first"
        await stage.node.orchestrator.send_again()
        assert line.sent == ["assign", "cancel", "assign"]
        assigned = [await agent.assigned() for _ in range(2)]
        await agent.answer(assigned[1], 1)
        assert (await stage.node.ended(other.id)).phase == "completed"
