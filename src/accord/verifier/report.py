"""Reports: what the verifier has found of one graph.

    ACC820  no known agent offers a capability            ACC827  a sub-workflow that is not known
    ACC821  no known version of a capability will do      ACC828  templates that run each other for ever
    ACC822  an edge that its contract refutes             ACC829  a graph whose structure does not hold
    ACC823  an edge that is not proven (warning)          ACC830  a task that can never start
    ACC824  an edge that is proven                        ACC831  a member that may be absent
    ACC825  an output that may be absent
    ACC826  a compensation that reads what may be absent  ACC832  an answer that nobody reads (warning)

and ACC207 and ACC208 (`accord.domain.expression`): paths that their schemas rule out, and results of the wrong type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from accord.domain.certificate import Check, Fact, Method
from accord.domain.expression import Computed, Types
from accord.domain.ids import Digest, TaskId
from accord.errors import Place, PlaceOf, Problem, TemplateInvalid
from accord.verifier.readings import Suspicion
from accord.verifier.risks import Risk

Severity = Literal["error", "warning", "proof"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was found: an error, something that could not be proven, or a proof."""

    severity: Severity
    code: str
    message: str
    place: Place
    hint: str | None = None
    example: Any = msgspec.UNSET
    """Of an edge a value that it lets through and that breaks the contract; of a path a run's `input`, the `outputs` of
    tasks on it, and which tasks are skipped; of what the policy decides who may, and why others may not."""

    @property
    def problem(self) -> Problem:
        """The finding as a problem, with its example in the hint."""
        hint = self.hint
        if self.example is not msgspec.UNSET:
            told = f"for example: {shown(self.example)}"
            hint = f"{told}; {hint}" if hint else told
        return Problem(self.code, self.message, self.place, hint)


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """A capability of which more may be wanted at once than its agents do at a time."""

    capability: str
    at_once: int
    """So many tasks may be ready for it together at most."""
    at_a_time: int
    """So many its agents do."""
    turns: int
    """The last one of them is done in this turn, where all take equally long."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may take at most; None where nothing bounds it. Diagnoses, reviews and compensations come on top, and
    so does what runs do that agents ask for.
    """

    attempts: int | None
    """All attempts of all tasks and their fallbacks, copies included; None where a `for_each` or a sub-workflow makes
    as many as it may.
    """
    cost: str | None
    """What these cost at most by their contracts; where that is less, the budget and what may be under way when it is
    spent.
    """
    time_s: float | None
    """From the start to the end; the deadline where that is less."""
    path: tuple[TaskId, ...]
    """The critical path: the tasks that this time adds up along; up to the first that nothing bounds."""
    least_s: float
    """What a run that does all its tasks waits for timers at least."""
    at_once: int
    """So many tasks may be under way together: items and copies each, at most `limits.parallel`."""
    items: dict[TaskId, int | None]
    """Of each `for_each` the items that it may have, by the schema of its list and `limits.tasks`."""
    message_bytes: int | None
    """The largest input of a task, as JSON, by the schemas of what it is made of; None where one says no most."""
    largest: TaskId | None
    """The task that gets it, or the first whose input has no bound."""
    calls: int
    """So many runs its agents may ask for, those that agents of such runs ask for included."""
    budget: str | None = None
    """The budget that `cost` is made of, where that is what bounds it."""
    queues: tuple[Queue, ...] = ()
    """Where tasks wait for their agents, by what those can take together now; none where that is not known."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a graph: it may run only if `ok`."""

    template: str
    digest: Digest
    findings: tuple[Finding, ...]
    edges: int
    """Inputs that were checked against contracts, each with each contract that may receive it."""
    proven: int
    bounds: Bounds | None = None
    """What a run may take; None where the structure does not hold."""
    facts: tuple[Fact, ...] = ()
    """What each check has proven, and by which method; what it could not decide is among the warnings."""

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    @property
    def errors(self) -> tuple[Finding, ...]:
        return self._of("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return self._of("warning")

    @property
    def proofs(self) -> tuple[Finding, ...]:
        return self._of("proof")

    def _of(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def refuse(self) -> None:
        """Raise TemplateInvalid with all errors, unless there are none."""
        TemplateInvalid.raise_if(finding.problem for finding in self.errors)


class Findings:
    """Collects findings, and finds their places."""

    def __init__(self, place_of: PlaceOf) -> None:
        self._place_of = place_of
        self.all: list[Finding] = []
        self.edges = self.proven = 0
        self.facts: list[Fact] = []
        self.suspicions: list[Suspicion] = []
        """What is to be proven or refuted by the conditions."""
        self.seen: dict[tuple[str, str], tuple[Types, Computed]] = {}
        """Each expression that is suspected, and the schemas of what it sees."""
        self.risks: list[Risk] = []
        """What may fail by itself, unless the conditions rule it out."""

    def error(self, code: str, message: str, at: str, hint: str | None = None, example: Any = msgspec.UNSET) -> None:
        """Add an error at a JSON pointer."""
        self._add("error", code, message, at, hint, example)

    def proof(self, code: str, message: str, at: str) -> None:
        """Add something that is proven at a JSON pointer."""
        self._add("proof", code, message, at, None)

    def fact(self, check: Check, method: Method, proven: int, open_: int = 0) -> None:
        """Say what a check has come to, where it was about anything."""
        if proven or open_:
            self.facts.append(Fact(check=check, method=method, proven=proven, open=open_))

    def count(self, code: str) -> int:
        """How many findings there are of a code."""
        return sum(finding.code == code for finding in self.all)

    def suspect(self, suspicion: Suspicion) -> None:
        """Add a read that may fail unless the conditions rule it out."""
        self.suspicions.append(suspicion)

    def warning(self, code: str, message: str, at: str, hint: str | None = None, evidence: Any = msgspec.UNSET) -> None:
        """Add a warning at a JSON pointer."""
        self._add("warning", code, message, at, hint, evidence)

    def problems(self, problems: Iterable[Problem]) -> None:
        """Add problems, whose places are JSON pointers, as errors."""
        for problem in problems:
            self._add("error", problem.code, problem.message, problem.place.pointer or "", problem.hint)

    def edge(self, *findings: Finding) -> None:
        """Add what became of one edge."""
        self.edges += 1
        self.proven += findings[0].severity == "proof"
        self.all.extend(findings)

    def at(self, pointer: str, *, key: bool = False) -> Place:
        """The place of a JSON pointer; with `key` that of the member's name."""
        return self._place_of(pointer, key=key)

    def _add(
        self, severity: Severity, code: str, message: str, at: str, hint: str | None, example: Any = msgspec.UNSET
    ) -> None:
        place = self._place_of(at)
        found = Finding(severity=severity, code=code, message=message, place=place, hint=hint, example=example)
        self.all.append(found)


def shown(value: object, most: int = 300) -> str:
    """A value as JSON, cut where it is long."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= most else f"{text[:most]}…"
