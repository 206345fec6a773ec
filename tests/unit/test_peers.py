"""Many peers: whoever has room is found, whoever has none, is held back or avoided is not chosen, equals share, and a
choice looks at few, however many there are.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from accord.domain.agent import AgentCard, Capacity
from accord.domain.capability import CapabilityRange
from accord.domain.document import document_of
from accord.domain.ids import AgentId, Digest, InstanceId, LeaseToken, RunId, TaskId
from accord.domain.payloads import HeartbeatPayload
from accord.domain.run import Attempt, TaskState, Want
from accord.engine.peers import Peers
from accord.engine.presence import NOTHING, Rooms
from accord.engine.registry import Registry
from accord.engine.router import FEW, LOOKED_AT, Choice, Held, Router
from accord.keys.private import PrivateKey
from accord.sdk import Agent
from accord.testing.stage import NOON, CountedIds

RUN, TASK = RunId("run_1"), TaskId("work")
WORK, OTHER = CapabilityRange.parse("test.work@^1"), CapabilityRange.parse("test.other@^1")
ABSENT_AFTER = timedelta(seconds=30)


def card_of(*capabilities: str) -> AgentCard:
    agent = Agent("agent")

    def work(number: int) -> int:
        """Does it."""
        return number

    for capability in capabilities:
        agent.capability(capability)(work)
    return agent.card(InstanceId("agent#1"), [PrivateKey.generate("ES256").public])


OLD, NEW = card_of("test.work@1.0.0", "test.other@1.0.0"), card_of("test.work@1.1.0")


def named(number: int) -> AgentId:
    return AgentId(f"spiffe://local/agent/a{number:05}")


FIRST, USUAL = named(0), Capacity(concurrency=2, queue=10)


def wanted(**changed: object) -> Want:
    return Want(input=document_of(b"1"), since=NOON, **{"option": 0, **changed})  # type: ignore[arg-type]  # by name


def attempted(number: int, agent: AgentId = FIRST, phase: str = "cancelled") -> Attempt:
    return Attempt(
        number=number, phase=phase, agent=agent, lease=LeaseToken(f"lease-{number}"), lease_until=NOON,
        capability="test.work@1.0.0", contract=Digest("0" * 64), want=wanted(), payload=Digest("0" * 64),
        payload_bytes=1, assigned_at=NOON, epoch=0, timeout_at=None,
    )  # type: ignore[arg-type]  # fmt: skip  # the phase is a literal


class CountingRegistry(Registry):
    """Counts how often an agent was looked at."""

    looks = 0

    def rooms(self, agent: AgentId, contract: Digest, now: datetime) -> Rooms:
        self.looks += 1
        return super().rooms(agent, contract, now)


class Crowd:
    """A registry with agents, and a router that assigns to them."""

    def __init__(self, count: int = 0, capacity: Capacity = USUAL) -> None:
        self.registry = CountingRegistry(lambda old, new: (), absent_after=ABSENT_AFTER)
        self.router = Router(self.registry, CountedIds())
        self.now = NOON
        self.live: dict[int, AgentId] = {}
        self._numbers = 0
        for number in range(count):
            self.arrive(named(number), capacity)

    @property
    def peers(self) -> Peers:
        return self.registry.peers(WORK)

    def arrive(self, agent: AgentId, capacity: Capacity, card: AgentCard = OLD, instance: int = 1) -> InstanceId:
        name = InstanceId(f"{agent}#{instance}")
        self.registry.arrive(replace(card, agent=agent, instance=name, capacity=capacity), self.now)
        return name

    def beat(
        self, agent: AgentId, *, queued: int = 0, others: int = 0, draining: bool = False, leaving: bool = False
    ) -> None:
        """The agent's first instance says this of its work; it is believed for ten seconds."""
        instance = InstanceId(f"{agent}#1")
        beat = HeartbeatPayload(
            instance=instance, running=(), queued=queued, load=0.0, draining=draining, leaving=leaving
        )
        report = replace(NOTHING, queued=queued, others=others, until=self.now + timedelta(seconds=10))
        self.registry.heartbeat(agent, beat, report, self.now, timedelta(seconds=30))

    def chosen(self, want: Want | None = None, attempts: tuple[Attempt, ...] = ()) -> Choice | None:
        want = want or wanted()
        state = TaskState(phase="active", wants=(want,), attempts=attempts)
        return self.router.choose(self.peers, want, state, self.now)

    def give(self, agent: AgentId, capability: str) -> None:
        self._numbers += 1
        self.live[self._numbers] = agent
        held = Held(agent, LeaseToken(f"lease-{self._numbers}"), capability)
        self.router.reserve(RUN, TASK, self._numbers, held)

    def assign(self) -> AgentId | None:
        choice = self.chosen()
        if choice is not None:
            self.give(choice.candidate.agent, choice.candidate.capability)
        return choice.candidate.agent if choice is not None else None

    def fill(self) -> None:
        while self.assign() is not None:
            pass

    def end(self, number: int) -> None:
        del self.live[number]
        self.router.free(RUN, TASK, attempted(number), self.now)

    def held(self, agent: AgentId) -> int:
        return self.router.load(agent).held


