"""The page of the state machine, from the transition tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accord.domain import machine
from accord.domain.diagrams import diagrams
from pages.markdown import GENERATED, table

_WORDS = {
    "run": "Whether a run is paused is told apart: a pause holds back assignments in any phase, and changes none.",
    "task": "A task, an item of a `for_each`, or a compensation.",
    "attempt": "One assignment of a task to one agent, under one lease. Only an attempt that is *assigned* or "
    "*working* "
    "may still be answered; what comes later is acknowledged and changes nothing.",
}
_TABLES: dict[str, Mapping[tuple[Any, type], str]] = {
    "run": machine.RUN,
    "task": machine.TASK,
    "attempt": machine.ATTEMPT,
}


def state_page() -> str:
    """The page, as Markdown."""
    parts = [
        f"# The state machine\n\n{GENERATED}\n\n"
        "There is one transition table each for runs, tasks and attempts. A pair of a phase and an event "
        "that is not in "
        "it is an error (ACC401), in the code as in the journal. The members of the events are told in "
        "[events](events.md).\n"
    ]
    for name, diagram in diagrams().items():
        rows = [
            (f"`{before or '—'}`", f"`{machine.event_name(kind)}`", f"`{after}`")
            for (before, kind), after in _TABLES[name].items()
        ]
        parts.append(
            f"## {name.capitalize()}\n\n{_WORDS[name]}\n\n```mermaid\n{diagram.rstrip()}\n```\n\n"
            f"{table(('phase', 'event', 'phase after'), rows)}\n"
        )
    return "\n".join(parts)
