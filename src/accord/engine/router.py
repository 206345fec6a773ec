"""The router: which agent gets a task, by measured load, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import inf

import msgspec

from accord.domain.ids import AgentId, LeaseToken, RunId, TaskId
from accord.domain.run import Attempt, TaskState, Want
from accord.engine.attendance import Candidate
from accord.engine.presence import Room
from accord.engine.registry import Registry
from accord.ports import Ids

_SMOOTHING = 0.2
_UNKNOWN_S = 0.05
_LEAST_TRUST = 0.01
"""Whoever fails always is asked once more where all others have a hundred times as much to do."""


class Load(msgspec.Struct):
    """What the orchestrator knows of an agent's work."""

    held: int = 0
    """Attempts assigned and not ended."""
    latency_s: float = _UNKNOWN_S
    """Exponentially weighted mean from assignment to result."""
    ended: int = 0
    """Attempts that succeeded."""
    trust: dict[str, float] = {}
    """By capability: exponentially weighted mean of the confidence in its results. One that says nothing of it counts
    as 1, a failure and a result that was rejected as 0.
    """

    def trust_in(self, capability: str) -> float:
        """How far a result of this capability may be relied on, from 0 to 1."""
        return self.trust.get(capability, 1.0)


class Held(msgspec.Struct, frozen=True, gc=False):
    """Who holds an attempt, and under which lease."""

    agent: AgentId
    lease: LeaseToken
    capability: str
    """`name@version`."""

    @property
    def name(self) -> str:
        """The capability's name; there may be a limit for it."""
        return self.capability.partition("@")[0]


class Measure(msgspec.Struct, frozen=True, gc=False):
    """What can be expected of an agent that has room."""

    held: int
    room: Room
    latency_s: float
    trust: float
    expected_s: float
    """How long it takes until there is a result that counts: the wait for a place and the work, tried as often as its
    results can be relied on.
    """

    def words(self, among: int) -> str:
        """The figures, for the journal."""
        told = [f"{self.held} held"]
        if self.room.others:
            told.append(f"{self.room.others} of others")
        if self.room.queued:
            told.append(f"{self.room.queued} queued")
        told.append(f"{self.latency_s * 1e3:.1f} ms each")
        if self.trust < 1:
            told.append(f"trust {self.trust:.2f}")
        return f"{', '.join(told)}, expected {self.expected_s * 1e3:.1f} ms; 1 of {among}"


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
        self._of_offer: Counter[tuple[AgentId, str]] = Counter()
        self._holders: dict[LeaseToken, AgentId] = {}
        self.held_back: set[AgentId] = set()
        """Agents under a hold."""

    def load(self, agent: AgentId) -> Load:
        """What is known of the agent's work."""
        load = self._loads.get(agent)
        if load is None:
            load = self._loads[agent] = Load()
        return load

    def holder(self, lease: LeaseToken) -> AgentId | None:
        """Who holds the attempt with this lease; None where nobody does any more."""
        return self._holders.get(lease)

    def reserve(self, run: RunId, task: TaskId, attempt: int, held: Held) -> None:
        """The agent holds this attempt from now on; again is no error."""
        reserved = self._reserved.setdefault(run, {})
        if (task, attempt) not in reserved:
            reserved[task, attempt] = held
            self._holders[held.lease] = held.agent
            self._of_capability[held.name] += 1
            self._of_offer[held.agent, held.capability] += 1
            self.load(held.agent).held += 1

    def free(self, run: RunId, task: TaskId, attempt: Attempt, now: datetime) -> None:
        """An attempt has ended; one that the agent ended itself tells how long it takes, and how good it is."""
        held = self._reserved.get(run, {}).pop((task, attempt.number), None)
        if held is None:
            return
        load = self._give_back(held)
        if attempt.phase == "succeeded":
            took_s = (now - attempt.assigned_at).total_seconds()
            load.latency_s += (_SMOOTHING if load.ended else 1.0) * (took_s - load.latency_s)
            load.ended += 1
        if attempt.phase in ("succeeded", "rejected", "failed"):
            worth = _worth(attempt)
            load.trust[held.name] = load.trust_in(held.name) + _SMOOTHING * (worth - load.trust_in(held.name))

    def forget(self, run: RunId) -> None:
        """Nobody holds anything of this run any more, as far as this orchestrator is concerned."""
        for held in self._reserved.pop(run, {}).values():
            self._give_back(held)

    def choose(self, candidates: Sequence[Candidate], want: Want, state: TaskState, now: datetime) -> Choice | None:
        """The candidate that can be expected to give a good result first; None where nobody has room. Of one agent the
        newest version that has room.
        """
        fitting = [one for one in self._fitting(candidates, want, state) if self._is_within_limit(one)]
        best: list[tuple[Candidate, Measure]] = []
        shortest, taken = inf, None
        for one in fitting:
            if one.agent == taken or (measure := self._measure(one, now)) is None:
                continue
            taken = one.agent
            if measure.expected_s < shortest:
                best, shortest = [], measure.expected_s
            if measure.expected_s == shortest:
                best.append((one, measure))
        if not best:
            return None
        chosen, measure = best[int(self._ids.uniform() * len(best))] if len(best) > 1 else best[0]
        return Choice(chosen, measure.words(len(fitting)))

    def any_room(self, candidates: Sequence[Candidate], now: datetime) -> bool:
        """Whether any of these, if not the one that is wanted, could take something more."""
        return any(
            one.agent not in self.held_back and self._is_within_limit(one) and self._measure(one, now) is not None
            for one in candidates
        )

    def _measure(self, candidate: Candidate, now: datetime) -> Measure | None:
        """What can be expected of the agent; None where those of its instances that offer this have no room."""
        agent, load = candidate.agent, self.load(candidate.agent)
        rooms = self._registry.rooms(agent, candidate.contract.digest, now)
        room, held = rooms.whole, load.held
        if held + room.others >= room.places:
            return None
        if rooms.own is not room:
            room, held = rooms.own, self._of_offer[agent, candidate.capability]
            if held + room.others >= room.places:
                return None
        trust = load.trust.get(candidate.contract.capability, 1.0)
        turns = (held + room.others + 1) / max(room.concurrency, 1)
        return Measure(held, room, load.latency_s, trust, turns * max(load.latency_s, 1e-4) / max(trust, _LEAST_TRUST))

    def _give_back(self, held: Held) -> Load:
        self._holders.pop(held.lease, None)
        self._of_capability[held.name] -= 1
        self._of_offer[held.agent, held.capability] -= 1
        if not self._of_offer[held.agent, held.capability]:
            del self._of_offer[held.agent, held.capability]
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


def _worth(attempt: Attempt) -> float:
    """How far the answer could be relied on."""
    if attempt.phase != "succeeded":
        return 0.0
    return 1.0 if attempt.confidence is None else attempt.confidence


def _least_used(candidates: Sequence[Candidate], state: TaskState) -> Sequence[Candidate]:
    """Copies of a task go to different agents as far as there are any."""
    busy: Iterable[Attempt] = (one for one in state.current() if one.live or one.phase == "succeeded")
    used = Counter(one.agent for one in busy)
    fewest = min((used[one.agent] for one in candidates), default=0)
    return [one for one in candidates if used[one.agent] == fewest]
