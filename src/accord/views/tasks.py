"""The tasks of a run and their attempts, as scripts and programs get them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec

from accord.codec import decode_event
from accord.domain import event as e
from accord.domain.cost import shortest, total
from accord.domain.document import Document
from accord.domain.fault import Fault
from accord.domain.graph import UNDO
from accord.domain.grounds import Grounds
from accord.domain.ids import AgentId, Digest, RunId, TaskId, split_item
from accord.domain.machine import AttemptPhase, TaskPhase
from accord.domain.standing import Standing, again_at, all_items, of_items, standing
from accord.domain.state import Attempt, Call, Run, Waiting
from accord.errors import NotFound, Problem
from accord.service import Service
from accord.views.answers import Answered, answer_of
from accord.views.past import shown_at
from accord.views.reasons import Reasons, Refusal, reasons_of
from accord.views.result import value_of


class ListedTask(msgspec.Struct, frozen=True, kw_only=True):
    """A task of a run's list, with all its items."""

    task: TaskId
    state: TaskPhase
    standing: Standing
    """The same, told further apart: whether it is at work, has an agent that has not begun, or waits for one."""
    again_at: datetime | None
    """Until when it waits before it is tried again; where that is over it waits for an agent."""
    agents: tuple[AgentId, ...]
    attempts: int
    diagnoses: int
    """Attempts that were to say what is wrong with a result, and are no work."""
    items: int | None
    items_settled: int | None
    items_failed: int | None
    item_standings: Mapping[Standing, int]
    """How many of its items stand how; together they are all of `items`."""
    confidence: float | None
    started_at: datetime | None
    ended_at: datetime | None
    took_s: float | None
    """From when its present round began to its end, or up to now, rests of the run left out. What was undone is done in
    another round.
    """
    subrun: RunId | None
    problem: Problem | None
    fault: Fault | None
    faults: Mapping[Fault, int]
    """Whose doing it was that contracts were broken, and how often."""
    cost: str | None
    """A decimal; None where no agent says it."""
    labels: tuple[str, ...]
    """Of its output; none where nothing was labelled in the run before it completed."""


class TaskPage(msgspec.Struct, frozen=True):
    """A page of a run's tasks, each behind those that it needs."""

    tasks: tuple[ListedTask, ...]
    next: TaskId | None
    """The last task of the page, behind which the next one begins; None where there is none."""


class ListedItem(msgspec.Struct, frozen=True):
    """An item of a `for_each` task that has begun."""

    task: TaskId
    state: TaskPhase
    standing: Standing
    again_at: datetime | None
    agent: AgentId | None
    """Who had it last."""
    started_at: datetime | None
    ended_at: datetime | None
    took_s: float | None
    """From when its present round began to its end, or up to now, rests of the run left out."""


class DocumentLink(msgspec.Struct, frozen=True, kw_only=True):
    """Where the exact bytes of a value are."""

    sha256: Digest
    length_bytes: int
    href: str | None
    """The path of the HTTP API that has them; None where they are in the run's record."""


class AttemptDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt: to whom the task was given and why, and what became of it."""

    attempt: int
    ordinal: int
    """The number among the attempts of its purpose."""
    state: AttemptPhase
    purpose: e.Purpose
    agent: AgentId
    capability: str
    contract: Digest
    epoch: int
    wanted_because: str
    chosen_because: str
    """In words; `chosen` has it as figures."""
    assigned_at: datetime
    began_at: datetime | None
    """When the agent had begun, by what it said; None where it has said nothing, as of short work."""
    ended_at: datetime | None
    backoff_s: float
    """How long it had to wait before it could be tried again."""
    queued_s: float
    """How long it waited for an agent after that, rests of the run left out."""
    at_agent_s: float
    """How long it stood in the agent's own queue after that, as far as is known."""
    took_s: float | None
    """From when the agent had begun, or where it has not said so from the assignment, to the end; None while it is
    under way.
    """
    fault: Fault | None
    damaged: int
    """How often an answer was damaged on the way."""
    cost: str | None
    cause: str | None
    confidence: float | None
    problems: tuple[Problem, ...]
    """Why the answer was not accepted."""
    labels: tuple[str, ...]
    """Of its input; none where nothing was labelled in the run."""
    cut: tuple[str, ...]
    """Parts of the context that the agent may not see, and was not shown."""
    input: Any
    input_document: DocumentLink
    output: Any
    output_document: DocumentLink | None
    statement: str | None
    """The agent's signed statement, of the answer that ended it."""
    chosen: Grounds | None = None
    """Why this agent: what decided, who came next, who was passed over. Members that say nothing are left out; None in
    journals of versions before.
    """
    refused: Refusal | None = None
    """Why no result of it was taken, and what was done then; None while it is under way, and where one was."""
    assigned_event: int | None = None
    """The number of the event by which it was assigned."""
    ended_event: int | None = None


class CallDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What the task's agent has asked for while it worked."""

    attempt: int
    wanted: str
    """A capability, `name@version`, or an objective in words."""
    run: RunId
    """The run that does it, or did."""
    state: Literal["running", "completed", "failed"]
    made_at: datetime
    ended_at: datetime | None
    problem: Problem | None


class AnswerDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody has answered to what the task asked or waited for."""

    by: str
    at: datetime
    question: str
    """In words; empty where a signal was waited for."""
    value: Any
    event: int
    """The number of the event by which it came."""


class TaskDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A task, or an item of one: its state, its items, and all attempts with their values."""

    run: RunId
    task: TaskId
    state: TaskPhase
    standing: Standing
    """The same, told further apart: whether it is at work, has an agent that has not begun, or waits for one."""
    again_at: datetime | None
    """Until when it waits before it is tried again; where that is over it waits for an agent."""
    epoch: int
    """How many rounds there were before the present one: what was undone is done in another."""
    started_at: datetime | None
    ended_at: datetime | None
    took_s: float | None
    """From when its present round began to its end, or up to now, rests of the run left out."""
    confidence: float | None
    problem: Problem | None
    fault: Fault | None
    misfits: tuple[Problem, ...]
    """How inputs that the expressions made broke contracts, with their places in the template."""
    labels: tuple[str, ...]
    """Of its output; none where nothing was labelled in the run before it completed."""
    output: Any
    output_document: DocumentLink | None
    waiting: Waiting | None
    items: tuple[ListedItem, ...]
    item_standings: Mapping[Standing, int]
    """How many of all its items stand how, those that have not begun among them."""
    attempts: tuple[AttemptDocument, ...]
    calls: tuple[CallDocument, ...] = ()
    answer: AnswerDocument | None = None
    """The one that it took last; None where nobody had to give one, or has yet."""


def _listed_item(run: Run, item: TaskId, now: datetime) -> ListedItem:
    state = run.state(item)
    took, agent = _seconds(run.took(item, now)), state.attempts[-1].agent if state.attempts else None
    return ListedItem(
        task=item,
        state=state.phase,
        standing=standing(run, item),
        again_at=again_at(state),
        agent=agent,
        started_at=state.started_at,
        ended_at=state.ended_at,
        took_s=took,
    )


def _call(call: Call) -> CallDocument:
    state: Literal["running", "failed", "completed"] = "failed" if call.problem is not None else "completed"
    return CallDocument(
        attempt=call.attempt,
        wanted=call.wanted,
        run=call.run,
        state=state if call.ended_at is not None else "running",
        made_at=call.made_at,
        ended_at=call.ended_at,
        problem=call.problem,
    )


