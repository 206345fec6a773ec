"""The router: the shortest expected wait, never more than an agent has declared, and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from accord.domain.agent import HIGH_WATER, AgentCard, Capacity
from accord.domain.contract import Contract, compile_contract
from accord.domain.document import document_of
from accord.domain.experience import Observed, Try
from accord.domain.grounds import Grounds
from accord.domain.ids import AgentId, Digest, InstanceId, LeaseToken, RunId, TaskId
from accord.domain.run import Attempt, TaskState, Want
from accord.engine.attendance import Attendance
from accord.engine.peers import Candidate, Peers
from accord.engine.presence import Presence, Report, Rooms, rooms_of
from accord.engine.router import Held, Router
from accord.testing.stage import NOON, CountedIds

RUN, TASK = RunId("run_1"), TaskId("work")
CONTRACT = compile_contract(capability="test.work", version="1.0.0", input_schema=True, output_schema=True)


OTHER = compile_contract(capability="test.work", version="1.1.0", input_schema=True, output_schema=True)


def instance(agent: str, capacity: Capacity, *offers: Contract) -> Presence:
    card = AgentCard(
        agent=AgentId(agent), instance=InstanceId(f"{agent}#1"), organisation="local", keys=(), capabilities=(),
        capacity=capacity,
    )  # fmt: skip
    return Presence(card, frozenset(one.digest for one in offers or (CONTRACT,)), NOON)


class Capacities(Attendance):
    """Stands where the router asks the registry; who has room is looked at anew each time."""

    def __init__(self, **agents: tuple[int, int]) -> None:
        super().__init__()
        self._known = {AgentId(name): (instance(name, Capacity(*capacity)),) for name, capacity in agents.items()}

    def rooms(self, agent: AgentId, contract: Digest, now: datetime) -> Rooms:
        return rooms_of(self._known.get(agent, ()), contract, now)

    def among(self) -> Peers:
        return peers_of(Candidate(agent, CONTRACT, "test.work@1.0.0") for agent in sorted(self._known))


def peers_of(candidates: Iterable[Candidate]) -> Peers:
    return Peers("test.work", tuple(candidates))


class Rig:
    def __init__(self, limits: dict[str, int] | None = None, **agents: tuple[int, int]) -> None:
        self.registry: Any = Capacities(**agents)
        self.router = Router(self.registry, CountedIds(), *([limits] if limits is not None else []))
        self._numbers = 0
        self.now = NOON

    def chosen(self, want: Want | None = None, state: TaskState | None = None) -> str | None:
        want = want or wanted()
        state = state or TaskState(phase="active", wants=(want,))
        choice = self.router.choose(self.registry.among(), want, state, self.now)
        return choice.candidate.agent if choice else None

    def report(self, agent: str, queued: int = 0, others: int = 0, valid_s: float = 20) -> None:
        """The agent's only instance says this of its work."""
        self.registry._known[AgentId(agent)][0].report = Report(queued, 0.5, others, NOON + timedelta(seconds=valid_s))

    def give(self, agent: str, run: RunId = RUN, capability: str = "test.work@1.0.0") -> int:
        """The agent holds one more attempt from now on."""
        self._numbers += 1
        held = Held(AgentId(agent), LeaseToken(f"lease-{self._numbers}"), capability)
        self.router.reserve(run, TASK, self._numbers, held)
        return self._numbers

    def end(
        self, number: int, agent: str, took_s: float, phase: str = "succeeded", confidence: float | None = None
    ) -> None:
        attempt = msgspec.structs.replace(attempted(agent, number=number, phase=phase), confidence=confidence)
        self.router.free(RUN, TASK, attempt, NOON + timedelta(seconds=took_s))


def wanted(**changed: Any) -> Want:
    return Want(input=document_of(b"1"), since=NOON, **{"option": 0, **changed})


def attempted(agent: str, *, number: int = 1, phase: str = "assigned", epoch: int = 0) -> Attempt:
    return Attempt(
        number=number, phase=phase, agent=AgentId(agent), lease=LeaseToken(f"lease-{number}"),
        lease_until=NOON, capability="test.work@1.0.0", contract=CONTRACT.digest, want=wanted(),
        payload=Digest("0" * 64), payload_bytes=1, assigned_at=NOON, epoch=epoch, timeout_at=None,
    )  # type: ignore[arg-type]  # fmt: skip  # the phase is a literal


