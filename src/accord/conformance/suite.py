"""The examination: what an agent is sent, and what is expected to come back."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from accord.conformance.orchestrator import HEARTBEAT_S, Orchestrator, Received, Served, served
from accord.conformance.process import started
from accord.conformance.rules import RULES, Outcome, Verdict, outcome
from accord.domain.agent import AgentCard, decode_card
from accord.domain.contract import Contract
from accord.domain.ids import AgentId, LeaseToken, RunId, TaskId
from accord.domain.ingress import payload_flaw
from accord.domain.message import Claims, Message, payload_ref, statement_id, strict_json
from accord.domain.payloads import (
    AckPayload,
    AssignContext,
    AssignPayload,
    CancelPayload,
    FailurePayload,
    HeartbeatPayload,
    ProgressPayload,
    decode_payload,
    encode_payload,
)
from accord.domain.signature import parse_statement, statement_digest
from accord.errors import AccordError, BadInput
from accord.keys.private import PrivateKey

RUN: Final = RunId("run-conformance")
VALID_FOR: Final = timedelta(minutes=5)
MISFITS: Final[tuple[Any, ...]] = (None, 17, "text", [], {}, {"conformance": [None]})
"""Inputs of which most contracts refuse one."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What to examine, and with what."""

    command: tuple[str, ...] = ()
    """How the agent is started; where empty, somebody else starts it."""
    organisation: str = "local"
    capability: str | None = None
    """`name@version`; the card's first where None."""
    input: bytes | None = None
    """A JSON value that keeps the contract; the first example of the card where None."""
    slow_input: bytes | None = None
    """One that takes longer than three heartbeats."""
    within_s: float = 30.0
    """How long to wait for what has to come."""


async def examined(
    asked: Asked, bind: Callable[[], tuple[socket.socket, str]], told: Callable[[Orchestrator], None]
) -> list[Outcome]:
    """What came of every rule, in order. `bind` gives a free socket and its URL; `told` hears whom to connect to.

    Raises BadInput where no agent comes that could be examined.
    """
    outcomes = [await _forged(asked, bind)]
    taken, url = bind()
    with taken:
        async with served(taken, url, asked.organisation) as site:
            told(site.orchestrator)
            if not asked.command:
                outcomes += await Examination(asked, site, None).all()
            else:
                async with started(asked.command, url, site.orchestrator.token) as process:
                    outcomes += await Examination(asked, site, process).all()
    found = {one.rule: one for one in outcomes}
    return [found.get(rule) or outcome(rule, "not tested", "an earlier rule was broken") for rule in RULES]


async def _forged(asked: Asked, bind: Callable[[], tuple[socket.socket, str]]) -> Outcome:
    """Whether the agent believes a welcome of somebody else."""
    if not asked.command:
        return outcome("welcome-key", "not tested", "the agent is started elsewhere, and once")
    taken, url = bind()
    with taken:
        async with served(taken, url, asked.organisation, forged=True) as site:
            orchestrator = site.orchestrator
            async with started(asked.command, url, orchestrator.token) as process:
                await _came(orchestrator, process, asked.within_s)
                if not orchestrator.connections:
                    return outcome("welcome-key", "not tested", _why_not(orchestrator, process))
                touched = await orchestrator.until(lambda: orchestrator.touched or None, 3 * HEARTBEAT_S)
    if touched:
        return outcome("welcome-key", "broken", "it went on after a welcome that an unknown key had signed")
    return outcome("welcome-key", "kept", "it sent nothing after a welcome that an unknown key had signed")


async def _came(orchestrator: Orchestrator, process: asyncio.subprocess.Process | None, within_s: float) -> None:
    """Return once an agent has tried to connect, or cannot any more."""
    come = asyncio.create_task(
        orchestrator.until(lambda: orchestrator.connections or _any(orchestrator.faults), within_s)
    )
    end = asyncio.create_task(process.wait() if process is not None else asyncio.Event().wait())
    await asyncio.wait([come, end], return_when=asyncio.FIRST_COMPLETED)
    for task in (come, end):
        task.cancel()
    await asyncio.gather(come, end, return_exceptions=True)


