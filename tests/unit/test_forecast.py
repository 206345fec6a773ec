"""Forecasts rest on what earlier runs took, and on what this one has done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from accord.domain import event as e
from accord.domain.document import document_of
from accord.domain.experience import Done, Experience, TaskExperience
from accord.domain.forecast import Forecast, Usual, forecast, usual
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId
from accord.domain.run import begin, evolve
from accord.domain.state import Run
from accord.templates.reading import read_source

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
ZERO = Digest("0" * 64)
GRAPH = read_source("""
accord: template/1
name: diamond
version: 1.0.0
description: Two ways to one end.
input: true
tasks:
  first: {uses: test.work@^1}
  long: {uses: test.work@^1, needs: [first]}
  short: {uses: test.work@^1, needs: [first]}
  last: {uses: test.work@^1, needs: [long, short], join: any}
output: 1
""").graph
FIRST, LONG, SHORT, LAST = map(TaskId, ("first", "long", "short", "last"))
SECONDS = {FIRST: 2, LONG: 10, SHORT: 3, LAST: 1}


def played(took: Mapping[TaskId, float], *, begun: Mapping[TaskId, float] | None = None) -> Run:
    """A run in which these tasks took so many seconds, one after the other; those of `begun` are under way since so
    many seconds after its start.
    """
    run = begin(
        GRAPH,
        e.RunStarted(
            at=NOW, run=RunId("run_0"), template=GRAPH.template, graph=ZERO, input=document_of(b"1"), title="", by="me"
        ),
    )
    at_s = 0.0
    for task, seconds in took.items():
        run = work(run, task, at_s)
        at_s += seconds
        ended, output = NOW + timedelta(seconds=at_s), document_of(b"1")
        run = evolve(run, e.AttemptSucceeded(at=ended, task=task, attempt=1, statement="s", output=output))
        run = evolve(run, e.TaskCompleted(at=ended, task=task, output=output, attempt=1))
    for task, since_s in (begun or {}).items():
        run = work(run, task, since_s)
    if len(took) == len(GRAPH.order):
        run = evolve(run, e.RunCompleted(at=NOW + timedelta(seconds=at_s), output=document_of(b"1")))
    return run


def work(run: Run, task: TaskId, at_s: float) -> Run:
    at = NOW + timedelta(seconds=at_s)
    run = evolve(run, e.AttemptWanted(at=at, task=task, input=document_of(b"{}")))
    assigned = e.AttemptAssigned(
        at=at,
        task=task,
        attempt=1,
        agent=AgentId("spiffe://local/agent/a"),
        lease=LeaseToken(f"{task}"),
        lease_until=at + timedelta(hours=1),
        capability="test.work@1.0.0",
        contract=ZERO,
        payload=ZERO,
        payload_bytes=2,
    )
    return evolve(run, assigned)


KNOWN = Usual(1, {task: timedelta(seconds=seconds) for task, seconds in SECONDS.items()})


def test_the_median_of_completed_runs_is_usual() -> None:
    tasks = {
        task: TaskExperience(done=tuple(Done(took_s=factor * seconds) for factor in (1, 3, 100)))
        for task, seconds in SECONDS.items()
    }
    known = usual(Experience(tasks=tasks, skipped=((), (), ())))
    assert known == Usual(3, {task: timedelta(seconds=3 * seconds) for task, seconds in SECONDS.items()})
    assert usual(Experience()) == Usual(0, {})


def test_a_task_that_was_skipped_took_no_time() -> None:
    once = {SHORT: TaskExperience(done=(Done(took_s=5),))}
    known = usual(Experience(tasks=once, skipped=((SHORT,), (SHORT, LONG), ())))
    assert known.took == {SHORT: timedelta(), LONG: timedelta()}


def test_what_is_left_goes_along_the_longest_way() -> None:
    run = played({FIRST: 2}, begun={LONG: 2, SHORT: 2})
    for since_s, left, path in (
        (2, 11, (LONG, LAST)),
        (6, 7, (LONG, LAST)),
        (60, 1, (LONG, LAST)),
    ):
        assert forecast(run, KNOWN, NOW + timedelta(seconds=since_s)) == Forecast(timedelta(seconds=left), path)
    assert forecast(played({FIRST: 2, LONG: 10}, begun={SHORT: 12}), KNOWN, NOW + timedelta(seconds=12)) == Forecast(
        timedelta(seconds=4), (SHORT, LAST)
    )


def test_nothing_is_foretold_of_what_is_not_known_does_not_go_on_or_has_ended() -> None:
    run = played({FIRST: 2}, begun={LONG: 2})
    assert forecast(run, Usual(1, {FIRST: timedelta(), LONG: timedelta(), SHORT: timedelta()}), NOW) is None
    assert forecast(evolve(run, e.RunPaused(at=NOW + timedelta(seconds=3), by="me")), KNOWN, NOW) is None
    assert forecast(played(SECONDS), KNOWN, NOW) is None


@given(took=st.fixed_dictionaries({task: st.integers(0, 1000) for task in SECONDS}), later=st.integers(0, 2000))
def test_the_path_is_a_chain_and_time_only_shortens_what_is_left(took: dict[TaskId, int], later: int) -> None:
    known = Usual(1, {task: timedelta(seconds=seconds) for task, seconds in took.items()})
    run = played({FIRST: 1}, begun={LONG: 1, SHORT: 1})
    now = NOW + timedelta(seconds=1)
    ahead, after = forecast(run, known, now), forecast(run, known, now + timedelta(seconds=later))
    assert ahead is not None
    assert after is not None
    assert ahead.left == max(known.took[LONG], known.took[SHORT]) + known.took[LAST]
    assert known.took[LAST] <= after.left <= ahead.left
    assert all(before in GRAPH.tasks[task].needs for before, task in pairwise(ahead.path))
