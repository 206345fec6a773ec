"""Looking at runs: lists, one run in detail, and watching one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from rich.text import Text

from accord.cli.barring import show_barred
from accord.cli.driving import looked_on, told_when_left
from accord.cli.errors import DONE, FAILED, usage
from accord.cli.finding import find_agent, find_run, read_moment
from accord.cli.item_words import items_words
from accord.cli.options import Shared
from accord.cli.output import (
    Screen,
    agent_name,
    between,
    clean,
    counted,
    moment,
    run_text,
    shortened,
    state_text,
    took,
    worked,
)
from accord.cli.repairs import words_of
from accord.cli.session import carry_out, opened
from accord.cli.tables import Column, end_of_id, without_year
from accord.cli.task_details import show_task
from accord.cli.watching import hold_words, how_to_answer
from accord.domain.approval import open_approvals, waiting_tasks
from accord.domain.cost import shortest
from accord.domain.event import RunAcknowledged, RunErased
from accord.domain.graph import UNDO, node_of
from accord.domain.ids import RunId, TaskId
from accord.domain.standing import all_items, standing
from accord.domain.state import Run, TaskState
from accord.domain.system import HoldPlaced
from accord.ports import RunQuery, RunState
from accord.service import Exhibit, Service, held
from accord.views.result import repairs_of, result_of, value_of
from accord.views.runs import ListedRun, RunPage, run_document, run_page
from accord.views.tasks import cost_of, faults_of, refuse_unknown, task_document

LEFT = "(left)"
"""Marks runs that no process works on."""

IMPORTED = "(imported)"
"""Marks runs that are only looked at."""

ACKNOWLEDGED = "(acknowledged)"
"""Marks failed runs of which somebody knows."""

FORKS_MOST = 20
"""Forks of a run that `accord runs show` names."""

_UNDOING: Mapping[str, str] = {
    "completed": "undone",
    "failed": "not undone, since that failed",
    "cancelled": "not undone, since that was given up",
    "skipped": "not undone",
}
"""What is said of a task by the phase of what undoes it."""

OUTPUT_MOST = 300
"""Characters of an output that `accord runs show` prints."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs to list."""

    states: tuple[RunState, ...] = ()
    template: str | None = None
    text: str | None = None
    since: str | None = None
    agent: str | None = None
    label: str | None = None
    origin: str | None = None
    acknowledged: bool | None = None
    limit: int = 20
    after: str | None = None

    async def query(self, service: Service) -> RunQuery:
        """The query for the journal. Raises BadInput, NotFound."""
        known = await service.agents() if self.agent is not None else []
        return RunQuery(
            states=self.states,
            template=self.template,
            text=self.text,
            since=read_moment(self.since, "--since") if self.since is not None else None,
            agent=find_agent([one.card for one in known], self.agent) if self.agent is not None else None,
            label=self.label,
            origin=await find_run(service, self.origin) if self.origin is not None else None,
            acknowledged=self.acknowledged,
            limit=self.limit,
            after=await find_run(service, self.after) if self.after is not None else None,
        )