def _why_not(orchestrator: Orchestrator, process: asyncio.subprocess.Process | None) -> str:
    faults = orchestrator.faults["connect"] + orchestrator.faults["enrolment"]
    if faults:
        return faults[0]
    if process is not None and process.returncode is not None:
        return f"the command has ended with exit code {process.returncode} before it connected"
    return "it has not connected in time"


class Examination:
    """One agent, and what was found about it so far."""

    def __init__(self, asked: Asked, site: Served, process: asyncio.subprocess.Process | None) -> None:
        self._asked = asked
        self._site = site
        self._process = process
        self._orchestrator = site.orchestrator
        self._outcomes: list[Outcome] = []
        self._number = 0
        self._card: AgentCard
        self._contract: Contract
        self._input = b""

    async def all(self) -> list[Outcome]:
        """What came of the rules that could be looked at."""
        if await self._joins():
            await self._works()
            await self._refuses()
            await self._cancels()
            await self._reconnects()
            await self._drains()
        self._statements()
        return self._outcomes

    # -- the handshake and what follows it -----------------------------------------------------------------------

    async def _joins(self) -> bool:
        orchestrator = self._orchestrator
        await _came(orchestrator, self._process, self._within)
        if not orchestrator.connections:
            rule = "enrolment" if orchestrator.faults["enrolment"] else "connect"
            if not _any(orchestrator.faults):
                raise BadInput.of("ACC990", f"no agent: {_why_not(orchestrator, self._process)}")
            self._say(rule, "broken", _why_not(orchestrator, self._process))
            return False
        self._say("connect", "kept", orchestrator.connections[0].payload.instance)
        self._say("enrolment", "kept", f"key {orchestrator.connections[0].key.kid}")
        if not await self._shows_card():
            return False
        total = await orchestrator.until(lambda: orchestrator.credits or None, self._within)
        good = bool(total) and all(type(one) is int and one >= 0 for one in orchestrator.credits)
        self._say("credit", "kept" if good else "broken", f"credit {orchestrator.credits[:3] or 'none'}")
        await self._beats()
        return good

    async def _shows_card(self) -> bool:
        found = await self._next(lambda one: one.claims.kind == "card")
        connecting = self._orchestrator.connections[0]
        if found is None:
            return self._say("card", "broken", "no card came")
        try:
            card = decode_card(found.message.payload)
            contracts = {str(one.ref): one for one in card.contracts()}
            kids = {key.kid for key in card.public_keys}
        except AccordError as error:
            return self._say("card", "broken", str(error))
        if card.instance != connecting.payload.instance or connecting.key.kid not in kids:
            return self._say("card", "broken", f"it is of {card.instance}, with the keys {sorted(kids)}")
        self._card = card
        self._choose(contracts)
        return self._say("card", "kept", f"offers {', '.join(contracts)}")

    def _choose(self, contracts: dict[str, Contract]) -> None:
        name = self._asked.capability or next(iter(contracts), "")
        if name not in contracts:
            raise BadInput.of(
                "ACC990", f"the agent offers no {name or 'capability'}", hint=f"it offers {list(contracts)}"
            )
        self._contract = contracts[name]
        examples = next(one.examples for one in self._card.capabilities if one.capability == name)
        given = self._asked.input
        if given is None:
            if not examples:
                raise BadInput.of(
                    "ACC990", f"the card has no example for {name}", hint="give an input with --input JSON"
                )
            given = msgspec.json.encode(examples[0])
        problems = self._contract.violations_of_input(strict_json(given))
        BadInput.raise_if(problems)
        self._input = given

    async def _beats(self) -> None:
        beats = self._beats_from(len(self._orchestrator.received))
        found = await self._orchestrator.until(lambda: beats()[1:] or None, 5 * HEARTBEAT_S)
        if found is None:
            self._say("heartbeat", "broken", f"fewer than 2 came within {5 * HEARTBEAT_S:g} s")
            return
        try:
            shown = [decode_payload(HeartbeatPayload, one.message.payload) for one in beats()]
        except AccordError as error:
            self._say("heartbeat", "broken", str(error))
            return
        good = all(one.instance == self._card.instance for one in shown)
        self._say("heartbeat", "kept" if good else "broken", f"{len(shown)} of {shown[0].instance}")

    # -- work ------------------------------------------------------------------------------------------------------

    async def _works(self) -> None:
        assignment, claims = self._assignment(self._input)
        received = await self._orchestrator.send(assignment, self._within)
        self._say("receipt", "kept" if received else "broken", "acknowledged" if received else "no acknowledgement")
        answer = await self._answer(claims)
        if answer is None:
            self._say("result", "broken", f"no answer within {self._within:g} s")
            return
        self._judge(assignment, claims, answer)
        await self._orchestrator.notify(self._notice("ack", AckPayload((_lease(claims),)), {}), self._within)
        before = len(self._orchestrator.received)
        await self._orchestrator.send(assignment, self._within)
        again = await self._answer(claims, before)
        same = again is not None and again.message == answer.message
        seen = "the same bytes" if same else "no answer" if again is None else "other bytes"
        self._say("redelivery", "kept" if same else "broken", seen)

    def _judge(self, assignment: Message, claims: Claims, answer: Received) -> None:
        kind = answer.claims.kind
        text = "a result" if kind == "result" else f"a failure: {_words(answer)}"
        self._say("result", "kept" if kind == "result" else "broken", text)
        wrong = _not_copied(assignment, claims, answer.claims)
        self._say("answer-claims", "broken" if wrong else "kept", f"wrong: {', '.join(wrong)}" if wrong else "copied")
        flaw = payload_flaw(answer.claims, answer.message.payload)
        self._say("answer-payload", "broken" if flaw else "kept", flaw.seen if flaw else "as signed")
        if kind == "result":
            problems = _problems(lambda: self._contract.violations_of_output(strict_json(answer.message.payload)))
            self._say("answer-contract", "broken" if problems else "kept", "; ".join(problems) or "kept")

    # -- refusals --------------------------------------------------------------------------------------------------

    async def _refuses(self) -> None:
        now = datetime.now(UTC)
        other = PrivateKey.generate("ES256")
        past = int((now - timedelta(hours=1)).timestamp())
        bad = {
            "bad-signature": self._assignment(self._input, broken=True),
            "bad-key": self._assignment(self._input, key=other),
            "bad-audience": self._assignment(self._input, audience=AgentId(f"{self._card.agent}-other")),
            "bad-expiry": self._assignment(self._input, issued_at=past, expires_at=past + 60),
            "bad-payload": self._assignment(self._input, added=b" "),
        }
        for message, _ in bad.values():
            await self._orchestrator.send(message, self._within)
        alive = await self._marker()
        for rule, (_, claims) in bad.items():
            done = any(
                self._answers(claims, one) and one.claims.kind == "result" for one in self._orchestrator.received
            )
            if done:
                self._say(rule, "broken", "it came back with a result")
            elif not alive:
                self._say(rule, "broken", "the next good assignment was not answered any more")
            else:
                self._say(rule, "kept", "no result; the next good assignment was done")
        await self._refuses_misfit()

    async def _marker(self) -> bool:
        """Whether a good assignment is answered; and two heartbeats more, for what is slower than it."""
        good, claims = self._assignment(self._input)
        await self._orchestrator.send(good, self._within)
        answered = await self._answer(claims) is not None
        beats = self._beats_from(len(self._orchestrator.received))
        await self._orchestrator.until(lambda: beats()[1:] or None, 4 * HEARTBEAT_S)
        return answered

    async def _refuses_misfit(self) -> None:
        misfit = next((one for one in MISFITS if self._contract.violations_of_input(one)), ...)
        if misfit is ...:
            self._say("input-contract", "not tested", "because the contract admits every input that was tried")
            return
        message, claims = self._assignment(msgspec.json.encode(misfit))
        await self._orchestrator.send(message, self._within)
        answer = await self._answer(claims)
        good = answer is not None and _code(answer) == "input-contract"
        self._say("input-contract", "kept" if good else "broken", _words(answer) if answer else "no answer")

    # -- cancels ---------------------------------------------------------------------------------------------------

    async def _cancels(self) -> None:
        message, claims = self._assignment(self._input)
        await self._orchestrator.notify(self._cancel(claims), self._within)
        await self._orchestrator.send(message, self._within)
        self._stopped("cancel-early", await self._answer(claims))
        slow = self._asked.slow_input
        if slow is None:
            for rule in ("cancel-running", "held-leases"):
                self._say(rule, "not tested", "because no --slow-input was given")
            return
        message, claims = self._assignment(slow)
        before = len(self._orchestrator.received)
        await self._orchestrator.send(message, self._within)
        beats = self._beats_from(before)
        await self._orchestrator.until(lambda: beats()[1:] or None, 4 * HEARTBEAT_S)
        if self._answered(claims, 0) is not None:
            for rule in ("cancel-running", "held-leases"):
                self._say(rule, "not tested", "because the slow input was answered within two heartbeats")
            return
        last = [decode_payload(HeartbeatPayload, one.message.payload) for one in beats()][-1:]
        held = bool(last) and _lease(claims) in last[0].running
        self._say("held-leases", "kept" if held else "broken", "named" if held else "the lease is not named")
        await self._orchestrator.notify(self._cancel(claims), self._within)
        self._stopped("cancel-running", await self._answer(claims))

    def _stopped(self, rule: str, answer: Received | None) -> None:
        good = answer is not None and answer.claims.kind == "failure"
        seen = "no answer" if answer is None else _words(answer) if good else "a result"
        self._say(rule, "kept" if good else "broken", seen)

    # -- a connection that is lost, and the end ------------------------------------------------------------------

    async def _reconnects(self) -> None:
        orchestrator = self._orchestrator
        message, claims = self._assignment(self._input)
        orchestrator.withheld = True
        await orchestrator.send(message, self._within)
        first = await self._answer(claims)
        orchestrator.withheld = False
        if first is None:
            self._say("resent", "broken", "the assignment was not answered")
            return
        before, sessions = len(orchestrator.received), len(orchestrator.connections)
        self._site.cut()
        back = await orchestrator.until(lambda: orchestrator.connections[sessions:] or None, self._within)
        if back is None:
            self._say("resent", "broken", "it did not come back")
            return
        again = await self._answer(claims, before)
        same = again is not None and again.message == first.message
        seen = "the same bytes" if same else "it was not sent again" if again is None else "other bytes"
        self._say("resent", "kept" if same else "broken", seen)

    async def _drains(self) -> None:
        process = self._process
        if process is None:
            for rule in ("drain-answers", "drain-leaving"):
                self._say(rule, "not tested", "because the agent was started elsewhere")
            return
        message, claims = self._assignment(self._asked.slow_input or self._input)
        before = len(self._orchestrator.received)
        await self._orchestrator.send(message, self._within)
        process.send_signal(signal.SIGTERM)
        code: int | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(self._within):
                code = await process.wait()
        # What it sent last may still be on its way in.
        await self._orchestrator.until(lambda: self._has_left(before) or None, HEARTBEAT_S)
        answer = self._answered(claims, before)
        self._say("drain-answers", "kept" if answer else "broken", f"a {answer.claims.kind}" if answer else "no answer")
        beats = [decode_payload(HeartbeatPayload, one.message.payload) for one in self._beats_from(before)()]
        draining, left = any(one.draining for one in beats), bool(beats) and beats[-1].leaving
        good = draining and left and code == 0
        seen = f"draining: {draining}, left: {left}, exit code: {code}"
        self._say("drain-leaving", "kept" if good else "broken", seen)

    def _has_left(self, before: int) -> bool:
        beats = self._beats_from(before)()
        return any(decode_payload(HeartbeatPayload, one.message.payload).leaving for one in beats)

    def _statements(self) -> None:
        faults = self._orchestrator.faults["statements"]
        count = len(self._orchestrator.received)
        self._say("statements", "broken" if faults else "kept", faults[0] if faults else f"{count} messages")
        steps = [one for one in self._orchestrator.received if one.claims.kind == "progress"]
        if not steps:
            self._say("progress", "not tested", "because none came")
            return
        problems = [text for one in steps for text in _problems(partial(_progress, one))]
        self._say("progress", "broken" if problems else "kept", problems[0] if problems else f"{len(steps)} came")

    # -- what is common --------------------------------------------------------------------------------------------

    @property
    def _within(self) -> float:
        return self._asked.within_s

    def _say(self, rule: str, verdict: Verdict, seen: str) -> bool:
        self._outcomes.append(outcome(rule, verdict, seen))
        return verdict == "kept"

    async def _next(self, fits: Callable[[Received], bool], before: int = 0) -> Received | None:
        received = self._orchestrator.received
        return await self._orchestrator.until(lambda: next(filter(fits, received[before:]), None), self._within)

    def _beats_from(self, before: int) -> Callable[[], Sequence[Received]]:
        received = self._orchestrator.received
        return lambda: [one for one in received[before:] if one.claims.kind == "heartbeat"]

    async def _answer(self, claims: Claims, before: int = 0) -> Received | None:
        return await self._next(lambda one: self._answers(claims, one), before)

    def _answered(self, claims: Claims, before: int) -> Received | None:
        return next((one for one in self._orchestrator.received[before:] if self._answers(claims, one)), None)

    def _answers(self, claims: Claims, one: Received) -> bool:
        return one.claims.kind in ("result", "failure") and one.claims.task == claims.task

    def _cancel(self, claims: Claims) -> Message:
        about = {"run": claims.run, "task": claims.task, "attempt": claims.attempt, "lease": claims.lease}
        return self._notice("cancel", CancelPayload("conformance"), about)

    def _notice(self, kind: Any, payload: msgspec.Struct, about: dict[str, Any]) -> Message:
        data, self._number = encode_payload(payload), self._number + 1
        return self._orchestrator.signed(self._claims(kind, f"notice-{self._number}", data, **about), data)

    def _assignment(
        self, value: bytes, *, key: PrivateKey | None = None, broken: bool = False, added: bytes = b"", **other: Any
    ) -> tuple[Message, Claims]:
        """An assignment of a task of its own; `other` claims, and what is wrong with it."""
        self._number += 1
        task = TaskId(f"task-{self._number}")
        data = encode_payload(AssignPayload(msgspec.Raw(value), AssignContext(idempotency_key=task)))
        about = {
            "run": RUN, "task": task, "attempt": 1, "lease": LeaseToken(f"lease-{self._number}"),
            "capability": str(self._contract.ref), "contract": self._contract.digest,
        }  # fmt: skip
        claims = self._claims("assign", statement_id(RUN, task, 1, "assign"), data, **{**about, **other})
        message = self._orchestrator.signed(claims, data, key)
        statement = _with_broken_signature(message.statement) if broken else message.statement
        return Message(statement, data + added), claims

    def _claims(self, kind: Any, name: str, payload: bytes, **more: Any) -> Claims:
        now = datetime.now(UTC)
        usual = {
            "issuer": self._orchestrator.id, "audience": self._card.agent, "id": name, "kind": kind,
            "issued_at": int(now.timestamp()), "expires_at": int((now + VALID_FOR).timestamp()),
            "payload": payload_ref(payload),
        }  # fmt: skip
        return Claims(**{**usual, **more})


