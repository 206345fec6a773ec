"""Policy: what is asked of it and what it answers. A request holds all that a policy may see, and nothing else, so that
equal requests have equal answers, and one answer can be kept for all of them.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

from accord.domain.access import Principal, Right
from accord.domain.ids import AgentId, Digest
from accord.domain.labels import UNLABELLED

AgentAction = Literal["execute", "see", "declassify"]
"""What an agent may be allowed: to be given a task of a capability, to be shown data with these labels for it, and to
take away what the template lets the task take away of them.
"""

AGENT_ACTIONS: Final[tuple[AgentAction, ...]] = get_args(AgentAction)


class AgentFacts(msgspec.Struct, frozen=True):
    """What policies may know of an agent."""

    id: AgentId
    organisation: str
    """Of its id: whoever enrolled its keys has made sure of it."""
    name: str
    tags: frozenset[str] = frozenset()
    """What the operator says of it: the setting `agent_tags`."""
    quarantined: bool = False


class CapabilityFacts(msgspec.Struct, frozen=True):
    """What policies may know of the capability that an agent is to be given a task of."""

    name: str
    version: str


class RunFacts(msgspec.Struct, frozen=True):
    """What policies may know of a run: what kind it is, and not which."""

    template: str
    version: str
    organisation: str
    """The orchestrator's."""
    tenant: str
    """Who started it, or the run at its root."""


class TemplateFacts(msgspec.Struct, frozen=True):
    """What policies may know of a template that somebody wants to start or publish."""

    name: str
    version: str


class OrchestratorFacts(msgspec.Struct, frozen=True):
    """The orchestrator as a whole: what concerns no run and no template."""

    organisation: str


Subject = RunFacts | TemplateFacts | OrchestratorFacts
"""What a principal may do something to."""


class HandOff(msgspec.Struct, frozen=True):
    """May this agent execute this capability of this run with data of these labels, or see, or declassify that?"""

    action: AgentAction
    agent: AgentFacts
    capability: CapabilityFacts
    run: RunFacts
    labels: frozenset[str] = UNLABELLED


class Act(msgspec.Struct, frozen=True):
    """May this principal do this?"""

    principal: Principal
    right: Right
    to: Subject
    labels: frozenset[str] = UNLABELLED
    """Of the run."""


Request = HandOff | Act


class Decision(msgspec.Struct, frozen=True):
    """The answer: default deny. What could not be evaluated is denied."""

    allowed: bool
    reasons: tuple[str, ...]
    """The policies that have decided it, by their `@id`, in order; none where nothing permits it."""
    errors: tuple[str, ...] = ()
    """What could not be evaluated."""

    def words(self) -> str:
        """Why, for people."""
        if self.errors:
            return f"a policy cannot be evaluated: {'; '.join(self.errors)}"
        if not self.reasons:
            return "no policy permits it"
        return f"{'permitted' if self.allowed else 'forbidden'} by {', '.join(self.reasons)}"


class Authorization(msgspec.Struct, frozen=True, omit_defaults=True):
    """The decision that an attempt rests on, as the journal keeps it."""

    digest: Digest
    """The policy set: the blob of this digest."""
    by: tuple[str, ...]
    """The policies that have permitted it, by their `@id`."""
    tags: tuple[str, ...] = ()
    """What the operator has said of the agent, in order: no other event tells it."""
    quarantined: bool = False
    """Whether the agent was in quarantine."""


def run_facts(reference: str, organisation: str, tenant: str) -> RunFacts:
    """The facts of a run of the template `name@version`."""
    name, _, version = reference.partition("@")
    return RunFacts(name, version, organisation, tenant)


def agent_facts(agent: AgentId, tags: frozenset[str] = frozenset(), *, quarantined: bool = False) -> AgentFacts:
    """The facts of the agent with this id, `spiffe://ORGANISATION/agent/NAME`."""
    organisation, _, name = agent.removeprefix("spiffe://").partition("/agent/")
    return AgentFacts(agent, organisation, name, tags, quarantined)