def list_runs(shared: Shared, wanted: Filter, *, only_holds: bool) -> None:
    """Carry out `accord runs list`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            holds = await service.holds()
            page = RunPage((), None) if only_holds else await run_page(service, await wanted.query(service))
        if screen.as_json:
            screen.document({"runs": page.runs, "next": page.next, "holds": holds})
            return DONE
        if only_holds:
            _show_holds(holds, screen)
        else:
            _show_runs(page, screen)
            for hold in holds:
                screen.note(f"held back: {hold_words(hold)}", "yellow")
        return DONE

    carry_out(shared, work)


def _show_runs(page: RunPage, screen: Screen) -> None:
    if not page.runs:
        screen.note("There are no such runs. Start one: accord run OBJECTIVE")
        return
    rows = [_run_row(run) for run in page.runs]
    columns = (
        Column("run", short=end_of_id),
        "state",
        Column("tasks", spare=3),
        Column("started", spare=2),
        Column("start to end", spare=1),
        "what",
    )
    screen.table(columns, rows, wraps=False)
    if any(map(_is_left, page.runs)):
        screen.note(f"{LEFT} is worked on by no process; accord runs resume RUN takes it up", "yellow")
    if page.next is not None:
        screen.note(f"more: accord runs list --after {page.next}")


def _is_left(run: ListedRun) -> bool:
    """Whether it should be taken up; one that is paused waits for somebody anyway."""
    return run.left and run.state != "paused"


def _run_row(run: ListedRun) -> tuple[str | Text, ...]:
    ended = run.wake_at is None
    tasks = f"{run.tasks_done}/{run.tasks_total}"
    if run.tasks_failed:
        tasks += f" ({run.tasks_failed} failed)"
    until_end = between(run.started_at, run.updated_at) if ended else ""  # pauses and rests before a retry count
    started = f"{run.started_at.astimezone():%m-%d %H:%M}"
    state = state_text(run.state)
    if _is_left(run):
        state = Text.assemble(state, (f" {LEFT}", "yellow"))
    if run.imported:
        state = Text.assemble(state, (f" {IMPORTED}", "quiet"))
    if run.acknowledged:
        state = Text.assemble(state, (f" {ACKNOWLEDGED}", "quiet"))
    what = run.template if run.title == run.template.partition("@")[0] else f"{run.template}  {run.title}"
    if run.origin is not None:
        what = f"fork of …{run.origin.run[-6:]}  {what}"
    return run_text(run.run), state, tasks, started, until_end, what


def _show_holds(holds: Sequence[HoldPlaced], screen: Screen) -> None:
    if not holds:
        screen.note("Nothing is held back.")
        return
    rows = [(hold.scope, agent_name(hold.subject), hold.by, moment(hold.at), hold.reason) for hold in holds]
    since = Column("since", short=without_year, spare=1)
    screen.table(("what", "which", "by", since, "reason"), rows)


# -- one run -----------------------------------------------------------------------------------------------------


def one_of(named: str | None, option: str | None) -> str | None:
    """The task that was named, behind the run or with `--task`. Raises BadInput where both name another one."""
    if named is not None and option is not None and named != option:
        raise usage("ACC911", f"two tasks are named, {named} and {option}", "name one")
    return named or option


def show_run(shared: Shared, reference: str, *, task: str | None, at: int | None) -> None:
    """Carry out `accord runs show`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            run = await service.run(await find_run(service, reference), until=at)
            if task is not None:
                refuse_unknown(run, task)
                if screen.as_json:
                    screen.document(await task_document(service, run, TaskId(task), at))
                else:
                    await show_task(service, run, TaskId(task), at, screen)
                    if at is None:
                        of_task = (one for one in await service.barred(run) if one.task == node_of(TaskId(task)))
                        show_barred(run, tuple(of_task), screen)
            elif screen.as_json:
                screen.document(await run_document(service, run, sealed=at is None))
            else:
                _show_run(run, await service.left([run.id]), screen, await service.exhibit())
                await _show_forks(service, run.id, screen)
                if at is None:
                    show_barred(run, await service.barred(run), screen)
                await _show_outcome(service, run, screen)
                for hold in held(run, await service.holds()):
                    screen.note(f"held back: {hold_words(hold)}", "yellow")
        return DONE

    carry_out(shared, work)


