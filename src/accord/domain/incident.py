"""Incidents as a queue: how bad each is, what has become of it, whom it can be blamed on, and which are looked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

import msgspec

from accord.domain.ids import AgentId, Digest, RunId
from accord.domain.message import decode_claims
from accord.domain.signature import parse_statement, statement_digest
from accord.domain.system import (
    AgentQuarantined,
    AgentTakenOut,
    Incident,
    IncidentAcknowledged,
    IncidentRecorded,
    IncidentResolved,
    IncidentsSuppressed,
)
from accord.errors import MessageRefused

Severity = Literal["low", "medium", "high", "critical"]
IncidentState = Literal["open", "acknowledged", "resolved"]

SEVERITIES: Final[Mapping[str, Severity]] = {
    "ACC342": "low",
    "ACC343": "low",
    "ACC344": "low",
    "ACC345": "low",
    "ACC347": "low",
    "ACC354": "low",
    "ACC358": "low",
    "ACC359": "low",
    "ACC341": "high",
    "ACC348": "high",
    "ACC349": "high",
    "ACC351": "high",
    "ACC352": "high",
    "ACC353": "high",
    "ACC357": "high",
    "ACC717": "high",
    "ACC719": "high",
    "ACC692": "high",
    "ACC360": "critical",
}
"""By code: what is an accident nearly always, what can hardly be one, and what has had consequences."""

OTHERWISE: Final[Severity] = "medium"
"""The severity of every other code."""

BLAMED: Final = frozenset(
    (
        # Claims that are none, under a signature that holds.
        *("ACC313", "ACC314", "ACC315", "ACC316", "ACC319", "ACC346", "ACC355"),
        # Speaking for others, or about what is theirs.
        *("ACC341", "ACC348", "ACC349", "ACC350", "ACC714", "ACC881"),
        # Signing with a delegated key what that may not sign.
        "ACC357",
        # Offering what is not its to offer.
        *("ACC717", "ACC719"),
        # Taking away labels that nobody has let it take away.
        "ACC692",
    )
)
"""What nobody but the holder of the signing key can have brought about. What somebody else may cause by sending an
honest statement once more, later, elsewhere or with another payload is none of it, nor what an honest agent does that
was killed and has begun anew.
"""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody has done about an incident."""

    state: IncidentState
    at: datetime
    by: str
    note: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An incident without its evidence, and what has become of it."""

    number: int
    at: datetime
    code: str
    severity: Severity
    agent: AgentId | None
    """Who it is about: whose key has signed it. Where that is not known, whom it claims to be from."""
    run: RunId | None = None
    blamed: AgentId | None = None
    """Whose doing it is beyond doubt."""
    statement: Digest | None = None
    """Of the claims that the one who is blamed has signed: the same ones, sent again, count once."""
    steps: tuple[Step, ...] = ()

    @property
    def state(self) -> IncidentState:
        """What has become of it."""
        return self.steps[-1].state if self.steps else "open"


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """An incident with its evidence and its standing."""

    number: int
    event: Incident
    severity: Severity
    state: IncidentState
    steps: tuple[Step, ...] = ()


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """Which incidents are looked for; what is None is no matter."""

    state: IncidentState | None = None
    severity: Severity | None = None
    agent: AgentId | None = None
    code: str | None = None
    run: RunId | None = None

    def admits(self, one: Standing) -> bool:
        """Whether it is one of those."""
        pairs = (
            (self.state, one.state),
            (self.severity, one.severity),
            (self.agent, one.agent),
            (self.code, one.code),
            (self.run, one.run),
        )
        return all(wanted in (None, found) for wanted, found in pairs)


ALL: Final = Sought()


def severity_of(code: str) -> Severity:
    """How bad an incident of this code is."""
    return SEVERITIES.get(code, OTHERWISE)


def named(event: Incident) -> Incident:
    """The same with whom it claims to be from, where that was not looked at: under a key that nobody knows, or that has
    ended, nothing is proven, but whoever looks after it wants to know whose name is used.
    """
    if not isinstance(event, IncidentRecorded) or event.claimed_agent is not None or event.signer is not None:
        return event
    try:
        claims = decode_claims(parse_statement(event.statement.encode()).claims)
    except MessageRefused:
        return event
    return msgspec.structs.replace(event, claimed_agent=claims.issuer, authentic=False)


def standing(number: int, event: Incident) -> Standing:
    """An incident that nobody has done anything about yet."""
    code = event.code if isinstance(event, IncidentsSuppressed) else event.problem.code
    agent = event.agent if isinstance(event, AgentTakenOut | AgentQuarantined) else event.claimed_agent
    if agent is None and isinstance(event, IncidentRecorded):
        agent = event.signer
    plain = Standing(number=number, at=event.at, code=code, severity=severity_of(code), agent=agent)
    if not isinstance(event, IncidentRecorded):
        return plain
    statement = _blamed_for(event)
    blamed = event.signer if statement is not None else None
    return msgspec.structs.replace(plain, run=event.run, blamed=blamed, statement=statement)


def _blamed_for(event: IncidentRecorded) -> Digest | None:
    """The claims that its signer is to be blamed for; None where somebody else may be behind it."""
    if event.signer is None or event.problem.code not in BLAMED:
        return None
    try:
        return statement_digest(parse_statement(event.statement.encode()).claims)
    except MessageRefused:
        return None


def stepped(one: Standing, event: IncidentAcknowledged | IncidentResolved) -> Standing:
    """The incident after somebody has done something about it; what comes too late changes nothing."""
    state: IncidentState = "resolved" if isinstance(event, IncidentResolved) else "acknowledged"
    if one.state == "resolved" or one.state == state:
        return one
    step = Step(state=state, at=event.at, by=event.by, note=event.note)
    return msgspec.structs.replace(one, steps=(*one.steps, step))
