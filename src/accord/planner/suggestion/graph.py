"""What a language model answers: a graph of tasks in a small language of its own, or that it sees no way.

It holds no expressions: each value is said, or comes from a task, from an item of a list, or is missing. What it means
as a template is made of it by `accord.planner.suggestion.drafting`. These are dataclasses, because pydantic reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Source:
    """Where a value comes from."""

    member: str
    """The member of the capability's input that it fills; of a list that a task is done for, a name for the list."""
    kind: Literal["said", "task", "item", "missing"]
    """Said by the objective; of another task's output; the item of the task's list; needed, and said nowhere."""
    value: Any = None
    """The value, where it is said."""
    words: str = ""
    """The words of the objective that say it."""
    task: str = ""
    """The other task."""
    output: str = ""
    """A member of that task's output, or of the item; empty where all of it is meant."""


@dataclass(frozen=True)
class SuggestedTask:
    """One task: a capability and its input."""

    name: str
    capability: str
    why: str
    inputs: list[Source] = field(default_factory=list)
    each: Source | None = None
    """A list, where the task is done for each of its items."""
    after: list[str] = field(default_factory=list)
    """Tasks that come first although nothing of theirs is used."""


@dataclass(frozen=True)
class SuggestedGraph:
    """The tasks that do what the objective asks for, each with a capability of the list, its inputs and why."""

    tasks: list[SuggestedTask]
    why: str
    confidence: float = 0.0
    """How sure the model is, from 0 to 1."""


@dataclass(frozen=True)
class Unable:
    """The capabilities of the list cannot do what the objective asks for."""

    why: str
