"""The authority: asks the policy whether an agent may do something for a run, and whether a principal may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from accord.domain.access import RIGHTS, ROLES, Principal, Right
from accord.domain.flow import cut_for
from accord.domain.ids import AgentId, Digest, TaskId
from accord.domain.labels import UNLABELLED, Labels
from accord.domain.policy import (
    Act,
    AgentAction,
    Authorization,
    CapabilityFacts,
    Decision,
    HandOff,
    OrchestratorFacts,
    RunFacts,
    Subject,
    agent_facts,
    run_facts,
)
from accord.domain.progress import work_of
from accord.domain.run import Attempt, Run, Want
from accord.domain.wanted import actions_for, labels_of
from accord.engine.holds import Holds
from accord.engine.peers import Candidate
from accord.errors import Forbidden
from accord.ports import Policy

KEPT: Final = 65_536
"""Answers about agents, and kinds of runs, that are remembered each."""


Denial: TypeAlias = tuple[AgentAction, Decision]
"""What an agent may not do, and why; or may, where it is asked about."""


class Authority:
    """What the engine asks the policy. Facts are looked up once: the policy is asked with every hand-off, twice."""

    def __init__(
        self, policy: Policy, organisation: str, tags: Mapping[AgentId, frozenset[str]], holds: Holds | None = None
    ) -> None:
        self.policy = policy
        self._organisation = organisation
        self._tags = tags
        self._holds = holds
        self.denied: Counter[Literal["agent", "principal"]] = Counter()
        """How often the policy did not allow something, to whom, since this process started."""
        self._decided = lru_cache(KEPT)(self._asked)
        """By all that the answers rest on, the policy set among it: another set is asked anew."""
        self._run = lru_cache(KEPT)(self._run_facts)

    # -- agents --------------------------------------------------------------------------------------------------

    def of_agent(
        self, action: AgentAction, run: Run, agent: AgentId, capability: str, labels: frozenset[str] = UNLABELLED
    ) -> Decision:
        """May the agent execute this capability, `name@version`, of this run with data of these labels, or see, or
        declassify that?
        """
        return self.of_agent_in(self._facts(run), action, agent, capability, labels)

    def of_agent_in(
        self, run: RunFacts, action: AgentAction, agent: AgentId, capability: str, labels: frozenset[str]
    ) -> Decision:
        """As `of_agent`, in a run that need not have begun."""
        [(_, decision)] = self._decisions((action,), run, agent, capability, labels)
        return decision

    def _decisions(
        self, actions: tuple[AgentAction, ...], run: RunFacts, agent: AgentId, capability: str, labels: frozenset[str]
    ) -> tuple[Denial, ...]:
        """What is decided of each of these actions, in order."""
        held = self._holds is not None and agent in self._holds.quarantined
        return self._decided(self.policy.source.digest, actions, agent, held, capability, run, labels)

    def _asked(
        self,
        _set: Digest,
        actions: tuple[AgentAction, ...],
        agent: AgentId,
        quarantined: bool,
        capability: str,
        run: RunFacts,
        labels: frozenset[str],
    ) -> tuple[Denial, ...]:
        known = agent_facts(agent, self._tags.get(agent, frozenset()), quarantined=quarantined)
        asked = (HandOff(action, known, _facts_of(capability), run, labels) for action in actions)
        return tuple((one.action, self.policy.decide(one)) for one in asked)

    def bars(self, run: Run, task: TaskId, want: Want) -> Callable[[Candidate], str | None]:
        """Why an agent may not be given what is wanted: to execute it, see its input, and declassify its result where
        that is the task; None where it may.
        """
        denial = self.denials(run, task, want)

        def why(candidate: Candidate) -> str | None:
            denied = denial(candidate.agent, candidate.capability)
            if denied is None:
                return None
            action, decision = denied
            return decision.words() if action == "execute" else f"{action}: {decision.words()}"

        return why

    def denials(self, run: Run, task: TaskId, want: Want) -> Callable[[AgentId, str], Denial | None]:
        """The first decision that does not let an agent be given what is wanted, by a capability `name@version`; None
        where it may.
        """
        facts, labels, actions = self._facts(run), labels_of(want), actions_for(run, task, want)

        def denial(agent: AgentId, capability: str) -> Denial | None:
            for decided in self._decisions(actions, facts, agent, capability, labels):
                if not decided[1].allowed:
                    self.denied["agent"] += 1
                    return decided
            return None

        return denial

    def of_attempt(self, run: Run, task: TaskId, attempt: Attempt) -> tuple[AgentAction, Decision]:
        """The first decision that does not let the agent have the attempt, else the one that lets it execute it."""
        actions, labels = actions_for(run, task, attempt.want), labels_of(attempt.want)
        found = self._decisions(actions, self._facts(run), attempt.agent, attempt.capability, labels)
        for one in found:
            if not one[1].allowed:
                return one
        return found[0]

    def cut(self, run: Run, task: TaskId, want: Want, candidate: Candidate) -> tuple[str, ...]:
        """The parts of the context that the agent may not see."""
        if want.purpose != "work" or not work_of(run, task).upstream:
            return ()

        def sees(labels: Labels) -> bool:
            return self.of_agent("see", run, candidate.agent, candidate.capability, labels).allowed

        return cut_for(run, task, sees)

    def authorization(
        self, action: AgentAction, run: Run, agent: AgentId, capability: str, labels: frozenset[str]
    ) -> Authorization | None:
        """What the journal keeps of the decision that lets the agent do this; None where it rests on what ships with
        Accord.
        """
        source = self.policy.source
        if source.shipped:
            return None
        decision = self.of_agent(action, run, agent, capability, labels)
        tags = tuple(sorted(self._tags.get(agent, ())))
        return Authorization(source.digest, decision.reasons, tags, self._is_quarantined(agent))

    def _facts(self, run: Run) -> RunFacts:
        return self._run(run.started.template, run.started.by)

    def _is_quarantined(self, agent: AgentId) -> bool:
        return self._holds is not None and agent in self._holds.quarantined

    # -- principals ----------------------------------------------------------------------------------------------

    @property
    def whole(self) -> OrchestratorFacts:
        """The orchestrator, for what concerns no run and no template."""
        return OrchestratorFacts(self._organisation)

    def run_of(self, template: str, by: str) -> RunFacts:
        """The facts of a run of this template, `name@version`, that this tenant started."""
        return self._run(template, by)

    def of_principal(
        self,
        principal: Principal,
        right: Right,
        to: Subject | None = None,
        labels: frozenset[str] = UNLABELLED,
    ) -> Decision:
        """May the principal do this to the run, the template, or, where none is named, the orchestrator?"""
        return self.policy.decide(Act(principal, right, to or self.whole, labels))

    def require(
        self,
        principal: Principal,
        right: Right,
        to: Subject | None = None,
        labels: frozenset[str] = UNLABELLED,
    ) -> None:
        """Nothing where the policy permits it. Raises Forbidden (ACC654), with the reasons."""
        decision = self.of_principal(principal, right, to, labels)
        if not decision.allowed:
            self.denied["principal"] += 1
            raise Forbidden.of("ACC654", _denial(principal, right, decision), hint=_way_out(principal, right))

    def _run_facts(self, template: str, by: str) -> RunFacts:
        return run_facts(template, self._organisation, by)


def _facts_of(capability: str) -> CapabilityFacts:
    name, _, version = capability.partition("@")
    return CapabilityFacts(name, version)


def _denial(principal: Principal, right: Right, decision: Decision) -> str:
    least, _ = RIGHTS[right]
    if ROLES.index(principal.role) < ROLES.index(least) and not decision.reasons and not decision.errors:
        return f"{principal.name} is {_a(principal.role)}, and this takes {_a(least)} or more"
    return f"{principal.name} may not {right}: {decision.words()}"


def _way_out(principal: Principal, right: Right) -> str:
    least, _ = RIGHTS[right]
    if ROLES.index(principal.role) < ROLES.index(least):
        return f"ask an admin for a key: accord access keys new NAME --role {least}"
    return "accord policy explain tells which policies decide it"


def _a(role: str) -> str:
    return f"{'a' if role == 'viewer' else 'an'} {role}"