# -- any change of what is known, against a look at everybody ----------------------------------------------------

AGENTS = 2 * FEW + 5
ANY = st.integers(0, AGENTS - 1).map(named)
SMALL = st.builds(Capacity, concurrency=st.integers(1, 2), queue=st.integers(0, 2))


class Shifts(RuleBasedStateMachine):
    """Agents come, work, report, are held back and go."""

    @initialize(capacity=SMALL, count=st.integers(1, AGENTS))
    def begin(self, capacity: Capacity, count: int) -> None:
        self.crowd = Crowd(count, capacity)
        self.wanted = wanted()

    @rule(agent=ANY, capacity=SMALL, card=st.sampled_from([OLD, NEW]), instance=st.integers(1, 2))
    def arrives(self, agent: AgentId, capacity: Capacity, card: AgentCard, instance: int) -> None:
        self.crowd.arrive(agent, capacity, card, instance)

    @rule(count=st.integers(1, 3 * AGENTS))
    def is_assigned(self, count: int) -> None:
        for _ in range(count):
            self.crowd.assign()

    @rule(agent=ANY)
    def works_for_another_lane(self, agent: AgentId) -> None:
        if agent in self.crowd.registry.peers(OTHER):
            self.crowd.give(agent, "test.other@1.0.0")

    @rule(random=st.randoms(use_true_random=False))
    def ends(self, random: Random) -> None:
        if self.crowd.live:
            self.crowd.end(random.choice(sorted(self.crowd.live)))

    @rule()
    def run_is_forgotten(self) -> None:
        self.crowd.live.clear()
        self.crowd.router.forget(RUN)

    @rule(agent=ANY, queued=st.integers(0, 3), others=st.integers(0, 3), draining=st.booleans(), leaving=st.booleans())
    def beats(self, agent: AgentId, queued: int, others: int, draining: bool, leaving: bool) -> None:
        self.crowd.beat(agent, queued=queued, others=others, draining=draining, leaving=leaving)

    @rule(seconds=st.integers(-5, 20))
    def time_passes(self, seconds: int) -> None:
        self.crowd.now += timedelta(seconds=seconds)

    @rule()
    def the_silent_are_gone(self) -> None:
        self.crowd.registry.expire(self.crowd.now)

    @rule(agents=st.sets(ANY, max_size=AGENTS))
    def is_held_back(self, agents: set[AgentId]) -> None:
        self.crowd.router.held_back = agents

    @rule(avoid=st.sets(ANY, max_size=4), agent=st.none() | ANY)
    def wishes(self, avoid: set[AgentId], agent: AgentId | None) -> None:
        self.wanted = wanted(avoid=tuple(avoid), agent=agent)

    @invariant()
    def the_choice_is_right(self) -> None:
        crowd, want, held_back = self.crowd, self.wanted, self.crowd.router.held_back
        present = {one.agent for one in crowd.peers.candidates} - held_back
        fitting = {want.agent} & present or present - set(want.avoid) or present
        free = {agent for agent in present if self.has_room(agent)}
        choice = crowd.chosen(want)
        assert (choice is not None) == bool(free & fitting)
        assert choice is None or choice.candidate.agent in free & fitting
        assert crowd.router.any_room(crowd.peers, crowd.now) == bool(free)

    def has_room(self, agent: AgentId) -> bool:
        """Found anew, from what is known of the agent and its instances."""
        crowd = self.crowd
        offers = [one for one in crowd.peers.candidates if one.agent == agent]
        return any(crowd.router._measure(one, crowd.now) is not None for one in offers)


