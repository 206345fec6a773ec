"""What a run is expected to take and to cost, by what earlier runs tell."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.experience import Done, Experience, TaskExperience, Try
from accord.domain.graph import Graph
from accord.domain.ids import RunId, TaskId
from accord.planner.estimate import CostInterval, Estimate, Given, Interval, Pool, estimate
from accord.testing.graphs import graph_of

ONE = frozenset(("test.work",))
TIMES = st.floats(0.001, 1000)


def exact(took_s: float, **more: Any) -> tuple[Try, ...]:
    """So many attempts that what is not known of them hardly counts."""
    return (Try(took_s=took_s, **more),) * 200


def known_of(**tries: tuple[Try, ...]) -> Experience:
    return Experience(runs=3, capabilities={f"test.{name}": several for name, several in tries.items()})


def work(*needs: str, uses: str = "test.work", **more: Any) -> dict[str, Any]:
    return {"uses": f"{uses}@^1", "needs": list(needs), **more}


@st.composite
def workflows(draw: st.DrawFn) -> dict[str, Any]:
    """Up to eight tasks of three capabilities, each behind some of those before it."""
    names = [f"t{number}" for number in range(draw(st.integers(1, 8)))]
    return {
        name: work(
            *draw(st.lists(st.sampled_from(names[:at]), unique=True, max_size=3)) if at else (),
            uses=draw(st.sampled_from(("test.a", "test.b", "test.c"))),
        )
        for at, name in enumerate(names)
    }


@st.composite
def experiences(draw: st.DrawFn) -> Experience:
    one = st.builds(Try, took_s=TIMES, waited_s=TIMES, ok=st.booleans(), cost=st.none() | st.just(Decimal("0.5")))
    tries = st.lists(one, min_size=1, max_size=6).map(tuple)
    return known_of(a=draw(tries), b=draw(tries), c=draw(tries))


@st.composite
def crowds(draw: st.DrawFn) -> Given:
    pool = st.builds(
        Pool,
        capabilities=st.sampled_from([frozenset(("test.a", "test.b")), frozenset(("test.a", "test.b", "test.c"))]),
        places=st.integers(1, 5),
        ahead=st.integers(0, 9),
    )
    return Given(pools=(draw(pool),))


def times(found: Estimate) -> Interval:
    assert found.time_s is not None
    return found.time_s


FEW = settings(max_examples=8, deadline=None)
"""A run is played two hundred times for each."""


@FEW
@given(workflows(), experiences(), crowds())
def test_an_interval_is_in_order_and_the_same_each_time(tasks: dict[str, Any], known: Experience, there: Given) -> None:
    graph = graph_of(tasks)
    found = estimate(graph, known, there, seed="s")
    assert found == estimate(graph, known, there, seed="s")
    for each in [times(found), *(one.time_s for one in found.tasks if one.time_s is not None)]:
        assert 0 <= each.p10 <= each.p50 <= each.p90
    if found.cost is not None:
        assert 0 <= found.cost.p10 <= found.cost.p50 <= found.cost.p90
    assert not found.unknown


@FEW
@given(workflows(), experiences(), crowds(), st.data())
def test_no_run_is_shorter_by_one_more_task(
    tasks: dict[str, Any], known: Experience, there: Given, data: st.DataObject
) -> None:
    needs = data.draw(st.lists(st.sampled_from(sorted(tasks)), unique=True, max_size=3))
    uses = data.draw(st.sampled_from(("test.a", "test.b", "test.c")))
    before = estimate(graph_of(tasks), known, there)
    after = estimate(graph_of({**tasks, "more": work(*needs, uses=uses)}), known, there)
    for share in ("p10", "p50", "p90"):
        assert getattr(times(after), share) >= getattr(times(before), share)


@FEW
@given(workflows(), experiences(), crowds())
def test_no_run_is_shorter_with_fewer_places_or_more_ahead(
    tasks: dict[str, Any], known: Experience, there: Given
) -> None:
    (pool,) = there.pools
    narrow = Given(pools=(Pool(capabilities=pool.capabilities, places=pool.places, ahead=pool.ahead + 5),))
    wide = Given(pools=(Pool(capabilities=pool.capabilities, places=pool.places + 2, ahead=pool.ahead),))
    graph = graph_of(tasks)
    p50 = times(estimate(graph, known, there)).p50
    assert times(estimate(graph, known, narrow)).p50 >= p50 >= times(estimate(graph, known, wide)).p50


def test_what_is_parallel_does_not_add_up_and_what_follows_does() -> None:
    graph = graph_of({"a": work(), "b": work(), "c": work("a", "b")})
    assert times(estimate(graph, known_of(work=exact(10)))).p50 == pytest.approx(20, rel=0.05)


def test_tasks_queue_for_who_is_there() -> None:
    graph, known = graph_of({name: work() for name in "abcd"}), known_of(work=exact(10))

    def p50(places: int, ahead: int = 0) -> float:
        return times(estimate(graph, known, Given(pools=(Pool(capabilities=ONE, places=places, ahead=ahead),)))).p50

    assert p50(4) == pytest.approx(10, rel=0.05)
    assert p50(2) == pytest.approx(20, rel=0.05)
    assert p50(1) == pytest.approx(40, rel=0.05)
    assert p50(2, ahead=4) == pytest.approx(40, rel=0.05)


def test_where_nobody_is_there_tasks_wait_as_they_did() -> None:
    graph, known = graph_of({"a": work()}), known_of(work=exact(1, waited_s=5))
    assert times(estimate(graph, known)).p50 == pytest.approx(6, rel=0.05)
    there = Given(pools=(Pool(capabilities=ONE, places=1),))
    assert times(estimate(graph, known, there)).p50 == pytest.approx(1, rel=0.05)


def test_failures_are_tried_again_and_may_be_the_end() -> None:
    retry = {"attempts": 2, "backoff": {"first": "4s", "jitter": 0}}
    known = known_of(work=(*exact(1, cost=Decimal(2)), *exact(1, cost=Decimal(2), ok=False)))
    found = estimate(graph_of({"a": work(retry=retry)}), known)
    assert times(found).p10 == pytest.approx(1, rel=0.1)
    assert times(found).p90 == pytest.approx(6, rel=0.1)
    assert found.cost == CostInterval(Decimal(2), Decimal(2 if times(found).p50 < 2 else 4), Decimal(4))
    assert found.completes == pytest.approx(0.75, abs=0.1)


def test_a_fallback_is_asked_where_all_attempts_fail() -> None:
    fallback = [{"uses": "test.spare@^1", "with": {}}]
    graph = graph_of({"a": work(retry={"attempts": 1}, fallback=fallback)})
    found = estimate(graph, known_of(work=exact(1, ok=False), spare=exact(2)))
    assert times(found).p50 == pytest.approx(3, rel=0.05)
    assert found.completes == 1


def test_nothing_is_said_without_experience() -> None:
    found = estimate(graph_of({"a": work(), "b": work("a")}), Experience())
    assert found.time_s is found.cost is found.completes is None
    assert found.unknown == ("a", "b")
    assert [one.basis for one in found.tasks] == ["none", "none"]


def test_what_is_unknown_comes_on_top_of_what_is_known() -> None:
    graph = graph_of({"a": work(), "ask": {"approval": {"title": "x"}, "needs": ["a"]}})
    found = estimate(graph, known_of(work=exact(3)))
    assert times(found).p50 == pytest.approx(3, rel=0.05)
    assert found.unknown == ("ask",)


def test_a_timer_is_as_long_as_it_says() -> None:
    found = estimate(graph_of({"rest": {"sleep": "90s"}}), Experience())
    assert times(found) == Interval(90, 90, 90)
    assert found.tasks[0].basis == "declared"


def test_people_take_as_long_as_they_did() -> None:
    graph = graph_of({"ask": {"approval": {"title": "x"}}})
    done = TaskExperience(done=(Done(took_s=100),) * 200)
    found = estimate(graph, Experience(tasks={TaskId("ask"): done}))
    assert times(found).p50 == pytest.approx(100, rel=0.05)
    assert found.tasks[0].basis == "runs"


EACH: dict[str, Any] = {"each": work(for_each="${ input }")}


def test_items_whose_number_is_not_known_are_told_one_by_one() -> None:
    found = estimate(graph_of(EACH), known_of(work=exact(2)))
    (task,) = found.tasks
    assert found.time_s is task.time_s is None
    assert task.each_s is not None
    assert task.each_s.p50 == pytest.approx(2, rel=0.05)
    assert found.unknown == ("each",)


@pytest.mark.parametrize("width", [0, 1, 10, 64, 65, 1000])
def test_items_whose_number_is_known_queue_for_who_is_there(width: int) -> None:
    there = Given(pools=(Pool(capabilities=ONE, places=5),), widths={TaskId("each"): width})
    found = estimate(graph_of(EACH), known_of(work=exact(2, cost=Decimal(1))), there)
    assert times(found).p50 == pytest.approx(2 * -(-width // 5), rel=0.1)
    assert found.cost is not None
    assert found.cost.p50 == pytest.approx(width, rel=1e-5)


def test_more_agents_than_items_do_them_all_at_once() -> None:
    there = Given(pools=(Pool(capabilities=ONE, places=5000),), widths={TaskId("each"): 200})
    assert times(estimate(graph_of(EACH), known_of(work=exact(2)), there)).p50 == pytest.approx(2, rel=0.1)


def test_costs_that_nobody_has_told_are_what_contracts_say() -> None:
    there = Given(prices={"test.work": Decimal("0.25")})
    found = estimate(graph_of({"a": work(), "b": work()}), known_of(work=exact(1)), there)
    assert found.cost == CostInterval(Decimal("0.5"), Decimal("0.5"), Decimal("0.5"))
    assert all(one.declared for one in found.tasks)
    told = estimate(graph_of({"a": work()}), known_of(work=exact(1, cost=Decimal("0.1"))), there)
    assert told.cost is not None
    assert told.cost.p50 == Decimal("0.1")


def test_branches_are_taken_as_they_were() -> None:
    """Of two branches each run has taken one: never both, never none."""
    graph = graph_of({"a": work(when="${ input }"), "b": work(when="${ !input }")})
    skipped = ((TaskId("a"),), (TaskId("b"),))
    known = known_of(work=exact(5, cost=Decimal(1)))
    found = estimate(graph, Experience(capabilities=known.capabilities, skipped=skipped))
    assert found.cost == CostInterval(Decimal(1), Decimal(1), Decimal(1))


def test_the_task_itself_tells_more_than_its_capability() -> None:
    own = {TaskId("a"): TaskExperience(tries=(Try(took_s=100),) * 200)}
    known = Experience(capabilities=known_of(work=exact(1)).capabilities, tasks=own)
    found = estimate(graph_of({"a": work(), "b": work()}), known)
    assert [one.basis for one in found.tasks] == ["task", "capability"]
    assert times(found).p50 == pytest.approx(100, rel=0.05)


def test_copies_are_paid_for_and_the_slowest_is_not_waited_for() -> None:
    graph = graph_of({"a": work(redundancy={"copies": 3, "agree": 2})})
    found = estimate(graph, known_of(work=(*exact(1, cost=Decimal(1)), *exact(9, cost=Decimal(1)))))
    assert found.cost is not None
    assert found.cost.p50 == 3
    assert times(found).p10 == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(("seen", "shape"), [(5, "chain"), (32, "chain"), (32, "fan")])
def test_four_of_five_runs_end_within_their_interval(seen: int, shape: str) -> None:
    """Times are drawn from a law that nobody knows; what was seen of it tells where the next run will end."""
    rng = random.Random(f"{seen}/{shape}")  # noqa: S311 - no secret rests on it
    tasks = {f"t{at}": work(*([f"t{at - 1}"] if shape == "chain" and at else [])) for at in range(3)}
    graph, inside, trials = graph_of(tasks), 0, 50
    for trial in range(trials):
        known = known_of(work=tuple(Try(took_s=rng.lognormvariate(1, 0.6)) for _ in range(seen)))
        took = [rng.lognormvariate(1, 0.6) for _ in tasks]
        end = sum(took) if shape == "chain" else max(took)
        found = times(estimate(graph, known, seed=str(trial)))
        inside += found.p10 <= end <= found.p90
    assert 0.68 <= inside / trials <= 0.92


def test_a_large_graph_is_played_less_often() -> None:
    graph: Graph = graph_of({f"t{at}": work() for at in range(600)})
    assert estimate(graph, known_of(work=exact(1)[:8])).draws == 30


def test_runs_are_those_that_the_figures_rest_on() -> None:
    here = [RunId(f"run_{number}") for number in range(4)]
    tries = tuple(Try(took_s=1, run=here[number % 2]) for number in range(10))
    known = msgspec.structs.replace(known_of(work=tries, other=(Try(took_s=1, run=here[2]),)), runs=4)
    found = estimate(graph_of({"a": work(), "b": work("a")}), known)
    assert (found.runs, [one.known for one in found.tasks]) == (2, [10, 10])
    assert estimate(graph_of({"a": work(), "b": work("a", uses="test.other")}), known).runs == 3
    assert estimate(graph_of({"a": work(uses="test.none")}), known).runs == 0
