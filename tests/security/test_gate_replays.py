"""What is said again, or too late: a redelivery has no effect, another answer is an alarm, old news stay old."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256

from accord.domain import command as c
from accord.domain.ids import TaskId
from accord.domain.message import Message
from accord.engine import gate, parts
from accord.engine.absence import Presence
from accord.testing.stage import attempts_of


async def accepted(scene: Any) -> Message:
    """The worker's result, accepted."""
    message: Message = await scene.honest()
    await scene.worker.send(message)
    assert (await scene.stage.run(scene.claims.run)).phase == "completed"
    return message


async def unchanged(scene: Any, *messages: Message, codes: tuple[str, ...] = ()) -> None:
    """These messages are dealt with, and nothing of the run changes."""
    before = await scene.head()
    await scene.stage.deliver(scene.claims.run, *messages)
    assert await scene.head() == before
    assert tuple(await scene.stage.codes()) == codes


# -- after a result ----------------------------------------------------------------------------------------------


@pytest.mark.abuse("ASI07", at="gate", stride="spoofing", case="replay of a result")
async def test_a_redelivered_result_is_acknowledged_and_changes_nothing(scene: Any) -> None:
    message = await accepted(scene)
    for _ in range(3):
        await unchanged(scene, message)


async def test_two_copies_in_one_batch_are_one_result(scene: Any) -> None:
    honest = await scene.honest()
    again = await scene.honest()
    await scene.stage.deliver(scene.claims.run, honest, again)
    run = await scene.stage.run(scene.claims.run)
    assert (run.phase, list(attempts_of(run))) == ("completed", ["work/1 succeeded"])
    assert await scene.stage.codes() == []


async def test_the_same_result_signed_anew_is_acknowledged(scene: Any) -> None:
    await accepted(scene)
    scene.stage.clock.forward(5)
    await unchanged(scene, await scene.honest())


