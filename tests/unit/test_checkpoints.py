"""Checkpoints of the journal: what has moved is anchored, the log only grows, and a journal that was rewritten is found
out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from accord.codec import chained, decode_system_event, encode_event
from accord.domain.checkpoint import Anchor, Checkpoint, checkpoint_text
from accord.domain.ids import Digest, RunId, StreamId
from accord.domain.system import CHECKPOINTS, REGISTRY, CheckpointMade
from accord.engine.checkpoints import KEEP_EVERY, CheckpointRound
from accord.errors import MessageRefused, NotFound, StoreCorrupt
from accord.ports import Append, Head
from accord.sdk import Agent
from accord.testing.stage import QUIET, Stage, node_on

WORK = {"work": {"uses": "test.work@^1", "with": {"number": 7}}}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with Stage.open() as stage:
        yield stage


def working() -> Agent:
    agent = Agent("worker")

    @agent.capability("test.work@1.0.0")
    async def work(number: int) -> int:
        return number

    return agent


async def ended(stage: Stage) -> StreamId:
    """A run that has ended."""
    worker = stage.agents.get("spiffe://local/agent/worker") or await stage.enlist(working())
    run = await stage.start(WORK)
    await worker.answer(await worker.assigned(), 7)
    return StreamId(run.id)


async def made(stage: Stage) -> list[CheckpointMade]:
    return [one for _, one in await stage.parts.checkpoints.made()]


async def test_a_checkpoint_has_every_end_that_has_moved(stage: Stage) -> None:
    run = await ended(stage)
    await stage.parts.checkpoints.make()
    [first] = await made(stage)
    heads = {stream: await stage.ports.journal.head(stream) for stream in (run, REGISTRY)}
    found = {one.stream: Head(one.sequence, one.digest) for one in first.anchors}
    assert found.items() >= heads.items()
    checkpoint = Checkpoint(size=first.size, root=first.root, statement=first.statement)
    claims = checkpoint.check(stage.parts.identity.key)
    assert (claims.kind, claims.id, claims.issuer) == ("checkpoint", f"checkpoint/{first.size}", claims.audience)
    other = await ended(stage)
    await stage.parts.checkpoints.make()
    [_, second] = await made(stage)
    assert [one.stream for one in second.anchors] == [other], "what has not moved is not anchored again"
    assert second.size == first.size + 1


async def test_a_statement_is_about_one_checkpoint_by_one_key(stage: Stage) -> None:
    await ended(stage)
    checkpoint = await stage.parts.checkpoints.newest()
    for changed in ({"size": checkpoint.size + 1}, {"root": Digest("0" * 64)}):
        with pytest.raises(MessageRefused, match="ACC314"):
            msgspec.structs.replace(checkpoint, **changed).check(stage.parts.identity.key)
    with pytest.raises(MessageRefused, match="ACC309"):
        checkpoint.check(await stage.keys.create("another"))
    assert checkpoint_text(stage.parts.identity.id, 2, Digest("00" * 32)) == (
        b"spiffe://local/orchestrator/main\n2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    )


async def test_it_is_due_soon_after_a_run_has_ended_and_now_and_then_else(stage: Stage) -> None:
    checkpoints, clock = stage.parts.checkpoints, stage.clock
    round_ = CheckpointRound(checkpoints, clock, timedelta(seconds=1))
    await round_.go()
    assert await made(stage) == [], "nothing has moved"
    await ended(stage)
    await round_.go()
    await round_.go()
    assert len(await made(stage)) == 1
    await stage.start(WORK)
    await round_.go()
    assert len(await made(stage)) == 1, "the run goes on"
    clock.forward(QUIET.checkpoint_every.total_seconds())
    await round_.go()
    assert len(await made(stage)) == 2


async def test_every_end_is_proven_and_the_log_only_grows(stage: Stage) -> None:
    checkpoints = stage.parts.checkpoints
    seen: list[Checkpoint] = []
    for _ in range(5):
        run = await ended(stage)
        checkpoint, proofs = await checkpoints.anchored([run, REGISTRY])
        assert proofs.keys() == {run, REGISTRY}
        for stream, proof in proofs.items():
            assert proof.is_in(checkpoint)
            head = await stage.ports.journal.head(stream)
            assert proof.anchor == Anchor(stream, head.sequence, head.digest)
            moved = msgspec.structs.replace(proof, anchor=Anchor(stream, head.sequence, Digest("0" * 64)))
            assert not moved.is_in(checkpoint)
        seen.append(checkpoint)
    for older in seen:
        growth = await checkpoints.growth(older.size)
        assert growth.begins_with(older.size, older.root)
        assert not growth.begins_with(older.size, Digest("0" * 64))
    with pytest.raises(NotFound, match="ACC853"):
        await checkpoints.growth(seen[-1].size + 1)


async def test_processes_write_one_log(stage: Stage) -> None:
    run = await ended(stage)
    async with await node_on(stage.ports) as other:
        await other.parts.checkpoints.make()
        await stage.parts.checkpoints.make()
        second = await ended(stage)
        await stage.parts.checkpoints.make()
        newest = await other.parts.checkpoints.newest()
    all_ = await made(stage)
    assert newest.size == all_[-1].size == sum(len(one.anchors) for one in all_)
    assert {run, second} <= {anchor.stream for one in all_ for anchor in one.anchors}


async def test_a_process_goes_on_from_what_was_kept(stage: Stage) -> None:
    await ended(stage)
    await stage.parts.checkpoints.make()
    for _ in range(KEEP_EVERY):
        await stage.parts.checkpoints._add([])
    kept = await stage.ports.journal.snapshot(CHECKPOINTS)
    assert kept is not None
    async with await node_on(stage.ports) as other:
        newest = await other.parts.checkpoints.newest()
        assert newest.size == (await made(stage))[-1].size
    wrong = msgspec.json.decode(kept.data)
    wrong["roots"] = ["0" * 64 for _ in wrong["roots"]]
    await stage.ports.journal.save_snapshot(msgspec.structs.replace(kept, data=msgspec.json.encode(wrong)))
    async with await node_on(stage.ports) as other:
        with pytest.raises(StoreCorrupt, match="ACC852"):
            await other.parts.checkpoints.newest()


async def test_what_was_left_by_a_process_that_died_is_anchored_by_the_next(stage: Stage) -> None:
    run = await ended(stage)
    stage.parts.ledger.moved.clear()
    async with await node_on(stage.ports) as other:
        await other.parts.checkpoints.make()
    assert run in {anchor.stream for one in await made(stage) for anchor in one.anchors}


async def test_a_node_that_stops_anchors_what_it_has_done(stage: Stage) -> None:
    async with await node_on(stage.ports) as other:
        other.parts.ledger.moved[StreamId("run_x")] = Head(3, Digest("1" * 64))
    assert "run_x" in {anchor.stream for one in await made(stage) for anchor in one.anchors}


async def test_a_run_that_was_changed_is_told_as_that(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not as what the change makes of it: without this assignment the task would not want the next one."""
    run = await ended(stage)
    journal = stage.ports.journal
    records = [one for one in await journal.read(run) if b'"attempt.wanted"' not in one.data]

    async def read(stream: StreamId, *, after: int = 0, limit: int | None = None) -> list[object]:
        return records if stream == run else await type(journal).read(journal, stream, after=after, limit=limit)

    monkeypatch.setattr(journal, "read", read)
    for ask in (stage.node.run, stage.parts.ledger.read_quickly):
        with pytest.raises(StoreCorrupt, match="ACC526"):
            await ask(RunId(run))


