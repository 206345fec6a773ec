"""Incidents: what was refused is kept with its evidence, in order, across processes."""

from __future__ import annotations

from typing import Any

from accord.domain.ids import RunId
from accord.domain.message import Message
from accord.testing.stage import Stage, node_on


async def suspects(stage: Stage, *statements: bytes) -> None:
    await stage.deliver(RunId("run_00000000000000000000000001"), *(Message(one, b"payload") for one in statements))


async def own_all(stage: Stage) -> None:
    await stage.parts.partitions.claim_all()


async def test_the_newest_come_first_and_have_numbers() -> None:
    async with Stage.open() as stage:
        await own_all(stage)
        for number in range(5):
            await suspects(stage, b"statement %d" % number)
        found = await stage.parts.incidents.recent(limit=2)
        assert [(number, event.statement) for number, event in found] == [(5, "statement 4"), (4, "statement 3")]
        assert stage.parts.incidents.recorded == 5


async def test_evidence_is_kept_whatever_it_is_made_of() -> None:
    async with Stage.open() as stage:
        await own_all(stage)
        odd = b"\xff\x00 \\ {}"
        await suspects(stage, odd, b"x" * 10_000)
        first, second = await stage.incidents()
        assert first.statement == odd.decode("ascii", "backslashreplace")
        assert len(second.statement) == 4096
        assert first.payload is not None
        assert await stage.ports.blobs.get(first.payload.sha256) == b"payload"
        assert (first.authentic, first.claimed_agent, first.run) == (False, None, None)


async def test_another_process_goes_on_where_this_one_ended() -> None:
    async with Stage.open() as stage:
        await own_all(stage)
        await suspects(stage, b"first")
        async with await node_on(stage.ports) as second:
            suspect: Any = type("Suspect", (), {})
            suspect.delivery = type("Delivery", (), {"message": Message(b"second", b"")})
            suspect.claims, suspect.problem = None, (await stage.incidents())[0].problem
            await second.parts.incidents.record(suspect)
        await suspects(stage, b"third")
        assert [one.statement for one in await stage.incidents()] == ["first", "second", "third"]
