"""Work that goes well: an assignment and its answer, the same one again, and more until the credit is used up."""

from __future__ import annotations

import asyncio

import msgspec

from accord.conformance.candidate import Candidate, words
from accord.conformance.letters import Letter
from accord.conformance.orchestrator import Received
from accord.domain.message import Claims
from accord.domain.signature import parse_statement, statement_digest

MORE_MAX = 256
"""So many assignments are sent to use a credit up."""


async def works(candidate: Candidate) -> Received | None:
    """Look at an assignment that is answered, and comes again; its result, None where there is none."""
    letter = candidate.letters.assignment(candidate.input)
    received = await candidate.send(letter)
    candidate.judge("receipt", received, "acknowledged", "no acknowledgement")
    answer = await candidate.answer(letter)
    if answer is None:
        candidate.say("result", "broken", f"no answer within {candidate.within_s:g} s")
        return None
    _judge(candidate, letter, answer)
    await candidate.orchestrator.notify(candidate.letters.ended(letter), candidate.within_s, "instance")
    before = candidate.so_far
    candidate.redelivered.add(str(letter.claims.task))
    await candidate.send(letter)
    again = await candidate.answer(letter, before)
    same = again is not None and again.message == answer.message
    candidate.judge("redelivery", same, "the same bytes", "no answer" if again is None else "other bytes")
    return answer if answer.claims.kind == "result" else None


def _judge(candidate: Candidate, letter: Letter, answer: Received) -> None:
    kind = answer.claims.kind
    candidate.judge("result", kind == "result", "a result", f"a failure: {words(answer)}")
    wrong = _not_copied(letter, answer.claims)
    candidate.judge("answer-claims", not wrong, "copied", f"wrong: {', '.join(wrong)}")
    if kind == "result":
        problems = _violations(candidate, answer.message.payload)
        candidate.judge("answer-contract", not problems, "kept", "; ".join(problems))


def _violations(candidate: Candidate, output: bytes) -> list[str]:
    """Where the output breaks the contract. Whether it is strict JSON is another rule's."""
    try:
        value = msgspec.json.decode(output)
    except msgspec.DecodeError as error:
        return [str(error)]
    return [str(problem) for problem in candidate.contract.violations_of_output(value)]


def _not_copied(letter: Letter, answer: Claims) -> list[str]:
    claims = letter.claims
    names = {"run": "run", "task": "tsk", "attempt": "att", "lease": "lea", "capability": "cap", "contract": "ctr"}
    wrong = [wire for name, wire in names.items() if getattr(claims, name) != getattr(answer, name)]
    if answer.id != f"{claims.run}/{claims.task}/{claims.attempt}/{answer.kind}":
        wrong.append("jti")
    if statement_digest(parse_statement(letter.message.statement).claims) not in answer.inputs:
        wrong.append("ins")
    return wrong


async def uses_credit_up(candidate: Candidate) -> None:
    """Give the agent all that it takes; it has to take more once that is done."""
    orchestrator = candidate.orchestrator
    left = _total(candidate) - orchestrator.sent
    if left > MORE_MAX:
        candidate.skip(f"because it takes {left} at once, and only {MORE_MAX} are sent here", "credit-again")
        return
    letters = [candidate.letters.assignment(candidate.input) for _ in range(left)]
    await asyncio.gather(*(candidate.send(letter) for letter in letters))
    missing = [letter for letter in letters if await candidate.answer(letter) is None]
    if missing:
        candidate.say("credit-again", "broken", f"{len(missing)} of {left} that it had asked for are not answered")
        return
    more = await orchestrator.until(lambda: _total(candidate) > orchestrator.sent or None, candidate.within_s)
    seen = f"it takes {_total(candidate)} after {orchestrator.sent}"
    candidate.judge("credit-again", bool(more), seen)


def _total(candidate: Candidate) -> int:
    """What the agent takes in this session."""
    session = len(candidate.orchestrator.connections)
    told = [one.total for one in candidate.orchestrator.credits if one.session == session]
    return max((one for one in told if isinstance(one, int)), default=0)
