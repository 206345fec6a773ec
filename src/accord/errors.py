"""The error tree. Every error carries all its problems at once, each with a stable code, a place and a way out.

AccordError
├── BadInput              what a caller gave is wrong; nothing was changed        (exit code 2)
│   ├── TemplateInvalid       a template or capability file
│   ├── ContractViolation     a value that breaks a JSON Schema
│   ├── ExpressionInvalid     a CEL expression
│   └── NotUnderstood         an objective for which there is no confident plan
│       └── InputRequired         it is clear which template is meant, and not with what
├── Refused               well-formed, but not allowed now (state, policy, limit)
│   ├── TransitionRefused     the state machine has no such transition
│   ├── MessageRefused        a message that the gate or an agent does not accept
│   ├── Overloaded            admission control: try again later
│   │   ├── RateLimited           one caller asks too often
│   │   └── BusUnavailable        the bus cannot be reached; safe to try again
│   ├── Unauthenticated       no credential, or one that is not accepted
│   └── Forbidden             the credential is good, its role is not enough
├── NotFound              a run, task, template, agent or key that does not exist
├── KeyUnusable           a key that cannot be read, is unsafe, expired or revoked
│   └── KeysUnavailable       what holds the keys cannot be reached; safe to try again
└── StoreError            the journal or blob store failed
    ├── SequenceConflict      somebody else appended first
    ├── Fenced                the partition has another owner now; this one must stop
    ├── StoreUnavailable      cannot be reached, or the disk is full; safe to try again
    └── StoreCorrupt          the hash chain, a digest or the schema does not hold
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol, Self, TypeVar

import msgspec

T = TypeVar("T")

ERASED: Final = "ACC872"
"""The code of what cannot be read any more because its run was erased."""

UNREADABLE: Final = "ACC594"
"""The code of what an exhibit does not have, or has no key to."""

UNSEALED: Final = "ACC596"
"""The code of an output about which an exhibit has no statement of the orchestrator that made it."""


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a problem is: a file with line and column (both from 1), or a JSON pointer into a value, or both."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    pointer: str | None = None

    def __str__(self) -> str:
        spot = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return " ".join(part for part in (spot, self.pointer) if part)


class PlaceOf(Protocol):
    """Where a JSON pointer into a value leads, in the file that the value came from."""

    def __call__(self, pointer: str, /, *, key: bool = False) -> Place:
        """The place of the value at the pointer; with `key` that of the member's name."""
        ...


def pointer_only(pointer: str, /, *, key: bool = False) -> Place:
    """The place in a value that came from no file: there a name is where its value is."""
    del key
    return Place(pointer=pointer)


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong: a stable code (`ACC...`), the rule in words, the place and the way out."""

    code: str
    message: str
    place: Place = Place()
    hint: str | None = None

    @classmethod
    def ruled(cls, rules: Mapping[str, str], code: str, pointer: str, seen: str) -> Self:
        """One of these rules, by its code, with the place and the beginning of what breaks it."""
        return cls(code, f"{rules[code]}: {seen:.200}", Place(pointer=pointer or None))

    def __str__(self) -> str:
        where = f"{self.place}: " if str(self.place) else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.code} {self.message}{hint}"


class AccordError(Exception):
    """Root of all errors of Accord; `problems` is never empty."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems

    @classmethod
    def of(cls, code: str, message: str, *, hint: str | None = None, place: Place | None = None) -> Self:
        """One error with one problem."""
        return cls(Problem(code, message, place or Place(), hint))

    @classmethod
    def raise_if(cls, problems: Iterable[Problem]) -> None:
        """Raise this error with all of `problems`, unless there are none."""
        found = tuple(problems)
        if found:
            raise cls(*found)


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems, each once, by file, line and column; those without a place come first, as they were."""

    def position(problem: Problem) -> tuple[str, int, int]:
        place = problem.place
        return place.file or "", place.line or 0, place.column or 0

    return tuple(sorted(dict.fromkeys(problems), key=position))


class Problems:
    """What is wrong with several things, gathered so that all of it can be told at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def attempt(self, make: Callable[[], T]) -> T | None:
        """What `make` gives; None, and its problems with the others, where it refuses what it was given."""
        try:
            return make()
        except (BadInput, NotFound) as error:
            self.found.extend(error.problems)
            return None

    def refuse(self) -> None:
        """Raise BadInput with all problems in their order, unless there are none."""
        BadInput.raise_if(in_order(self.found))


