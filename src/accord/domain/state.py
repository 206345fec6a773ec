"""The state of a run: what its events add up to. Frozen values, made by `accord.domain.run.evolve` alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import msgspec
from immutables import Map

from accord.domain import event as e
from accord.domain.agenda import Agenda
from accord.domain.cost import NOTHING
from accord.domain.document import Document
from accord.domain.fault import Fault
from accord.domain.graph import Graph, undone_id
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId, item_id
from accord.domain.machine import BUSY, ENDED, LIVE, AttemptPhase, RunPhase, TaskPhase
from accord.errors import Problem


class Want(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An attempt that is wanted and not yet assigned."""

    input: Document
    since: datetime
    purpose: e.Purpose = "work"
    option: int = 0
    not_before: datetime | None = None
    agent: AgentId | None = None
    avoid: tuple[AgentId, ...] = ()
    errors: tuple[Problem, ...] = ()
    labels: tuple[str, ...] = ()
    """Of the input and the errors; none where nothing is labelled in the run."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One assignment of a task to an agent under a lease."""

    number: int
    phase: AttemptPhase
    agent: AgentId
    lease: LeaseToken
    lease_until: datetime
    capability: str
    contract: Digest
    want: Want
    payload: Digest
    payload_bytes: int
    assigned_at: datetime
    epoch: int
    timeout_at: datetime | None = None
    began_at: datetime | None = None
    """When the agent had begun, by what it said; None where it has said nothing, as of short work."""
    statement: str | None = None
    """Of the answer that ended it."""
    output: Document | None = None
    confidence: float | None = None
    problems: tuple[Problem, ...] = ()
    fault: Fault | None = None
    """Whose doing it is, where a contract was broken."""
    damaged: int = 0
    """How often an answer was damaged on the way."""
    cost: Decimal | None = None
    """What the agent says that it has cost."""
    cut: tuple[str, ...] = ()
    """Parts of the context that the agent was not shown."""
    labels: tuple[str, ...] = ()
    """What contract and agent say of the output beside the labels of the input."""

    @property
    def work_since(self) -> datetime:
        """Since when the agent is at work, as far as is known: before, it stood in the agent's own queue."""
        return self.began_at or self.assigned_at

    @property
    def live(self) -> bool:
        """Whether the agent may still answer."""
        return self.phase in LIVE


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Something that a task's agent has asked for while it works, and what came of it."""

    call: Digest
    attempt: int
    wanted: str
    run: RunId
    graph: Digest
    input: Document
    made_at: datetime
    labels: tuple[str, ...] = ()
    """Of the input; of the output as well, once it is there."""
    ended_at: datetime | None = None
    output: Document | None = None
    problem: Problem | None = None

    @property
    def may_be_tried_again(self) -> bool:
        """Whether nothing has come of it: asked for again, it is done again."""
        return self.problem is not None


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """What a waiting task waits for."""

    for_: Literal["signal", "approval", "review", "time"]
    title: str
    signal: str | None
    until: datetime | None
    candidate: Document | None
    since: datetime | None = None
    """None only in what a version before this one has kept of a run."""