# -- load --------------------------------------------------------------------------------------------------------


def test_the_one_with_less_to_do_is_chosen() -> None:
    rig = Rig(a=(1, 10), b=(1, 10))
    rig.give("a")
    assert rig.chosen() == "b"
    rig.give("b")
    rig.give("b")
    assert rig.chosen() == "a"


def test_more_places_count_as_less_to_do() -> None:
    rig = Rig(a=(1, 10), b=(4, 10))
    rig.give("a")
    for _ in range(4):
        rig.give("b")
    assert rig.chosen() == "b"


def test_the_faster_one_is_chosen() -> None:
    rig = Rig(slow=(1, 10), fast=(1, 10))
    rig.end(rig.give("slow"), "slow", took_s=5.0)
    rig.end(rig.give("fast"), "fast", took_s=0.1)
    assert [rig.chosen() for _ in range(5)] == ["fast"] * 5
    for _ in range(7):
        rig.give("fast")
    assert rig.chosen() == "fast", "eight short ones are shorter than one long one"


def test_equals_share() -> None:
    rig = Rig(a=(1, 10), b=(1, 10), c=(1, 10))
    assert {rig.chosen() for _ in range(100)} == {"a", "b", "c"}


def test_latency_is_a_moving_mean_of_what_agents_ended_themselves() -> None:
    rig = Rig(a=(1, 10))
    rig.end(rig.give("a"), "a", took_s=1.0)
    assert rig.router.load(AgentId("a")).latency_s == 1.0
    rig.end(rig.give("a"), "a", took_s=2.0)
    assert rig.router.load(AgentId("a")).latency_s == pytest.approx(1.2)
    rig.end(rig.give("a"), "a", took_s=100.0, phase="expired")
    assert rig.router.load(AgentId("a")).latency_s == pytest.approx(1.2)
    assert rig.router.load(AgentId("a")).held == 0


# -- bounds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("concurrency", "queue"), [(1, 0), (2, 10), (8, 64), (3, 1)])
def test_nobody_gets_more_than_up_to_the_high_water_mark(concurrency: int, queue: int) -> None:
    rig = Rig(a=(concurrency, queue))
    given = 0
    while rig.chosen() is not None:
        rig.give("a")
        given += 1
    assert given == concurrency + int(queue * HIGH_WATER)
    assert given <= concurrency + queue
    rig.end(1, "a", took_s=1)
    assert rig.chosen() == "a"


def test_an_absent_agent_gets_nothing() -> None:
    rig = Rig(a=(1, 10))
    rig.registry._known.clear()
    gone = peers_of([Candidate(AgentId("a"), CONTRACT, "x")])
    assert rig.router.choose(gone, wanted(), TaskState(phase="active"), NOON) is None


def test_reserving_again_and_freeing_twice_count_once() -> None:
    rig = Rig(a=(1, 10))
    number = rig.give("a")
    rig._numbers -= 1
    assert rig.give("a") == number
    assert rig.router.load(AgentId("a")).held == 1
    for _ in range(2):
        rig.end(number, "a", took_s=1)
    assert rig.router.load(AgentId("a")).held == 0


def test_who_holds_a_lease() -> None:
    rig = Rig(a=(1, 10))
    number = rig.give("a")
    assert rig.router.holder(LeaseToken("lease-1")) == "a"
    rig.end(number, "a", took_s=1)
    assert rig.router.holder(LeaseToken("lease-1")) is None
    rig.give("a")
    rig.router.forget(RUN)
    assert rig.router.holder(LeaseToken("lease-2")) is None
    assert rig.router.load(AgentId("a")).held == 0


# -- wishes ------------------------------------------------------------------------------------------------------


def test_an_avoided_agent_is_taken_only_where_there_is_no_other() -> None:
    rig = Rig(a=(1, 10), b=(1, 10))
    want = wanted(avoid=(AgentId("a"),))
    rig.give("b")
    assert rig.chosen(want) == "b"
    del rig.registry._known[AgentId("b")]
    assert rig.chosen(want) == "a"


