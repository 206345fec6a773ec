"""Incidents: what was refused is kept with its evidence, in order, across processes."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from accord.domain.document import INLINE_BYTES
from accord.domain.ids import RunId
from accord.domain.message import Message
from accord.domain.system import INCIDENTS, IncidentRecorded, IncidentsSuppressed
from accord.engine.incidents import EVIDENCE_MAX_BYTES, FULL_PER_MINUTE
from accord.engine.verdicts import Suspect
from accord.errors import Problem, StoreUnavailable
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
        older = await stage.parts.incidents.newest(2, before=4)
        assert [number for number, _ in older] == [3, 2]
        assert await stage.parts.incidents.newest(2, before=1) == []


async def test_evidence_is_kept_whatever_it_is_made_of() -> None:
    async with Stage.open() as stage:
        await own_all(stage)
        odd = b"\xff\x00 \\ {}"
        await suspects(stage, odd, b"x" * 10_000)
        first, second = await stage.incidents()
        assert first.statement == odd.decode("ascii", "backslashreplace")
        assert len(second.statement) == 4096
        assert first.payload is not None
        assert await stage.parts.incidents.evidence(first) == b"payload"
        assert (first.authentic, first.claimed_agent, first.run) == (False, None, None)


async def test_another_process_goes_on_where_this_one_ended() -> None:
    async with Stage.open() as stage:
        await own_all(stage)
        await suspects(stage, b"first")
        async with await node_on(stage.ports) as second:
            suspect: Any = type("Suspect", (), {})
            suspect.delivery = type("Delivery", (), {"message": Message(b"second", b"")})
            suspect.signer = None
            suspect.claims, suspect.problem = None, (await stage.incidents())[0].problem
            await second.parts.incidents.record_all([suspect])
        await suspects(stage, b"third")
        assert [one.statement for one in await stage.incidents()] == ["first", "second", "third"]


def suspect_of(payload: bytes, code: str = "ACC301") -> Suspect:
    delivery: Any = type("Delivery", (), {"message": Message(b"statement", payload), "attempts": 1})()
    return Suspect(delivery, Problem(code, "refused"))


async def events(stage: Stage) -> list[Any]:
    return [event for _, event in reversed(await stage.parts.incidents.newest(10_000))]


@pytest.mark.parametrize("length", [0, INLINE_BYTES, INLINE_BYTES + 1, EVIDENCE_MAX_BYTES])
async def test_all_of_a_short_payload_is_kept(length: int) -> None:
    async with Stage.open() as stage:
        await stage.parts.incidents.record_all([suspect_of(b"\xff" * length)])
        (event,) = await stage.incidents()
        assert await stage.parts.incidents.evidence(event) == b"\xff" * length
        assert (event.sent_bytes, event.sent_digest) == (None, None)
        assert (event.inline is not None) == (length <= INLINE_BYTES)


async def test_of_a_long_payload_the_beginning_is_kept_and_the_digest_of_the_whole() -> None:
    payload = bytes(range(256)) * 1000
    async with Stage.open() as stage:
        await stage.parts.incidents.record_all([suspect_of(payload)])
        (event,) = await stage.incidents()
        assert await stage.parts.incidents.evidence(event) == payload[:EVIDENCE_MAX_BYTES]
        assert (event.sent_bytes, event.sent_digest) == (len(payload), sha256(payload).hexdigest())


async def test_what_one_turn_refuses_is_one_append_and_no_blob() -> None:
    async with Stage.open() as stage:
        await own_all(stage)
        appends: list[int] = []
        append = stage.ports.journal.append

        async def counted(batch: Any) -> Any:
            appends.extend(len(one.records) for one in batch if one.stream == INCIDENTS)
            return await append(batch)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage.ports.journal, "append", counted)
            patch.setattr(stage.ports.blobs, "put", None)
            await suspects(stage, *(b"statement %d" % number for number in range(50)))
        assert sum(appends) == 50
        assert len(appends) <= 2


async def test_a_flood_is_counted_and_the_count_recorded_after_the_minute() -> None:
    async with Stage.open() as stage:
        incidents = stage.parts.incidents
        await incidents.record_all([suspect_of(b"%d" % number) for number in range(FULL_PER_MINUTE - 1)])
        await incidents.record_all([suspect_of(b"flood")] * 8 + [suspect_of(b"", "ACC302")])
        assert len(await events(stage)) == FULL_PER_MINUTE + 1
        since = stage.clock.now().replace(second=0)
        stage.clock.forward(60)
        await incidents.record_all([])
        last = (await events(stage))[-1]
        expected = IncidentsSuppressed(at=stage.clock.now(), code="ACC301", count=7, since=since)
        assert last == expected
        assert incidents.recorded == FULL_PER_MINUTE + 8
        await incidents.record_all([suspect_of(b"after")])
        assert isinstance((await events(stage))[-1], IncidentRecorded)
        stage.clock.forward(60)
        await incidents.record_all([])
        assert len(await events(stage)) == FULL_PER_MINUTE + 3


async def test_what_could_not_be_recorded_is_not_counted() -> None:
    async with Stage.open() as stage:

        async def unavailable(_batch: Any) -> Any:
            raise StoreUnavailable.of("ACC553", "gone")

        flood = [suspect_of(b"flood")] * FULL_PER_MINUTE
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage.ports.journal, "append", unavailable)
            with pytest.raises(StoreUnavailable):
                await stage.parts.incidents.record_all(flood)
        await stage.parts.incidents.record_all(flood)
        assert len(await events(stage)) == FULL_PER_MINUTE
