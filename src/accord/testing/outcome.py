"""The oracle: compares what has become of runs with what their workflows say, and with the traces of the agents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from accord.codec import follow
from accord.domain.graph import UNDO, undo_id
from accord.domain.ids import RunId, StreamId, TaskId
from accord.domain.run import Run
from accord.domain.scope import DocumentMissing, output_of
from accord.engine.node import Node
from accord.ports import Head
from accord.testing.cast import Trace
from accord.testing.invariants.called import unasked
from accord.testing.run_watch import numbered
from accord.testing.watch import Watch
from accord.testing.workflows import Workflow


class Told(msgspec.Struct, frozen=True):
    """A run that somebody has started, and what was done to it."""

    flow: Workflow
    n: int
    cancelled: bool = False
    forked: bool = False


async def mistakes(watch: Watch, node: Node, told: Mapping[RunId, Told], traces: Mapping[Trace, Any]) -> list[str]:
    """Everything that did not come out as it must."""
    found: list[str] = []
    for run in watch.runs.values():
        found.extend(await _journal_mistakes(run, node))
        found.extend(_trace_mistakes(run, traces, watch))
        if run.id in told:
            found.extend(await _fetched_run_mistakes(run, told[run.id], node))
    called = watch.called
    for run in watch.runs.values():
        found.extend(numbered(8, called[run.id].left(run, watch.runs)))
    found.extend(numbered(8, unasked(watch.runs, called)))
    owned = {f"{run}/" for run in watch.runs}
    found.extend(f"an agent worked for nobody: {key}" for key, _ in traces if f"{key.partition('/')[0]}/" not in owned)
    return found


async def _journal_mistakes(run: Run, node: Node) -> Iterator[str]:
    """The chain holds from the first event on, and what is read is what was seen to be written (invariant 3)."""
    records = await node.parts.ports.journal.read(StreamId(run.id))
    follow(records, Head())
    state = await node.run(run.id)
    return iter(() if state == run else (f"{run.id}: the journal gives another state (invariant 3)",))


async def _fetched_run_mistakes(run: Run, told: Told, node: Node) -> list[str]:
    """The same with what has to be fetched first: large documents, and encrypted ones."""
    while True:
        try:
            return list(_run_mistakes(run, told, node))
        except DocumentMissing as missing:
            await node.parts.documents.fetch(missing.document)


def _run_mistakes(run: Run, told: Told, node: Node) -> Iterator[str]:
    allowed = {"failed"} if told.flow.doomed else {"completed"}
    if run.phase not in (allowed | {"cancelled"} if told.cancelled else allowed):
        yield f"{run.id} ({told.flow.name}) is {run.phase}: {run.problem}"
    if run.phase != "completed":
        return
    values = node.parts.documents
    output = values.value(run.output) if run.output is not None else None
    if output != told.flow.output(told.n):
        yield f"{run.id} gave {output}, not {told.flow.output(told.n)}"
    for task, outcome in told.flow.outcomes(told.n).items():
        state = run.state(TaskId(task))
        if state.phase != outcome.fate:
            yield f"{run.id}: {task} is {state.phase}, not {outcome.fate}: {state.problem}"
        elif outcome.known and outcome.fate == "completed":
            value = output_of(run, TaskId(task), values)
            if value != outcome.value:
                yield f"{run.id}: {task} gave {value}, not {outcome.value}"


def _trace_mistakes(run: Run, traces: Mapping[Trace, Any], watch: Watch) -> Iterator[str]:
    """What is accepted was done; what was completed is undone as often as it was given up."""
    for task, state in run.tasks.items():
        attempt = run.attempt(task, state.attempt or 0)
        if state.phase == "completed" and attempt is not None and attempt.want.purpose == "work":
            trace = (f"{run.id}/{task}/{state.epoch}", attempt.capability.partition("@")[0])
            if trace not in traces:
                yield f"{trace} was accepted and never done"
        if task.startswith(UNDO) or run.phase != "completed" or run.graph.task(task).compensate is None:
            continue
        done = watch.completions(run.id)[task]
        undone = watch.completions(run.id)[undo_id(task)]
        holds = state.phase == "completed" and not state.adopted
        is_group = run.graph.task(task).for_each is not None and not task.endswith("]")
        if not is_group and done != undone + holds:
            yield f"{run.id}: {task} was completed {done} times, undone {undone} times, and is {state.phase}"
