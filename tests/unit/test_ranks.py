"""What is ready is served by how long it takes from there to the end."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.domain.capability import CapabilityRange
from accord.domain.graph import Work
from accord.domain.ids import Digest, RunId, TaskId
from accord.domain.order import dependents_of, topological
from accord.domain.ranks import upward_ranks
from accord.domain.retry import DEFAULT_RETRY
from accord.engine.dispatcher import most_urgent
from accord.engine.lanes import Lane, Queued
from accord.engine.ranks import GRAPHS, Ranks
from accord.testing.stage import NOON

A, B = RunId("run_a"), RunId("run_b")


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    """A DAG of up to a dozen tasks, as far as ranks look at it."""
    count = draw(st.integers(1, 12))
    names = [TaskId(f"t{number}") for number in range(count)]
    needs = {
        name: tuple(draw(st.lists(st.sampled_from(names[:number]), unique=True, max_size=3))) if number else ()
        for number, name in enumerate(names)
    }
    return graph_of(needs)


def graph_of(needs: dict[TaskId, tuple[TaskId, ...]], digest: str = "0" * 64) -> Any:
    def task(name: TaskId) -> Any:
        option: Any = SimpleNamespace(capability=CapabilityRange.parse(f"test.{name[0]}"))
        return SimpleNamespace(action=Work(options=(option,), retry=DEFAULT_RETRY))

    return SimpleNamespace(
        digest=Digest(digest),
        order=topological(needs),
        dependents=dependents_of(needs),
        tasks={name: task(name) for name in needs},
    )


@given(graphs(), st.data())
def test_a_rank_is_the_longest_way_to_the_end(graph: Any, data: st.DataObject) -> None:
    took = {name: data.draw(st.floats(0.1, 100)) for name in graph.order}
    ranks = upward_ranks(graph, took.__getitem__)

    def longest(name: TaskId) -> float:
        return took[name] + max((longest(after) for after in graph.dependents[name]), default=0.0)

    assert ranks == {name: longest(name) for name in graph.order}


def ended(seconds: float, capability: str = "test.a@1.0.0") -> Any:
    want = SimpleNamespace(purpose="work")
    return SimpleNamespace(
        phase="succeeded", want=want, work_since=NOON - timedelta(seconds=seconds), capability=capability
    )


def test_ranks_go_by_how_long_tasks_took_before() -> None:
    """Two branches of one task each: `b` takes longer, but nobody knows yet."""
    needs = {TaskId("a1"): (), TaskId("b1"): (), TaskId("c1"): (TaskId("a1"), TaskId("b1"))}
    run: Any = SimpleNamespace(graph=graph_of(needs))
    ranks = Ranks()
    assert ranks.of(run, TaskId("a1")) == ranks.of(run, TaskId("b1")) > ranks.of(run, TaskId("c1"))
    ranks.learn(run, TaskId("a1"), ended(2), NOON)
    ranks.learn(run, TaskId("b1"), ended(50, "test.b@1.0.0"), NOON)
    assert ranks.of(run, TaskId("b1")) - ranks.of(run, TaskId("a1")) == pytest.approx(48)
    assert ranks.of(run, TaskId("b1[3]")) == ranks.of(run, TaskId("b1"))
    other: Any = SimpleNamespace(graph=graph_of(needs, "1" * 64))
    assert ranks.of(other, TaskId("b1")) > ranks.of(other, TaskId("a1")), "others of the capability took as long"


def branches() -> Any:
    """A run of two branches, `a1` and `b1`."""
    needs = {TaskId("a1"): (), TaskId("b1"): (), TaskId("c1"): (TaskId("a1"), TaskId("b1"))}
    return SimpleNamespace(graph=graph_of(needs))


def learn(ranks: Ranks, run: Any, **seconds: float) -> None:
    for name, took_s in seconds.items():
        ranks.learn(run, TaskId(name), ended(took_s, f"test.{name[0]}@1.0.0"), NOON)


def test_the_next_run_is_ranked_by_all_that_the_first_one_has_told() -> None:
    run, ranks = branches(), Ranks()
    for name, took_s in (("a1", 3.0), ("b1", 5.0), ("c1", 40.0)):
        ranks.of(run, TaskId("c1"))  # whatever was ready meanwhile was ranked by what was known then
        learn(ranks, run, **{name: took_s})
    ranks.ended(run)
    assert {name: ranks.of(run, TaskId(name)) for name in ("a1", "b1", "c1")} == {"a1": 43.0, "b1": 45.0, "c1": 40.0}


def test_ranks_follow_what_changes_however_much_was_learned_before() -> None:
    run, ranks = branches(), Ranks()
    for _ in range(1000):
        learn(ranks, run, a1=3.0, b1=5.0, c1=1.0)
        assert ranks.of(run, TaskId("b1")) > ranks.of(run, TaskId("a1"))
    for _ in range(5):
        learn(ranks, run, a1=30.0, b1=5.0, c1=1.0)
    assert ranks.of(run, TaskId("a1")) > ranks.of(run, TaskId("b1"))


def test_another_edition_comes_with_other_ranks_only_and_seldom() -> None:
    run, ranks, editions = branches(), Ranks(), list[int]()
    for _ in range(400):
        before = {name: ranks.of(run, name) for name in run.graph.order}
        edition = ranks.edition(run)
        learn(ranks, run, a1=3.0 + len(editions) % 7)
        if ranks.edition(run) == edition:
            assert {name: ranks.of(run, name) for name in run.graph.order} == before
        editions.append(edition)
    assert len(set(editions)) < 400 / 6


def test_what_is_used_is_not_forgotten_for_what_is_not() -> None:
    run, ranks = branches(), Ranks()
    learn(ranks, run, b1=5.0)
    for number in range(2 * GRAPHS):
        learn(ranks, run, a1=3.0)
        ranks.of(SimpleNamespace(graph=graph_of({TaskId("a1"): ()}, f"{number + 1:064x}")), TaskId("a1"))
        assert ranks.of(run, TaskId("b1")) > ranks.of(run, TaskId("a1"))


def test_what_failed_teaches_nothing() -> None:
    needs = {TaskId("a1"): ()}
    run: Any = SimpleNamespace(graph=graph_of(needs))
    ranks = Ranks()
    failed = ended(1000)
    failed.phase = "failed"
    before = ranks.of(run, TaskId("a1"))
    ranks.learn(run, TaskId("a1"), failed, NOON)
    assert ranks.of(run, TaskId("a1")) == before


def lane() -> Lane:
    return Lane(CapabilityRange.parse("test.work"), lambda tenant: 1.0)


def served(one: Lane) -> list[tuple[RunId, str]]:
    found = []
    while (head := one.head()) is not None:
        found.append(head)
        one.serve()
    return found


def test_of_a_run_the_highest_rank_is_first_and_the_others_keep_their_order() -> None:
    one = lane()
    for task, rank in (("low", 1.0), ("high", 5.0), ("also", 1.0)):
        one.add("ann", Queued(A, TaskId(task), rank))
    assert [task for _, task in served(one)] == ["high", "low", "also"]


def test_what_waits_is_put_in_another_order_and_keeps_its_turns() -> None:
    one, now = lane(), {"first": 1.0, "second": 1.0, "third": 7.0}
    for task in now:
        one.add("ann", Queued(A, TaskId(task), 5.0))
        one.add("ann", Queued(B, TaskId(task), 5.0))
    one.order_anew(A, lambda task: now[task])
    turns = served(one)
    assert [run for run, _ in turns] == [A, B] * 3
    assert [task for run, task in turns if run == A] == ["third", "first", "second"]
    assert [task for run, task in turns if run == B] == ["first", "second", "third"]


def test_runs_take_turns_however_high_their_ranks_are() -> None:
    one = lane()
    for number in range(2):
        one.add("ann", Queued(A, TaskId(f"a{number}"), 100.0))
        one.add("ann", Queued(B, TaskId(f"b{number}"), 1.0))
    assert [run for run, _ in served(one)] == [A, B, A, B]


def test_every_second_turn_is_for_the_earliest_deadline() -> None:
    one, soon = lane(), NOON + timedelta(minutes=1)

    def add(run: RunId, due: datetime | None) -> None:
        for number in range(4):
            one.add("ann", Queued(run, TaskId(f"t{number}"), 0.0, due))

    c = RunId("run_c")
    add(A, None)
    add(B, soon + timedelta(hours=1))
    add(c, soon)
    turns = [run for run, _ in served(one)]
    assert turns[0] == turns[2] == turns[4] == c
    assert A in turns[:4], "those without a deadline are not forgotten"
    assert sorted(turns) == [A] * 4 + [B] * 4 + [c] * 4


def test_what_let_others_pass_is_first_again() -> None:
    one = lane()
    one.add("ann", Queued(A, TaskId("first"), 2.0))
    one.add("ann", Queued(A, TaskId("second"), 1.0))
    one.pass_over()
    assert one.head() == (A, TaskId("second"))
    one.put_back()
    assert one.head() == (A, TaskId("first"))


def test_of_several_lanes_the_same_run_is_served_where_its_end_waits_for_longest() -> None:
    lanes = {name: lane() for name in ("x", "y", "z")}
    lanes["x"].add("ann", Queued(A, TaskId("low"), 1.0))
    lanes["y"].add("bob", Queued(B, TaskId("others"), 100.0))
    lanes["z"].add("ann", Queued(A, TaskId("high"), 5.0))
    in_turn = deque(lanes.items())
    assert [most_urgent(in_turn)[0] for _ in range(3)] == ["z", "y", "x"]