@pytest.mark.parametrize("phase", ["failed", "rejected", "expired"])
def test_who_has_tried_the_task_in_vain_is_asked_again_where_nobody_else_has_room(phase: str) -> None:
    """However much quicker he seems: who only fails has never been measured."""
    rig = Rig(bad=(1, 0), good=(1, 0))
    rig.end(rig.give("good"), "good", took_s=5)
    want = wanted()
    fresh = TaskState(phase="active", wants=(want,))
    assert rig.chosen(want, fresh) == "bad"
    tried = TaskState(phase="active", wants=(want,), attempts=(attempted("bad", phase=phase),))
    assert rig.chosen(want, tried) == "good"
    rig.give("good")
    assert rig.chosen(want, tried) == "bad"
    rig.give("bad")
    assert rig.chosen(want, tried) is None


def test_a_named_agent_is_waited_for_while_it_is_there() -> None:
    rig = Rig(a=(1, 0), b=(1, 0))
    want = wanted(agent=AgentId("a"))
    assert rig.chosen(want) == "a"
    rig.give("a")
    assert rig.chosen(want) is None
    assert rig.router.any_room(rig.registry.among(), NOON)
    del rig.registry._known[AgentId("a")]
    assert rig.chosen(want) == "b"


def test_copies_go_to_different_agents() -> None:
    rig = Rig(a=(8, 10), b=(8, 10), c=(8, 10))
    want = wanted()
    attempts: tuple[Attempt, ...] = ()
    for left in (3, 2, 1):
        state = TaskState(phase="active", wants=(want,) * left, attempts=attempts)
        chosen = rig.chosen(wanted(avoid=(AgentId("nobody"),)), state)
        assert chosen is not None
        attempts += (attempted(chosen, number=len(attempts) + 1),)
    assert sorted(one.agent for one in attempts) == ["a", "b", "c"]


def test_a_held_agent_gets_nothing() -> None:
    rig = Rig(a=(1, 10), b=(1, 10))
    rig.router.held_back = {AgentId("a")}
    assert {rig.chosen() for _ in range(10)} == {"b"}
    assert rig.chosen(wanted(agent=AgentId("a"))) == "b"
    rig.router.held_back = {AgentId("a"), AgentId("b")}
    assert rig.chosen() is None


def test_the_reason_says_what_was_compared() -> None:
    rig = Rig(a=(1, 10), b=(1, 10))
    rig.end(rig.give("a"), "a", took_s=0.02)
    rig.end(rig.give("b"), "b", took_s=0.5)
    rig.give("a")
    want = wanted()
    choice = rig.router.choose(rig.registry.among(), want, TaskState(phase="active", wants=(want,)), NOON)
    assert choice is not None
    grounds = choice.grounds
    assert grounds.words() == (
        "1 held, 20.0 ms each, expected 40.0 ms; 2 of 2 could have it; faster than b (expected 500.0 ms)"
    )
    assert (grounds.decided, grounds.peers, grounds.compared, grounds.passed) == ("speed", 2, 2, ())
    rig.report("a", queued=2, others=3)
    rig.end(rig.give("a"), "a", took_s=0.02, confidence=0.5)
    choice = rig.router.choose(rig.registry.among(), want, TaskState(phase="active", wants=(want,)), NOON)
    assert choice is not None
    assert choice.grounds.words() == (
        "1 held, 3 of others, 2 queued, 20.0 ms each, trust 0.90, expected 111.1 ms; 2 of 2 could have it; "
        "faster than b (expected 500.0 ms)"
    )


def grounds_of(rig: Rig, want: Want | None = None, **state: Any) -> Grounds:
    want = want or wanted()
    task = TaskState(phase="active", wants=(want,), **state)
    choice = rig.router.choose(rig.registry.among(), want, task, NOON)
    assert choice is not None
    return choice.grounds


def test_what_decided_is_the_factor_that_differs_most() -> None:
    rig = Rig(a=(1, 10), b=(1, 10))
    assert grounds_of(rig).decided == "drawn"
    rig.give("a")
    assert grounds_of(rig).decided == "load"
    trusted = Rig(a=(1, 10), b=(1, 10))
    trusted.end(trusted.give("a"), "a", took_s=0.05, confidence=0.1)
    trusted.end(trusted.give("b"), "b", took_s=0.05)
    assert grounds_of(trusted).decided == "trust"
    assert grounds_of(Rig(a=(1, 10))).decided == "only"
    assert grounds_of(rig, wanted(agent=AgentId("a"))).decided == "wanted"


