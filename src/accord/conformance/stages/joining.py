"""The handshake and what follows it: connect, enrolment, card, credit, heartbeats."""

from __future__ import annotations

import asyncio

from accord.conformance.candidate import Candidate
from accord.conformance.orchestrator import Orchestrator, Served
from accord.conformance.rules import Outcome, outcome
from accord.domain.agent import decode_card
from accord.errors import AccordError, BadInput

FORGERIES = {"welcome-key": "an unknown key had signed", "welcome-about": "was about another connection"}


async def joins(candidate: Candidate) -> bool:
    """Whether the agent is here, and can be examined further. Raises BadInput where none comes."""
    orchestrator = candidate.orchestrator
    await came(orchestrator, candidate.process, candidate.within_s)
    if not orchestrator.connections:
        faults = [name for name in ("enrolment", "connect") if orchestrator.faults[name]]
        if not faults:
            raise BadInput.of("ACC990", f"no agent: {why_not(orchestrator, candidate.process)}")
        return candidate.say(faults[0], "broken", orchestrator.faults[faults[0]][0])
    candidate.say("connect", "kept", orchestrator.connections[0].payload.instance)
    candidate.say("enrolment", "kept", f"key {orchestrator.connections[0].key.kid}")
    if not await _shows_card(candidate):
        return False
    total = await orchestrator.until(lambda: orchestrator.credits or None, candidate.within_s)
    told = [one.total for one in orchestrator.credits]
    good = bool(total) and all(type(one) is int and one >= 0 for one in told)
    candidate.judge("credit", good, f"credit {told[:3] or 'none'}")
    return await _beats(candidate) and good


async def _shows_card(candidate: Candidate) -> bool:
    found = await candidate.next(lambda one: one.claims.kind == "card")
    connecting = candidate.orchestrator.connections[0]
    if found is None:
        return candidate.say("card", "broken", "no card came")
    try:
        card = decode_card(found.message.payload)
    except AccordError as error:
        return candidate.say("card", "broken", str(error))
    kids = {key.kid for key in card.public_keys}
    if card.instance != connecting.payload.instance or connecting.key.kid not in kids:
        return candidate.say("card", "broken", f"it is of {card.instance}, with the keys {sorted(kids)}")
    candidate.take(card)
    return candidate.say("card", "kept", f"offers {', '.join(str(one.ref) for one in card.contracts())}")


async def _beats(candidate: Candidate) -> bool:
    """Whether heartbeats come; without them nothing can be seen of what is slow."""
    try:
        shown = await candidate.some_beats(2)
    except AccordError as error:
        return candidate.say("heartbeat", "broken", str(error))
    wrong = [one.instance for one in shown if one.instance != candidate.card.instance]
    if wrong or len(shown) < 2:
        seen = f"it is of {wrong[0]}" if wrong else f"{len(shown)} came in {candidate.time_of(2):g} s"
        return candidate.say("heartbeat", "broken", seen)
    return candidate.say("heartbeat", "kept", f"{len(shown)} of {shown[0].instance}")


async def disbelieves(name: str, site: Served, heartbeat_s: float, before: int = 0) -> Outcome:
    """Whether an agent that has had a wrong welcome says nothing more; `before` is what it had said until then."""
    touched = await site.orchestrator.until(lambda: site.orchestrator.touched > before or None, 3 * heartbeat_s)
    how = f"a welcome that {FORGERIES[name]}"
    if touched:
        return outcome(name, "broken", f"it went on after {how}")
    return outcome(name, "kept", f"it sent nothing after {how}")


async def came(orchestrator: Orchestrator, process: asyncio.subprocess.Process | None, within_s: float) -> None:
    """Return once an agent has tried to connect, or cannot any more."""

    def tried() -> object:
        return orchestrator.connections or _faults(orchestrator)

    come = asyncio.create_task(orchestrator.until(tried, within_s))
    end = asyncio.create_task(process.wait() if process is not None else asyncio.Event().wait())
    await asyncio.wait([come, end], return_when=asyncio.FIRST_COMPLETED)
    for task in (come, end):
        task.cancel()
    await asyncio.gather(come, end, return_exceptions=True)


def why_not(orchestrator: Orchestrator, process: asyncio.subprocess.Process | None) -> str:
    """Why no agent has connected."""
    faults = _faults(orchestrator)
    if faults:
        return faults[0]
    if process is not None and process.returncode is not None:
        return f"the command has ended with exit code {process.returncode} before it connected"
    return "it has not connected in time"


def _faults(orchestrator: Orchestrator) -> list[str] | None:
    return orchestrator.faults["connect"] + orchestrator.faults["enrolment"] or None
