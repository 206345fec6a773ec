"""The agent under examination: what is known of it, what it is sent, what has come of it, and what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from accord.conformance.asked import Asked
from accord.conformance.letters import Letter, Letters
from accord.conformance.orchestrator import ANSWERS, Orchestrator, Received, Served
from accord.conformance.rules import Outcome, Verdict, outcome
from accord.domain.agent import AgentCard
from accord.domain.contract import Contract
from accord.domain.message import strict_json
from accord.domain.payloads import FailurePayload, HeartbeatPayload, decode_payload
from accord.errors import AccordError, BadInput

HOW_TO_SLOW = "because no --slow-input was given"

LATE_S = 1.0
"""How late a heartbeat may be on a machine that has much to do."""


class Candidate:
    """One agent, and what was found about it so far."""

    card: AgentCard
    contract: Contract
    letters: Letters
    input: bytes

    def __init__(self, asked: Asked, site: Served, process: asyncio.subprocess.Process | None) -> None:
        self.asked = asked
        self.site = site
        self.process = process
        self.orchestrator: Orchestrator = site.orchestrator
        self.outcomes: list[Outcome] = []
        self.redelivered: set[str] = set()
        """Tasks that were assigned more than once, on purpose."""
        self.excess: list[str] = []
        """Where the agent has asked for more than it can hold."""

    # -- what was found ------------------------------------------------------------------------------------------

    def say(self, name: str, verdict: Verdict, seen: str) -> bool:
        """Note what came of a rule; whether it was kept."""
        self.outcomes.append(outcome(name, verdict, seen))
        return verdict == "kept"

    def judge(self, name: str, good: bool, seen: str, otherwise: str | None = None) -> bool:
        """Note that a rule was kept or broken, with what was seen; `otherwise` where it was broken."""
        return self.say(name, "kept" if good else "broken", seen if good or otherwise is None else otherwise)

    def skip(self, why: str, *names: str) -> None:
        """Note that rules were not tested."""
        for name in names:
            self.say(name, "not tested", why)

    def look_at_credit(self, held: int = 0, after: int = 0) -> None:
        """Note every credit of this session that goes beyond the agent's room: what it was sent then, without the
        `held` assignments that it has not answered, and all its places. Only what it said when it had been sent
        `after`, that is, when it held them.
        """
        session, places = len(self.orchestrator.connections), self.card.capacity.total
        for one in self.orchestrator.credits:
            if not isinstance(one.total, int) or (held and (one.session != session or one.sent < after)):
                continue
            if one.total > one.sent - held + places:
                self.excess.append(f"credit {one.total} after {one.sent}, with {places} places and {held} taken")

    def take(self, card: AgentCard) -> None:
        """Choose the capability that is examined, and the input. Raises BadInput where there is none."""
        contracts = {str(one.ref): one for one in card.contracts()}
        name = self.asked.capability or next(iter(contracts), "")
        if name not in contracts:
            hint = f"it offers {list(contracts)}"
            raise BadInput.of("ACC990", f"the agent offers no {name or 'capability'}", hint=hint)
        self.card, self.contract = card, contracts[name]
        self.input = self._input(name)
        given = (self.input, self.asked.slow_input, self.asked.large_input)
        BadInput.raise_if(
            problem
            for one in given
            if one is not None
            for problem in self.contract.violations_of_input(strict_json(one))
        )
        orchestrator = self.orchestrator
        self.letters = Letters(orchestrator.id, card.agent, self.contract, orchestrator.signed)

    def _input(self, name: str) -> bytes:
        if self.asked.input is not None:
            return self.asked.input
        examples = next(one.examples for one in self.card.capabilities if one.capability == name)
        if not examples:
            hint = "give an input with --input JSON"
            raise BadInput.of("ACC990", f"the card has no example for {name}", hint=hint)
        return msgspec.json.encode(examples[0])

    # -- what comes ----------------------------------------------------------------------------------------------

    @property
    def within_s(self) -> float:
        """How long to wait for what has to come."""
        return self.asked.within_s

    @property
    def so_far(self) -> int:
        """How many messages have come."""
        return len(self.orchestrator.received)

    async def send(self, letter: Letter) -> bool:
        """Send an assignment; whether it was acknowledged."""
        return await self.orchestrator.send(letter.message, self.within_s)

    async def next(self, fits: Callable[[Received], bool], before: int = 0) -> Received | None:
        """The first message that fits, from the one with this number on; None where none comes in time."""
        received = self.orchestrator.received
        return await self.orchestrator.until(lambda: next(filter(fits, received[before:]), None), self.within_s)

    async def answer(self, letter: Letter, before: int = 0) -> Received | None:
        """The final answer to an assignment, as soon as it has come."""
        return await self.next(lambda one: answers(letter, one), before)

    def answered(self, letter: Letter, before: int = 0) -> Received | None:
        """The final answer to an assignment, if it has come."""
        return next((one for one in self.orchestrator.received[before:] if answers(letter, one)), None)

    def beats(self, before: int) -> list[HeartbeatPayload]:
        """The heartbeats that have come since. Raises AccordError where one is none."""
        return [
            decode_payload(HeartbeatPayload, one.message.payload)
            for one in self.orchestrator.received[before:]
            if one.claims.kind == "heartbeat"
        ]

    async def some_beats(self, count: int) -> Sequence[HeartbeatPayload]:
        """What `count` heartbeats from now on say; fewer where they do not come."""
        before = self.so_far
        wait_s = self.time_of(count)
        await self.orchestrator.until(lambda: self.beats(before)[count - 1 :] or None, wait_s)
        return self.beats(before)

    def time_of(self, count: int) -> float:
        """How long so many heartbeats may take, in seconds: some may be late."""
        return (count + 3) * self.asked.heartbeat_s + LATE_S

    async def marker(self) -> bool:
        """Whether a good assignment is answered; and two heartbeats more, for what is slower than it."""
        letter = self.letters.assignment(self.input)
        await self.send(letter)
        done = await self.answer(letter) is not None
        await self.some_beats(2)
        return done


def answers(letter: Letter, one: Received) -> bool:
    """Whether this ends the attempt of the assignment."""
    return one.claims.kind in ANSWERS and one.claims.task == letter.claims.task


def code_of(one: Received) -> str | None:
    """The code of a failure; None where it has none."""
    try:
        return decode_payload(FailurePayload, one.message.payload).code
    except AccordError:
        return None


def words(one: Received | None) -> str:
    """An answer in words."""
    if one is None:
        return "no answer"
    if one.claims.kind == "result":
        return "a result"
    return code_of(one) or "a failure whose payload cannot be read"


def problems_of(check: Callable[[], Sequence[Any]]) -> list[str]:
    """What a check finds, or raises."""
    try:
        return [str(problem) for problem in check()]
    except AccordError as error:
        return [str(error)]
