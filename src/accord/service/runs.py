"""Runs: what may be asked of them, and done with them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from accord.domain.approval import ApprovalQuery, OpenApprovals
from accord.domain.command import Acknowledge, Cancel, Pause, Resume, RetryTask, Rollback, SetBudget
from accord.domain.document import Document
from accord.domain.experience import Experience
from accord.domain.flow import all_labels
from accord.domain.ids import AgentId, Digest, KeyId, RunId, TaskId, partition_of
from accord.domain.labels import told
from accord.domain.log import LogPage, LogQuery
from accord.domain.news import News
from accord.domain.policy import AgentAction
from accord.domain.run import Run
from accord.domain.system import HoldPlaced
from accord.ports import Record, RunQuery, RunState, RunSummary

RunCommand = Pause | Resume | SetBudget | Cancel | RetryTask | Rollback | Acknowledge
"""What somebody may have done with a run; a signal is given with `Service.signal`, which keeps its value."""


class Fork(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a fork begins, and what is different in it."""

    task: TaskId | None = None
    """From this task on everything is done anew; None: nothing that was done is."""
    at: int | None = None
    """Only what had happened up to this event is shared; None: everything."""
    changes: dict[str, Any] | None = None
    """Members of the input, and what they are to be."""


class Barred(msgspec.Struct, frozen=True, kw_only=True):
    """A task that waits because the policy lets no agent do it: of those who are present, or where nobody who offers it
    is, of all that are known.
    """

    task: TaskId
    """A node of the graph, with its items, or with what undoes them."""
    count: int
    """How many of it wait for that: items, or 1."""
    since: datetime
    """Since when the first of them waits."""
    capability: str
    """What is wanted, `name@range`."""
    labels: tuple[str, ...]
    """Of what is to be given."""
    agent: AgentId
    """One of those who may not have it."""
    offers: str
    """What that one offers, `name@version`."""
    action: AgentAction
    """What that one may not do."""
    why: tuple[str, ...]
    """Why they may not, each reason once."""


class Seal(msgspec.Struct, frozen=True):
    """The orchestrator's signed statement about a run's output."""

    statement: str
    signed_by: AgentId
    key: KeyId