def _any(faults: dict[str, list[str]]) -> list[str] | None:
    """Why the agent was not let in."""
    return faults["connect"] + faults["enrolment"] or None


def _lease(claims: Claims) -> LeaseToken:
    return claims.lease or LeaseToken("")


def _with_broken_signature(statement: bytes) -> bytes:
    """The statement with one bit of its signature turned; the text stays canonical base64url."""
    head, _, signature = statement.rpartition(b".")
    return head + b"." + (b"B" if signature[:1] == b"A" else b"A") + signature[1:]


def _not_copied(assignment: Message, claims: Claims, answer: Claims) -> list[str]:
    names = {"run": "run", "task": "tsk", "attempt": "att", "lease": "lea", "capability": "cap", "contract": "ctr"}
    wrong = [wire for name, wire in names.items() if getattr(claims, name) != getattr(answer, name)]
    if answer.id != f"{claims.run}/{claims.task}/{claims.attempt}/{answer.kind}":
        wrong.append("jti")
    if statement_digest(parse_statement(assignment.statement).claims) not in answer.inputs:
        wrong.append("ins")
    return wrong


def _progress(one: Received) -> tuple[()]:
    decode_payload(ProgressPayload, one.message.payload)
    return ()


def _problems(check: Callable[[], Sequence[Any]]) -> list[str]:
    try:
        return [str(problem) for problem in check()]
    except AccordError as error:
        return [str(error)]


def _code(answer: Received) -> str | None:
    try:
        return decode_payload(FailurePayload, answer.message.payload).code
    except AccordError:
        return None


def _words(answer: Received) -> str:
    if answer.claims.kind == "result":
        return "a result"
    return _code(answer) or "a failure whose payload cannot be read"