async def test_the_same_result_with_another_signature_is_acknowledged(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An HSM draws the nonces of ES256."""
    monkeypatch.setattr("accord.keys.private._ES256", ECDSA(SHA256()))
    first = await accepted(scene)
    again = await scene.honest()
    assert first.statement.rpartition(b".")[0] == again.statement.rpartition(b".")[0]
    assert first != again
    await unchanged(scene, again, first)


async def other_answer(scene: Any) -> None:
    await accepted(scene)
    await unchanged(scene, await scene.worker.result(scene.assignment, 9), codes=("ACC351",))
    (incident,) = await scene.stage.incidents()
    assert (incident.authentic, incident.claimed_agent, incident.task) == (True, scene.worker.id, "work")


@pytest.mark.abuse(
    "ASI10", at="gate", stride="repudiation", case="another answer after one was accepted", codes=("ACC351",)
)
async def test_another_result_after_one_was_accepted_is_an_alarm(scene: Any) -> None:
    await other_answer(scene)


async def test_without_the_alarm_it_would_pass(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = gate.Gate.attempt_of

    def without(self: Any, run: Any, claims: Any) -> Any:
        try:
            return plain(self, run, claims)
        except gate.MessageRefused as error:
            if error.problems[0].code == "ACC351":
                return None
            raise

    monkeypatch.setattr(parts.Gate, "attempt_of", without)
    async with opened() as scene:
        with pytest.raises(AssertionError):
            await other_answer(scene)


@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="reorder: two answers at once", codes=("ACC351",))
async def test_two_results_at_once_the_first_counts(scene: Any) -> None:
    other = await scene.worker.result(scene.assignment, 9)
    await scene.stage.deliver(scene.claims.run, await scene.honest(), other)
    run = await scene.stage.run(scene.claims.run)
    assert run.output is not None
    assert run.output.data == b"8"
    assert await scene.stage.codes() == ["ACC351"]


async def test_after_the_end_the_other_checks_still_hold(scene: Any) -> None:
    await accepted(scene)
    await unchanged(scene, await scene.claimed(lease="0" * 26), codes=("ACC349",))
    await unchanged(scene, await scene.rival.result(scene.assignment, 8), codes=("ACC349", "ACC348"))


async def test_a_failure_after_the_result_is_late(scene: Any) -> None:
    await accepted(scene)
    failure = b'{"code":"x","message":"no","retryable":true}'
    await unchanged(scene, await scene.worker.result(scene.assignment, failure, kind="failure"))


async def test_a_result_after_the_failure_is_late(scene: Any) -> None:
    failure = b'{"code":"x","message":"no","retryable":true}'
    await scene.worker.answer(scene.assignment, failure, kind="failure")
    await unchanged(scene, await scene.honest())
    run = await scene.stage.run(scene.claims.run)
    assert list(attempts_of(run)) == ["work/1 failed"]
    assert run.phase == "running"


# -- when the run went another way -------------------------------------------------------------------------------


async def test_a_result_after_the_lease_has_run_out_is_late(scene: Any) -> None:
    scene.stage.clock.forward(31)
    await scene.stage.node.orchestrator.submit(scene.claims.run, c.Tick())
    await unchanged(scene, await scene.honest())
    scene.stage.clock.forward(1)
    scene.stage.node.orchestrator.kick()
    again = await scene.worker.assigned() if await _is_for(scene, scene.worker) else await scene.rival.assigned()
    assert again.claims.attempt == 2
    assert again.claims.lease != scene.claims.lease


async def _is_for(scene: Any, agent: Any) -> bool:
    run = await scene.stage.node.orchestrator.submit(scene.claims.run, c.Tick())
    return bool(run.attempt(TaskId("work"), 2).agent == agent.id)


async def test_a_result_after_cancelling_is_late(scene: Any) -> None:
    await scene.stage.node.control(scene.claims.run, c.Cancel(by="test"))
    assert (await scene.worker.told()).claims.kind == "cancel"
    await unchanged(scene, await scene.honest())
    assert (await scene.stage.run(scene.claims.run)).phase == "cancelled"


@pytest.mark.abuse("ASI06", at="gate", stride="tampering", case="a result from before a rollback")
async def test_a_result_from_before_a_rollback_is_late(scene: Any) -> None:
    before = await scene.honest()
    await scene.stage.node.control(scene.claims.run, c.Rollback(to=TaskId("work"), by="test"))
    await unchanged(scene, before)
    run = await scene.stage.run(scene.claims.run)
    assert (run.epoch, run.phase) == (1, "running")


async def test_an_accepted_result_does_not_count_after_a_rollback(scene: Any) -> None:
    message = await accepted(scene)
    await scene.stage.node.control(scene.claims.run, c.Rollback(to=TaskId("work"), by="test"))
    await unchanged(scene, message)
    agent = scene.worker if await _is_for(scene, scene.worker) else scene.rival
    again = await agent.assigned()
    await agent.answer(again, 8)
    run = await scene.stage.run(scene.claims.run)
    assert (run.phase, list(attempts_of(run))) == ("completed", ["work/1 succeeded", "work/2 succeeded"])


async def test_a_result_during_a_pause_is_kept(scene: Any) -> None:
    await scene.stage.node.control(scene.claims.run, c.Pause(by="test"))
    await scene.worker.send(await scene.honest())
    run = await scene.stage.run(scene.claims.run)
    assert list(attempts_of(run)) == ["work/1 succeeded"]
    assert await scene.stage.codes() == []


# -- news that somebody has kept ---------------------------------------------------------------------------------


async def test_a_kept_heartbeat_does_not_keep_a_dead_agent_alive(scene: Any) -> None:
    registry, lease = scene.stage.parts.registry, scene.claims.lease
    kept = [await scene.worker.news("heartbeat", scene.worker.beat(lease)) for _ in range(3)]
    await scene.worker.tell(*kept)
    assert registry.renewed()[lease] == scene.stage.clock.now() + timedelta(seconds=30)
    seen = registry.renewed()[lease]
    scene.stage.clock.forward(20)
    for replayed in (*kept, *reversed(kept)):
        await scene.worker.tell(replayed)
    assert registry.renewed()[lease] == seen
    assert registry.instances(scene.worker.id)[scene.worker.instance].last_seen == scene.stage.clock.at - timedelta(
        seconds=20
    )
    assert await scene.stage.codes() == []


@pytest.mark.abuse("ASI07", at="gate", stride="tampering", case="reorder: an older heartbeat after a newer one")
async def test_an_older_heartbeat_does_not_count_after_a_newer_one(scene: Any) -> None:
    older = await scene.worker.news("heartbeat", scene.worker.beat(draining=True))
    scene.stage.clock.forward(5)
    await scene.worker.heartbeat()
    await scene.worker.tell(older)
    assert not scene.stage.parts.registry.instances(scene.worker.id)[scene.worker.instance].draining


@pytest.mark.abuse("ASI04", "ASI07", at="gate", stride="spoofing", case="replay of the card of an agent that is gone")
async def test_a_kept_card_does_not_bring_a_gone_agent_back(scene: Any) -> None:
    stage = scene.stage
    card = await scene.rival.news("card", scene.rival.card())
    await scene.rival.tell(card)
    stage.clock.forward(2)
    stage.parts.registry._absent_after = timedelta(seconds=1)
    await Presence(stage.node.orchestrator).go()
    assert stage.parts.registry.capacity(scene.rival.id) is None
    await scene.rival.tell(card)
    assert stage.parts.registry.capacity(scene.rival.id) is None
    await scene.rival.announce()
    assert stage.parts.registry.capacity(scene.rival.id) is not None


@pytest.mark.abuse(
    "ASI10", at="gate", stride="elevation of privilege", case="a heartbeat for a stolen lease", codes=("ACC348",)
)
async def test_nobody_keeps_a_lease_that_he_does_not_hold(scene: Any) -> None:
    lease = scene.claims.lease
    await scene.rival.heartbeat(lease)
    assert lease not in scene.stage.parts.registry.renewed()
    scene.stage.clock.forward(31)
    run = await scene.stage.node.orchestrator.submit(scene.claims.run, c.Tick())
    assert list(attempts_of(run)) == ["work/1 expired"]
    assert await scene.stage.codes() == ["ACC348"]


async def test_a_lease_that_has_ended_is_not_kept_and_no_incident(scene: Any) -> None:
    await accepted(scene)
    await scene.worker.heartbeat(scene.claims.lease, "0" * 26)
    assert scene.stage.parts.registry.renewed() == {}
    assert await scene.stage.codes() == []