def refuse_unknown(run: Run, task: str) -> None:
    """Raise NotFound unless the run has the task, or the item of one."""
    node, index = split_item(TaskId(task.removeprefix(UNDO)))
    if node not in run.graph.tasks:
        names = ", ".join(run.graph.order[:8]) + (", …" if len(run.graph.order) > 8 else "")
        raise NotFound.of("ACC434", f"the run has no task {task}", hint=f"it has {names}")
    count = run.state(node).item_count
    if index is not None and index >= count:
        items = f"{count} item" if count == 1 else f"{count} items"
        raise NotFound.of("ACC434", f"the run has no item {task}", hint=f"{node} has {items}, counted from 0")


# -- all tasks ---------------------------------------------------------------------------------------------------


def listed_task(run: Run, name: TaskId, now: datetime) -> ListedTask:
    """The task as lists show it at this time."""
    state = run.state(name)
    parts, items = [run.state(part) for part in run.instances(name)], all_items(run, name)
    return ListedTask(
        task=name,
        state=state.phase,
        standing=of_items(items) if state.phase == "expanded" else standing(run, name),
        again_at=again_at(state),
        agents=tuple(sorted({attempt.agent for part in parts for attempt in part.attempts})),
        attempts=sum(part.work for part in parts),
        diagnoses=sum(len(part.attempts) - part.work for part in parts),
        items=state.item_count or None,
        items_settled=state.items_settled if state.item_count else None,
        items_failed=state.items_failed if state.item_count else None,
        item_standings=dict(items),
        confidence=state.confidence,
        started_at=state.started_at,
        ended_at=state.ended_at,
        took_s=_seconds(run.took(name, now)),
        subrun=state.subrun,
        problem=state.problem,
        fault=state.fault,
        faults=dict(faults_of(run, name)),
        cost=amount(cost_of(run, name)),
        labels=state.labels,
    )


def task_page(run: Run, states: Sequence[TaskPhase], after: str | None, limit: int, now: datetime) -> TaskPage:
    """Tasks in these states, all where there are none, behind one task, as they are at this time. Raises NotFound where
    the run has not that task.
    """
    order = run.graph.order
    if after is not None and after not in run.graph.tasks:
        refuse_unknown(run, after)
    begin = order.index(TaskId(after)) + 1 if after is not None else 0
    wanted = [name for name in order[begin:] if not states or run.state(name).phase in states]
    page = wanted[:limit]
    return TaskPage(tuple(listed_task(run, name, now) for name in page), page[-1] if len(wanted) > limit else None)


def faults_of(run: Run, name: TaskId) -> Counter[Fault]:
    """Whose doing it was that contracts were broken in a task and its items, and how often."""
    states = [run.state(part) for part in run.instances(name)]
    found = Counter[Fault](one.fault for state in states for one in state.attempts if one.fault)
    found["mapping"] += sum(max(len(state.misfits), int(state.fault == "mapping")) for state in states)
    found["transport"] = sum(one.damaged for state in states for one in state.attempts)
    return +found


def cost_of(run: Run, name: TaskId) -> Decimal | None:
    """What the attempts of a task, and of its items, say that they have cost; None where none says it."""
    told = [one.cost for part in run.instances(name) for one in run.state(part).attempts if one.cost is not None]
    return total(told) if told else None


def amount(cost: Decimal | None) -> str | None:
    """The cost as scripts get it."""
    return None if cost is None else shortest(cost)


# -- one task ----------------------------------------------------------------------------------------------------


async def told_of(service: Service, run: Run, task: TaskId, until: int | None) -> dict[int, Reasons]:
    """What the journal says of the attempts of a task beside their state, by number."""
    return reasons_of(await _told(service, run, until), task)


async def _told(service: Service, run: Run, until: int | None) -> Sequence[tuple[int, e.Event]]:
    records = await service.records(run.id, limit=until)
    return [(record.sequence, decode_event(record)) for record in records]