class Runs(Protocol):
    """What may be asked of runs."""

    async def start_run(  # noqa: PLR0913 - what a run may be given, each by its name
        self,
        digest: Digest,
        value: Any,
        *,
        title: str = "",
        by: str = "local",
        once: str | None = None,
        labels: Sequence[str] = (),
        trace: str = "",
    ) -> Run:
        """Start a run of a published template with this input, defaults filled in; returns it once it is durable.
        `labels` is what all of the input has beside what the template says of it: they raise, and never lower. `trace`
        is the W3C `traceparent` of the span that wants it; what is none is not looked at.

        Raises:
            BadInput: ACC690 what is no label.
            TemplateInvalid: the graph does not hold against what is known of agents and templates now.
            ContractViolation: the input breaks the template's input schema.
            Overloaded: there is too much to do already; try again later.
        """
        ...

    async def fork(self, run: RunId, wanted: Fork, *, by: str, once: str | None = None, trace: str = "") -> Run:
        """Start a new run that shares what a run had done.

        Raises what `start_run` raises, and NotFound where there is no such run or task.
        """
        ...

    async def control(self, run: RunId, command: RunCommand, *, once: str | None = None) -> None:
        """Carry out a command on a run, whichever process owns it. Raises what it is refused with."""
        ...

    async def erase(self, run: RunId, *, by: str, reason: str = "") -> list[RunId]:
        """Make the documents of an encrypted run that has ended unreadable, and those of the runs that did its tasks;
        returns all of these runs. Who has asked for it is in their histories, whose chains still hold. Again is no
        error.

        Raises:
            NotFound: there is no such run.
            TransitionRefused: one of them has not ended.
            Refused: it is not encrypted, or does a task of another run, with which it goes.
            KeyUnusable: nothing here can do it.
        """
        ...

    async def signal(
        self, run: RunId, value: Any, *, by: str, name: str = "", task: TaskId | None = None, once: str | None = None
    ) -> None:
        """Give a value to a run: under a name, or to a task that waits for somebody.

        Raises:
            TransitionRefused: the task does not wait, or not for this.
            ContractViolation: the value is not what it waits for.
        """
        ...

    async def runs(self, query: RunQuery) -> list[RunSummary]:
        """A page of runs, newest first."""
        ...

    async def approvals(self, query: ApprovalQuery) -> OpenApprovals:
        """A page of what runs ask people, and programs that send signals: of the newest run first."""
        ...

    async def left(self, runs: Sequence[RunId]) -> dict[RunId, datetime | None]:
        """Those of these runs that have not ended and that no process works on, each with the time until which one
        did; None where that one has given it back.
        """
        ...

    async def barred(self, run: Run) -> list[Barred]:
        """The tasks of the run that wait because the policy lets nobody do them, in topological order."""
        ...

    async def experience(self, template: str | None = None) -> Experience:
        """What the runs tell that have ended last, of whatever template: how long things take, what they cost, how
        often they fail; with the tasks of one template, `name@version`. Empty where no run has ended.
        """
        ...

    async def summary(self, run: RunId) -> RunSummary | None:
        """What lists show of the run; None where there is no such run."""
        ...

    async def run(self, run: RunId, *, until: int | None = None) -> Run:
        """The run as it is, or was after its event number `until`; its chain is verified. Raises NotFound,
        StoreCorrupt.
        """
        ...

    async def records(self, run: RunId, *, after: int = 0, limit: int | None = None) -> list[Record]:
        """The run's events as they stand in the journal, behind sequence number `after`, in order."""
        ...

    def follow(self, run: RunId) -> AsyncIterator[News]:
        """News of a run: first, as one item, all that has happened, then what happens, up to its end.

        No event is left out and none comes twice, whoever carries the run on. Progress comes as it may.
        Raises NotFound, StoreCorrupt.
        """
        ...

    async def logs(self, run: RunId, wanted: LogQuery) -> LogPage:
        """Lines that the run's agents have logged, in the order in which they came. Those of an attempt that a fork
        shares are those of the run that it was forked from. By the time of an event there were all lines of attempts
        that had ended, and of the others those that are not younger.

        Raises NotFound where there is no such run, BadInput ACC484 where `after` is no place.
        """
        ...

    def follow_logs(self, run: RunId, wanted: LogQuery) -> AsyncIterator[LogPage]:
        """Pages of what was logged already, the first one at once; then of what comes, until the run has ended: what is
        asked is not about an event. The last one says whether lines are missing. Raises as `logs`.
        """
        ...

    async def seal(self, run: RunId) -> Seal:
        """The signed statement about the run's output. Raises NotFound, and TransitionRefused where there is no
        output.
        """
        ...

    async def data(self, document: Document) -> bytes:
        """The document's exact bytes. Raises NotFound, StoreCorrupt."""
        ...


def held(run: Run, holds: Sequence[HoldPlaced]) -> list[HoldPlaced]:
    """Those of the holds that keep this run from being assigned."""
    name = run.started.template.partition("@")[0]
    keys = (("everything", ""), ("template", name), ("template", run.started.template))
    return [hold for hold in holds if (hold.scope, hold.subject) in keys]


def summary_of(run: Run, wake_at: datetime | None) -> RunSummary:
    """What lists show of the run."""
    started = run.started
    return RunSummary(
        run=started.run,
        partition=partition_of(started.run),
        template=started.template,
        title=started.title,
        state=state_of(run),
        started_at=started.at,
        updated_at=run.updated_at,
        wake_at=wake_at,
        tasks_total=len(run.graph.tasks),
        tasks_done=run.tasks_done,
        tasks_failed=run.failed,
        parent=started.parent.run if started.parent else None,
        origin=started.origin,
        by=started.by,
        labels=told(all_labels(run)),
        acknowledged=run.acknowledged is not None,
    )


def agents_of(run: Run) -> frozenset[AgentId]:
    """Who was ever given work of the run."""
    return frozenset(attempt.agent for state in run.tasks.values() for attempt in state.attempts)


def state_of(run: Run) -> RunState:
    """The run's phase, or that it is paused."""
    return "paused" if run.paused and not run.ended else run.phase
