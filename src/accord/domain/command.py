"""Commands: what somebody wants of a run. `accord.domain.decide` answers with events, or refuses."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import msgspec

from accord.domain.certificate import Certified
from accord.domain.document import Document
from accord.domain.event import Origin, Parent, Purpose
from accord.domain.grounds import Grounds
from accord.domain.ids import AgentId, Digest, LeaseToken, RunId, TaskId
from accord.domain.policy import Authorization
from accord.errors import Problem

PARENT: Final = "parent"
"""By whom a run is paused, resumed, cancelled and bounded whose parent is."""


class _Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="command", gc=False):
    pass


# -- from people and programs; these travel as JSON in letters ----------------------------------------------------


class Pause(_Command, frozen=True, kw_only=True, tag="pause"):
    """Nothing new is assigned from now on; what is under way may end, and its results are kept."""

    by: str
    reason: str = ""


class Resume(_Command, frozen=True, kw_only=True, tag="resume"):
    """Go on after a pause."""

    by: str


class SetBudget(_Command, frozen=True, kw_only=True, tag="set_budget"):
    """Give the run another budget: what it has spent already is part of it."""

    max_cost: Decimal
    by: str


class Cancel(_Command, frozen=True, kw_only=True, tag="cancel"):
    """End the run; agents are told to stop."""

    by: str
    reason: str = ""
    gives_up: bool = False
    """Whether what has not been undone yet is left as it is: for compensations that will never end."""


class RetryTask(_Command, frozen=True, kw_only=True, tag="retry"):
    """Do a failed or cancelled task again, and what was cancelled or skipped because of it."""

    task: TaskId
    by: str


class Rollback(_Command, frozen=True, kw_only=True, tag="rollback"):
    """Undo a task and everything behind it, then do it again from there."""

    to: TaskId
    by: str


class Erase(_Command, frozen=True, kw_only=True, tag="erase"):
    """Write down that the documents of a run that has ended are made unreadable."""

    by: str
    reason: str = ""


class Acknowledge(_Command, frozen=True, kw_only=True, tag="acknowledge"):
    """Write down that somebody knows that the run has failed."""

    by: str
    note: str = ""


class Signal(_Command, frozen=True, kw_only=True, tag="signal"):
    """Give a value to the task that waits for it: by the signal's name, or (approvals, reviews) by the task."""

    payload: Document
    by: str
    name: str = ""
    task: TaskId | None = None


# -- from the engine ---------------------------------------------------------------------------------------------


class Start(_Command, frozen=True, kw_only=True, tag="start"):
    """Begin a run. `adopted` are outputs that a fork takes over, in topological order."""

    run: RunId
    input: Document
    title: str
    by: str
    parent: Parent | None = None
    origin: Origin | None = None
    adopted: tuple[Adopted, ...] = ()
    labels: tuple[str, ...] = ()
    trace: str = ""
    linked: str = ""
    depth: int = 0
    max_cost: Decimal | None = None
    """What is left of the budget of the run whose agent has asked for it."""
    certificate: Certified | None = None
    """What was proven of the graph; whoever begins the run proves it where this is not there."""


class Adopted(msgspec.Struct, frozen=True):
    """An output of the run that a fork comes from."""

    task: TaskId
    output: Document
    source: Digest | None
    confidence: float | None
    labels: tuple[str, ...] = ()
    contract: Digest | None = None


class Assign(_Command, frozen=True, kw_only=True, tag="assign"):
    """Give a wanted attempt to an agent that the router has chosen."""

    task: TaskId
    purpose: Purpose
    option: int
    agent: AgentId
    lease: LeaseToken
    lease_until: datetime
    capability: str
    contract: Digest
    payload: Digest
    payload_bytes: int
    timeout: timedelta | None
    grounds: Grounds | None = None
    """Why this agent."""
    policy: Authorization | None = None
    """The decision of the policy; None where it is the set that ships with Accord."""
    cut: tuple[str, ...] = ()
    """Parts of the context that the agent may not see."""


