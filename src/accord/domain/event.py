"""Events: what happened to a run, frozen, each with its wire name. State is the fold of these and of nothing else.

A field is never renamed and never changes its meaning. An event that must change gets a new version (`task.failed@2`),
and an upcaster in `accord.codec` that turns the old one into the new one.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from accord.domain.certificate import Certified
from accord.domain.document import Document
from accord.domain.fault import Fault
from accord.domain.grounds import Grounds
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId
from accord.domain.policy import Authorization
from accord.errors import Problem

Purpose = Literal["work", "diagnose"]
"""What an attempt is for: to do the task, or to diagnose a result that broke its contract."""

Expiry = Literal["lease", "timeout", "agent_lost"]
"""Why an attempt ran out of time: no sign of life, too long in all, or the agent left."""


class _Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="event",
    gc=False,
):
    at: datetime
    """When it was decided, aware UTC."""


# -- run ---------------------------------------------------------------------------------------------------------


class Parent(msgspec.Struct, frozen=True):
    """The task of another run that this run does, or whose agent has asked for it."""

    run: RunId
    task: TaskId


class Origin(msgspec.Struct, frozen=True):
    """The run, and the last event of it, that this run was forked from."""

    run: RunId
    sequence: int


class RunStarted(_Event, frozen=True, kw_only=True, tag="run.started"):
    run: RunId
    template: str
    """`name@version`."""
    graph: Digest
    """The digest of the template's document; the run is pinned to it."""
    input: Document
    title: str
    by: str
    parent: Parent | None = None
    origin: Origin | None = None
    deadline_at: datetime | None = None
    labels: tuple[str, ...] = ()
    """What all of the input has beside the labels that the template says."""
    trace: str = ""
    """A W3C `traceparent`: the caller's span, within which the run goes on; or, where nobody has called with one, the
    run's own. Empty where nothing is traced."""
    linked: str = ""
    """That of the task which the run does, or of the run that it was forked from."""
    depth: int = 0
    """How many runs there are above it that agents have asked for, itself included."""
    certificate: Certified | None = None
    """What was proven of the graph; without it the run does not go on."""


class RunPaused(_Event, frozen=True, kw_only=True, tag="run.paused"):
    by: str
    reason: str = ""


class RunResumed(_Event, frozen=True, kw_only=True, tag="run.resumed"):
    by: str


class RunCancelling(_Event, frozen=True, kw_only=True, tag="run.cancelling"):
    by: str
    reason: str = ""
    gives_up: bool = False
    """Whether what has not been undone yet is left as it is."""


class RunCancelled(_Event, frozen=True, kw_only=True, tag="run.cancelled"):
    pass


class RunFailing(_Event, frozen=True, kw_only=True, tag="run.failing@2"):
    """A task failed for good; what is under way is stopped, and undone where the template says so."""

    problem: Problem
    task: TaskId | None = None
    fault: Fault | None = None
    """Whose doing it is, where a contract was broken."""
    gives_up: bool = False
    """Whether what has not been undone yet is left as it is: a compensation failed."""


class RunFailed(_Event, frozen=True, kw_only=True, tag="run.failed"):
    problem: Problem


class RunCompleted(_Event, frozen=True, kw_only=True, tag="run.completed"):
    output: Document


class RunErased(_Event, frozen=True, kw_only=True, tag="run.erased"):
    """The data key of a run that had ended is destroyed: its documents, which were encrypted, can be read no more."""

    by: str
    reason: str = ""


class RunAcknowledged(_Event, frozen=True, kw_only=True, tag="run.acknowledged"):
    """Somebody knows that the run has failed: nobody else need look at it, until it goes on or fails again."""

    by: str
    note: str = ""


class BudgetSet(_Event, frozen=True, kw_only=True, tag="run.budget_set"):
    """From now on all attempts of the run may cost so much together, what was spent before included."""

    max_cost: Decimal
    by: str


class RollbackStarted(_Event, frozen=True, kw_only=True, tag="run.rolling_back"):
    """These tasks are to be undone, those with a compensation in reverse topological order, and then done again."""

    by: str
    to: TaskId
    tasks: tuple[TaskId, ...]
    """Nodes of the graph, and items of nodes that are not among them."""
    groups: tuple[TaskId, ...] = ()
    """Expansions of which only some items are done again; the others keep their outputs."""


class RollbackFinished(_Event, frozen=True, kw_only=True, tag="run.rolled_back"):
    """These tasks are as if they had never started, under a new epoch; the run goes on."""

    tasks: tuple[TaskId, ...]
    epoch: int
    deadline_at: datetime | None = None
    """The run's new deadline, where the old one had passed."""


# -- task --------------------------------------------------------------------------------------------------------


class TaskExpanded(_Event, frozen=True, kw_only=True, tag="task.expanded"):
    """A `for_each` found its items."""

    task: TaskId
    items: Document
    count: int


