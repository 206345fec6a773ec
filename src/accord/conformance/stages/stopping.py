"""Work that is to stop: cancels before and while it runs, leases that have ended; and what heartbeats say meanwhile."""

from __future__ import annotations

from accord.conformance.candidate import HOW_TO_SLOW, Candidate, answers, words
from accord.conformance.letters import Letter
from accord.conformance.orchestrator import Received

SLOW_RULES = ("held-leases", "redelivery-running", "cancel-running", "ended-lease")


async def stops(candidate: Candidate, slow: bytes | None) -> None:
    """Cancel what has not come, then what runs."""
    letter = candidate.letters.assignment(candidate.input)
    heard = await candidate.orchestrator.notify(candidate.letters.cancel(letter), candidate.within_s)
    candidate.judge("notice-receipt", heard, "acknowledged", "no acknowledgement")
    await candidate.send(letter)
    _stopped(candidate, "cancel-early", await candidate.answer(letter))
    if slow is None:
        candidate.skip(HOW_TO_SLOW, *SLOW_RULES)
    elif await _holds(candidate, slow):
        await _cancels(candidate, slow)
        await _ends_lease(candidate, slow)
    else:
        candidate.skip("because the slow input was answered within two heartbeats", *SLOW_RULES)


async def _holds(candidate: Candidate, slow: bytes) -> bool:
    """Whether the input is slow enough; then look at how its work is held, and done once."""
    letter = candidate.letters.assignment(slow)
    candidate.redelivered.add(str(letter.claims.task))
    await candidate.send(letter)
    await candidate.send(letter)
    holds = candidate.orchestrator.sent
    if candidate.card.capacity.concurrency > 1:
        await candidate.marker()  # then it says how much it takes beside that
    beats = await candidate.some_beats(1)
    if candidate.answered(letter) is not None:
        return False
    named = bool(beats) and letter.lease in beats[-1].running
    candidate.judge("held-leases", named, "named", "the lease is not named")
    candidate.look_at_credit(1, holds)
    await candidate.answer(letter)
    await candidate.some_beats(2)
    found = {one.message.statement for one in candidate.orchestrator.received if answers(letter, one)}
    candidate.judge("redelivery-running", len(found) == 1, "one answer", f"{len(found)} answers")
    return True


async def _begun(candidate: Candidate, slow: bytes) -> Letter:
    letter = candidate.letters.assignment(slow)
    await candidate.send(letter)
    await candidate.some_beats(1)
    return letter


async def _cancels(candidate: Candidate, slow: bytes) -> None:
    letter = await _begun(candidate, slow)
    await candidate.orchestrator.notify(candidate.letters.cancel(letter), candidate.within_s)
    _stopped(candidate, "cancel-running", await candidate.answer(letter))


async def _ends_lease(candidate: Candidate, slow: bytes) -> None:
    """Its answer is not wanted any more: that it stops is seen by a failure, or by the lease not being named."""
    letter = await _begun(candidate, slow)
    await candidate.orchestrator.notify(candidate.letters.ended(letter), candidate.within_s, "instance")
    beats = await candidate.some_beats(3)
    answer = candidate.answered(letter)
    named = bool(beats) and letter.lease in beats[-1].running
    good = not named if answer is None else answer.claims.kind == "failure"
    candidate.judge("ended-lease", good, words(answer), words(answer) if answer else "the lease is still named")


def _stopped(candidate: Candidate, name: str, answer: Received | None) -> None:
    good = answer is not None and answer.claims.kind == "failure"
    candidate.judge(name, good, words(answer))
