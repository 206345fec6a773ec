"""What whoever is asked decides on: what the task is for, what the run was given, what came right before it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from accord.domain.document import Document
from accord.domain.ids import AgentId, RunId, TaskId, split_item
from accord.domain.machine import TaskPhase
from accord.domain.state import Run, TaskState
from accord.service import Service
from accord.views.result import value_of

MOST_BEFORE: Final = 20
"""So many of the tasks before it are told."""
MOST_ITEMS: Final = 20
"""So many items' outputs are told of a `for_each`."""
MOST_BYTES: Final = 200_000
"""What is longer is not told: the task's own document has it."""


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """A task that comes right before it."""

    task: TaskId
    description: str
    state: TaskPhase
    agent: AgentId | None
    """Who has made its output; None where no single agent has."""
    confidence: float | None
    items: int
    """How many items it has; 0 where it is no `for_each`."""
    output: Any = msgspec.UNSET
    """Of a `for_each`, the outputs of its first items, null for those without. Left out where there is none, and where
    it is too long.
    """


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever is asked decides on."""

    run: RunId
    task: TaskId
    description: str
    """What the template says of the task."""
    input: Any = msgspec.UNSET
    """What the run was given; left out where it is too long."""
    item: Any = msgspec.UNSET
    """The item that it is about, where the task is one of a `for_each`."""
    before: tuple[Before, ...]
    more: int
    """How many tasks right before it are not among these."""


async def basis_of(service: Service, run: Run, task: TaskId) -> Basis:
    """What whoever is asked by this task, or by this item of one, decides on. Raises NotFound, StoreCorrupt."""
    spec = run.graph.task(task)
    shown = spec.needs[:MOST_BEFORE]
    return Basis(
        run=run.id,
        task=task,
        description=spec.description,
        input=await _short(service, run.started.input),
        item=await _item(service, run, task),
        before=tuple([await _before(service, run, need) for need in shown]),
        more=len(spec.needs) - len(shown),
    )


async def _before(service: Service, run: Run, task: TaskId) -> Before:
    state = run.state(task)
    attempt = run.attempt(task, state.attempt or 0)
    return Before(
        task=task,
        description=run.graph.tasks[task].description,
        state=state.phase,
        agent=attempt.agent if attempt is not None else None,
        confidence=state.confidence,
        items=state.item_count,
        output=await _output(service, run, task, state),
    )


async def _output(service: Service, run: Run, task: TaskId, state: TaskState) -> Any:
    if not state.item_count:
        return await _short(service, state.output)
    items = islice(run.started_items(task), MOST_ITEMS)
    return await _all_short(service, [run.state(item).output for item in items])


async def _all_short(service: Service, documents: Sequence[Document | None]) -> Any:
    if sum(one.length_bytes for one in documents if one is not None) > MOST_BYTES:
        return msgspec.UNSET
    return [None if one is None else await value_of(service, one) for one in documents]


async def _item(service: Service, run: Run, task: TaskId) -> Any:
    node, index = split_item(task)
    items = await _short(service, run.state(node).items) if index is not None else msgspec.UNSET
    return items[index] if isinstance(items, list) and index is not None else msgspec.UNSET


async def _short(service: Service, document: Document | None) -> Any:
    if document is None or document.length_bytes > MOST_BYTES:
        return msgspec.UNSET
    return await value_of(service, document)
