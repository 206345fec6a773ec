"""Explaining runs: whatever state a run is in, what is said of it is true, and it is never silent about an open one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accord.domain import command as c
from accord.domain.causes import causes_of
from accord.domain.explanation import Blocker, BlockerKind, blockers, demands, next_timer, unmet
from accord.domain.graph import undone_id
from accord.domain.ids import LeaseToken, TaskId
from accord.domain.machine import RUN
from accord.domain.message import ACCEPT_AFTER
from accord.domain.replay import states
from accord.domain.run import NEVER_WOKEN, Run
from accord.domain.timing import next_wake
from accord.testing.graphs import graph_of
from accord.testing.player import START, Broken, Done, Failed, Player, Silent
from accord.testing.random_graphs import INPUT, random_tasks
from accord.testing.storm import Storm
from accord.views.waited import waits_words

A = TaskId("a")
FOR_EVER = datetime.max.replace(tzinfo=START.tzinfo)


def kinds(run: Run, now: datetime) -> list[BlockerKind]:
    return [one.kind for one in blockers(run, now)]


def untruths(run: Run, now: datetime) -> Iterator[str]:
    """What is said of a state and does not hold in it; each kind has a judge that looks at the state by itself."""
    told = list(blockers(run, now))
    if run.ended == bool(told):
        yield f"{run.phase}: {len(told)} blockers"
    for one in told:
        if not _holds(run, one, now):
            yield f"{one.kind} of {one.task}: {one.words}"
        if one.since is not None and one.since > max(now, run.updated_at):
            yield f"{one.kind} of {one.task} since {one.since}, which is later than now"
    named = {one.task for one in told}
    leaves = {task for task in run.busy if run.state(task).phase != "expanded"}
    if not leaves <= named:
        yield f"nothing is said of {sorted(leaves - named)}"
    timer, wake = next_timer(run, now), next_wake(run, dict.fromkeys(past_leases(run, now), FOR_EVER), now)
    if timer is not None and wake is not None and timer.at > wake and wake != now + NEVER_WOKEN:
        yield f"the next timer is {timer}, and the run wakes at {wake}"
    if timer is None and wake is not None and wake < now + NEVER_WOKEN:
        yield f"no timer, and the run wakes at {wake}"


def past_leases(run: Run, now: datetime) -> list[LeaseToken]:
    """Those that heartbeats keep: they would have run out."""
    live = (one for state in run.tasks.values() for one in state.attempts if one.live)
    return [one.lease for one in live if one.lease_until <= now]


def _holds(run: Run, one: Blocker, now: datetime) -> bool:  # noqa: C901 - a judge for each kind
    state = run.state(one.task) if one.task is not None else None
    due = state is not None and any(want.not_before is None or want.not_before <= now for want in state.wants)
    assignable = due and not run.paused
    undoes = one.task is not None and undone_id(one.task) is not None
    spent = run.spent_all and (one.task is None or not undoes)
    match one.kind:
        case "paused":
            return run.paused and (state is None or due)
        case "budget":
            return spent
        case "agent":
            return assignable and not spent and run.live < run.graph.parallel
        case "parallel":
            return assignable and not spent and run.live >= run.graph.parallel
        case "backoff":
            return state is not None and any(want.not_before == one.until for want in state.wants)
        case "attempt" | "assigned":
            phases = ("working",) if one.kind == "attempt" else ("assigned",)
            live = {(own.number, own.agent) for own in (state.attempts if state else ()) if own.phase in phases}
            return (one.attempt, one.agent) in live
        case "signal" | "approval" | "review" | "time":
            return state is not None and state.waiting is not None and state.waiting.for_ == one.kind
        case "subrun":
            return run.subruns.get(one.task) == one.run  # type: ignore[arg-type]  # a sub-run has a task
        case "leaving":
            return one.run in run.leaving
        case "deciding":
            return state is None or not (state.wants or state.waiting or any(own.live for own in state.attempts))


SEEN: set[tuple[str, str]] = set()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False), st.integers(1, 7))
def test_what_is_said_of_any_state_in_a_storm_is_true(random: Random, size: int) -> None:
    player = Player(graph_of(random_tasks(random, size)), given=INPUT)
    storm = Storm(player, random)
    storm.blow(60)
    for state, event in zip(states(player.graph, player.events), player.events, strict=True):
        assert list(untruths(state, event.at)) == []
        SEEN.add((state.phase, "paused" if state.paused else ""))
    assert list(untruths(player.run, player.now)) == []
    told = list(causes_of(player.run, list(enumerate(player.events, 1))))
    assert bool(told) == (player.run.phase in ("failing", "failed", "cancelling", "cancelled"))
    for one in told:
        assert one.event is None or one.event <= len(player.events)
        assert one.problem is None or one.problem.message in one.words


def test_the_storms_have_been_in_every_phase_of_the_table() -> None:
    if not SEEN:
        pytest.skip("the storms ran in another process")
    assert {phase for phase, _ in SEEN} == set(RUN.values())


# -- one by one --------------------------------------------------------------------------------------------------


def test_a_task_that_nobody_has_taken_waits_for_an_agent() -> None:
    player = Player(graph_of({"a": {"uses": "text.read@^1"}, "b": {"needs": ["a"]}}))
    (one,) = blockers(player.run, player.now)
    assert (one.kind, one.task, one.since) == ("agent", A, player.now)
    assert one.words == "a waits for an agent that offers text.read@^1"
    assert [demand.task for demand in demands(player.run, player.now)] == ["a"]
    assert unmet(player.run, TaskId("b")) == ["a"]


def test_an_attempt_names_its_agent_and_its_lease_comes_next() -> None:
    player = Player(graph_of({"a": {}}))
    player.assign("a")
    (one,) = blockers(player.run, player.now)
    assert (one.kind, one.words) == ("assigned", "ann was given attempt 1 of a")
    player.do(c.Accept(task=A, attempt=1))
    (one,) = blockers(player.run, player.now)
    assert (one.kind, one.words) == ("attempt", "ann works on attempt 1 of a")
    timer = next_timer(player.run, player.now)
    assert timer is not None
    assert (timer.what, timer.task) == ("lease", "a")
    assert next_timer(player.run, timer.at) is None, "heartbeats keep it, and nobody has written down until when"


def test_who_works_has_done_so_since_it_began() -> None:
    player = Player(graph_of({"a": {}}))
    player.assign("a")
    player.now += timedelta(seconds=45)
    player.do(c.Accept(task=A, attempt=1))
    (one,) = blockers(player.run, player.now)
    assert one.since == player.now - ACCEPT_AFTER


def test_only_what_is_at_work_is_counted_as_at_work() -> None:
    given = Blocker(kind="assigned", words="ann was given attempt 1 of b", task=TaskId("b"))
    works = Blocker(kind="attempt", words="ann works on attempt 1 of c", task=TaskId("c"))
    too = Blocker(kind="attempt", words="bob works on attempt 1 of e", task=TaskId("e"))
    wants = Blocker(kind="agent", words="d waits for an agent", task=TaskId("d"))
    assert waits_words([]) == ""
    assert waits_words([wants]) == "; d waits for an agent"
    assert waits_words([given, works, wants, too, wants]) == (
        "; ann works on attempt 1 of c, and 1 more; 1 is assigned; 2 wait for an agent"
    )
    assert waits_words([given, wants]) == "; ann was given attempt 1 of b; 1 waits for an agent"


def test_a_pause_is_told_with_who_made_it() -> None:
    player = Player(graph_of({"a": {}}))
    player.do(c.Pause(by="ann"))
    first, second = blockers(player.run, player.now)
    assert (first.kind, first.words) == ("paused", "it was paused by ann: nothing is assigned")
    assert (second.kind, second.task) == ("paused", "a")


def test_a_back_off_ends_by_itself() -> None:
    player = Player(graph_of({"a": {}}), {"a": [Failed(), Done()]})
    player.settle()
    (one,) = blockers(player.run, player.now)
    assert one.kind == "backoff"
    timer = next_timer(player.run, player.now)
    assert timer is not None
    assert (timer.what, timer.at) == ("backoff", one.until)


@pytest.mark.parametrize(
    ("task", "kind"),
    [({"approval": {"title": "Pay?"}}, "approval"), ({"signal": {"name": "go"}}, "signal"), ({"sleep": "10s"}, "time")],
)
def test_what_waits_says_for_whom(task: dict[str, Any], kind: str) -> None:
    player = Player(graph_of({"a": task}))
    assert kinds(player.run, player.now) == [kind]


def test_a_full_run_waits_for_its_own_attempts() -> None:
    player = Player(graph_of({"a": {}, "b": {}}, limits={"parallel": 1}))
    player.assign("a")
    assert kinds(player.run, player.now) == ["assigned", "parallel"]


def test_a_spent_budget_is_told_until_there_is_more() -> None:
    graph = graph_of({"a": {}, "b": {}}, limits={"max_cost": "1", "when_spent": "pause"})
    player = Player(graph, {"a": Done(1, cost=Decimal(2))})
    player.assign("a")
    player.answer("a", Done(1, cost=Decimal(2)))
    told = list(blockers(player.run, player.now))
    assert [(one.kind, one.task) for one in told] == [("budget", None), ("paused", "b")]
    assert told[0].words == "its budget is spent: 2 of 1; it is paused until it is given more"
    spent = next(one for one in states(graph, player.events) if one.spent_all and not one.paused)
    assert [(one.kind, one.task) for one in blockers(spent, player.now)][:1] == [("budget", None)]
    assert ("budget", "b") in [(one.kind, one.task) for one in blockers(spent, player.now)]


def test_a_failure_is_told_back_to_the_attempts() -> None:
    script = {"a": [Broken(5), Failed(message="no luck")]}
    player = Player(graph_of({"a": {"retry": {"attempts": 2}, "diagnose": False}}), script)
    player.play()
    told = list(causes_of(player.run, list(enumerate(player.events, 1))))
    assert [one.kind for one in told] == ["run", "task", "attempt", "attempt"]
    assert told[0].words == "the run failed: ACC420 no luck"
    assert told[1].words == "a failed: ACC420 no luck"
    assert told[2].words == "ann had attempt 1 of a, and its result was rejected: ACC247 not as agreed"
    assert all(one.event is not None for one in told)


def test_whoever_cancels_is_the_cause() -> None:
    player = Player(graph_of({"a": {}}), {"a": Silent()})
    player.do(c.Cancel(by="ann", reason="not needed"))
    (one,) = causes_of(player.run, list(enumerate(player.events, 1)))
    assert (one.kind, one.words) == ("person", "ann cancelled it: not needed")
