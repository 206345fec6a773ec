"""Connections that are lost, and acknowledgements that do not come or ask for more."""

from __future__ import annotations

from accord.conformance.candidate import Candidate, answers
from accord.conformance.stages.joining import disbelieves


async def asks_again(candidate: Candidate) -> None:
    """Put an answer off: it has to come again."""
    orchestrator = candidate.orchestrator
    letter = candidate.letters.assignment(candidate.input)
    orchestrator.puts_off = True
    await candidate.send(letter)
    found = await orchestrator.until(
        lambda: [one for one in orchestrator.received if answers(letter, one)][1:] or None, candidate.within_s
    )
    orchestrator.puts_off = False
    first = candidate.answered(letter)
    same = bool(found) and first is not None and found is not None and found[0].message == first.message
    candidate.judge("again", same, "the same bytes", "other bytes" if found else "it was not sent again")


async def leaves(candidate: Candidate) -> None:
    """Say that the server leaves: the agent has to come back."""
    sessions = len(candidate.orchestrator.connections)
    await candidate.orchestrator.leave()
    back = await _back(candidate, sessions)
    candidate.judge("server-leaves", back, "it connected anew", "it did not connect anew")
    if back:
        await candidate.marker()


async def loses(candidate: Candidate) -> None:
    """Cut the connection while an answer has no acknowledgement."""
    orchestrator = candidate.orchestrator
    letter = candidate.letters.assignment(candidate.input)
    orchestrator.withheld = True
    await candidate.send(letter)
    first = await candidate.answer(letter)
    orchestrator.withheld = False
    if first is None:
        candidate.say("resent", "broken", "the assignment was not answered")
        return
    before, sessions = candidate.so_far, len(orchestrator.connections)
    candidate.site.cut()
    if not await _back(candidate, sessions):
        candidate.say("resent", "broken", "it did not come back")
        return
    session = sessions + 1
    card = await candidate.next(lambda one: one.claims.kind == "card" and one.session == session)
    candidate.judge("card-again", card is not None, "it came", "no card came over the new connection")
    credit = await orchestrator.until(
        lambda: [one for one in orchestrator.credits if one.session == session] or None, candidate.within_s
    )
    seen = f"credit {credit[0].total}" if credit else "no credit came over the new connection"
    candidate.judge("credit-session", bool(credit), seen)
    again = await candidate.answer(letter, before)
    same = again is not None and again.message == first.message
    candidate.judge("resent", same, "the same bytes", "it was not sent again" if again is None else "other bytes")


async def meets_an_impostor(candidate: Candidate) -> None:
    """Cut the connection, and welcome the agent with a key that it does not know. It may end then."""
    orchestrator = candidate.orchestrator
    sessions = len(orchestrator.connections)
    orchestrator.forged = "key"
    candidate.site.cut()
    before = orchestrator.touched
    if await _back(candidate, sessions):
        candidate.outcomes.append(await disbelieves("welcome-key", candidate.site, candidate.asked.heartbeat_s, before))
    else:
        candidate.skip("because it did not come back", "welcome-key")


async def _back(candidate: Candidate, sessions: int) -> bool:
    orchestrator = candidate.orchestrator
    return bool(await orchestrator.until(lambda: orchestrator.connections[sessions:] or None, candidate.within_s))