def test_who_was_passed_over_is_told_with_the_reason() -> None:
    rig = Rig(best=(1, 10), full=(1, 0), held=(1, 1), suspect=(1, 1), failed=(1, 1), judged=(1, 1), copy=(1, 1))
    rig.give("full")
    rig.router.quarantined = {AgentId("suspect")}
    rig.router.held_back = {AgentId("held"), AgentId("suspect")}
    attempts = (attempted("failed", phase="failed"), attempted("copy", number=2))
    grounds = grounds_of(rig, wanted(avoid=(AgentId("judged"),)), attempts=attempts)
    assert {one.why: one.agents for one in grounds.passed} == {
        "full": ("full",),
        "held": ("held",),
        "quarantined": ("suspect",),
        "failed": ("failed",),
        "avoided": ("judged",),
        "busy": ("copy",),
    }
    assert (grounds.decided, grounds.peers, grounds.compared) == ("only", 7, 1)
    assert "1 without room (full)" in grounds.words()


def test_few_of_many_that_are_full_are_named() -> None:
    rig = Rig(a=(1, 1), **{f"full{number}": (1, 0) for number in range(9)})
    for number in range(9):
        rig.give(f"full{number}")
    (full,) = grounds_of(rig).passed
    assert (full.why, full.count, len(full.agents)) == ("full", 9, 3)
    assert len(msgspec.json.encode(grounds_of(rig))) < 250


def test_whom_the_policy_bars_is_told_with_its_words() -> None:
    rig = Rig(a=(1, 1), b=(1, 1))
    want = wanted()
    choice = rig.router.choose(
        rig.registry.among(),
        want,
        TaskState(phase="active", wants=(want,)),
        NOON,
        lambda one: "no-strangers forbids it" if one.agent == "b" else None,
    )
    assert choice is not None
    (barred,) = choice.grounds.passed
    assert (barred.why, barred.agents, barred.policy) == ("barred", ("b",), "no-strangers forbids it")
    assert choice.grounds.words().endswith("passed over: 1 barred by policy (b): no-strangers forbids it")


# -- what agents report ------------------------------------------------------------------------------------------


def test_what_others_have_assigned_counts() -> None:
    rig = Rig(a=(1, 10), b=(1, 10))
    rig.report("a", others=2)
    rig.give("b")
    assert rig.chosen() == "b"
    rig.report("a", others=0)
    assert rig.chosen() == "a"


def test_places_that_others_have_taken_are_not_given_away() -> None:
    rig = Rig(a=(2, 10))
    rig.report("a", others=9)
    assert rig.chosen() == "a"
    rig.give("a")
    assert rig.chosen() is None
    assert not rig.router.any_room(rig.registry.among(), rig.now)


def test_over_its_high_water_mark_an_agent_gets_nothing_until_that_recedes() -> None:
    rig = Rig(a=(8, 10), b=(1, 0))
    rig.report("a", queued=8)
    assert rig.chosen() == "a"
    rig.report("a", queued=9)
    assert rig.chosen() == "b"
    rig.give("b")
    assert rig.chosen() is None
    rig.report("a", queued=8)
    assert rig.chosen() == "a"


def test_a_stale_report_is_not_believed() -> None:
    rig = Rig(a=(1, 10))
    rig.report("a", queued=10, others=100, valid_s=20)
    assert rig.chosen() is None
    rig.now = NOON + timedelta(seconds=20)
    assert rig.chosen() == "a"


# -- trust -------------------------------------------------------------------------------------------------------


def test_whose_results_do_not_count_has_to_be_faster() -> None:
    rig = Rig(a=(1, 10), b=(1, 10))
    for _ in range(20):
        rig.end(rig.give("a"), "a", took_s=0.1, confidence=0.5)
        rig.end(rig.give("b"), "b", took_s=0.15)
    assert rig.chosen() == "b"
    for _ in range(20):
        rig.end(rig.give("a"), "a", took_s=0.05, confidence=0.5)
    assert rig.chosen() == "a"