class RefuseInput(_Command, frozen=True, kw_only=True, tag="refuse_input"):
    """The input that the expressions made for this option breaks the contract of the capability that is to get it."""

    task: TaskId
    option: int
    capability: str
    contract: Digest
    problems: tuple[Problem, ...]
    """Their places are in the input."""


class GiveUp(_Command, frozen=True, kw_only=True, tag="give_up"):
    """What the task wants cannot be assigned, now or later."""

    task: TaskId
    problem: Problem


class Accept(_Command, frozen=True, kw_only=True, tag="accept"):
    """The agent has begun."""

    task: TaskId
    attempt: int


class Deliver(_Command, frozen=True, kw_only=True, tag="deliver"):
    """A result that the gate has authenticated. `problems` says how it breaks its contract."""

    task: TaskId
    attempt: int
    statement: str
    output: Document
    confidence: float | None = None
    cost: Decimal | None = None
    problems: tuple[Problem, ...] = ()
    diagnosis: Document | None = None
    """The input for the diagnostic agent; None where there is none to ask."""
    labels: tuple[str, ...] = ()
    """What contract and agent say of the output beside the labels of the input."""
    declassifies: Permitted | None = None
    """Where the statement claims what the task may take away, and the policy lets the agent do it."""


class Permitted(msgspec.Struct, frozen=True):
    """The policy has permitted it; by which decision, where the set is not the one that ships with Accord."""

    policy: Authorization | None


class Diagnose(_Command, frozen=True, kw_only=True, tag="diagnose"):
    """The verdict of a diagnostic agent on the attempt before."""

    task: TaskId
    attempt: int
    statement: str
    verdict: Literal["repaired", "retry", "reassign", "fail"]
    output: Document
    """The diagnosis as it came."""
    repaired: Document | None = None
    """The repaired result; it has passed the contract."""
    explanation: str = ""
    confidence: float | None = None
    cost: Decimal | None = None
    labels: tuple[str, ...] = ()
    """What contract and agent say of the diagnosis beside the labels of the case."""


class Fail(_Command, frozen=True, kw_only=True, tag="fail"):
    """The agent's own failure."""

    task: TaskId
    attempt: int
    statement: str
    problem: Problem
    retryable: bool
    cost: Decimal | None = None
    refuses: bool = False
    """Whether it refuses an input that keeps the contract."""
    peers: int = 0
    """How many other agents could do it, who have not refused it."""


class Damage(_Command, frozen=True, kw_only=True, tag="damage"):
    """An authentic answer whose payload is not the one that was signed."""

    task: TaskId
    attempt: int
    problem: Problem


class Bar(_Command, frozen=True, kw_only=True, tag="bar"):
    """The policy does not let the agent go on with this attempt."""

    task: TaskId
    attempt: int
    problem: Problem


class AgentLost(_Command, frozen=True, kw_only=True, tag="agent_lost"):
    """These attempts' agent is gone."""

    attempts: tuple[tuple[TaskId, int], ...]


class MakeCall(_Command, frozen=True, kw_only=True, tag="make_call"):
    """A task's agent asks for something, for which there is a graph that holds."""

    task: TaskId
    attempt: int
    call: Digest
    statement: str
    wanted: str
    graph: Digest
    input: Document


class SubrunEnded(_Command, frozen=True, kw_only=True, tag="subrun_ended"):
    """The run that does a task, or that its agent has asked for, has ended."""

    task: TaskId
    run: RunId
    output: Document | None = None
    problem: Problem | None = None
    cost: Decimal | None = None
    labels: tuple[str, ...] = ()
    """Of the output; none where nothing was labelled in it."""


class Tick(_Command, frozen=True, kw_only=True, tag="tick"):
    """Time has passed. `renewed` holds leases that heartbeats have kept alive."""

    renewed: frozenset[LeaseToken] = frozenset()


ControlCommand = Pause | Resume | SetBudget | Cancel | RetryTask | Rollback | Erase | Acknowledge | Signal
EngineCommand = (
    Start
    | Assign
    | RefuseInput
    | GiveUp
    | Accept
    | Deliver
    | Diagnose
    | Fail
    | Damage
    | Bar
    | AgentLost
    | MakeCall
    | SubrunEnded
    | Tick
)
Command = ControlCommand | EngineCommand
