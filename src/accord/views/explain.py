"""Why a run, or a task of one, is where it is: what it waits for, since when, who could do it and why nobody does, what
began a failure, and what to try. What is said of agents and holds is so now; all else is in the run's events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final, Literal

import msgspec

from accord.domain import event as e
from accord.domain.causes import Cause, causes_of, task_causes
from accord.domain.cost import shortest
from accord.domain.duration import duration_words
from accord.domain.explanation import Blocker, BlockerKind, Timer, blockers, demands, next_timer, unmet
from accord.domain.ids import RunId, TaskId
from accord.domain.machine import SETTLED
from accord.domain.run import Run
from accord.domain.state import TaskState
from accord.domain.system import HoldPlaced
from accord.domain.timeline import SpanKind
from accord.errors import Forbidden, NotFound
from accord.service import Look, Service, held
from accord.views.advice import Advice, advice_for
from accord.views.candidates import Could, could_do
from accord.views.histories import history
from accord.views.tasks import refuse_unknown
from accord.views.timeline import StepDocument, timeline_at, timeline_page
from accord.views.waited import waits_words

LISTED: Final = 20
"""So many things that a run waits for are told one by one."""

DEPTH: Final = 5
"""So many runs that did one another's tasks are gone through to find where a failure began."""

Kind = BlockerKind | Literal["held", "left", "needs", "exhibit"]
"""Beside what a run's state says: somebody holds back what it is of; no process works on it; other tasks come first; it
was imported, and is only looked at.
"""


class Waits(Blocker, frozen=True, kw_only=True):
    """One thing that is waited for."""

    kind: Kind  # type: ignore[assignment]  # also what is not in the run's events
    who: tuple[Could, ...] = ()
    """Where an agent is wanted: those that offer it, and why none of them has it."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run, or a task of it, is where it is."""

    run: RunId
    template: str
    task: TaskId | None
    """None where it is about the run."""
    state: str
    at: datetime
    """When it was so."""
    events: int
    """How many events the run had."""
    summary: str
    """In a sentence or two."""
    waits: tuple[Waits, ...] = ()
    more: int = 0
    """How many things more are waited for than are told here."""
    next: Timer | None = None
    """Its next timer: nothing happens by itself before."""
    causes: tuple[Cause, ...] = ()
    """Of a failure or a cancellation: the end first, then what it came from, down to what began it."""
    advice: tuple[Advice, ...] = ()
    """What to try, as commands."""
    critical: tuple[StepDocument, ...] = ()
    """Of a run that has ended: the chain of tasks that it took as long for as it did."""
    critical_s: dict[SpanKind, float] = {}
    """What was done along it, and for how long."""


async def explanation(service: Service, run: RunId, task: str | None = None, look: Look | None = None) -> Explanation:
    """Why the run, or the task, is where it is; of other runs, those are left out of which `look` raises Forbidden.
    Raises NotFound where there is no such run, or task.
    """
    state = await service.run(run)
    if task is not None:
        refuse_unknown(state, task)
    events = await history(service, run)
    explained = _Explained(service, state, events, look)
    return await (explained.of_task(TaskId(task)) if task is not None else explained.of_run())


class _Explained:
    def __init__(self, service: Service, run: Run, events: Sequence[tuple[int, e.Event]], look: Look | None) -> None:
        self._service = service
        self._run = run
        self._events = events
        self._look = look
        self._now = max(datetime.now(UTC), run.updated_at)

    async def of_run(self) -> Explanation:
        """Of the run as a whole."""
        run = self._run
        causes = [*causes_of(run, self._events)]
        causes += await self._causes_elsewhere(causes, DEPTH)
        found = [] if run.ended else [*await self._from_outside(), *map(_waits, blockers(run, self._now))]
        made = await self._made(None, state_words(run), found, causes, _run_words(run, found))
        if not run.ended:
            return made
        page = timeline_page(*await timeline_at(self._service, run.id, None), None, None, 1)
        return msgspec.structs.replace(made, critical=page.critical, critical_s=page.critical_s)

    async def of_task(self, task: TaskId) -> Explanation:
        """Of one task."""
        run, state = self._run, self._run.state(task)
        causes = [*task_causes(run, task, self._events)]
        causes += await self._causes_elsewhere(causes, DEPTH)
        first = unmet(run, task) if state.phase == "pending" and task in run.graph.tasks else []
        about = {part for one in (task, *first) for part in run.instances(one)}
        found: list[Waits] = []
        if state.phase not in SETTLED and not run.ended:
            found = [_needs(run, task, first)] if first else []
            found += await self._from_outside()
            found += [_waits(one) for one in blockers(run, self._now) if one.task is None or one.task in about]
        return await self._made(task, state.phase, found, causes, _task_words(run, task, state))

    async def _made(
        self, task: TaskId | None, state: str, found: list[Waits], causes: list[Cause], words: str
    ) -> Explanation:
        run, told, is_exhibit = self._run, found[:LISTED], await self._service.exhibit() is not None
        told = [await self._with_who(one) for one in told]
        return Explanation(
            run=run.id,
            template=run.started.template,
            task=task,
            state=state,
            at=self._now,
            events=self._events[-1][0],
            summary=words,
            waits=tuple(told),
            more=len(found) - len(told),
            next=next_timer(run, self._now) if found else None,
            causes=tuple(causes),
            advice=tuple(one for one in advice_for(run, told, causes) if not is_exhibit or one.only_looks),
        )

    async def _from_outside(self) -> list[Waits]:
        """What keeps the run from going on and is not in its events."""
        run, exhibit = self._run, await self._service.exhibit()
        if exhibit is not None:
            return [Waits(kind="exhibit", words=f"nothing goes on here: it was imported {exhibit.words()}")]
        left = await self._service.left([run.id])
        found = [_hold(one) for one in held(run, await self._service.holds())]
        if run.id in left:
            words = "no process works on it: it goes on as soon as one takes it up"
            found.append(Waits(kind="left", words=words, since=left[run.id]))
        return found

    async def _with_who(self, one: Waits) -> Waits:
        if one.kind != "agent":
            return one
        wanted = (demand for demand in demands(self._run, self._now) if demand.task == one.task)
        who = await could_do(self._service, self._run, next(wanted))
        return msgspec.structs.replace(one, who=tuple(who))

    async def _causes_elsewhere(self, causes: Iterable[Cause], depth: int) -> list[Cause]:
        """The chain of the runs that did what has failed."""
        found: list[Cause] = []
        for one in causes:
            if one.kind != "subrun" or one.run is None or not depth:
                continue
            try:
                if self._look is not None:
                    await self._look(one.run)
                run = await self._service.run(one.run)
                events = await history(self._service, one.run)
            except (NotFound, Forbidden):
                continue
            inner = [_elsewhere(cause, run.id) for cause in causes_of(run, events)]
            found += [*inner, *await self._causes_elsewhere(inner, depth - 1)]
        return found