class TaskState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One task, item or compensation of a run."""

    phase: TaskPhase = "pending"
    epoch: int = 0
    """How often the task was rolled back, or (an expansion) opened again for some of its items."""
    needs_done: int = 0
    """Needs that completed, or failed with `on_failure: continue`."""
    needs_settled: int = 0
    wants: tuple[Want, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    """Of all epochs, by number."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    waiting: Waiting | None = None
    subrun: RunId | None = None
    subrun_input: Document | None = None
    calls: tuple[Call, ...] = ()
    """What its agents have asked for, in order."""
    items: Document | None = None
    item_count: int = 0
    items_started: int = 0
    items_settled: int = 0
    items_failed: int = 0
    again: tuple[int, ...] = ()
    """Items that were undone and are to be done again, in order."""
    again_begun: int = 0
    """How many of `again` have begun."""
    output: Document | None = None
    attempt: int | None = None
    """The attempt that made the output."""
    adopted: bool = False
    """Whether the output was made by the run that this one was forked from: it is not ours to undo."""
    source: Digest | None = None
    contract: Digest | None = None
    """The contract that a large output keeps, where it was adopted."""
    confidence: float | None = None
    by: str = ""
    problem: Problem | None = None
    fault: Fault | None = None
    """Whose doing the failure is, where a contract was broken."""
    misfits: tuple[Problem, ...] = ()
    """How inputs that the expressions made broke contracts, with their places in the template."""
    labels: tuple[str, ...] = ()
    """Of the output; none where nothing is labelled in the run."""
    declassified: tuple[str, ...] = ()
    """The labels that a declassification has left; none where there was none."""
    due_at: datetime | None = None
    """The first of its leases, timeouts, waiting times and its deadline."""
    offer_at: datetime | None = None
    """When the first of its back-offs ends."""

    @property
    def busy(self) -> bool:
        """Whether the task is under way: active, waiting or expanded."""
        return self.phase in BUSY

    @property
    def items_open(self) -> int:
        """Items that have begun and not settled."""
        return self.items_started - (len(self.again) - self.again_begun) - self.items_settled

    def ordinal(self, number: int) -> int:
        """How many attempts at the work there were up to the one of this number: diagnoses are not counted."""
        return sum(attempt.want.purpose == "work" for attempt in self.attempts[:number])

    def call(self, call: Digest) -> Call | None:
        """What was asked for under this digest last."""
        return next((one for one in reversed(self.calls) if one.call == call), None)

    @property
    def work(self) -> int:
        """Attempts at the work, diagnoses not counted."""
        return self.ordinal(len(self.attempts))

    def current(self) -> Iterator[Attempt]:
        """The attempts of the present epoch, oldest first."""
        return (attempt for attempt in self.attempts if attempt.epoch == self.epoch)


PENDING = TaskState()


class Rest(msgspec.Struct, frozen=True, gc=False):
    """A time in which nothing was done: the run was paused and nothing of it was at work any more, or it had ended
    before it was taken up again.
    """

    since: datetime
    until: datetime


