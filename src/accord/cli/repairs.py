"""Results that broke their contract and were repaired: what was changed, by whom. Green must not hide them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from accord.cli.output import agent_name, clean, counted, shortened
from accord.domain.diagnosis import Change, Diagnosis
from accord.domain.ids import TaskId
from accord.domain.state import Run
from accord.engine.node import Node
from accord.errors import AccordError

CHANGES_TOLD = 3
VALUE_MOST = 40
"""Characters of a value that is told."""


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """A task whose output is a repaired result."""

    task: TaskId
    by: str
    attempt: int
    """The attempt that was the diagnosis; `accord runs show RUN --task TASK` has all of them."""
    changes: tuple[Change, ...]


async def repairs_of(node: Node, run: Run) -> tuple[Repaired, ...]:
    """The tasks of a run whose outputs were repaired, items included."""
    found = []
    for task in sorted(run.tasks):
        state = run.state(task)
        number = state.attempt if state.phase == "completed" else None
        for attempt in state.attempts:
            if attempt.want.purpose != "diagnose" or attempt.number != number or attempt.output is None:
                continue
            value = await node.parts.documents.fetched(attempt.output)
            found.append(Repaired(task=task, by=attempt.agent, attempt=attempt.number, changes=_changes(value)))
    return tuple(found)


def _changes(value: Any) -> tuple[Change, ...]:
    """The changes that a diagnosis tells of; one that is of another form tells of none."""
    try:
        return msgspec.convert(value, Diagnosis).changes
    except (msgspec.ValidationError, AccordError):
        return ()


def words_of(repairs: Sequence[Repaired]) -> str:
    """`1 result repaired by diagnostician: greeting (output: 5 → "5")`."""
    by = ", ".join(sorted({agent_name(one.by) for one in repairs}))
    told = "; ".join(_told(one) for one in repairs[:CHANGES_TOLD])
    more = f"; {len(repairs) - CHANGES_TOLD} more" if len(repairs) > CHANGES_TOLD else ""
    return clean(f"{counted(len(repairs), 'result')} repaired by {by}: {told}{more}")


def _told(one: Repaired) -> str:
    changes = ", ".join(_change(change) for change in one.changes[:CHANGES_TOLD])
    more = f", {len(one.changes) - CHANGES_TOLD} more" if len(one.changes) > CHANGES_TOLD else ""
    return f"{one.task} ({changes}{more})" if changes else str(one.task)


def _change(change: Change) -> str:
    return f"output{change.pointer}: {_value(change.before)} → {_value(change.after)}"


def _value(value: Any) -> str:
    return shortened(msgspec.json.encode(value).decode(), VALUE_MOST)