TestShifts = Shifts.TestCase
TestShifts.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# -- many --------------------------------------------------------------------------------------------------------


def test_equals_share_though_few_are_looked_at() -> None:
    crowd = Crowd(500)
    for _ in range(4 * 500):
        crowd.assign()
    held = Counter(crowd.held(named(number)) for number in range(500))
    assert set(held) <= {2, 3, 4, 5}
    assert held[4] + held[3] + held[5] > 450


def test_the_choice_costs_the_same_however_many_there_are() -> None:
    crowd = Crowd(1000)
    crowd.assign()
    assert crowd.registry.looks == LOOKED_AT


def test_whoever_is_full_is_looked_at_once() -> None:
    crowd = Crowd(1000, Capacity(concurrency=1, queue=0))
    crowd.fill()
    assert len(crowd.live) == 1000
    crowd.registry.looks = 0
    for number in range(1, 101):
        agent = crowd.live[number]
        crowd.end(number)
        assert crowd.assign() == agent
        assert not crowd.router.any_room(crowd.peers, crowd.now)
    assert crowd.registry.looks <= 5 * 100


def test_the_one_with_room_is_found_among_many_that_others_keep_busy() -> None:
    crowd = Crowd(200, Capacity(concurrency=1, queue=0))
    for number in range(199):
        crowd.beat(named(number), others=1)
    assert crowd.assign() == named(199)
    assert crowd.assign() is None
    crowd.beat(named(7))
    assert crowd.assign() == named(7), "it says that the others are done"
    crowd.now += timedelta(seconds=10)
    assert crowd.assign() in {named(number) for number in range(199)}, "what the rest has said is old"


@pytest.mark.parametrize("count", [2, FEW, FEW + 1, 100])
def test_the_slow_one_is_not_chosen_while_others_have_room(count: int) -> None:
    crowd = Crowd(count)
    crowd.router.load(named(1)).latency_s = 60
    assert all(crowd.assign() != named(1) for _ in range(2 * count))


def test_copies_go_to_different_agents_be_it_the_last_one() -> None:
    crowd = Crowd(FEW + 1)
    attempts: tuple[Attempt, ...] = ()
    for number in range(1, FEW + 2):
        choice = crowd.chosen(attempts=attempts)
        assert choice is not None
        attempts += (attempted(number, choice.candidate.agent, "assigned"),)
    assert len({one.agent for one in attempts}) == FEW + 1
    assert crowd.chosen(attempts=attempts) is not None, "all have one: any may have a second one"


@pytest.mark.parametrize(
    ("count", "avoid", "among"),
    [
        (1, (), (False, 1, 1)),
        (FEW, (), (False, FEW, FEW)),
        (FEW, (named(1),), (False, FEW - 1, FEW)),
        (1000, (), (True, LOOKED_AT, 1000)),
        (1000, (named(1), AgentId("nobody")), (True, LOOKED_AT, 1000)),
    ],
)
def test_the_reason_says_how_many_were_looked_at(
    count: int, avoid: tuple[AgentId, ...], among: tuple[bool, int, int]
) -> None:
    choice = Crowd(count).chosen(wanted(avoid=avoid))
    assert choice is not None
    grounds = choice.grounds
    assert (grounds.sampled, grounds.compared, grounds.peers) == among