class Run(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One execution of a graph, after some number of events."""

    graph: Graph
    started: e.RunStarted
    phase: RunPhase
    paused: bool = False
    paused_by: str = ""
    paused_at: datetime | None = None
    rests: tuple[Rest, ...] = ()
    """Those that are over, in order; the one that goes on is not among them."""
    rests_since: datetime | None = None
    """Since when it rests in a pause: what was under way when it began may go on for a while."""
    deadline_at: datetime | None = None
    tasks: Map[TaskId, TaskState] = Map()
    """Only tasks to which something has happened."""
    busy: Map[TaskId, None] = Map()
    """Tasks that are active, waiting or expanded."""
    due: Agenda = Agenda()
    """The busy tasks by `due_at`."""
    offers: Agenda = Agenda()
    """The busy tasks by `offer_at`."""
    listening: Map[str, Map[TaskId, None]] = Map()
    """The tasks that wait for a signal, by its name."""
    subruns: Map[TaskId, RunId] = Map()
    """Runs that do active tasks."""
    called: Map[RunId, TaskId] = Map()
    """Runs under way that agents have asked for."""
    leaving: Map[RunId, TaskId] = Map()
    """Runs whose tasks have ended without them; they are told to cancel, and this run does not end before they do."""
    epoch: int = 0
    live: int = 0
    """Attempts under way."""
    settled: int = 0
    """Nodes of the graph that have settled; with all of them the run ends."""
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    items: int = 0
    """Items of all expansions."""
    signals: tuple[e.SignalReceived, ...] = ()
    """Signals that no task has taken yet, oldest first."""
    undoing: tuple[TaskId, ...] = ()
    """What a rollback under way undoes: nodes, and items of nodes that are not among them, in topological order."""
    reopening: tuple[TaskId, ...] = ()
    """Expansions of which that rollback undoes only some items."""
    to_undo: tuple[TaskId, ...] = ()
    """What was completed and is to be undone, the last first; `undone` of them have begun to be."""
    undone: int = 0
    compensating: int = 0
    """Compensations under way; they are all of the node `compensated`."""
    compensated: TaskId | None = None
    gave_up: bool = False
    """Whether somebody, or a compensation that failed, has put an end to the undoing."""
    output: Document | None = None
    problem: Problem | None = None
    fault: Fault | None = None
    """Whose doing the failure is, where a contract was broken."""
    spent: Decimal = NOTHING
    """What all its attempts, and the runs that did its tasks or were asked for, have cost."""
    max_cost: Decimal | None = None
    """The budget that somebody has set in place of the template's."""
    erased: e.RunErased | None = None
    """Who has had its documents made unreadable."""
    acknowledged: e.RunAcknowledged | None = None
    """Who knows that it has failed, since it did so last."""
    labelled: bool = False
    """Whether anything has been said of labels so far; before, all data is unlabelled."""
    labels: frozenset[str] = frozenset()
    """What its tasks were given and have made is labelled with, undone or not; none while nothing is labelled."""
    updated_at: datetime

    @property
    def id(self) -> RunId:
        """The run's id."""
        return self.started.run

    @property
    def ended(self) -> bool:
        """Whether nothing will happen unless somebody asks for it."""
        return self.phase in ENDED

    @property
    def at_work(self) -> bool:
        """Whether an agent, or a run that does a task, is at work for it."""
        return self.live > 0 or bool(self.subruns)

    @property
    def tasks_done(self) -> int:
        """Nodes of the graph that have completed, or were skipped."""
        return self.settled - self.failed - self.cancelled

    def work(self) -> Iterator[Attempt]:
        """The attempts at the work of all its tasks and items: diagnoses and compensations are none."""
        parts = (state for task, state in self.tasks.items() if undone_id(task) is None)
        return (one for state in parts for one in state.attempts if one.want.purpose == "work")

    @property
    def budget(self) -> Decimal | None:
        """What all attempts may cost together; None where that is not limited."""
        return self.graph.max_cost if self.max_cost is None else self.max_cost

    @property
    def spent_all(self) -> bool:
        """Whether nothing is left of the budget."""
        budget = self.budget
        return budget is not None and self.spent >= budget

    def rest(self, until: datetime, since: datetime | None = None) -> timedelta:
        """How long it rested between two times: up to the first one since its start, where there is no other."""
        found = [*self.rests, *([Rest(self.rests_since, until)] if self.rests_since is not None else ())]
        shared = (min(one.until, until) - (one.since if since is None else max(one.since, since)) for one in found)
        return sum((one for one in shared if one > timedelta()), timedelta())

    def worked(self, since: datetime, until: datetime) -> timedelta:
        """How long it went on between two times: what a run, or a task of it, took is told without rests."""
        return max(until - since - self.rest(until, since), timedelta())

    def told_at(self, now: datetime) -> datetime:
        """Up to when it is told: up to now, as long as it goes on."""
        return self.updated_at if self.ended else max(now, self.updated_at)

    def took(self, task: TaskId, now: datetime) -> timedelta | None:
        """What a task, an item or a compensation took from when it began last, that is in its present round where it
        was undone, to its end, or up to now; None where it has not begun, or was taken over.
        """
        state = self.state(task)
        return None if state.started_at is None else self.worked(state.started_at, state.ended_at or now)

    def state(self, task: TaskId) -> TaskState:
        """The task's state; that of a task to which nothing has happened is pending."""
        return self.tasks.get(task, PENDING)

    def attempt(self, task: TaskId, number: int) -> Attempt | None:
        """The attempt of this number."""
        attempts = self.tasks.get(task, PENDING).attempts
        return attempts[number - 1] if 0 < number <= len(attempts) else None

    def instances(self, node: TaskId) -> Iterator[TaskId]:
        """The node itself, then its items that have started."""
        yield node
        yield from self.started_items(node)

    def started_items(self, node: TaskId) -> Iterator[TaskId]:
        """The items of an expansion that have started, or had before they were undone."""
        return (item_id(node, index) for index in range(self.state(node).items_started))
