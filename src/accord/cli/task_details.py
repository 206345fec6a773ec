"""One task of a run in detail: every attempt, why it was wanted, why this agent, and why it was not accepted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec
from rich.text import Text

from accord.cli.errors import show_problem
from accord.cli.item_words import items_words
from accord.cli.output import (
    Screen,
    agent_name,
    attempt_words,
    between,
    clean,
    counted,
    moment,
    shortened,
    size,
    state_text,
    took,
)
from accord.cli.tables import Column
from accord.domain.cost import shortest
from accord.domain.document import Document
from accord.domain.duration import duration_words
from accord.domain.ids import TaskId
from accord.domain.standing import all_items, standing
from accord.domain.state import Attempt, Run
from accord.service import Service
from accord.views.past import shown_at
from accord.views.reasons import Reasons
from accord.views.result import value_of
from accord.views.tasks import told_of, waits

ITEMS_SHOWN = 100


async def show_task(service: Service, run: Run, task: TaskId, until: int | None, screen: Screen) -> None:
    """Print the task for people."""
    state, spec, now = run.state(task), run.graph.task(task), shown_at(run, until)
    screen.line(Text.assemble((task, "head"), "  ", state_text(standing(run, task))))
    if spec.description:
        screen.line(spec.description, "quiet")
    screen.line()
    screen.facts(
        [
            ("after", ", ".join(spec.needs)),
            ("took", _took(run, task, now)),
            ("epoch", str(state.epoch) if state.epoch else ""),
            ("confidence", f"{state.confidence:g}" if state.confidence is not None else ""),
            ("output", await _preview(service, state.output, screen)),
            ("by", agent_name(state.by) if state.by else ""),
        ]
    )
    if state.fault is not None:
        screen.facts([("fault", state.fault)])
    for problem in dict.fromkeys((*state.misfits, *((state.problem,) if state.problem is not None else ()))):
        show_problem(screen.out, problem)
    if state.item_count:
        _show_items(run, task, now, screen)
    told = await told_of(service, run, task, until)
    for attempt in state.attempts:
        screen.line()
        words = attempt_words(state, attempt.number)
        screen.line(Text.assemble((words, "head"), "  ", state_text(attempt.phase)))
        await _show_attempt(service, run, attempt, told[attempt.number], screen)


def _took(run: Run, task: TaskId, now: datetime) -> str:
    """Of a task that was undone, its last round."""
    words = took(run, task, now)
    return f"{words} in this round" if words and run.state(task).epoch else words


def _show_items(run: Run, task: TaskId, now: datetime, screen: Screen) -> None:
    items = list(run.started_items(task))
    rows = [tuple(_item_row(run, item, now)) for item in items[:ITEMS_SHOWN]]
    screen.line()
    screen.line(items_words(all_items(run, task)), "quiet")
    screen.table(("item", "state", "agent", Column("attempts", spare=1), "took"), rows)
    if len(items) > ITEMS_SHOWN:
        screen.note(f"… {len(items) - ITEMS_SHOWN} more; all of them with --json")


def _item_row(run: Run, item: TaskId, now: datetime) -> Iterator[str | Text]:
    state = run.state(item)
    yield item
    yield state_text(standing(run, item))
    yield ", ".join(sorted({agent_name(attempt.agent) for attempt in state.attempts}))
    yield str(state.work or "")
    yield took(run, item, now)


async def _show_attempt(service: Service, run: Run, attempt: Attempt, told: Reasons, screen: Screen) -> None:
    screen.facts(
        [
            ("agent", agent_name(attempt.agent)),
            ("capability", attempt.capability),
            ("why wanted", told.wanted),
            ("why this agent", told.chosen),
            ("waited", _waited(run, attempt)),
            ("assigned", moment(attempt.assigned_at)),
            ("took", between(attempt.work_since, told.ended) if told.ended else ""),
            ("confidence", f"{attempt.confidence:g}" if attempt.confidence is not None else ""),
            ("fault", attempt.fault or ""),
            ("damaged", f"on the way, {counted(attempt.damaged, 'time')}" if attempt.damaged else ""),
            ("cost", shortest(attempt.cost) if attempt.cost is not None else ""),
            ("why refused", clean(told.refusal.why) if told.refusal else ""),
            ("what then", clean(told.refusal.then) if told.refusal else ""),
            ("labels", ", ".join(attempt.want.labels)),
            ("not shown", ", ".join(attempt.cut)),
            ("input", await _preview(service, attempt.want.input, screen)),
            ("output", await _preview(service, attempt.output, screen)),
            ("statement", f"{attempt.statement[:24]}…  ({len(attempt.statement)} B)" if attempt.statement else ""),
        ]
    )
    for problem in attempt.problems:
        show_problem(screen.out, problem)


def _waited(run: Run, attempt: Attempt) -> str:
    """`1.0 s before it was tried again, 20 ms for an agent, 14.0 s at the agent`."""
    backoff, queued = (one.total_seconds() for one in waits(run, attempt))
    before = [f"{duration_words(backoff)} before it was tried again"] if backoff else []
    at_agent = (attempt.work_since - attempt.assigned_at).total_seconds()
    after = [f"{duration_words(at_agent)} at the agent"] if at_agent else []
    return ", ".join([*before, f"{duration_words(queued)} for an agent", *after])


async def _preview(service: Service, document: Document | None, screen: Screen) -> str:
    if document is None:
        return ""
    value = await value_of(service, document)
    text = shortened(clean(msgspec.json.encode(value).decode()), max(screen.out.width - 30, 30))
    return f"{text}  ({size(document.length_bytes)})"