def _show_run(run: Run, left: Mapping[RunId, datetime | None], screen: Screen, exhibit: Exhibit | None) -> None:
    started = run.started
    screen.line(Text(shortened(clean(started.title), 2 * screen.out.width), "head"))
    screen.facts(
        [
            ("run", run_text(run.id)),
            ("state", _state_of(run)),
            ("left", Text(left_words(left[run.id]), "yellow") if run.id in left else ""),
            ("imported", Text(exhibit.words(), "yellow") if exhibit is not None else ""),
            ("template", started.template),
            ("suggested by", clean(run.graph.suggested_by)),
            ("started", f"{moment(started.at)} by {started.by}"),
            ("took" if run.ended else "for", worked(run)),
            ("part of", f"{started.parent.run}, task {started.parent.task}" if started.parent else ""),
            ("forked", f"from {started.origin.run} after event {started.origin.sequence}" if started.origin else ""),
            ("deadline", moment(run.deadline_at) if run.deadline_at and not run.ended else ""),
            ("erased", Text(_erased_words(run.erased), "yellow") if run.erased else ""),
            ("acknowledged", _acknowledged_words(run.acknowledged) if run.acknowledged else ""),
            ("problem", Text(f"{run.problem.code} {clean(run.problem.message)}", "red") if run.problem else ""),
            ("fault", run.fault or ""),
            ("spent", spent_words(run)),
            ("labels", ", ".join(run.started.labels)),
            ("proven", started.certificate.certificate.words() if started.certificate is not None else ""),
        ]
    )
    screen.line()
    columns = ("task", "state", "agent", Column("attempts", spare=1), Column("took", spare=2), "")
    screen.table(columns, [_task_row(run, name) for name in run.graph.order])
    for words in _undoing(run):
        screen.line(words, "quiet")
    if exhibit is None:
        _show_what_next(run, screen, left=run.id in left)


def _erased_words(erased: RunErased) -> str:
    """Who has had the documents made unreadable."""
    why = f": {clean(erased.reason)}" if erased.reason else ""
    return f"{moment(erased.at)} by {erased.by}{why}; its documents can be read no more"


def _acknowledged_words(known: RunAcknowledged) -> str:
    """Who knows that the run has failed."""
    return f"{moment(known.at)} by {known.by}{f': {clean(known.note)}' if known.note else ''}"


async def _show_forks(service: Service, run: RunId, screen: Screen) -> None:
    """The runs that were forked from this one, the newest first."""
    forks = await service.runs(RunQuery(origin=run, limit=FORKS_MOST))
    if forks:
        told = ", ".join(f"{one.run} ({one.state.replace('_', ' ')})" for one in forks)
        screen.line(f"forks: {told}")
        if len(forks) == FORKS_MOST:
            screen.note(f"  → all of them: accord runs list --origin {run}", "hint")


async def _show_outcome(service: Service, run: Run, screen: Screen) -> None:
    """What was repaired, and the beginning of the output."""
    repaired = await repairs_of(service, run)
    if repaired:
        screen.line(words_of(repaired), "yellow")
    if run.phase != "completed" or run.output is None:
        return
    value = await value_of(service, run.output)
    text = " ".join(clean(msgspec.json.encode(value).decode()).split())
    screen.line()
    screen.line(Text.assemble(("output  ", "quiet"), shortened(text, OUTPUT_MOST)))
    if len(text) > OUTPUT_MOST:
        screen.note(f"  → all of it: accord runs show {run.id} --json", "hint")


def spent_words(run: Run) -> str:
    """`5.2 of 10`; nothing where nothing was spent and no budget is set."""
    if run.budget is None:
        return shortest(run.spent) if run.spent else ""
    return f"{shortest(run.spent)} of {shortest(run.budget)}"


def _state_of(run: Run) -> Text:
    if run.paused:
        return Text.assemble(state_text("paused"), f" by {clean(run.paused_by)}, {run.phase.replace('_', ' ')}")
    return state_text(run.phase)


def _undoing(run: Run) -> Iterator[str]:
    """What was done and is undone, and what is not: `undone: reserved, paid[3]`."""
    by_end: dict[str, list[str]] = {}
    for task in sorted(run.tasks):
        if task.startswith(UNDO):
            words = _UNDOING.get(run.state(task).phase, "being undone")
            by_end.setdefault(words, []).append(task.removeprefix(UNDO))
    for words, tasks in by_end.items():
        yield f"{words}: {', '.join(tasks)}"


