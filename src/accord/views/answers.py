"""Who has answered what a task waited for, and with what. All of it is in the journal; this only reads it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from accord.domain import event as e
from accord.domain.ids import TaskId


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer that a task took last."""

    sequence: int
    """The number of the event by which it came."""
    signal: e.SignalReceived
    question: str
    """What was asked, in words; empty where it was not."""


def answer_of(events: Iterable[tuple[int, e.Event]], task: TaskId) -> Answered | None:
    """Of the events of a run with their numbers; None where the task has taken no answer, or waits for another one."""
    kept: dict[str, list[tuple[int, e.SignalReceived]]] = {}
    found: tuple[int, e.SignalReceived] | None = None
    question = ""
    for sequence, event in events:
        match event:
            case e.TaskWaiting(task=who, title=title) if who == task:
                found, question = None, title
            case e.SignalReceived(task=None, name=name):
                kept.setdefault(name, []).append((sequence, event))
            case e.SignalReceived(task=who) if who == task:
                found = sequence, event
            case e.SignalTaken(name=name, task=who):
                taken = kept[name].pop(0)
                found = taken if who == task else found
    return Answered(sequence=found[0], signal=found[1], question=question) if found is not None else None
