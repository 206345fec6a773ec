"""Values as SQLite keeps them: times are microseconds since 1970, lists travel as JSON parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from accord.domain.ids import RunId
from accord.ports import RunSummary
from accord.store.search import searched_text, storable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_encode = msgspec.json.Encoder().encode


def as_json(value: Iterable[object]) -> str:
    """A list as a parameter for `json_each`."""
    return _encode(list(value)).decode()


def microseconds(at: datetime) -> int:
    """Microseconds since 1970, exactly."""
    passed = at - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def instant(at: int) -> datetime:
    """The inverse of `microseconds`."""
    return EPOCH + timedelta(microseconds=at)


def summary_row(summary: RunSummary) -> tuple[str | int | None, ...]:
    """The columns of `runs`, in the order of the table."""
    return (
        summary.run,
        summary.partition,
        summary.template,
        storable(summary.title),
        summary.state,
        microseconds(summary.started_at),
        microseconds(summary.updated_at),
        None if summary.wake_at is None else microseconds(summary.wake_at),
        summary.tasks_total,
        summary.tasks_done,
        summary.tasks_failed,
        summary.parent,
        searched_text(summary),
    )


def summary_of(row: Sequence[Any]) -> RunSummary:
    """The summary in the columns of `runs`, all but `searched`."""
    run, partition, template, title, state, started_at, updated_at, wake_at, total, done, failed, parent = row
    return RunSummary(
        run=RunId(run),
        partition=partition,
        template=template,
        title=title,
        state=state,
        started_at=instant(started_at),
        updated_at=instant(updated_at),
        wake_at=None if wake_at is None else instant(wake_at),
        tasks_total=total,
        tasks_done=done,
        tasks_failed=failed,
        parent=parent,
    )