def refusal_of(kind: str, problems: Iterable[Problem]) -> AccordError:
    """The error of a kind that crossed a process, see `kind_of`."""
    return _KINDS.get(kind, AccordError)(*problems)


def kind_of(error: AccordError) -> str:
    """What kind of error it is, in a word that may cross processes."""
    return next((kind for kind, cls in _KINDS.items() if isinstance(error, cls)), "error")


class BadInput(AccordError):
    """What a caller gave is wrong; nothing was changed."""


class TemplateInvalid(BadInput):
    """A template or capability file that breaks the rules of its language."""


class ContractViolation(BadInput):
    """A value that breaks a JSON Schema, or a schema that is none."""


class ExpressionInvalid(BadInput):
    """A CEL expression that does not parse, does not type-check, or cannot be evaluated."""


class NotUnderstood(BadInput):
    """An objective for which there is no confident plan."""

    several: tuple[str, ...] = ()
    """The names of the templates that are about equally likely to be meant, the likeliest first. Set by whoever raises
    it; none of one that has crossed a process whose answer did not tell."""


class Wanting(msgspec.Struct, frozen=True):
    """What is to be said yet before an objective can be planned."""

    template: str
    """`name@version`: what is meant."""
    digest: str
    input: dict[str, Any]
    """What was said of its input."""
    schema: dict[str, Any]
    """A JSON Schema of what was not: an object with these members, all of them needed."""
    document: dict[str, Any] | None = None
    """The graph, where nothing is missing but that somebody accepts it: it is not sure that it is meant (ACC818). Who
    accepts it plans the objective as `template`."""


class InputRequired(NotUnderstood):
    """It is clear which template is meant; part of its input was not said."""

    wanting: Wanting | None = None
    """Set by whoever raises it; None of one that has crossed a process whose answer did not tell."""


class Refused(AccordError):
    """Well-formed, but not allowed now."""


class TransitionRefused(Refused):
    """The state machine has no such transition."""


class MessageRefused(Refused):
    """A message that the gate, or an agent, does not accept."""


class Overloaded(Refused):
    """Admission control refused new work; try again later."""


class RateLimited(Overloaded):
    """One caller asks too often, or has too much to do already; `retry_after_s` says when another try is worth it."""

    retry_after_s: float = 1.0


class BusUnavailable(Overloaded):
    """The bus cannot be reached, or does not take the message now; some may have arrived, trying again is safe."""


class Unauthenticated(Refused):
    """There is no credential, or one that is not accepted."""


class Forbidden(Refused):
    """The credential is good, but its role does not allow this."""


class NotFound(AccordError):
    """A run, task, template, agent or key that does not exist."""


class KeyUnusable(AccordError):
    """A key that cannot be read, is unsafe, expired or revoked."""


class KeysUnavailable(KeyUnusable):
    """What holds the keys cannot be reached, or does not answer in time; trying again is safe."""


class StoreError(AccordError):
    """The journal or blob store failed."""


class SequenceConflict(StoreError):
    """Somebody else appended to the stream first; read it again."""


class Fenced(StoreError):
    """The partition has another owner now; this one must stop."""


class StoreUnavailable(StoreError):
    """The store cannot be reached, or is full; nothing was written, trying again is safe."""


class StoreCorrupt(StoreError):
    """The hash chain, a digest or the schema of the store does not hold."""


_KINDS: dict[str, type[AccordError]] = {
    "template_invalid": TemplateInvalid,
    "contract_violation": ContractViolation,
    "expression_invalid": ExpressionInvalid,
    "input_required": InputRequired,
    "not_understood": NotUnderstood,
    "bad_input": BadInput,
    "transition_refused": TransitionRefused,
    "message_refused": MessageRefused,
    "unauthenticated": Unauthenticated,
    "forbidden": Forbidden,
    "rate_limited": RateLimited,
    "bus_unavailable": BusUnavailable,
    "overloaded": Overloaded,
    "refused": Refused,
    "not_found": NotFound,
    "keys_unavailable": KeysUnavailable,
    "key_unusable": KeyUnusable,
    "sequence_conflict": SequenceConflict,
    "fenced": Fenced,
    "store_unavailable": StoreUnavailable,
    "store_corrupt": StoreCorrupt,
    "store": StoreError,
}
"""By the word for it that crosses processes; a class stands before those that it is a part of."""