@pytest.mark.parametrize("trimmed", [False, True])
async def test_a_run_that_was_rewritten_is_found(stage: Stage, monkeypatch: pytest.MonkeyPatch, trimmed: bool) -> None:
    """Also where the store says that its beginning was trimmed, as no run's is."""
    run = await ended(stage)
    await stage.parts.checkpoints.make()
    journal = stage.ports.journal
    records = await journal.read(run)
    forged = chained(run, Head(), [record.data.replace(b'"local"', b'"mallory"') for record in records])
    assert forged[0].digest != records[0].digest

    async def read(stream: StreamId, *, after: int = 0, limit: int | None = None) -> list[object]:
        found = forged if stream == run else await type(journal).read(journal, stream)
        return [one for one in found if one.sequence > after][:limit]

    monkeypatch.setattr(journal, "read", read)
    if trimmed:
        cut = Head(records[-1].sequence, forged[-1].digest)
        journal._frontier.heads[run] = journal._floors[run] = cut  # type: ignore[attr-defined]  # the memory's own
    with pytest.raises(StoreCorrupt, match="ACC852"):
        await stage.parts.checkpoints.anchored([run])


async def test_a_log_that_was_rewritten_is_found(stage: Stage) -> None:
    await ended(stage)
    await stage.parts.checkpoints.make()
    [first] = await stage.ports.journal.read(CHECKPOINTS)
    event = decode_system_event(first)
    assert isinstance(event, CheckpointMade)
    forged = msgspec.structs.replace(event, anchors=(), at=event.at + timedelta(seconds=1))
    head = Head(first.sequence, first.digest)
    [record] = chained(CHECKPOINTS, head, [encode_event(forged)])
    await stage.ports.journal.append(
        [Append(stream=CHECKPOINTS, expected=head, records=(msgspec.structs.replace(record),))]
    )
    assert (await made(stage))[-1].anchors == ()
    forged = msgspec.structs.replace(event, root=Digest("0" * 64))
    head = Head(record.sequence, record.digest)
    await stage.ports.journal.append(
        [Append(stream=CHECKPOINTS, expected=head, records=chained(CHECKPOINTS, head, [encode_event(forged)]))]
    )
    async with await node_on(stage.ports) as other:
        with pytest.raises(StoreCorrupt, match="ACC852"):
            await other.parts.checkpoints.newest()


async def test_what_could_not_be_anchored_is_tried_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await ended(stage)

    async def fails() -> None:
        raise StoreCorrupt.of("ACC500", "away")

    with monkeypatch.context() as patched:
        patched.setattr(stage.parts.checkpoints, "_refresh", fails)
        with pytest.raises(StoreCorrupt):
            await stage.parts.checkpoints.make()
    assert stage.parts.ledger.ended
    await stage.parts.checkpoints.make()
    assert run in {anchor.stream for one in await made(stage) for anchor in one.anchors}


async def test_a_run_that_retention_has_removed_is_no_rewritten_one(stage: Stage) -> None:
    run = await ended(stage)
    checkpoint, _ = await stage.parts.checkpoints.anchored([run])
    later = stage.clock.now() + timedelta(days=1)
    assert await stage.ports.journal.retire(ended_before=later) == [run]
    again, proofs = await stage.parts.checkpoints.anchored([run])
    assert again == checkpoint
    assert proofs[run].is_in(again)
    with pytest.raises(NotFound, match="ACC409"):
        _ = [chunk async for chunk in stage.node.export(RunId(run))]
