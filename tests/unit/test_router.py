"""The router: the shortest expected wait, never more than an agent has declared, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from accord.domain.agent import Capacity
from accord.domain.contract import compile_contract
from accord.domain.document import document_of
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId
from accord.domain.run import Attempt, TaskState, Want
from accord.engine.registry import Candidate
from accord.engine.router import HIGH_WATER, Held, Router
from accord.testing.stage import NOON, CountedIds

RUN, TASK = RunId("run_1"), TaskId("work")
CONTRACT = compile_contract(capability="test.work", version="1.0.0", input_schema=True, output_schema=True)


class Capacities:
    """Stands where the router asks the registry."""

    def __init__(self, **agents: tuple[int, int]) -> None:
        self._known = {AgentId(name): Capacity(*capacity) for name, capacity in agents.items()}

    def capacity(self, agent: AgentId) -> Capacity | None:
        return self._known.get(agent)

    @property
    def candidates(self) -> Sequence[Candidate]:
        return [Candidate(agent, CONTRACT, "test.work@1.0.0") for agent in sorted(self._known)]


class Rig:
    def __init__(self, limits: dict[str, int] | None = None, **agents: tuple[int, int]) -> None:
        self.registry: Any = Capacities(**agents)
        self.router = Router(self.registry, CountedIds(), *([limits] if limits is not None else []))
        self._numbers = 0

    def chosen(self, want: Want | None = None, state: TaskState | None = None) -> str | None:
        want = want or wanted()
        state = state or TaskState(phase="active", wants=(want,))
        choice = self.router.choose(self.registry.candidates, want, state)
        return choice.candidate.agent if choice else None

    def give(self, agent: str, run: RunId = RUN) -> int:
        """The agent holds one more attempt from now on."""
        self._numbers += 1
        fields: dict[str, Any] = {"agent": AgentId(agent), "lease": LeaseToken(f"lease-{self._numbers}")}
        if "capability" in Held.__struct_fields__:
            fields["capability"] = "test.work"
        self.router.reserve(run, TASK, self._numbers, Held(**fields))
        return self._numbers

    def end(self, number: int, agent: str, took_s: float, phase: str = "succeeded") -> None:
        attempt = attempted(agent, number=number, phase=phase)
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
    assert rig.router.choose([Candidate(AgentId("a"), CONTRACT, "x")], wanted(), TaskState(phase="active")) is None


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


def test_a_named_agent_is_waited_for_while_it_is_there() -> None:
    rig = Rig(a=(1, 0), b=(1, 0))
    want = wanted(agent=AgentId("a"))
    assert rig.chosen(want) == "a"
    rig.give("a")
    assert rig.chosen(want) is None
    assert rig.router.any_room(rig.registry.candidates)
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
    choice = rig.router.choose(rig.registry.candidates, want, TaskState(phase="active", wants=(want,)))
    assert choice is not None
    assert choice.reason == "1 held, 20.0 ms each, expected 40.0 ms; 1 of 2"
    assert msgspec.json.encode(choice.reason)