@pytest.mark.parametrize("phase", ["failed", "rejected"])
def test_to_fail_fast_attracts_nothing(phase: str) -> None:
    rig = Rig(bad=(8, 10), good=(1, 10))
    for _ in range(30):
        rig.end(rig.give("bad"), "bad", took_s=0.001, phase=phase)
        rig.end(rig.give("good"), "good", took_s=0.05)
    assert rig.chosen() == "good"


def test_what_ran_out_of_time_or_was_withdrawn_tells_nothing_of_trust() -> None:
    rig = Rig(a=(1, 10))
    for phase in ("expired", "cancelled"):
        rig.end(rig.give("a"), "a", took_s=1, phase=phase)
    assert rig.router.load(AgentId("a")).trust == {}


def test_trust_is_that_of_one_capability() -> None:
    rig = Rig(a=(1, 10))
    rig.end(rig.give("a", capability="test.other@1.0.0"), "a", took_s=1, phase="failed")
    load = rig.router.load(AgentId("a"))
    assert load.trust_in("test.other") < 1
    assert load.trust_in("test.work") == 1


def test_speed_is_that_of_one_capability() -> None:
    rig = Rig(a=(1, 10), b=(1, 10))
    rig.end(rig.give("a", capability="test.other@1.0.0"), "a", took_s=100)
    rig.end(rig.give("a"), "a", took_s=1)
    rig.end(rig.give("b"), "b", took_s=2)
    assert rig.chosen() == "a"


def test_what_is_ahead_takes_as_long_as_its_own_capability() -> None:
    rig = Rig(a=(1, 10), b=(1, 10))
    for name in ("a", "b"):
        rig.end(rig.give(name, capability="test.long@1.0.0"), name, took_s=100)
        rig.end(rig.give(name), name, took_s=1)
    long = rig.give("a", capability="test.long@1.0.0")
    for _ in range(8):
        rig.give("b")
    assert rig.chosen() == "b", "nine short ones are shorter than a long and a short one"
    rig.end(long, "a", took_s=100)
    assert rig.chosen() == "a"


def test_what_agents_did_before_or_elsewhere_counts() -> None:
    rig = Rig(a=(1, 10), b=(1, 10))

    def told(agent: str, *tries: Try) -> Observed:
        several = [(TASK, "test.work", AgentId(agent), one) for one in tries]
        return Observed("t@1.0.0", CONTRACT.digest, several, {})

    rig.router.recall(told("a", Try(took_s=3)))
    rig.router.recall(told("b", Try(took_s=1), Try(took_s=9, ok=False, expired=True)))
    assert rig.chosen() == "b"
    rig.router.recall(told("b", *[Try(took_s=1, ok=False)] * 9))
    assert rig.chosen() == "a"
    assert rig.router.work_of(AgentId("a")) is None, "it has done nothing since this process began"


# -- several versions of one agent -------------------------------------------------------------------------------


def mixed(old: tuple[int, int], new: tuple[int, int]) -> tuple[Rig, list[Candidate]]:
    """An agent with an instance of the old version, and one of the new."""
    rig = Rig()
    a = AgentId("a")
    rig.registry._known[a] = (instance("a", Capacity(*old)), instance("a", Capacity(*new), OTHER))
    return rig, [Candidate(a, OTHER, "test.work@1.1.0"), Candidate(a, CONTRACT, "test.work@1.0.0")]


def chosen_version(rig: Rig, candidates: list[Candidate]) -> str | None:
    choice = rig.router.choose(peers_of(candidates), wanted(), TaskState(phase="active", wants=(wanted(),)), rig.now)
    return choice.candidate.capability if choice else None


def test_each_version_has_the_room_of_the_instances_that_offer_it() -> None:
    rig, candidates = mixed(old=(2, 0), new=(1, 0))
    given: list[str] = []
    while (version := chosen_version(rig, candidates)) is not None:
        rig.give("a", capability=version)
        given.append(version)
    assert given == ["test.work@1.1.0", "test.work@1.0.0", "test.work@1.0.0"]


def test_an_instance_over_its_mark_keeps_only_its_own_version_from_being_assigned() -> None:
    rig, candidates = mixed(old=(1, 10), new=(1, 10))
    rig.registry._known[AgentId("a")][1].report = Report(9, 0.5, 0, NOON + timedelta(seconds=1))
    assert chosen_version(rig, candidates) == "test.work@1.0.0"
