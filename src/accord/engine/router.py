"""The router: which agent gets a task, by measured load, and why."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from itertools import islice

import msgspec

from accord.domain.experience import Observed
from accord.domain.grounds import NAMED, Decided, Figures, Grounds, Passed, Rival, Why, decided, grouped
from accord.domain.ids import AgentId, LeaseToken, RunId, TaskId
from accord.domain.run import Attempt, TaskState, Want
from accord.engine.breakers import Breakers
from accord.engine.commons import Commons
from accord.engine.peers import Candidate, Offers, Peers
from accord.engine.presence import FOR_EVER
from accord.engine.registry import Registry
from accord.ports import Ids
from accord.service import Work

logger = logging.getLogger("accord.router")

FEW = 16
"""Up to so many agents that may have room, all are looked at."""
LOOKED_AT = 8
"""Of more, so many that have room. The best of some that were drawn is nearly as good as the best of all, and costs
the same however many there are (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
"""

_SMOOTHING = 0.2
_UNKNOWN_S = 0.05
_LEAST_S = 1e-4
_LEAST_TRUST = 0.01
"""Whoever fails always is asked once more where all others have a hundred times as much to do."""


class Load(msgspec.Struct):
    """What the orchestrator knows of an agent's work."""

    held: int = 0
    """Attempts assigned and not ended."""
    latency_s: float = _UNKNOWN_S
    """Exponentially weighted mean of how long work took up to its result, of whatever capability: what stood in the
    agent's queue before is not in it, as `ahead_s` counts that.
    """
    took_s: dict[str, float] = {}
    """The same by capability."""
    kinds: dict[str, int] = {}
    """By capability, how many of those that are held."""
    ended: int = 0
    """Attempts that succeeded."""
    failed: int = 0
    """Attempts that failed, and those whose result was rejected."""
    failed_s: float = 0.0
    """Exponentially weighted mean up to a failure, or a rejection; nothing is decided by it."""
    trust: dict[str, float] = {}
    """By capability: exponentially weighted mean of the confidence in its results. One that says nothing of it counts
    as 1, a failure and a result that was rejected as 0.
    """

    def trust_in(self, capability: str) -> float:
        """How far a result of this capability may be relied on, from 0 to 1."""
        return self.trust.get(capability, 1.0)

    def expected_s(self, capability: str) -> float:
        """How long work of this capability takes; as that of others where this agent has brought none of it."""
        return self.took_s.get(capability, self.latency_s)

    def ahead_s(self) -> float:
        """How long what is held takes together."""
        return sum([count * self.expected_s(name) for name, count in self.kinds.items()])

    def learn(self, capability: str, took_s: float) -> None:
        """A result of this capability has come."""
        self.latency_s += (_SMOOTHING if self.took_s else 1.0) * (took_s - self.latency_s)
        before = self.took_s.get(capability)
        self.took_s[capability] = took_s if before is None else before + _SMOOTHING * (took_s - before)

    def fail(self, took_s: float) -> None:
        """An attempt has failed, or its result was rejected."""
        self.failed_s += (_SMOOTHING if self.failed else 1.0) * (took_s - self.failed_s)
        self.failed += 1

    def judge(self, capability: str, worth: float) -> None:
        """An answer could be relied on so far."""
        trust = self.trust_in(capability)
        self.trust[capability] = trust + _SMOOTHING * (worth - trust)


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
    others: int
    """Places that are taken by what other processes have assigned, or by what is no attempt."""
    queued: int
    latency_s: float
    trust: float
    expected_s: float
    """What it would have to do with this, shared by its places, and tried as often as its results can be relied on: who
    has the least is through with all of it first. It is no time until this one result.
    """
    on_trial: bool
    """Whether it was out, and is tried with this attempt."""

    def figures(self) -> Figures:
        """As the journal keeps it."""
        return Figures(
            held=self.held,
            others=self.others,
            queued=self.queued,
            latency_ms=round(self.latency_s * 1e3, 2),
            trust=round(self.trust, 3),
            expected_ms=round(self.expected_s * 1e3, 2),
            on_trial=self.on_trial,
        )

    def factors(self) -> tuple[float, float, float]:
        """Turns, latency, and how often a result is to be had: their product is the expected time."""
        trust = max(self.trust, _LEAST_TRUST)
        return self.expected_s * trust / max(self.latency_s, _LEAST_S), self.latency_s, 1 / trust


Bars = Callable[[Candidate], str | None]
"""Why the policy does not let an agent have the task; None where it does."""


def _nobody(_: Candidate) -> None:
    """Bars nobody."""


class Choice(msgspec.Struct, frozen=True, gc=False):
    """An agent, and why it is this one."""

    candidate: Candidate
    grounds: Grounds


class _Search(msgspec.Struct, gc=False):
    """Among whom an agent is sought, for what, and what was found out on the way."""

    peers: Peers
    want: Want
    state: TaskState
    sampled: bool = False
    barred: dict[AgentId, str] = {}
    """Whom the policy bars, and why."""


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
        self._lent: set[LeaseToken] = set()
        """Of attempts that wait for what their agents have asked for."""
        self._held_back: frozenset[AgentId] = frozenset()
        self.quarantined: Set[AgentId] = frozenset()
        """Those of the agents under a hold that are suspected."""
        self._told: set[str] = set()
        self.breakers = Breakers()
        self.commons = Commons()

    @property
    def held_back(self) -> Set[AgentId]:
        """Agents under a hold."""
        return self._held_back

    @held_back.setter
    def held_back(self, agents: Iterable[AgentId]) -> None:
        before, self._held_back = self._held_back, frozenset(agents)
        for agent in before - self._held_back:
            self._registry.reopen(agent)

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
            self._count(held, 1)
            self.breakers.given(held.agent, held.name, (run, task, attempt))

    def free(self, run: RunId, task: TaskId, attempt: Attempt, now: datetime, *, blamed: bool = False) -> None:
        """An attempt has ended; one that the agent ended itself tells how long it takes, and how good it is. `blamed`:
        it ended by a fault of the agent's own.
        """
        held = self._reserved.get(run, {}).pop((task, attempt.number), None)
        if held is None:
            return
        load, name = self._give_back(held), held.name
        self.commons.freed(held.agent, now)
        if name in self._limits:
            self.commons.freed(name, now)
        which = run, task, attempt.number
        if self.breakers.ended((held.agent, name), which, attempt, now, blamed=blamed):
            for agent in self.breakers.out(name):  # it may be one of them that has to be tried now
                self._registry.reopen(agent)
        took_s = (now - attempt.work_since).total_seconds()
        if attempt.phase == "succeeded":
            load.learn(name, took_s)
            load.ended += 1
        if attempt.phase in ("rejected", "failed"):
            load.fail(took_s)
        if attempt.phase in ("succeeded", "rejected", "failed"):
            load.judge(name, _worth(attempt))

    def recall(self, run: Observed) -> None:
        """A run has ended that was worked on before this process began, or at another one: what it tells of agents."""
        for _, capability, agent, one in run.tries:
            load = self.load(agent)
            if one.ok:
                load.learn(capability, one.took_s)
                load.judge(capability, 1.0 if one.confidence is None else one.confidence)
            elif not one.expired:
                load.judge(capability, 0.0)

    def lend(self, run: RunId, task: TaskId, attempt: int) -> None:
        """The attempt waits for what its agent has asked for: the agent has room for another one until `take_back`."""
        held = self._reserved.get(run, {}).get((task, attempt))
        if held is not None and held.lease not in self._lent:
            self._lent.add(held.lease)
            self._count(held, -1)
            self._registry.reopen(held.agent)

    def take_back(self, run: RunId, task: TaskId, attempt: int) -> None:
        """The attempt goes on, even where its place was given to another one meanwhile."""
        held = self._reserved.get(run, {}).get((task, attempt))
        if held is not None and held.lease in self._lent:
            self._lent.remove(held.lease)
            self._count(held, 1)

    def forget(self, run: RunId) -> None:
        """Nobody holds anything of this run any more, as far as this orchestrator is concerned."""
        for (task, number), held in self._reserved.pop(run, {}).items():
            self.breakers.forget((run, task, number))
            self._give_back(held)

    def work_of(self, agent: AgentId) -> Work | None:
        """What is known of an agent's work; None where it has done nothing since this orchestrator began."""
        load = self._loads.get(agent)
        if load is None or not (load.held or load.ended or load.failed):
            return None
        return Work(
            held=load.held,
            succeeded=load.ended,
            failed=load.failed,
            latency_ms=round(load.latency_s * 1e3, 2) if load.ended else None,
            failed_latency_ms=round(load.failed_s * 1e3, 2) if load.failed else None,
            trust={name: round(value, 3) for name, value in sorted(load.trust.items())},
        )

    def held_by_agents(self) -> dict[str, int]:
        """How many attempts each agent holds, of those who hold any."""
        return {agent: load.held for agent, load in self._loads.items() if load.held}

    def held_by_limits(self) -> dict[str, int]:
        """How many attempts are under way of each capability that has a limit, where there are any."""
        return {name: held for name in self._limits if (held := self._of_capability[name])}

    def choose(self, peers: Peers, want: Want, state: TaskState, now: datetime, bars: Bars = _nobody) -> Choice | None:
        """The peer that can be expected to give a good result first, of all or, where many may have room, of some that
        are drawn; None where nobody has room that may have the task. Of one agent the newest version that has room.
        """
        if self._is_at_limit(peers, now):
            return None
        search = _Search(peers, want, state)
        if want.agent is not None and want.agent in peers and want.agent not in self.held_back:
            offers = _permitted(peers.of(want.agent), bars)
            if offers:
                return self._best(self._with_room([offers], peers, now), search)
        passed = {*want.avoid, *_busy_with(state)}
        failed = passed | _failed_at(state)
        # Whoever failed at this task before is asked again where nobody else has room.
        if len(failed) > len(passed) and (choice := self._best_without(failed, search, now, bars)) is not None:
            return choice
        if self._others(peers, passed):
            choice = self._best_without(passed, search, now, bars)
            if choice is not None or bars is _nobody or self._any_other_may(peers, passed, bars):
                return choice
        fitting = self._least_used(peers, want, state, bars)
        if not fitting and bars is not _nobody:
            self._tell_barred(peers, bars)
        return self._best(self._with_room(fitting, peers, now), search)

    def _tell_barred(self, peers: Peers, bars: Bars) -> None:
        """Tell once that all who are present are barred: the task waits for somebody who may have it."""
        why = {bars(one) for one in peers.candidates}
        told = f"{peers.capability}: {'; '.join(sorted(one for one in why if one))}"
        if len(peers) and None not in why and told not in self._told:
            self._told.add(told)
            logger.warning("nobody who is present may be given a task of %s", told)

    def any_room(self, peers: Peers, now: datetime) -> bool:
        """Whether any of these, if not the one that is wanted, could take something more."""
        if self._is_at_limit(peers, now):
            return False
        self._registry.reopen_due(now)
        while peers.open:
            if self._open(peers, 0, now) is not None:
                return True
        return False

    def _others(self, peers: Peers, passed: Set[AgentId]) -> int:
        """How many peers there are but those that are held back, or passed over."""
        return len(peers) - sum(agent in peers for agent in self.held_back | passed)

    def _any_other_may(self, peers: Peers, passed: Set[AgentId], bars: Bars) -> bool:
        """Whether one of the others may have the task, with or without room."""
        others = (one for one in peers.all() if one[0].agent not in self.held_back and one[0].agent not in passed)
        return any(_permitted(offers, bars) for offers in others)

    def _best_without(self, passed: Set[AgentId], search: _Search, now: datetime, bars: Bars) -> Choice | None:
        """The best of the others; None where none of them has room."""
        return self._best(self._looked_at(search, passed, now, bars), search)

    def _looked_at(
        self, search: _Search, passed: Container[AgentId], now: datetime, bars: Bars
    ) -> list[tuple[Candidate, Measure]]:
        """Peers with room, without those passed over; who is barred, and whether there are more, is in the search."""
        self._registry.reopen_due(now)
        peers, search.barred = search.peers, {}
        found: list[tuple[Candidate, Measure]] = []
        place = 0
        while place < peers.open and (len(found) < LOOKED_AT or peers.open <= FEW):
            offers = peers.at(place) if peers.open <= FEW else peers.draw(place, self._ids.uniform())
            if offers[0].agent in passed:
                place += 1
            elif (measured := self._open(peers, place, now)) is not None:
                place += 1
                why = bars(measured[0])
                if why is None:
                    found.append(measured)
                elif (other := self._first(_permitted(offers, bars), peers, now)) is not None:
                    found.append(other)
                else:
                    search.barred[measured[0].agent] = why
        search.sampled = place < peers.open
        return found

    def _open(self, peers: Peers, place: int, now: datetime) -> tuple[Candidate, Measure] | None:
        """The open agent at this place, with what can be expected of it; it is shut where it may be given nothing."""
        offers = peers.at(place)
        is_held = offers[0].agent in self.held_back
        measured = None if is_held else self._first(offers, peers, now)
        if measured is None:
            one = offers[0]
            until = FOR_EVER if is_held else self._registry.rooms(one.agent, one.contract.digest, now).until
            spared = None if is_held else self._spared_until(offers, peers, now)
            self._registry.shut(peers, place, until if spared is None else min(until, spared))
        return measured

    def _with_room(self, agents: Iterable[Offers], peers: Peers, now: datetime) -> list[tuple[Candidate, Measure]]:
        return [measured for offers in agents if (measured := self._first(offers, peers, now)) is not None]

    def _spared_until(self, offers: Offers, peers: Peers, now: datetime) -> datetime | None:
        """Until when the agent gets nothing, whatever room it has: it is out, or what is free is for other processes;
        None where it may.
        """
        agent, name = offers[0].agent, peers.capability
        out = self.breakers.out(name)
        if agent in out:
            alone = all(other in out or other in self._held_back for other in peers.agents())
            until = self.breakers.shut_until(agent, name, now, alone=alone)
            if until is not None:
                return until
        if self.commons.alone:
            return None
        room = self._registry.rooms(agent, offers[0].contract.digest, now).whole
        return self.commons.left_until(agent, name, room.places - room.others, self.load(agent).held, now)

    def _first(self, offers: Offers, peers: Peers, now: datetime) -> tuple[Candidate, Measure] | None:
        """The newest version that has room."""
        if not offers or self._spared_until(offers, peers, now) is not None:
            return None
        for one in offers:
            if (measure := self._measure(one, now)) is not None:
                return one, measure
        return None

    def _best(self, found: Sequence[tuple[Candidate, Measure]], search: _Search) -> Choice | None:
        """Who is expected first; one of these where there are several."""
        if not found:
            return None
        shortest = min(measure.expected_s for _, measure in found)
        best = [one for one in found if one[1].expected_s == shortest]
        chosen = best[int(self._ids.uniform() * len(best))] if len(best) > 1 else best[0]
        return Choice(chosen[0], self._grounds(chosen, found, search))

    def _grounds(
        self, chosen: tuple[Candidate, Measure], found: Sequence[tuple[Candidate, Measure]], search: _Search
    ) -> Grounds:
        """Why this one of those found."""
        what: Decided = "wanted" if search.want.agent == chosen[0].agent else "only"
        rival = None
        if len(found) > 1:
            next_, measure = min((one for one in found if one is not chosen), key=_expected)
            rival = Rival(next_.agent, measure.figures())
            what = decided(chosen[1].factors(), measure.factors())
        return Grounds(
            decided=what,
            figures=chosen[1].figures(),
            peers=len(search.peers),
            compared=len(found),
            sampled=search.sampled,
            next=rival,
            passed=self._passed_over(found, search) if len(found) < len(search.peers) else (),
        )

    def _passed_over(self, found: Sequence[tuple[Candidate, Measure]], search: _Search) -> tuple[Passed, ...]:
        """Who else offers it, and why none of them was compared."""
        peers, why = search.peers, dict[AgentId, Why]()
        for agent in search.barred:
            why[agent] = "barred"
        out = self.breakers.out(peers.capability)
        if self._held_back or search.want.avoid or search.state.attempts or out:
            compared = {candidate.agent for candidate, _ in found}
            for reason, agents in self._reasons(search, out):
                for agent in agents:
                    if agent in peers and agent not in compared:
                        why.setdefault(agent, reason)
        shut = peers.shut_agents()
        full = len(shut) - sum(agent in shut for agent in why)
        passed = tuple(grouped(why, search.barred)) if why else ()
        if not full:
            return passed
        named = tuple(islice((agent for agent in shut if agent not in why), NAMED))
        return (*passed, Passed(why="full", count=full, agents=named))

    def _reasons(self, search: _Search, out: Iterable[AgentId]) -> Iterator[tuple[Why, Iterable[AgentId]]]:
        """Who is passed over for what; the first reason counts."""
        yield "quarantined", self.quarantined
        yield "held", self._held_back
        yield "avoided", search.want.avoid
        yield "busy", _busy_with(search.state)
        yield "failed", _failed_at(search.state)
        yield "out", out

    def _measure(self, candidate: Candidate, now: datetime) -> Measure | None:
        """What can be expected of the agent; None where those of its instances that offer this have no room."""
        agent, load = candidate.agent, self.load(candidate.agent)
        elsewhere = self.commons.held_by_others(agent)
        rooms = self._registry.rooms(agent, candidate.contract.digest, now)
        room, held, capability = rooms.whole, load.held, candidate.contract.capability
        if held + room.others >= room.places:
            return None
        own_s = load.expected_s(capability) or _LEAST_S
        alike = load.kinds.get(capability, 0) == held
        if rooms.own is not room:
            room, held, alike = rooms.own, self._of_offer[agent, candidate.capability], True
            if held + room.others >= room.places:
                return None
        ahead_s = held * own_s if alike else load.ahead_s()
        others, trust = room.others + elsewhere, load.trust_in(capability)
        together_s = ahead_s + others * load.latency_s + own_s
        expected_s = together_s / max(room.concurrency, 1) / max(trust, _LEAST_TRUST)
        return Measure(held, others, room.queued, own_s, trust, expected_s, agent in self.breakers.out(capability))

    def _give_back(self, held: Held) -> Load:
        self._holders.pop(held.lease, None)
        if held.lease in self._lent:
            self._lent.remove(held.lease)
        else:
            self._count(held, -1)
        self._registry.reopen(held.agent)
        return self.load(held.agent)

    def _count(self, held: Held, step: int) -> None:
        name, load, offer = held.name, self.load(held.agent), (held.agent, held.capability)
        self._of_capability[name] += step
        self._of_offer[offer] += step
        if not self._of_offer[offer]:
            del self._of_offer[offer]
        load.held += step
        load.kinds[name] = load.kinds.get(name, 0) + step

    def _least_used(self, peers: Peers, want: Want, state: TaskState, bars: Bars) -> list[Offers]:
        """Who may be asked where each of the peers is avoided or has a copy of the task: nobody is avoided where all
        are, and copies go to different agents as far as there are any.
        """
        present = (offers for offers in peers.all() if offers[0].agent not in self.held_back)
        allowed = [permitted for offers in present if (permitted := _permitted(offers, bars))]
        others = [offers for offers in allowed if offers[0].agent not in want.avoid] or allowed
        used = Counter(_busy_with(state))
        fewest = min((used[offers[0].agent] for offers in others), default=0)
        return [offers for offers in others if used[offers[0].agent] == fewest]

    def _is_at_limit(self, peers: Peers, now: datetime) -> bool:
        name = peers.capability
        limit = self._limits.get(name)
        if limit is None:
            return False
        held = self._of_capability[name]
        return held >= limit or self.commons.left_until(name, name, limit, held, now) is not None


def _expected(one: tuple[Candidate, Measure]) -> float:
    return one[1].expected_s


def _permitted(offers: Offers, bars: Bars) -> Offers:
    """Those versions of what an agent offers that it may be given; none of them perhaps."""
    return offers if bars is _nobody else [one for one in offers if bars(one) is None]


def _worth(attempt: Attempt) -> float:
    """How far the answer could be relied on."""
    if attempt.phase != "succeeded":
        return 0.0
    return 1.0 if attempt.confidence is None else attempt.confidence


def _failed_at(state: TaskState) -> set[AgentId]:
    """Who has tried this task in vain."""
    vain = ("failed", "rejected", "expired")
    return {one.agent for one in state.attempts if one.phase in vain and one.want.purpose == "work"}


def _busy_with(state: TaskState) -> list[AgentId]:
    """Who has a copy of the task, or has done one; an agent as often as it has."""
    return [one.agent for one in state.current() if one.live or one.phase == "succeeded"]
