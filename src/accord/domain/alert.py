"""Alerts: what webhooks are told of incidents. Nothing in them comes from a message, or from somebody's note: who reads
them elsewhere learns that there is something to look at, how bad it is and about whom, and asks here for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from accord.domain.ids import AgentId, RunId
from accord.domain.incident import Severity, severity_of, standing
from accord.domain.system import (
    INCIDENTS,
    AgentQuarantined,
    Incident,
    IncidentAcknowledged,
    IncidentRecorded,
    IncidentResolved,
    IncidentsSuppressed,
    SystemEvent,
)
from accord.domain.webhook import event_id

OPENED: Final = "incident.opened"

KINDS: Final = frozenset((OPENED, "incident.acknowledged", "incident.resolved", "agent.quarantined"))
"""What webhooks may be told of beside the events of runs."""

STREAM: Final = RunId(INCIDENTS)
"""Stands in the place of a run where it is kept how much an endpoint was told."""


class Alert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is told of an incident."""

    incident: int
    """Its number: `GET /v1/incidents/{number}` has the rest."""
    at: datetime
    code: str | None = None
    severity: Severity | None = None
    agent: AgentId | None = None
    """Who is proven to have sent it, or is quarantined; never a mere claim."""
    count: int | None = None
    """How many there were, where they were counted only."""
    by: str | None = None
    """Who acknowledged, resolved or quarantined."""


def alert_of(number: int, event: SystemEvent) -> tuple[str, Alert] | None:
    """The kind of the alert and what it says; None for an event that nobody is told of."""
    match event:
        case IncidentAcknowledged():
            return "incident.acknowledged", Alert(incident=event.incident, at=event.at, by=event.by)
        case IncidentResolved():
            return "incident.resolved", Alert(incident=event.incident, at=event.at, by=event.by)
        case AgentQuarantined():
            severity = severity_of(event.problem.code)
            said = Alert(
                incident=number,
                at=event.at,
                code=event.problem.code,
                severity=severity,
                agent=event.agent,
                by=event.by,
            )
            return "agent.quarantined", said
    if not isinstance(event, Incident):
        return None
    known = standing(number, event)
    agent = event.signer if isinstance(event, IncidentRecorded) else known.agent
    count = event.count if isinstance(event, IncidentsSuppressed) else None
    said = Alert(incident=number, at=event.at, code=known.code, severity=known.severity, agent=agent, count=count)
    return OPENED, said


def cloud_alert(organisation: str, number: int, kind: str, said: Alert) -> bytes:
    """The alert as a CloudEvent in structured mode."""
    document: Mapping[str, object] = {
        "specversion": "1.0",
        "id": event_id(STREAM, number),
        "source": f"urn:accord:{organisation}",
        "type": f"accord.{kind}",
        "subject": f"incident/{said.incident}",
        "time": said.at,
        "datacontenttype": "application/json",
        "data": said,
    }
    return msgspec.json.encode(document)
