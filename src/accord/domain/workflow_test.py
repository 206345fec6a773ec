"""Tests of workflows: a template, its input, what agents and people answer, and what has to come of it. `accord runs
capture` writes one of a run; `accord test` runs them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from accord.domain.machine import TaskPhase

LANGUAGE = "test/1"

Happening = Literal["lost", "twice", "late", "gone", "crash"]
"""What goes wrong with an answer: it is lost on its way once; it comes twice; it comes after its lease has ended; it
never comes, as the agent is gone in the middle of the work; the orchestrator dies when it comes, and another one takes
over.
"""


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    pass


class ScriptedError(_Part, frozen=True, kw_only=True):
    """What an agent says that cannot do it."""

    code: str = "failed"
    """Letters, digits, `.`, `_` and `-`."""
    message: str = ""
    retryable: bool = False


class Answer(_Part, frozen=True, kw_only=True):
    """What an agent answers: exactly one of output, error, refuse and silent. An output that breaks the contract is
    rejected as any other agent's is.
    """

    output: Any = UNSET
    error: ScriptedError | UnsetType = UNSET
    refuse: str | UnsetType = UNSET
    """The agent refuses the input, which keeps the contract, and says why."""
    silent: bool = False
    """It never answers: its lease runs out."""
    input: Any = UNSET
    """Only an attempt with this input gets the answer; any where it is left out."""
    agent: str | UnsetType = UNSET
    """The name of the agent that answers; each name is an agent of its own. One answers all where it is left out."""
    confidence: float | UnsetType = UNSET
    cost: str | UnsetType = UNSET
    """A decimal."""
    labels: tuple[str, ...] = ()
    declassified: bool = False
    """Whether the agent claims that it has taken away what the task may take away."""
    delay: str | UnsetType = UNSET
    """How long it takes, like `5s`; on the test's own clock."""


class ScriptedContract(_Part, frozen=True, kw_only=True):
    """The contract of a capability whose agents are scripted, where no agent that is given to the test offers it."""

    input: Any
    output: Any
    deadline: str | UnsetType = UNSET
    confidence: float | UnsetType = UNSET
    max_cost: str | UnsetType = UNSET
    labels: tuple[str, ...] = ()


class Said(_Part, frozen=True, kw_only=True):
    """What somebody tells the run: exactly one of task and signal. A task is told as soon as it waits."""

    task: str | UnsetType = UNSET
    """That waits for an approval, for a review, or for a signal."""
    signal: str | UnsetType = UNSET
    """Its name. It is sent when all before it has been said."""
    after: str | UnsetType = UNSET
    """How long they take to say it, like `2d`; on the test's own clock."""
    value: Any = None


class Fault(_Part, frozen=True, kw_only=True):
    """Something that goes wrong on purpose."""

    task: str
    attempt: int = 1
    what: Happening


class Lasting(_Part, frozen=True, kw_only=True):
    """Bounds of a duration, like `3d`; on the test's own clock."""

    at_least: str | UnsetType = UNSET
    at_most: str | UnsetType = UNSET


class Expected(_Part, frozen=True, kw_only=True):
    """What has to come of the run; what is left out may be anything."""

    state: Literal["completed", "failed", "cancelled"] | UnsetType = UNSET
    output: Any = UNSET
    output_schema: Any = UNSET
    """A JSON Schema that the output keeps."""
    holds: tuple[str, ...] = ()
    """Expressions (CEL) over `output`, `input`, `tasks` and `run` that are true."""
    labels: tuple[str, ...] | UnsetType = UNSET
    """Of the output, no more and no less."""
    problem: str | UnsetType = UNSET
    """The code of the problem with which it fails."""
    tasks: dict[str, TaskPhase] = {}
    """The state of tasks, or of items, in the end."""
    order: tuple[str, ...] = ()
    """These tasks settle in this order; others may come between."""
    attempts: dict[str, int] = {}
    """How many attempts tasks have, diagnoses not counted."""
    cost: str | UnsetType = UNSET
    """What all attempts have cost together, a decimal."""
    duration: Lasting | UnsetType = UNSET
    """How long it takes from its start to its end."""


class WorkflowTest(_Part, frozen=True, kw_only=True):
    """A test of a workflow."""

    accord: Literal["test/1"]
    name: str
    description: str = ""
    template: str | dict[str, Any]
    """A path from this file (`./audit.yaml`), a name (`source-audit@^1`), or a template's document."""
    digest: str | UnsetType = UNSET
    """The template has to be this one."""
    input: Any = UNSET
    """The template's input; `{}` where it is left out."""
    labels: tuple[str, ...] = ()
    """Of all of the input."""
    contracts: dict[str, ScriptedContract] = {}
    """By capability, `name@version`."""
    agents: dict[str, tuple[Answer, ...]] = {}
    """What agents answer, by task (`measure`, `measure[3]`, `undo:book`; `inspect/measure` in the run that does a task;
    `measure!` a diagnosis of its results) or by capability (`text.summarize`), to tasks that are not named. In order;
    the last one goes on.
    """
    said: tuple[Said, ...] = ()
    faults: tuple[Fault, ...] = ()
    expect: Expected