class TaskReopened(_Event, frozen=True, kw_only=True, tag="task.reopened"):
    """An expansion goes on: these items are done again, those that had not begun begin."""

    task: TaskId
    items: tuple[int, ...]


class AttemptWanted(_Event, frozen=True, kw_only=True, tag="attempt.wanted"):
    """The task is to be given to an agent: at once, or not before a time."""

    task: TaskId
    input: Document
    purpose: Purpose = "work"
    option: int = 0
    """Which of the task's options: 0 is its own, the others are its fallbacks."""
    copies: int = 1
    not_before: datetime | None = None
    agent: AgentId | None = None
    """Only this agent will do: a result is sent back to the one that made it."""
    avoid: tuple[AgentId, ...] = ()
    """Any but these, as long as there are others."""
    errors: tuple[Problem, ...] = ()
    """What was wrong with the attempt before; the agent is told."""
    reason: str = ""


class InputRefused(_Event, frozen=True, kw_only=True, tag="task.input_refused"):
    """What the template's expressions made breaks the contract of the capability that was to get it: no agent is
    asked.
    """

    task: TaskId
    option: int
    capability: str
    """`name@version`."""
    contract: Digest
    problems: tuple[Problem, ...]
    """Their places are in the template."""
    fault: Fault


class TaskWaiting(_Event, frozen=True, kw_only=True, tag="task.waiting"):
    """The task waits: for a signal, a human's approval, a review of a result, or only for a time."""

    task: TaskId
    for_: Literal["signal", "approval", "review", "time"] = msgspec.field(name="for")
    title: str = ""
    signal: str | None = None
    until: datetime | None = None
    candidate: Document | None = None
    """The result that is to be reviewed."""


class SubrunStarted(_Event, frozen=True, kw_only=True, tag="task.subrun_started"):
    task: TaskId
    run: RunId
    template: str
    input: Document


class SubrunEnded(_Event, frozen=True, kw_only=True, tag="task.subrun_ended"):
    """The run that did a task, or was told to stop doing it, is over."""

    task: TaskId
    run: RunId
    cost: Decimal | None = None
    """What its attempts have cost together."""


class CallMade(_Event, frozen=True, kw_only=True, tag="task.call_made"):
    """A task's agent has asked for something while it works: another run does that."""

    task: TaskId
    attempt: int
    call: Digest
    """Of what the agent has signed: the same again is the same call."""
    statement: str
    """The agent's."""
    wanted: str
    """A capability, `name@version`, or an objective in words."""
    run: RunId
    graph: Digest
    input: Document
    labels: tuple[str, ...] = ()
    """Of the input: those of all that the agent was given."""


class CallEnded(_Event, frozen=True, kw_only=True, tag="task.call_ended"):
    """The run that a task's agent has asked for is over; the agent is told."""

    task: TaskId
    call: Digest
    run: RunId
    output: Document | None = None
    problem: Problem | None = None
    cost: Decimal | None = None
    """What its attempts have cost together."""
    labels: tuple[str, ...] = ()
    """Of the output."""


class TaskCompleted(_Event, frozen=True, kw_only=True, tag="task.completed"):
    """The task has its output; `attempt` is the one that made it, None where a value or a human did."""

    task: TaskId
    output: Document | None = None
    """None for a `for_each`: its output is the list of its items' outputs."""
    attempt: int | None = None
    confidence: float | None = None
    by: str = ""
    labels: tuple[str, ...] = ()
    """What the run that has done the task says of its output; none where it says nothing."""


class TaskDeclassified(_Event, frozen=True, kw_only=True, tag="task.declassified"):
    """The agent has claimed, under its signature, what the template lets the task take away: its result has these
    labels from now on.
    """

    task: TaskId
    attempt: int
    by: AgentId
    before: tuple[str, ...]
    """The labels that the result had without it."""
    labels: tuple[str, ...]
    why: str
    policy: Authorization | None = None
    """The decision that lets the agent do it."""


class TaskFailed(_Event, frozen=True, kw_only=True, tag="task.failed@2"):
    task: TaskId
    problem: Problem
    fault: Fault | None = None
    """Whose doing it is, where a contract was broken."""


class TaskSkipped(_Event, frozen=True, kw_only=True, tag="task.skipped"):
    task: TaskId
    reason: str


class TaskCancelled(_Event, frozen=True, kw_only=True, tag="task.cancelled"):
    task: TaskId
    reason: str


class TaskAdopted(_Event, frozen=True, kw_only=True, tag="task.adopted"):
    """A fork takes over the output that the task had in the run it was forked from."""

    task: TaskId
    output: Document
    source: Digest | None = None
    """SHA-256 of the statement under which the output was accepted there."""
    confidence: float | None = None
    labels: tuple[str, ...] = ()
    """Of the output there; none where it was not labelled."""
    contract: Digest | None = None
    """Of a large output: the contract that it keeps. What hands it on relies on that, and reads it no more."""