def _elsewhere(cause: Cause, run: RunId) -> Cause:
    """A link of the chain of another run."""
    if cause.kind == "subrun":
        return cause
    return msgspec.structs.replace(cause, run=run)


def _waits(one: Blocker) -> Waits:
    return Waits(**msgspec.structs.asdict(one))


def _hold(hold: HoldPlaced) -> Waits:
    what = "everything" if hold.scope == "everything" else f"{hold.scope} {hold.subject}"
    words = f"{hold.by} holds {what} back{f': {hold.reason}' if hold.reason else ''}"
    return Waits(kind="held", words=words, since=hold.at)


def _needs(run: Run, task: TaskId, first: Sequence[TaskId]) -> Waits:
    named = ", ".join(f"{one} ({run.state(one).phase})" for one in islice(first, 8))
    more = ", …" if len(first) > 8 else ""
    return Waits(kind="needs", words=f"{task} comes after {named}{more}", task=task)


def state_words(run: Run) -> str:
    """The run's phase, or that it is paused."""
    return "paused" if run.paused and not run.ended else run.phase


# -- in a sentence -----------------------------------------------------------------------------------------------


def _run_words(run: Run, found: Sequence[Waits]) -> str:
    total, state = len(run.graph.tasks), state_words(run).replace("_", " ")
    if not run.ended:
        failed = f", {run.failed} failed" if run.failed else ""
        return f"It is {state}: {run.tasks_done} of {_counted(total, 'task')} done{failed}{waits_words(found)}."
    attempts = list(run.work())
    vain = sum(one.phase in ("failed", "rejected", "expired") for one in attempts)
    took = duration_words(run.worked(run.started.at, run.updated_at).total_seconds())
    cost = f" It has cost {shortest(run.spent)}." if run.spent else ""
    tried = f"in {_counted(len(attempts), 'attempt')}, {vain} of them in vain"
    done = f"{run.tasks_done} of {_counted(total, 'task')} done, {tried}"
    why = f" {run.problem.code} {run.problem.message}." if run.problem is not None else ""
    return f"It {_ENDED[run.phase]} after {took}: {done}.{why}{cost}"


_ENDED: Final = {"completed": "completed", "failed": "failed", "cancelled": "was cancelled"}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _task_words(run: Run, task: TaskId, state: TaskState) -> str:
    return "".join(_task_sentence(run, task, state))


def _task_sentence(run: Run, task: TaskId, state: TaskState) -> Iterator[str]:
    match state.phase:
        case "pending":
            ended = f", and the run has {run.phase}" if run.ended else ""
            yield f"{task} has not begun{ended}."
        case "completed" if state.adopted and run.started.origin is not None:
            yield f"{task} was taken over from run {run.started.origin.run}."
        case "completed":
            yield f"{task} completed{_by(state)}: {_counted(state.work, 'attempt')}."
        case "failed":
            yield f"{task} failed after {_counted(state.work, 'attempt')}."
        case "skipped" | "cancelled":
            yield f"{task} was {state.phase}{f': {state.by}' if state.by else ''}."
        case "expanded":
            yield f"{state.items_settled} of {state.item_count} items of {task} have settled"
            yield f", {state.items_failed} failed." if state.items_failed else "."
        case _:
            yield f"{task} is {state.phase}"
            yield f": {_counted(state.work, 'attempt')} so far." if state.work else "."


def _by(state: TaskState) -> str:
    maker = next((one.agent for one in state.attempts if one.number == state.attempt), None)
    if maker is not None:
        return f" by {maker}"
    return f" by {state.by}" if state.by else ""
