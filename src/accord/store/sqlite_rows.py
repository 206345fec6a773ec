"""Values as SQLite keeps them: times are microseconds since 1970, lists travel as JSON parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from accord.domain.event import Origin
from accord.domain.ids import RunId, TaskId
from accord.ports import LogEntry, LogPart, RunSummary
from accord.store.search import kept_labels, searched_text, storable

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
        *_listed(summary),
    )


def _listed(summary: RunSummary) -> tuple[str | int | None, ...]:
    origin = summary.origin
    return (
        origin.run if origin is not None else None,
        origin.sequence if origin is not None else None,
        storable(summary.by) if summary.by is not None else None,
        kept_labels(summary.labels),
        summary.acknowledged,
    )


def relisted(summary: RunSummary) -> dict[str, object]:
    """What an earlier version may have written otherwise, as parameters."""
    origin, origin_sequence, started_by, labels, acknowledged = _listed(summary)
    return {
        "run": summary.run,
        "tasks_done": summary.tasks_done,
        "origin": origin,
        "origin_sequence": origin_sequence,
        "started_by": started_by,
        "labels": labels,
        "acknowledged": acknowledged,
    }


def summary_of(row: Sequence[Any]) -> RunSummary:
    """The summary in the columns of `runs`, all but `searched`."""
    run, partition, template, title, state, started_at, updated_at, wake_at, total, done, failed, parent, *rest = row
    origin, origin_sequence, started_by, labels, acknowledged = rest
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
        origin=None if origin is None else Origin(origin, origin_sequence),
        by=started_by,
        labels=tuple(labels.split()),
        acknowledged=bool(acknowledged),
    )


def log_entry_row(entry: LogEntry) -> dict[str, str | int | bytes]:
    """The columns of `log_parts` and `log_tallies`, by their names."""
    return {
        "run": entry.run,
        "task": entry.task,
        "attempt": entry.attempt,
        "worst": entry.worst,
        "encrypted": entry.encrypted,
        "data": entry.data,
        **msgspec.structs.asdict(entry.tally),
    }


def log_part_of(row: Sequence[Any]) -> LogPart:
    """The part in the columns that `log_parts` names."""
    position, task, attempt, worst, data, encrypted = row
    return LogPart(
        position=position, task=TaskId(task), attempt=attempt, worst=worst, data=data, encrypted=bool(encrypted)
    )
