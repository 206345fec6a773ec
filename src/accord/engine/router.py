"""The router: which agent gets a task, by measured load, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from accord.domain.ids import AgentId, LeaseToken, RunId, TaskId
from accord.domain.run import Attempt, TaskState, Want
from accord.engine.registry import Candidate, Registry
from accord.ports import Ids

HIGH_WATER = 0.8
"""Share of an agent's queue above which peers, and waiting, are preferred."""

_SMOOTHING = 0.2
_UNKNOWN_S = 0.05


class Load(msgspec.Struct):
    """What the orchestrator knows of an agent's work."""

    held: int = 0
    """Attempts assigned and not ended."""
    latency_s: float = _UNKNOWN_S
    """Exponentially weighted mean from assignment to end."""
    ended: int = 0


class Held(msgspec.Struct, frozen=True, gc=False):
    """Who holds an attempt, and under which lease."""

    agent: AgentId
    lease: LeaseToken
    capability: str
    """Its name; there may be a limit for it."""


def held_under(agent: AgentId, lease: LeaseToken, capability: str) -> Held:
    """Who holds an attempt of a capability `name@version`."""
    return Held(agent, lease, capability.partition("@")[0])


class Choice(msgspec.Struct, frozen=True, gc=False):
    """An agent, and the figures that spoke for it."""

    candidate: Candidate
    reason: str


class Router:
    """Chooses among peers, and keeps every agent's bound: never more held attempts than concurrency and queue
    together.
    """

    def __init__(self, registry: Registry, ids: Ids, limits: Mapping[str, int] | None = None) -> None:
        self._registry = registry
        self._ids = ids
        self._loads: dict[AgentId, Load] = {}
        self._reserved: dict[RunId, dict[tuple[TaskId, int], Held]] = {}
        self._limits = limits or {}
        self._of_capability: Counter[str] = Counter()
        self._holders: dict[LeaseToken, AgentId] = {}
        self.held_back: set[AgentId] = set()
        """Agents under a hold."""

    def load(self, agent: AgentId) -> Load:
        """What is known of the agent's work."""
        return self._loads.setdefault(agent, Load())

    def holder(self, lease: LeaseToken) -> AgentId | None:
        """Who holds the attempt with this lease; None where nobody does any more."""
        return self._holders.get(lease)

    def reserve(self, run: RunId, task: TaskId, attempt: int, held: Held) -> None:
        """The agent holds this attempt from now on; again is no error."""
        reserved = self._reserved.setdefault(run, {})
        if (task, attempt) not in reserved:
            reserved[task, attempt] = held
            self._holders[held.lease] = held.agent
            self._of_capability[held.capability] += 1
            self.load(held.agent).held += 1

    def free(self, run: RunId, task: TaskId, attempt: Attempt, now: datetime) -> None:
        """An attempt has ended; one that the agent ended itself tells how long it takes."""
        held = self._reserved.get(run, {}).pop((task, attempt.number), None)
        if held is None:
            return
        load = self._give_back(held)
        if attempt.phase in ("succeeded", "rejected", "failed"):
            took_s = (now - attempt.assigned_at).total_seconds()
            weight = _SMOOTHING if load.ended else 1.0
            load.latency_s += weight * (took_s - load.latency_s)
            load.ended += 1

    def forget(self, run: RunId) -> None:
        """Nobody holds anything of this run any more, as far as this orchestrator is concerned."""
        for held in self._reserved.pop(run, {}).values():
            self._give_back(held)

    def choose(self, candidates: Sequence[Candidate], want: Want, state: TaskState) -> Choice | None:
        """The candidate with the shortest expected wait; None where nobody has room."""
        fitting = [one for one in self._fitting(candidates, want, state) if self._is_within_limit(one)]
        open_ = [(self._wait_s(one.agent), one) for one in fitting if self._has_room(one.agent)]
        if not open_:
            return None
        if len(open_) == 1:
            return Choice(open_[0][1], self._figures(open_[0][0], open_[0][1], len(fitting)))
        shortest = min(wait_s for wait_s, _ in open_)
        best = [one for wait_s, one in open_ if wait_s == shortest]
        chosen = best[int(self._ids.uniform() * len(best))]
        return Choice(chosen, self._figures(shortest, chosen, len(fitting)))

    def any_room(self, candidates: Sequence[Candidate]) -> bool:
        """Whether any of these, if not the one that is wanted, could take something more."""
        return any(
            one.agent not in self.held_back and self._has_room(one.agent) and self._is_within_limit(one)
            for one in candidates
        )

    def _give_back(self, held: Held) -> Load:
        self._holders.pop(held.lease, None)
        self._of_capability[held.capability] -= 1
        load = self.load(held.agent)
        load.held -= 1
        return load

    def _fitting(self, candidates: Sequence[Candidate], want: Want, state: TaskState) -> Sequence[Candidate]:
        if want.agent is not None:
            named = [one for one in candidates if one.agent == want.agent and one.agent not in self.held_back]
            if named:
                return named
        if not want.avoid and len(state.wants) == 1 and not self.held_back:
            return candidates
        allowed = [one for one in candidates if one.agent not in self.held_back]
        others = [one for one in allowed if one.agent not in want.avoid]
        return _least_used(others or allowed, state)

    def _is_within_limit(self, candidate: Candidate) -> bool:
        name = candidate.contract.capability
        limit = self._limits.get(name)
        return limit is None or self._of_capability[name] < limit

    def _has_room(self, agent: AgentId) -> bool:
        capacity = self._registry.capacity(agent)
        if capacity is None:
            return False
        return self.load(agent).held < capacity.concurrency + int(capacity.queue * HIGH_WATER)

    def _wait_s(self, agent: AgentId) -> float:
        capacity = self._registry.capacity(agent)
        load = self.load(agent)
        return (load.held + 1) / max(capacity.concurrency if capacity else 1, 1) * max(load.latency_s, 1e-4)

    def _figures(self, wait_s: float, chosen: Candidate, among: int) -> str:
        load = self.load(chosen.agent)
        return f"{load.held} held, {load.latency_s * 1e3:.1f} ms each, expected {wait_s * 1e3:.1f} ms; 1 of {among}"


def _least_used(candidates: Sequence[Candidate], state: TaskState) -> Sequence[Candidate]:
    """Copies of a task go to different agents as far as there are any."""
    busy: Iterable[Attempt] = (one for one in state.current() if one.live or one.phase == "succeeded")
    used = Counter(one.agent for one in busy)
    fewest = min((used[one.agent] for one in candidates), default=0)
    return [one for one in candidates if used[one.agent] == fewest]
