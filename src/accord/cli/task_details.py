"""One task of a run in detail: every attempt, why it was wanted, why this agent, and why it was not accepted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from rich.text import Text

from accord.cli.errors import show_problem
from accord.cli.output import Screen, agent_name, between, clean, moment, shortened, size, state_text
from accord.domain import event as e
from accord.domain.document import Document
from accord.domain.ids import TaskId
from accord.domain.state import Attempt, Run
from accord.engine.node import Node

ITEMS_SHOWN = 100
_ENDS = (e.AttemptSucceeded, e.AttemptRejected, e.AttemptFailed, e.AttemptExpired, e.AttemptCancelled)


class Told(msgspec.Struct, kw_only=True):
    """What the events say of an attempt beside its state."""

    wanted: str = ""
    chosen: str = ""
    ended: Any = None
    fault: str = ""
    cause: str = ""


async def told_of(node: Node, run: Run, task: TaskId, until: int | None) -> dict[int, Told]:
    """By attempt number: why it was wanted, why its agent was chosen, when and how it ended."""
    told: dict[int, Told] = {}
    reason = ""
    for sequence, event in await node.events(run.id):
        if until is not None and sequence > until:
            break
        if getattr(event, "task", None) != task:
            continue
        if isinstance(event, e.AttemptWanted):
            reason = event.reason
        elif isinstance(event, e.AttemptAssigned):
            told[event.attempt] = Told(wanted=reason, chosen=event.choice)
        elif isinstance(event, _ENDS):
            one = told[event.attempt]
            one.ended = event.at
            one.fault = getattr(event, "fault", "")
            one.cause = getattr(event, "reason", "") or getattr(event, "cause", "")
    return told


async def task_document(node: Node, run: Run, task: TaskId, until: int | None) -> dict[str, Any]:
    """The task as scripts get it: its state, its items, and all attempts with their values."""
    state, told = run.state(task), await told_of(node, run, task, until)
    return {
        "run": run.id,
        "task": task,
        "state": state.phase,
        "epoch": state.epoch,
        "confidence": state.confidence,
        "problem": state.problem,
        "output": await _value(node, state.output),
        "waiting": state.waiting,
        "items": [{"task": item, "state": run.state(item).phase} for item in run.started_items(task)],
        "attempts": [await _attempt_document(node, attempt, told[attempt.number]) for attempt in state.attempts],
    }


async def _attempt_document(node: Node, attempt: Attempt, told: Told) -> dict[str, Any]:
    return {
        "attempt": attempt.number,
        "state": attempt.phase,
        "purpose": attempt.want.purpose,
        "agent": attempt.agent,
        "capability": attempt.capability,
        "contract": attempt.contract,
        "epoch": attempt.epoch,
        "wanted_because": told.wanted,
        "chosen_because": told.chosen,
        "assigned_at": attempt.assigned_at,
        "ended_at": told.ended,
        "fault": told.fault or None,
        "cause": told.cause or None,
        "confidence": attempt.confidence,
        "problems": attempt.problems,
        "input": await _value(node, attempt.want.input),
        "output": await _value(node, attempt.output),
        "statement": attempt.statement,
    }


async def _value(node: Node, document: Document | None) -> Any:
    return None if document is None else await node.parts.documents.fetched(document)


async def show_task(node: Node, run: Run, task: TaskId, until: int | None, screen: Screen) -> None:
    """Print the task for people."""
    state, spec = run.state(task), run.graph.task(task)
    screen.line(Text.assemble((task, "head"), "  ", state_text(state.phase)))
    if spec.description:
        screen.line(spec.description, "quiet")
    screen.line()
    screen.facts(
        [
            ("after", ", ".join(spec.needs)),
            ("took", between(state.started_at, state.ended_at) if state.phase != "pending" else ""),
            ("epoch", str(state.epoch) if state.epoch else ""),
            ("confidence", f"{state.confidence:g}" if state.confidence is not None else ""),
            ("output", await _preview(node, state.output, screen)),
            ("by", agent_name(state.by) if state.by else ""),
        ]
    )
    if state.problem is not None:
        show_problem(screen.out, state.problem)
    if state.item_count:
        _show_items(run, task, screen)
    told = await told_of(node, run, task, until)
    for attempt in state.attempts:
        await _show_attempt(node, attempt, told[attempt.number], screen)


def _show_items(run: Run, task: TaskId, screen: Screen) -> None:
    items = list(run.started_items(task))
    rows = [tuple(_item_row(run, item)) for item in items[:ITEMS_SHOWN]]
    screen.line()
    screen.table(("item", "state", "agent", "attempts", "took"), rows)
    if len(items) > ITEMS_SHOWN:
        screen.note(f"… {len(items) - ITEMS_SHOWN} more; all of them with --json")


def _item_row(run: Run, item: TaskId) -> Iterator[str | Text]:
    state = run.state(item)
    yield item
    yield state_text(state.phase)
    yield ", ".join(sorted({agent_name(attempt.agent) for attempt in state.attempts}))
    yield str(len(state.attempts) or "")
    yield between(state.started_at, state.ended_at) if state.started_at else ""


async def _show_attempt(node: Node, attempt: Attempt, told: Told, screen: Screen) -> None:
    purpose = "" if attempt.want.purpose == "work" else f" ({attempt.want.purpose})"
    screen.line()
    screen.line(Text.assemble((f"attempt {attempt.number}{purpose}", "head"), "  ", state_text(attempt.phase)))
    screen.facts(
        [
            ("agent", agent_name(attempt.agent)),
            ("capability", attempt.capability),
            ("why wanted", told.wanted),
            ("why this agent", told.chosen),
            ("assigned", moment(attempt.assigned_at)),
            ("took", between(attempt.assigned_at, told.ended) if told.ended else ""),
            ("confidence", f"{attempt.confidence:g}" if attempt.confidence is not None else ""),
            ("fault", told.fault),
            ("cause", told.cause.replace("_", " ")),
            ("input", await _preview(node, attempt.want.input, screen)),
            ("output", await _preview(node, attempt.output, screen)),
            ("statement", f"{attempt.statement[:24]}…  ({len(attempt.statement)} B)" if attempt.statement else ""),
        ]
    )
    for problem in attempt.problems:
        show_problem(screen.out, problem)


async def _preview(node: Node, document: Document | None, screen: Screen) -> str:
    if document is None:
        return ""
    value = await node.parts.documents.fetched(document)
    text = shortened(clean(msgspec.json.encode(value).decode()), max(screen.out.width - 30, 30))
    return f"{text}  ({size(document.length_bytes)})"
