"""Large documents, beside the connection: an output that is uploaded, and an input that is fetched."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

import msgspec

from accord.conformance.candidate import Candidate, words
from accord.conformance.orchestrator import Received
from accord.domain.large import MEMBER


async def uploads(candidate: Candidate, large: bytes | None) -> None:
    """Ask for an output that is large enough."""
    if large is None:
        candidate.skip("because no --large-input was given", "upload", "uploaded")
        return
    letter = candidate.letters.assignment(large)
    await candidate.send(letter)
    answer = await candidate.answer(letter)
    found = [one for one in candidate.orchestrator.uploads if one.claims.task == letter.claims.task]
    if not found and answer is not None and answer.claims.kind == "result" and answer.message.payload:
        candidate.skip("because the output came with the result", "upload", "uploaded")
        return
    wrong = [one.claims.kind for one in found if one.claims.kind != "upload"]
    seen = "uploaded" if found else f"nothing came; {words(answer)}"
    candidate.judge("upload", bool(found) and not wrong, seen, f"a {wrong[0]}" if wrong else None)
    named = None if answer is None or answer.claims.payload is None else answer.claims.payload
    same = bool(found) and named is not None and (named.sha256, named.length_bytes) == (
        found[-1].sha256, found[-1].length_bytes,
    )  # fmt: skip
    good = same and answer is not None and not answer.message.payload
    candidate.judge("uploaded", good, "it does", f"it does not: {words(answer)}")


async def fetches(candidate: Candidate, plain: Received | None) -> None:
    """Hand a list of the input over by reference: what comes of it has to be the same."""
    value = _by_reference(candidate)
    if value is None or plain is None:
        candidate.skip("because the input holds no list, or has had no result", "fetch")
        return
    letter = candidate.letters.assignment(msgspec.json.encode(value))
    await candidate.send(letter)
    answer = await candidate.answer(letter)
    asked = [one for one in candidate.orchestrator.uploads if one.claims.task == letter.claims.task]
    if answer is None or answer.claims.kind != "result":
        candidate.say("fetch", "broken", words(answer))
        return
    same = _alike(answer, plain)
    good = same and bool(asked) and all(one.claims.kind == "fetch" for one in asked)
    candidate.judge("fetch", good, "the same result", "nothing was fetched" if not asked else "another result")


def _alike(one: Received, other: Received) -> bool:
    with suppress(msgspec.DecodeError):
        return bool(msgspec.json.decode(one.message.payload) == msgspec.json.decode(other.message.payload))
    return False


def _by_reference(candidate: Candidate) -> Any:
    """The input with a list in it replaced, None where there is none. What it stands for may be fetched."""
    value: Any = msgspec.json.decode(candidate.input)
    if isinstance(value, list):
        return _kept(candidate, value)
    members = value.items() if isinstance(value, dict) else ()
    name = next((name for name, member in members if isinstance(member, list)), None)
    return None if name is None else {**value, name: _kept(candidate, value[name])}


def _kept(candidate: Candidate, value: Any) -> dict[str, Any]:
    data = msgspec.json.encode(value)
    digest = hashlib.sha256(data).hexdigest()
    candidate.orchestrator.served[digest] = data
    return {MEMBER: {"sha256": digest, "len": len(data)}}
