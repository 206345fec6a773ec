"""Requests in Cedar's words: principal, action, resource and context, with the entities that they name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from accord.domain.access import ROLES, Principal
from accord.domain.policy import (
    Act,
    AgentFacts,
    CapabilityFacts,
    HandOff,
    OrchestratorFacts,
    Request,
    RunFacts,
    TemplateFacts,
)

ACTION: Final = "Action"


class CedarRequest(msgspec.Struct, frozen=True):
    """A request as Cedar takes it."""

    request: dict[str, Any]
    entities: Sequence[dict[str, Any]]


def cedar_request(request: Request) -> CedarRequest:
    """The request in Cedar's words."""
    if isinstance(request, HandOff):
        context = {"run": msgspec.structs.asdict(request.run), "labels": sorted(request.labels)}
        return _of(_agent(request.agent), request.action, _capability(request.capability), context)
    return _of(_principal(request.principal), request.right, _subject(request), {})


def _of(principal: dict[str, Any], action: str, resource: dict[str, Any], context: dict[str, Any]) -> CedarRequest:
    asked = {
        "principal": principal["uid"],
        "action": {"type": ACTION, "id": action},
        "resource": resource["uid"],
        "context": context,
    }
    return CedarRequest(asked, [principal, resource])


def _entity(kind: str, id_: str, attributes: dict[str, Any], parents: Sequence[dict[str, str]] = ()) -> dict[str, Any]:
    return {"uid": {"type": kind, "id": id_}, "attrs": attributes, "parents": list(parents)}


def _agent(agent: AgentFacts) -> dict[str, Any]:
    known = {
        "organisation": agent.organisation,
        "name": agent.name,
        "tags": sorted(agent.tags),
        "quarantined": agent.quarantined,
    }
    return _entity("Agent", agent.id, known)


def _capability(one: CapabilityFacts) -> dict[str, Any]:
    return _entity("Capability", f"{one.name}@{one.version}", {"name": one.name, "version": one.version})


def _principal(one: Principal) -> dict[str, Any]:
    roles = ROLES[: ROLES.index(one.role) + 1]
    known = {"name": one.name, "role": one.role, "organisation": one.organisation}
    return _entity("Principal", one.name, known, [{"type": "Role", "id": role} for role in roles])


def _subject(act: Act) -> dict[str, Any]:
    subject, known = act.to, msgspec.structs.asdict(act.to)
    if isinstance(subject, RunFacts):
        return _entity("Run", f"{subject.template}@{subject.version}", {**known, "labels": sorted(act.labels)})
    if isinstance(subject, TemplateFacts):
        return _entity("Template", f"{subject.name}@{subject.version}", known)
    assert isinstance(subject, OrchestratorFacts)  # noqa: S101 - there are no others
    return _entity("Orchestrator", subject.organisation, known)
