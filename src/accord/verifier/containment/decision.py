"""Whether every value of one schema is a value of another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import jsonschema_rs
import msgspec
from jsonschema_rs import canonical

from accord.verifier.containment.answers import Answer, Budget, UndecidedError, Without, Witness
from accord.verifier.containment.formulas import Formula
from accord.verifier.containment.patterns import Engine
from accord.verifier.containment.reading import Dialect, Library, Reader
from accord.verifier.containment.references import Draft, Schema, UnreadSchemaError
from accord.verifier.containment.search import Search

STEPS = 20_000
"""Of work for one question."""

STEPS_TO_CONFIRM = 2_000
"""Of work for one question that subsumption of canonical forms has answered with yes."""

_TRIED = 8
"""Values that are not what they should be, before the search is given up."""


class Side(msgspec.Struct, frozen=True):
    """A schema, and how it is to be read."""

    schema: Schema
    draft: Draft = Draft.DRAFT_2020_12
    formats: bool = True
    """Whether `format` is checked."""


class Decision(msgspec.Struct, frozen=True):
    """What is known of two schemas."""

    outcome: Literal["proven", "refuted", "unknown"]
    witness: object = None
    """Where refuted: a value of the producer that the consumer refuses, which a validator has confirmed."""


_UNKNOWN = Decision("unknown")


def decide(producer: Side, consumer: Side, accepts: Callable[[object], bool] = lambda _: True) -> Decision:
    """Whether every value that the producer allows is allowed by the consumer.

    Asked is whether there is a value of "producer and not consumer". It is refuted by such a value, which the validator
    of each side has confirmed and `accepts` takes; proven by a search that leaves nothing out, for each reading of
    patterns that engines read differently. A value that the search has found, and somebody has not confirmed, leaves it
    unknown at best. Canonical forms are asked as well, which know nothing of the search: where both say something and
    contradict each other, nothing is known; where the search is too long, their yes counts.

    The work is bounded by steps, so that the answer is the same on every machine.
    """
    forms = _subsumption(producer, consumer)
    steps = STEPS_TO_CONFIRM if forms is canonical.Containment.YES else STEPS
    question = _Question(producer, consumer, accepts, steps)
    found = _searched(question)
    if found.outcome != "refuted" and question.unconfirmed:
        return _UNKNOWN
    if found.outcome == "proven" and forms is canonical.Containment.NO:
        return _UNKNOWN
    if found.outcome == "unknown" and forms is canonical.Containment.YES:
        return Decision("proven")
    return found


def is_valid(side: Side, value: object) -> bool:
    """Whether the validator says that a value is valid."""
    kind = jsonschema_rs.Draft7Validator if side.draft is Draft.DRAFT_7 else jsonschema_rs.Draft202012Validator
    try:
        return kind(side.schema, validate_formats=side.formats, offline=True).is_valid(value)
    except (ValueError, jsonschema_rs.ReferencingError):
        return False


class _Question(msgspec.Struct, frozen=True):
    producer: Side
    consumer: Side
    accepts: Callable[[object], bool]
    steps: int
    unconfirmed: list[object] = []
    """Values that the search holds for witnesses, and somebody else does not."""

    def is_confirmed(self, value: object) -> bool:
        """Whether a value is a witness."""
        found = is_valid(self.producer, value) and not is_valid(self.consumer, value) and self.accepts(value)
        if not found:
            self.unconfirmed.append(value)
        return found


def _subsumption(producer: Side, consumer: Side) -> canonical.Containment:
    try:
        return _canonical(consumer).covers(_canonical(producer))
    except (ValueError, jsonschema_rs.ReferencingError):
        return canonical.Containment.UNKNOWN


def _canonical(side: Side) -> jsonschema_rs.CanonicalSchema:
    number = 7 if side.draft is Draft.DRAFT_7 else 20
    return jsonschema_rs.canonicalize(side.schema, draft=number, validate_formats=side.formats, offline=True)


def _searched(question: _Question) -> Decision:
    decision, engines_differ = _by_engine(question, Engine.ECMA)
    if decision.outcome == "refuted" or not engines_differ:
        return decision
    other, _ = _by_engine(question, Engine.RUST)
    if other.outcome == "refuted":
        return other
    return decision if other.outcome == decision.outcome else _UNKNOWN


def _by_engine(question: _Question, engine: Engine) -> tuple[Decision, bool]:
    """The decision by one reading, and whether another one may be different."""
    library = Library()
    try:
        return _by_search(question, library, engine), library.engines_differ
    except (UndecidedError, UnreadSchemaError, RecursionError):
        return _UNKNOWN, library.engines_differ


def _by_search(question: _Question, library: Library, engine: Engine) -> Decision:
    given, taken = (_read(side, library, engine) for side in (question.producer, question.consumer))
    wanted = library.formulas.both((given, library.formulas.negated(taken)))
    search = Search(library.formulas, Budget(question.steps))
    for _ in range(_TRIED):
        answer: Answer = search.find(wanted)
        if answer is Without.NOTHING:
            return Decision("proven")
        if not isinstance(answer, Witness):
            break
        if question.is_confirmed(answer.value):
            return Decision("refuted", answer.value)
        another = library.formulas.negated(library.formulas.equal_to(answer.value))
        wanted = library.formulas.both((wanted, another))
    return _UNKNOWN


def _read(side: Side, library: Library, engine: Engine) -> Formula:
    dialect = Dialect(side.draft, formats=side.formats, engine=engine)
    return Reader(side.schema, dialect, library).read(side.schema)