def _task_row(run: Run, name: TaskId) -> tuple[str | Text, ...]:
    states = [run.state(part) for part in run.instances(name)]
    agents = sorted({agent_name(attempt.agent) for each in states for attempt in each.attempts})
    count = str(sum(each.work for each in states) or "")
    remarks = Text("; ".join(_remarks(run, name)), "quiet")
    return name, state_text(standing(run, name)), ", ".join(agents), count, took(run, name), remarks


def _remarks(run: Run, name: TaskId) -> Iterator[str]:
    state = run.state(name)
    if state.item_count:
        yield items_words(all_items(run, name))
    if state.adopted:
        yield "taken over"
    cost = cost_of(run, name)
    if cost is not None:
        yield f"cost {shortest(cost)}"
    if state.confidence is not None:
        yield f"confidence {state.confidence:g}"
    if state.labels:
        yield " ".join((*state.labels, *(("declassified",) if state.declassified else ())))
    yield from _lost_attempts(run, name)
    yield from _below(state)
    if state.waiting is not None:
        yield clean(f"{state.waiting.for_}: {state.waiting.title or state.waiting.signal or state.waiting.until}")
    if state.problem is not None:
        yield clean(f"{state.problem.code} {state.problem.message}")


def _below(state: TaskState) -> Iterator[str]:
    if state.subrun:
        yield f"run {state.subrun}"
    yield from (clean(f"called {call.wanted} (run {call.run})") for call in state.calls)


def _lost_attempts(run: Run, name: TaskId) -> Iterator[str]:
    attempts = [attempt for part in run.instances(name) for attempt in run.state(part).attempts]
    phases = [attempt.phase for attempt in attempts if attempt.want.purpose == "work"]
    for phase in ("rejected", "failed", "expired"):
        if phase in phases:
            yield f"{phases.count(phase)} {phase}"
    if len(attempts) > len(phases):
        diagnoses = len(attempts) - len(phases)
        yield f"{diagnoses} {'diagnosis' if diagnoses == 1 else 'diagnoses'}"
    faults = faults_of(run, name)
    if faults:
        yield f"at fault: {', '.join(f'{fault} ({count})' for fault, count in faults.most_common())}"


def left_words(left_at: datetime | None) -> str:
    """That a run is worked on by nobody."""
    if left_at is None:
        return "no process is working on it"
    return f"no process has been working on it since {moment(left_at)}"


def _show_what_next(run: Run, screen: Screen, *, left: bool) -> None:
    """How the run can go on, where it needs somebody."""
    if run.paused or (left and not waiting_tasks(run)):
        screen.note(f"  → accord runs resume {run.id}", "hint")
    for one in open_approvals(run):
        screen.note(f"  → accord {how_to_answer(one)}", "hint")
    if run.phase == "failed":
        failed = [name for name in run.graph.order if run.state(name).phase == "failed"]
        for name in failed[:3]:
            screen.note(f"  → accord runs show {run.id} --task {name}", "hint")
            screen.note(f"  → accord runs retry {run.id} --task {name}", "hint")


def watch_run(shared: Shared, reference: str) -> None:
    """Carry out `accord runs watch`."""

    async def work(screen: Screen) -> int:
        async with opened(shared) as service:
            found = await find_run(service, reference)
            async with told_when_left(service, found, screen):
                run = await looked_on(service, found, screen)
            result = await result_of(service, run)
        if screen.as_json:
            screen.document(result)
        else:
            attempts = sum(1 for _ in run.work())
            told = f"  {worked(run)} · {counted(attempts, 'attempt')}"
            screen.line(Text.assemble(state_text(run.phase), "  ", run_text(run.id), (told, "quiet")))
        return DONE if run.phase == "completed" else FAILED

    carry_out(shared, work)
