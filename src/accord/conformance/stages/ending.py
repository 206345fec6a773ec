"""The end: an agent that is told to stop, and what can be said of everything that it has sent."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from accord.conformance.candidate import Candidate, problems_of
from accord.conformance.orchestrator import ANSWERS, Received
from accord.domain.ingress import payload_flaw
from accord.domain.message import strict_json
from accord.domain.payloads import FailurePayload, ProgressPayload, decode_payload
from accord.errors import MessageRefused

OF_MESSAGES = ("spelling", "header", "signature", "claims", "addressed", "arguments")
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


async def drains(candidate: Candidate) -> None:
    """Stop the agent while it has something to do."""
    process = candidate.process
    if process is None:
        candidate.skip("because the agent was started elsewhere", "drain-answers", "drain-credit", "drain-leaving")
        return
    letter = candidate.letters.assignment(candidate.asked.slow_input or candidate.input)
    before = candidate.so_far
    await candidate.send(letter)
    process.send_signal(signal.SIGTERM)
    code: int | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(candidate.within_s):
            code = await process.wait()
    # What it sent last may still be on its way in.
    await candidate.orchestrator.until(
        lambda: any(one.leaving for one in candidate.beats(before)) or None, candidate.asked.heartbeat_s
    )
    answer = candidate.answered(letter, before)
    candidate.judge("drain-answers", answer is not None, f"a {answer.claims.kind}" if answer else "no answer")
    beats = candidate.beats(before)
    draining, left = any(one.draining for one in beats), bool(beats) and beats[-1].leaving
    seen = f"draining: {draining}, left: {left}, exit code: {code}"
    candidate.judge("drain-leaving", draining and left and code == 0, seen)
    _asks_no_more(candidate, before)


def _asks_no_more(candidate: Candidate, before: int) -> None:
    received = candidate.orchestrator.received
    drained = next((at for at in range(before, len(received)) if _drains(received[at])), None)
    if drained is None:
        candidate.skip("because it did not say that it drains", "drain-credit")
        return
    late = [one.total for one in candidate.orchestrator.credits if one.before > drained]
    candidate.judge("drain-credit", not late, "no credit came", f"credit {late[:1]} came")


def _drains(one: Received) -> bool:
    if one.claims.kind != "heartbeat":
        return False
    return bool(msgspec.json.decode(one.message.payload).get("draining"))


def sums_up(candidate: Candidate) -> None:
    """Judge everything that has come."""
    orchestrator, received = candidate.orchestrator, candidate.orchestrator.received
    for name in OF_MESSAGES:
        faults = orchestrator.faults[name]
        candidate.judge(name, not faults, f"{len(received)} messages", faults[0] if faults else None)
    wrong = [*orchestrator.faults["payload"], *_other_payloads(candidate)]
    candidate.judge("payload", not wrong, f"{len(received)} messages", wrong[0] if wrong else None)
    wrong = [text for one in received for text in _not_strict(one)]
    candidate.judge("documents", not wrong, f"{len(received)} messages", wrong[0] if wrong else None)
    wrong = list(_bad_ids(received))
    candidate.judge("ids", not wrong, "they have", wrong[0] if wrong else None)
    if hasattr(candidate, "card"):
        candidate.look_at_credit()
        excess = candidate.excess
        candidate.judge("credit-bound", not excess, "it does not", excess[0] if excess else None)
    _answers(candidate)
    _steps(candidate, "progress", _progress_problems)
    _steps(candidate, "accept", _accept_problems)


def _other_payloads(candidate: Candidate) -> Iterator[str]:
    uploaded = {one.sha256 for one in candidate.orchestrator.uploads}
    for one in candidate.orchestrator.received:
        if one.claims.kind not in ANSWERS:
            continue
        named = one.claims.payload
        if named is not None and named.sha256 in uploaded and not one.message.payload:
            continue
        flaw = payload_flaw(one.claims, one.message.payload)
        if flaw is not None or named is None:
            yield f"{one.claims.id}: {flaw.seen if flaw else 'none is signed'}"


def _not_strict(one: Received) -> list[str]:
    """What is wrong with a payload as JSON; whatever its kind wants of it is another rule's."""
    try:
        if one.message.payload:
            strict_json(one.message.payload)
    except MessageRefused as error:
        return [f"{one.claims.id}: {error}"]
    return []


def _bad_ids(received: Sequence[Received]) -> Iterator[str]:
    seen: dict[str, bytes] = {}
    for one in received:
        if one.claims.run is None and _UUID7.fullmatch(one.claims.id) is None:
            yield f"the id of a {one.claims.kind} is {one.claims.id}"
        if one.claims.run is None and seen.setdefault(one.claims.id, one.message.statement) != one.message.statement:
            yield f"two messages have the id {one.claims.id}"


def _answers(candidate: Candidate) -> None:
    """That tasks have one answer each, and that failures are what they should be."""
    finals: dict[str, set[bytes]] = defaultdict(set)
    failures, problems = 0, []
    for one in candidate.orchestrator.received:
        if one.claims.kind not in ANSWERS:
            continue
        finals[str(one.claims.task)].add(one.message.statement)
        if one.claims.kind == "failure":
            failures += 1
            problems += problems_of(partial(_shape, FailurePayload, one))
    twice = [task for task, found in finals.items() if len(found) > 1 and task not in candidate.redelivered]
    candidate.judge("one-answer", not twice, f"{len(finals)} tasks", f"{len(twice)} tasks have several answers")
    if failures:
        candidate.judge("failure", not problems, f"{failures} came", problems[0] if problems else None)
    else:
        candidate.skip("because none came", "failure")


def _shape(kind: type[msgspec.Struct], one: Received) -> tuple[()]:
    """Nothing, where the payload has the shape of its kind. Raises MessageRefused where not."""
    decode_payload(kind, one.message.payload)
    return ()


def _steps(candidate: Candidate, kind: str, find: Callable[[list[Received]], Iterator[str]]) -> None:
    """What came on the way to answers."""
    first: dict[bytes, tuple[int, Received]] = {}
    for at, one in enumerate(candidate.orchestrator.received):
        if one.claims.kind == kind and str(one.claims.task) not in candidate.redelivered:
            first.setdefault(one.message.statement, (at, one))  # the same bytes may come again
    found = list(first.values())
    if not found:
        candidate.skip("because none came", kind)
        return
    problems = [*find([one for _, one in found]), *_late(candidate, found)]
    candidate.judge(kind, not problems, f"{len(found)} came", problems[0] if problems else None)


def _late(candidate: Candidate, found: list[tuple[int, Received]]) -> Iterator[str]:
    ended: dict[str, int] = {}
    for at, one in enumerate(candidate.orchestrator.received):
        if one.claims.kind in ANSWERS:
            ended.setdefault(str(one.claims.task), at)
    for at, one in found:
        if at > ended.get(str(one.claims.task), at):
            yield f"{one.claims.id} came after the answer"


def _progress_problems(found: list[Received]) -> Iterator[str]:
    counts: dict[str, int] = defaultdict(int)
    for one in found:
        yield from problems_of(partial(_shape, ProgressPayload, one))
        claims = one.claims
        attempt = f"{claims.run}/{claims.task}/{claims.attempt}"
        counts[attempt] += 1
        if claims.id != f"{attempt}/progress/{counts[attempt]}" or claims.lease is None:
            yield f"number {counts[attempt]} of {attempt} has the id {claims.id}"


def _accept_problems(found: list[Received]) -> Iterator[str]:
    for one in found:
        if one.message.payload or one.claims.payload is not None or one.claims.lease is None:
            yield f"{one.claims.id} has a payload, or no lease"
