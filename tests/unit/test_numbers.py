"""The numbers that pages, the API and commands tell of a run are those of its journal: compared, after any event, with
a fold of its own that is as plain as can be.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.test_timeline import timeline_of

from accord.domain import event as e
from accord.domain.graph import node_of, undone_id
from accord.domain.ids import TaskId, split_item
from accord.domain.run import begin, evolve
from accord.domain.state import Run
from accord.testing.graphs import graph_of
from accord.testing.player import Player
from accord.testing.random_graphs import INPUT, random_tasks
from accord.testing.storm import Storm
from accord.views.drawing import Changes, Items, drawn_rests, drawn_state
from accord.views.tasks import listed_task, waits
from accord.views.timeline import timeline_page

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ENDS: dict[type, str] = {
    e.TaskCompleted: "completed",
    e.TaskAdopted: "completed",
    e.TaskFailed: "failed",
    e.TaskSkipped: "skipped",
    e.TaskCancelled: "cancelled",
}
RUN_ENDS = (e.RunCompleted, e.RunFailed, e.RunCancelled)
ATTEMPT_ENDS = (e.AttemptSucceeded, e.AttemptRejected, e.AttemptFailed, e.AttemptExpired, e.AttemptCancelled)


class Counted:
    """What the events of a run say, counted one by one."""

    def __init__(self) -> None:
        self.how: dict[str, str] = {}
        self.live: dict[tuple[str, int], str] = {}
        self.items: dict[str, int] = {}
        self.began: dict[str, datetime] = {}
        self.ended: dict[str, datetime] = {}
        self.attempts: Counter[tuple[str, bool]] = Counter()
        self.wanted: dict[str, list[tuple[datetime, datetime]]] = {}
        self.spent = Decimal(0)
        self.rests: list[tuple[datetime, datetime]] = []
        self.still: datetime | None = None
        """Since when the run is paused, or has ended."""
        self.updated: datetime

    def add(self, event: e.Event) -> None:
        """Count one more."""
        if isinstance(event, e.RunAcknowledged | e.RunErased):
            return
        if isinstance(event, (e.RunPaused, e.RunResumed, *RUN_ENDS)):
            self.paused = isinstance(event, e.RunPaused)
        self.updated = event.at
        self.spent += getattr(event, "cost", None) or 0
        if task := getattr(event, "task", None):
            self._task(task, event)
        if isinstance(event, e.RollbackStarted):
            for group in event.groups:
                self.began.pop(group, None)
        if isinstance(event, e.RollbackFinished):
            self._undone(event.tasks)
        self._still(event)

    def _still(self, event: e.Event) -> None:
        """Whether it rests from this event on: it is over, or paused and nothing of it is at work."""
        self.over = isinstance(event, RUN_ENDS)
        rests = self.over or (self.paused and not self.live and "running" not in self.how.values())
        if self.still is not None and (not rests or self.over):
            self.rests += [(self.still, event.at)] if self.still < event.at else []
            self.still = None
        if rests and self.still is None:
            self.still = event.at

    paused = False
    over = False

    def _undone(self, tasks: tuple[TaskId, ...]) -> None:
        for known in (self.how, self.began, self.ended, self.items):
            for name in [name for name in known if any(name == one or name.startswith(f"{one}[") for one in tasks)]:
                del known[name]  # type: ignore[attr-defined]  # a dict of something

    def _task(self, task: str, event: Any) -> None:
        if type(event) in ENDS:
            self.how[task], self.ended[task] = ENDS[type(event)], event.at
        elif isinstance(event, e.TaskExpanded | e.TaskReopened):
            self.how[task], self.began[task] = "expanded", event.at
            self.ended.pop(task, None)
            self.items[task] = event.count if isinstance(event, e.TaskExpanded) else self.items[task]
        elif isinstance(event, e.AttemptWanted | e.TaskWaiting | e.SubrunStarted):
            self.how[task] = {e.TaskWaiting: "waiting", e.SubrunStarted: "running"}.get(type(event), "active")
            self.began.setdefault(task, event.at)
        elif isinstance(event, e.AttemptAssigned):
            self.live[task, event.attempt] = "assigned"
            self.attempts[node_of(TaskId(task)) if "undo:" not in task else task, event.purpose == "work"] += 1
        elif isinstance(event, e.AttemptAccepted):
            self.live[task, event.attempt] = "running"
        elif isinstance(event, ATTEMPT_ENDS):
            self.live.pop((task, event.attempt), None)

    def standing(self, task: str) -> str:
        how = self.how.get(task, "pending")
        if how == "expanded":
            found = self.standings(task)
            return next((one for one in ("running", "assigned", "waiting", "queued") if found[one]), "running")
        if how != "active":
            return how
        live = [state for (name, _), state in self.live.items() if name == task]
        return "running" if "running" in live else "assigned" if live else "queued"

    def standings(self, task: str) -> Counter[str]:
        return Counter(self.standing(f"{task}[{index}]") for index in range(self.items.get(task, 0)))

    def rest(self, since: datetime, until: datetime) -> timedelta:
        still = [(self.still, until)] if self.still is not None and self.paused else []
        found = (min(end, until) - max(start, since) for start, end in [*self.rests, *still])
        return sum((one for one in found if one > timedelta()), timedelta())

    def took(self, task: str) -> timedelta | None:
        since, until = self.began.get(task), self.ended.get(task, self.updated)
        return None if since is None else until - since - self.rest(since, until)


def compare(run: Run, found: Counted, drawn: dict[str, Any]) -> None:
    """Every number of a run, as lists and graphs tell it."""
    nodes = run.graph.order
    how = Counter(found.how.get(name) for name in nodes)
    assert (run.tasks_done, run.failed) == (how["completed"] + how["skipped"], how["failed"])
    assert run.spent == found.spent
    assert run.worked(run.started.at, run.updated_at) == found.updated - run.started.at - found.rest(
        run.started.at, found.updated
    )
    assert [(one.since, one.until) for one in drawn_rests(run) if one.until is not None] == found.rests
    for name in nodes:
        listed, counted = listed_task(run, name, run.updated_at), dict(found.standings(name))
        assert (listed.standing, dict(listed.item_standings)) == (found.standing(name), counted)
        assert (listed.items or 0) == sum(counted.values())
        if listed.items:
            settled = sum(counted.get(end, 0) for end in set(ENDS.values()))
            assert (listed.items_settled, listed.items_failed) == (settled, counted.get("failed", 0))
        assert (listed.attempts, listed.diagnoses) == (found.attempts[name, True], found.attempts[name, False])
        assert (listed.started_at, listed.ended_at) == (found.began.get(name), found.ended.get(name))
        took = found.took(name)
        assert listed.took_s == (None if took is None else round(took.total_seconds(), 6))
        one = drawn[name]
        assert (one.standing, {**one.items}) == (
            listed.standing,
            {state: count for state, count in counted.items() if state != "pending"},
        )


@FEW
@given(st.randoms(use_true_random=False), st.integers(1, 7), st.integers(0, 90), st.floats(0, 1))
def test_every_number_of_a_run_is_that_of_its_journal(random: Random, size: int, steps: int, part: float) -> None:
    player = Player(graph_of(random_tasks(random, size)), given=INPUT)
    storm = Storm(player, random)
    storm.blow(steps)
    storm.calm(perfect=False)
    if random.random() < 0.5:
        storm.revive()
    first, *rest = player.events
    count = int(len(rest) * part)
    run, found = begin(player.graph, first), Counted()  # type: ignore[arg-type]  # the first event starts it
    found.add(first)
    changes, drawn = Changes(run, []), {name: drawn_state(run, name, Items(run).of(name)) for name in run.graph.order}
    for number, event in enumerate(rest[:count]):
        run = evolve(run, event)
        found.add(event)
        changes.add(run, [event])
        if random.random() < 0.3:
            drawn |= {one.task: one for one in changes.take(number).states}
    drawn |= {one.task: one for one in changes.take(count).states}
    compare(run, found, drawn)


@FEW
@given(st.randoms(use_true_random=False), st.integers(1, 7), st.integers(0, 90))
def test_steps_of_the_critical_path_are_all_of_what_a_run_took(random: Random, size: int, steps: int) -> None:
    player = Player(graph_of(random_tasks(random, size)), given=INPUT)
    storm = Storm(player, random)
    storm.blow(steps)
    storm.calm(perfect=False)
    timeline = timeline_of(player)
    page, run = timeline_page(timeline, 1, None, None, 1000), timeline.run
    whole = timedelta(seconds=sum(step.of_run_s or 0 for step in page.critical))
    last = timeline.critical()[-1].until if page.critical else None
    if last is not None:
        assert abs(whole - run.worked(run.started.at, last)) < timedelta(milliseconds=1)
    for step in page.critical:
        spent = sum(length for kind, length in step.kinds_s.items() if kind != "paused")
        assert spent <= (step.of_run_s or 0) + 1e-5


@FEW
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.integers(0, 90))
def test_what_an_attempt_waited_for_is_told_apart(random: Random, size: int, steps: int) -> None:
    player = Player(graph_of(random_tasks(random, size)), given=INPUT)
    Storm(player, random).blow(steps)
    run = player.run
    wanted = [one for one in player.events if isinstance(one, e.AttemptWanted)]
    for name in run.tasks:
        if undone_id(name) is not None or split_item(name)[1] is not None:
            continue
        for attempt in run.state(name).attempts:
            asked = [one for one in wanted if one.task == name and one.at == attempt.want.since]
            backoffs = {max((one.not_before or one.at) - one.at, timedelta()) for one in asked}
            backoff, queued = waits(run, attempt)
            assert backoff in backoffs
            rest = run.rest(attempt.assigned_at, attempt.want.since + backoff)
            assert backoff + queued + rest == attempt.assigned_at - attempt.want.since
