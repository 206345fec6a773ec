"""State diagrams, drawn from the transition tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from accord.domain.machine import ATTEMPT, ENDED, LIVE, RUN, SETTLED, TASK, event_name

Before = TypeVar("Before", bound=str | None)


def diagrams() -> dict[str, str]:
    """Mermaid's `stateDiagram-v2` text of `run`, `task` and `attempt`."""
    ended = {phase for phase in ATTEMPT.values() if phase not in LIVE}
    return {
        "run": _diagram(_rows(RUN), ENDED),
        "task": _diagram([(None, "", "pending"), *_rows(TASK)], SETTLED),
        "attempt": _diagram(_rows(ATTEMPT), ended),
    }


def _rows(table: Mapping[tuple[Before, type], str]) -> list[tuple[str | None, str, str]]:
    return [(before, event_name(kind), after) for (before, kind), after in table.items()]


def _diagram(rows: Iterable[tuple[str | None, str, str]], last: Collection[str]) -> str:
    """One arrow for each pair of phases, with all events that lead from one to the other."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for before, event, after in rows:
        arrows.setdefault((before or "[*]", after), []).append(event)
    lines = [_arrow(before, after, events) for (before, after), events in arrows.items()]
    return "\n".join(["stateDiagram-v2", *lines, *(f"    {phase} --> [*]" for phase in sorted(last)), ""])


def _arrow(before: str, after: str, events: list[str]) -> str:
    label = "\\n".join(filter(None, events))
    return f"    {before} --> {after}: {label}" if label else f"    {before} --> {after}"