async def task_document(service: Service, run: Run, task: TaskId, until: int | None) -> TaskDocument:
    """The task as it is, or was after the run's event number `until`."""
    state, told, now = run.state(task), await _told(service, run, until), shown_at(run, until)
    reasons = reasons_of(told, task)
    attempts = [await _attempt_document(service, run, task, one, reasons[one.number]) for one in state.attempts]
    return TaskDocument(
        run=run.id,
        task=task,
        state=state.phase,
        standing=standing(run, task),
        again_at=again_at(state),
        epoch=state.epoch,
        started_at=state.started_at,
        ended_at=state.ended_at,
        took_s=_seconds(run.took(task, now)),
        confidence=state.confidence,
        problem=state.problem,
        fault=state.fault,
        misfits=state.misfits,
        labels=state.labels,
        output=await _value(service, state.output),
        output_document=_link(state.output),
        waiting=state.waiting,
        items=tuple(_listed_item(run, item, now) for item in run.started_items(task)),
        item_standings=dict(all_items(run, task)),
        attempts=tuple(attempts),
        calls=tuple(map(_call, state.calls)),
        answer=await _answer(service, answer_of(told, task)),
    )


async def attempt_documents(
    service: Service, run: Run, task: TaskId, attempts: Sequence[Attempt], until: int | None = None
) -> tuple[AttemptDocument, ...]:
    """These attempts of a task."""
    told = await told_of(service, run, task, until)
    return tuple([await _attempt_document(service, run, task, one, told[one.number]) for one in attempts])


async def _attempt_document(
    service: Service, run: Run, task: TaskId, attempt: Attempt, told: Reasons
) -> AttemptDocument:
    backoff, queued = waits(run, attempt)
    return AttemptDocument(
        attempt=attempt.number,
        ordinal=run.state(task).ordinal(attempt.number),
        state=attempt.phase,
        purpose=attempt.want.purpose,
        agent=attempt.agent,
        capability=attempt.capability,
        contract=attempt.contract,
        epoch=attempt.epoch,
        wanted_because=told.wanted,
        chosen_because=told.chosen,
        assigned_at=attempt.assigned_at,
        began_at=attempt.began_at,
        ended_at=told.ended,
        backoff_s=round(backoff.total_seconds(), 6),
        queued_s=round(queued.total_seconds(), 6),
        at_agent_s=round((attempt.work_since - attempt.assigned_at).total_seconds(), 6),
        took_s=_seconds(told.ended - attempt.work_since if told.ended else None),
        fault=attempt.fault,
        damaged=attempt.damaged,
        cost=amount(attempt.cost),
        cause=told.cause or None,
        confidence=attempt.confidence,
        problems=attempt.problems,
        labels=attempt.want.labels,
        cut=attempt.cut,
        input=await value_of(service, attempt.want.input),
        input_document=_linked(attempt.want.input),
        output=await _value(service, attempt.output),
        output_document=_link(attempt.output),
        statement=attempt.statement,
        chosen=told.grounds,
        refused=told.refusal,
        assigned_event=told.assigned_event,
        ended_event=told.ended_event,
    )


def waits(run: Run, attempt: Attempt) -> tuple[timedelta, timedelta]:
    """How long an attempt had to wait before it could be tried again, and then for an agent, rests left out."""
    since = attempt.want.since
    due = max(since, attempt.want.not_before or since)
    return due - since, run.worked(due, attempt.assigned_at)


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else round(length.total_seconds(), 6)


async def _answer(service: Service, found: Answered | None) -> AnswerDocument | None:
    if found is None:
        return None
    value = await value_of(service, found.signal.payload)
    return AnswerDocument(
        by=found.signal.by, at=found.signal.at, question=found.question, value=value, event=found.sequence
    )


async def _value(service: Service, document: Document | None) -> Any:
    return None if document is None else await value_of(service, document)


def _link(document: Document | None) -> DocumentLink | None:
    return None if document is None else _linked(document)


def _linked(document: Document) -> DocumentLink:
    inside = document.data is not None or document.encrypted is not None
    href = None if inside else f"/v1/documents/{document.sha256}"
    return DocumentLink(sha256=document.sha256, length_bytes=document.length_bytes, href=href)
