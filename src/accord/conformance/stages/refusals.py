"""Assignments that must not be done: forged, for others, out of time, changed, and such as break the contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from accord.conformance.candidate import Candidate, code_of, words
from accord.domain.ids import AgentId
from accord.keys.private import PrivateKey

MISFITS: Final[tuple[Any, ...]] = (None, 17, "text", [], {}, {"conformance": [None]})
"""Inputs of which most contracts refuse one."""


async def refuses(candidate: Candidate) -> None:
    """Send what is wrong, and see that none of it is done."""
    letters, given = candidate.letters, candidate.input
    now = datetime.now(UTC)
    past, future = (int((now + timedelta(hours=hours)).timestamp()) for hours in (-1, 1))
    bad = {
        "bad-signature": letters.assignment(given, broken=True),
        "bad-key": letters.assignment(given, key=PrivateKey.generate("ES256")),
        "bad-audience": letters.assignment(given, audience=AgentId(f"{candidate.card.agent}-other")),
        "bad-expiry": letters.assignment(given, issued_at=past, expires_at=past + 60),
        "bad-future": letters.assignment(given, issued_at=future, expires_at=future + 60),
        "bad-payload": letters.assignment(given, added=b" "),
    }
    if candidate.card.batches:
        good = letters.batched(given, candidate.orchestrator.key)
        bad["bad-proof"] = letters.batched(given, candidate.orchestrator.key, broken=True)
        await candidate.send(good)
        answer = await candidate.answer(good)
        candidate.judge("batches", answer is not None and answer.claims.kind == "result", "done", words(answer))
    else:
        candidate.skip("because the card does not say `batches`", "batches", "bad-proof")
    for letter in bad.values():
        await candidate.send(letter)
    alive = await candidate.marker()
    for name, letter in bad.items():
        answer = candidate.answered(letter)
        if answer is not None and answer.claims.kind == "result":
            candidate.say(name, "broken", "it came back with a result")
        else:
            seen = "no result; the next good assignment was done"
            candidate.judge(name, alive, seen, "the next good assignment was not answered any more")
    await _refuses_misfit(candidate)


async def _refuses_misfit(candidate: Candidate) -> None:
    misfit = next((one for one in MISFITS if candidate.contract.violations_of_input(one)), ...)
    if misfit is ...:
        candidate.skip("because the contract admits every input that was tried", "input-contract")
        return
    letter = candidate.letters.assignment(msgspec.json.encode(misfit))
    await candidate.send(letter)
    answer = await candidate.answer(letter)
    candidate.judge("input-contract", answer is not None and code_of(answer) == "input-contract", words(answer))
