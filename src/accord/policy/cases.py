"""Requests as people write them, and cases: a request with the decision that is expected of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec.structs import replace

from accord.domain.access import RIGHTS, Principal, Right, Role
from accord.domain.ids import AGENT_ID_PATTERN, AgentId
from accord.domain.labels import UNLABELLED, Labels
from accord.domain.policy import (
    AGENT_ACTIONS,
    Act,
    AgentAction,
    CapabilityFacts,
    Decision,
    HandOff,
    OrchestratorFacts,
    Request,
    RunFacts,
    Subject,
    TemplateFacts,
    agent_facts,
    run_facts,
)
from accord.domain.schema import compile_schema
from accord.errors import BadInput, Place, PlaceOf, Problem, pointer_only
from accord.policy.cedar import CedarSet

Versioned = Annotated[str, msgspec.Meta(pattern=r"^[^@]+@[^@]+$")]
"""`name@version`."""

_OF_RUNS: Final = ("look", "control", "approve", "erase")
_OF_TEMPLATES: Final = ("run", "publish")


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A request in few words: of an agent (`agent`, `capability`), or of a principal (`principal`)."""

    action: AgentAction | Right
    agent: Annotated[AgentId, msgspec.Meta(pattern=AGENT_ID_PATTERN)] | None = None
    tags: tuple[str, ...] = ()
    quarantined: bool = False
    capability: Versioned | None = None
    principal: str | None = None
    role: Role | None = None
    """The principal's; viewer where nothing is said."""
    of: str | None = None
    """The principal's organisation; the orchestrator's where nothing is said."""
    organisation: str = "local"
    """The orchestrator's."""
    template: Versioned | None = None
    """Of the run, or what is to be run or published."""
    tenant: str = ""
    """Who started the run."""
    labels: tuple[str, ...] | None = None
    """Of the data, or of the run; those of data of which nothing is said where None."""

    def request(self, place: Place | None = None) -> Request:
        """The request. Raises BadInput ACC676 with all that is missing, or does not go together."""
        BadInput.raise_if(Problem("ACC676", text, place or Place(), hint) for text, hint in self._faults())
        if self.action == "execute" or self.action == "see" or self.action == "declassify":
            assert self.agent and self.capability and self.template  # noqa: S101, PT018 - `_faults` has looked
            name, _, version = self.capability.partition("@")
            run = run_facts(self.template, self.organisation, self.tenant)
            facts = agent_facts(self.agent, frozenset(self.tags), quarantined=self.quarantined)
            return HandOff(self.action, facts, CapabilityFacts(name, version), run, self._labels())
        who = Principal(
            name=self.principal or "",
            role=self.role or "viewer",
            organisation=self.of or self.organisation,
            credential="",
        )
        return Act(who, self.action, self._subject(), self._labels())

    def _labels(self) -> Labels:
        return UNLABELLED if self.labels is None else frozenset(self.labels)

    def _faults(self) -> Iterator[tuple[str, str]]:
        if self.action in AGENT_ACTIONS:
            for name in ("agent", "capability", "template"):
                if getattr(self, name) is None:
                    yield f"{self.action} is what agents do, and no {name} is named", f"name the {name}"
            if self.principal is not None:
                yield f"{self.action} is what agents do, not principals", f"actions of principals: {', '.join(RIGHTS)}"
            return
        if self.principal is None:
            yield f"{self.action} is what principals do, and none is named", "name the principal"
        if self.agent is not None:
            yield f"{self.action} is what principals do, not agents", f"actions of agents: {', '.join(AGENT_ACTIONS)}"
        if self.template is not None and self.action not in (*_OF_RUNS, *_OF_TEMPLATES):
            yield f"{self.action} is done to the orchestrator, not to a template or a run", "leave the template out"

    def _subject(self) -> Subject:
        if self.template is None:
            return OrchestratorFacts(self.organisation)
        if self.action in _OF_RUNS:
            return run_facts(self.template, self.organisation, self.tenant)
        name, _, version = self.template.partition("@")
        return TemplateFacts(name, version)


def asked_of(request: Request) -> Asked:
    """The inverse of `Asked.request`: the request in few words."""
    labels = tuple(sorted(request.labels))
    if isinstance(request, HandOff):
        agent, one, run = request.agent, request.capability, request.run
        return Asked(
            action=request.action,
            agent=agent.id,
            tags=tuple(sorted(agent.tags)),
            quarantined=agent.quarantined,
            capability=f"{one.name}@{one.version}",
            organisation=run.organisation,
            template=f"{run.template}@{run.version}",
            tenant=run.tenant,
            labels=labels,
        )
    who, to = request.principal, request.to
    told = Asked(action=request.right, principal=who.name, role=who.role, of=who.organisation, labels=labels)
    if isinstance(to, RunFacts):
        return replace(told, template=f"{to.template}@{to.version}", organisation=to.organisation, tenant=to.tenant)
    if isinstance(to, TemplateFacts):
        return replace(told, template=f"{to.name}@{to.version}")
    return replace(told, organisation=to.organisation)


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request, and what is expected of the decision."""

    request: Asked
    expect: Literal["allow", "deny"]
    name: str = ""
    by: tuple[str, ...] | None = None
    """The policies that are to decide it, all of them; whichever where nothing is said."""


class _Cases(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cases: Annotated[tuple[Case, ...], msgspec.Meta(min_length=1)]


class Tested(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a case."""

    name: str
    ok: bool
    seen: str
    """The decision in words."""
    place: Place = Place()


def read_cases(document: Any, place_of: PlaceOf = pointer_only) -> list[tuple[Case, Request, Place]]:
    """The cases of a document `{"cases": […]}`, each with its request and its place.

    Raises:
        BadInput: ACC677 it is not of this form, ACC676 requests that cannot be; all problems at once.
    """
    schema = msgspec.json.schema(_Cases)
    BadInput.raise_if(compile_schema(schema).violations(document, "ACC677", place_of))
    found: list[tuple[Case, Request, Place]] = []
    problems: list[Problem] = []
    for number, case in enumerate(msgspec.convert(document, _Cases).cases):
        place = place_of(f"/cases/{number}")
        try:
            found.append((case, case.request.request(place), place))
        except BadInput as error:
            problems.extend(error.problems)
    BadInput.raise_if(problems)
    return found


def tested(policies: CedarSet, case: Case, request: Request, place: Place) -> Tested:
    """What the set says of a case."""
    decision = policies.decide(request)
    is_so = decision.allowed == (case.expect == "allow")
    by_whom = case.by is None or set(case.by) == set(decision.reasons)
    name = case.name or f"{case.request.action} by {case.request.agent or case.request.principal}"
    return Tested(name=name, ok=is_so and by_whom, seen=decided(decision), place=place)


def decided(decision: Decision) -> str:
    """The decision in words."""
    return f"{'allow' if decision.allowed else 'deny'}: {decision.words()}"
