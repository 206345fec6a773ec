"""What may be signed for an agent by somebody who holds its key and does not believe its code.

Who the agent is and how it is, it may say at any time, to the registry. About an attempt it may say only what repeats
the claims of an assignment that an orchestrator has signed for it, and that is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from accord.domain.agent import registry_id
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId
from accord.domain.ingress import CLOCK_SKEW
from accord.domain.message import Claims, Kind, statement_id
from accord.errors import Problem
from accord.recent import Recent

REFUSALS: Final[dict[str, str]] = {
    "ACC640": "what is to be signed is no statement under this key",
    "ACC641": "the statement is not by the agent whose key it is",
    "ACC642": "statements of this kind are not signed",
    "ACC643": "it is about no assignment that the agent holds",
    "ACC644": "its claims are not those of its kind, or of the assignment",
    "ACC645": "this user may not ask the signer",
    "ACC646": "the request is none that the signer understands",
    "ACC648": "the assignment is none by an orchestrator that is trusted",
}
"""Why a signer refuses, by code."""

VALID_MAX: Final = timedelta(hours=1)
"""For no longer may a statement be valid."""

ABOUT_AGENTS: Final[frozenset[Kind]] = frozenset(("connect", "card", "heartbeat"))
ABOUT_ATTEMPTS: Final[frozenset[Kind]] = frozenset(
    ("accept", "progress", "log", "ask", "result", "failure", "upload", "fetch")
)
_WITHOUT_PAYLOAD: Final[frozenset[Kind]] = frozenset(("accept", "upload", "fetch"))

_NUMBERED: Final[frozenset[Kind]] = frozenset(("progress", "log", "ask"))
"""There may be several of an attempt."""

HELD_MAX: Final = 100_000
"""Assignments that are remembered; the oldest ones go first."""


class _Subject(NamedTuple):
    run: RunId | None
    task: TaskId | None
    attempt: int | None
    lease: LeaseToken | None


class _Held(msgspec.Struct, frozen=True, gc=False):
    claims: Claims
    digest: Digest
    until: datetime


class Signable:
    """Of one agent's key: the assignments that it holds, and what may be signed because of them."""

    def __init__(self, agent: AgentId, organisation: str, lingers: timedelta) -> None:
        """An assignment is held until so long after it has expired: an attempt without a timeout may take longer."""
        self.agent = agent
        self._registry = registry_id(organisation)
        self._lingers = lingers
        self._held: Recent[_Subject, _Held] = Recent(HELD_MAX)

    def hold(self, claims: Claims, digest: Digest, now: datetime) -> None:
        """Remember an authentic assignment of the agent."""
        until = datetime.fromtimestamp(claims.expires_at, now.tzinfo) + self._lingers
        self._held[_subject(claims)] = _Held(claims, digest, until)
        while next(iter(self._held.values())).until <= now:
            self._held.popitem(last=False)

    def problems(self, claims: Claims, now: datetime) -> Iterator[Problem]:
        """Why a statement with these claims is not signed now: all that is wrong, nothing where it may be."""
        if claims.issuer != self.agent:
            yield problem_of("ACC641", "/iss", claims.issuer)
        yield from _problems_of_time(claims, now)
        if claims.kind in ABOUT_AGENTS:
            yield from self._problems_about_agent(claims)
        elif claims.kind in ABOUT_ATTEMPTS:
            yield from self._problems_about_attempt(claims, now)
        else:
            yield problem_of("ACC642", "/knd", claims.kind)

    def _problems_about_agent(self, claims: Claims) -> Iterator[Problem]:
        if claims.audience != self._registry:
            yield problem_of("ACC644", "/aud", claims.audience)
        if claims.payload is None:
            yield problem_of("ACC644", "/pld", f"a {claims.kind} has a payload")
        if claims != claims.only("payload"):
            yield problem_of("ACC644", "", f"a {claims.kind} is about no attempt, and delegates nothing")

    def _problems_about_attempt(self, claims: Claims, now: datetime) -> Iterator[Problem]:
        held = self._held.get(_subject(claims))
        if held is not None and held.until <= now:
            del self._held[_subject(claims)]
            held = None
        if held is None:
            about = "/".join(str(part) for part in _subject(claims))
            yield problem_of("ACC643", "/lea", about)
            return
        given = held.claims
        wanted = {
            "/aud": (claims.audience, given.issuer),
            "/cap": (claims.capability, given.capability),
            "/ctr": (claims.contract, given.contract),
            "/ins": (claims.inputs, (held.digest,)),
            "/dlg": (claims.grant, None),
            "/org": (claims.organisation, None),
        }
        for pointer, (said, right) in wanted.items():
            if said != right:
                yield problem_of("ACC644", pointer, str(said))
        if not _is_named(claims):
            yield problem_of("ACC644", "/jti", claims.id)
        if (claims.payload is None) != (claims.kind in _WITHOUT_PAYLOAD):
            yield problem_of("ACC644", "/pld", claims.kind)


def _subject(claims: Claims) -> _Subject:
    return _Subject(claims.run, claims.task, claims.attempt, claims.lease)


def _problems_of_time(claims: Claims, now: datetime) -> Iterator[Problem]:
    if claims.expires_at <= now.timestamp() or claims.expires_at - claims.issued_at > VALID_MAX.total_seconds():
        yield problem_of("ACC644", "/exp", str(claims.expires_at))
    if claims.issued_at > (now + CLOCK_SKEW).timestamp():
        yield problem_of("ACC644", "/iat", str(claims.issued_at))


def _is_named(claims: Claims) -> bool:
    """Whether the id is the one that a statement of this kind about this attempt has."""
    name = statement_id(claims.run or RunId(""), claims.task or TaskId(""), claims.attempt or 0, claims.kind)
    if claims.kind not in _NUMBERED:
        return claims.id == name
    number = claims.id.removeprefix(f"{name}/")
    return number != claims.id and number.isascii() and number.isdigit()


def problem_of(code: str, pointer: str, seen: str) -> Problem:
    """One of `REFUSALS`, with what was seen instead."""
    return Problem.ruled(REFUSALS, code, pointer, seen)