class SignalReceived(_Event, frozen=True, kw_only=True, tag="signal.received"):
    """Kept until a task waits for it, when none does yet."""

    name: str
    payload: Document
    by: str
    task: TaskId | None = None
    """The task that takes it at once; None where it is kept."""


class SignalTaken(_Event, frozen=True, kw_only=True, tag="signal.taken"):
    """A task takes the oldest signal of this name that was kept."""

    name: str
    task: TaskId


# -- attempt -----------------------------------------------------------------------------------------------------


class AttemptAssigned(_Event, frozen=True, kw_only=True, tag="attempt.assigned"):
    """The task is given to an agent under a lease. The assignment's claims come from this event alone."""

    task: TaskId
    attempt: int
    agent: AgentId
    lease: LeaseToken
    lease_until: datetime
    capability: str
    contract: Digest
    payload: Digest
    """SHA-256 of the assignment's payload: the wanted input with its context."""
    payload_bytes: int
    purpose: Purpose = "work"
    option: int = 0
    timeout_at: datetime | None = None
    choice: str = ""
    """Why this agent, in words, as earlier versions wrote it."""
    policy: Authorization | None = None
    """The decision that lets the agent have it; None where the policies are those that ship with Accord."""
    cut: tuple[str, ...] = ()
    """Parts of the context that the agent may not see, and is not shown: `input`, `input.email`, `tasks.score`."""
    grounds: Grounds | None = None
    """Why this agent: what decided, who came next, and who was passed over."""


class AttemptAccepted(_Event, frozen=True, kw_only=True, tag="attempt.accepted"):
    """The agent has been at work for half a second (`ACCEPT_AFTER`); sent for longer tasks only."""

    task: TaskId
    attempt: int


class AttemptSucceeded(_Event, frozen=True, kw_only=True, tag="attempt.succeeded"):
    """The result passed the gate. `statement` is kept as it came: it is the proof."""

    task: TaskId
    attempt: int
    statement: str
    output: Document
    confidence: float | None = None
    cost: Decimal | None = None
    """What the agent says that it has cost."""
    labels: tuple[str, ...] = ()
    """What the contract and the agent say of the output beside the labels of the input."""


class AttemptRejected(_Event, frozen=True, kw_only=True, tag="attempt.rejected"):
    """The result is authentic but breaks its contract, or its confidence is below the rule."""

    task: TaskId
    attempt: int
    statement: str
    output: Document
    fault: Fault
    problems: tuple[Problem, ...]
    confidence: float | None = None
    cost: Decimal | None = None
    """What the agent says that it has cost."""
    labels: tuple[str, ...] = ()
    """What the contract and the agent say of the output beside the labels of the input."""


class AttemptFailed(_Event, frozen=True, kw_only=True, tag="attempt.failed"):
    """The agent says that it could not do it."""

    task: TaskId
    attempt: int
    problem: Problem
    statement: str
    retryable: bool = True
    fault: Fault | None = None
    """`consumer` where the agent refused an input that keeps the contract."""
    cost: Decimal | None = None
    """What the agent says that it has cost."""


class AttemptDamaged(_Event, frozen=True, kw_only=True, tag="attempt.damaged"):
    """An answer came whose statement is authentic and whose payload is not the one that was signed. The attempt goes
    on: its assignment is sent again, and the agent answers again.
    """

    task: TaskId
    attempt: int
    problem: Problem
    fault: Fault


class AttemptExpired(_Event, frozen=True, kw_only=True, tag="attempt.expired"):
    """Time ran out, or the agent is gone; what still comes under this lease is too late."""

    task: TaskId
    attempt: int
    cause: Expiry


class AttemptCancelled(_Event, frozen=True, kw_only=True, tag="attempt.cancelled"):
    """The orchestrator took the task back; the agent is told."""

    task: TaskId
    attempt: int
    reason: str


RunEvent = (
    RunStarted
    | RunPaused
    | RunResumed
    | BudgetSet
    | RunCancelling
    | RunCancelled
    | RunFailing
    | RunFailed
    | RunCompleted
    | RunErased
    | RunAcknowledged
)
RollbackEvent = RollbackStarted | RollbackFinished
TaskEvent = (
    TaskExpanded
    | TaskReopened
    | AttemptWanted
    | InputRefused
    | TaskWaiting
    | SubrunStarted
    | SubrunEnded
    | CallMade
    | CallEnded
    | TaskCompleted
    | TaskFailed
    | TaskSkipped
    | TaskCancelled
    | TaskAdopted
    | TaskDeclassified
)
AttemptEvent = (
    AttemptAssigned
    | AttemptAccepted
    | AttemptSucceeded
    | AttemptRejected
    | AttemptFailed
    | AttemptDamaged
    | AttemptExpired
    | AttemptCancelled
)
SignalEvent = SignalReceived | SignalTaken
Event = RunEvent | RollbackEvent | TaskEvent | AttemptEvent | SignalEvent
