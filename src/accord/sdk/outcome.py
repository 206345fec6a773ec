"""What an agent's function gives back: a value, a `Result`, or a `Failure` that it raises."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Generic, TypeAlias, TypeVar

import msgspec
import orjson

from accord.domain.cost import cost_text
from accord.domain.labels import Declassification, read_labels, told
from accord.domain.large import Blob
from accord.domain.payloads import CODE_PATTERN, FailurePayload, bounded
from accord.errors import BadInput

T = TypeVar("T")

DETAILS_MAX_BYTES = 256 * 1024
"""What the details of a failure may hold."""


Cost: TypeAlias = Decimal | str | int
"""A cost: a decimal number, also as text. A float is none: it is not what was counted."""


def read_cost(cost: Cost | None) -> str | None:
    """The cost as it is sent. Raises BadInput ACC720 where it is no decimal from 0, or has too many digits."""
    if cost is None:
        return None
    try:
        text = None if isinstance(cost, (float, bool)) else cost_text(Decimal(cost))
    except InvalidOperation:
        text = None
    if text is None:
        hint = 'a decimal such as Decimal("0.25") or "0.25": at most 12 digits before the point, 9 behind it, no float'
        raise BadInput.of("ACC720", f"{cost!r} is no cost", hint=hint)
    return text


class Result(msgspec.Struct, Generic[T], frozen=True):
    """A value with the agent's own estimate, 0 to 1, of how far it can be relied on, what it has cost, in the unit
    that the organisation counts in, and what is to be said of its labels.

    Raises BadInput: ACC721 where the confidence is outside of that, ACC720 where the cost is no decimal from 0, ACC690
    for what is no label.
    """

    value: T
    confidence: float | None = None
    cost: Cost | None = None
    labels: tuple[str, ...] = ()
    """Labels beside those of what the agent was given."""
    declassified: bool = False
    """Whether what `Context.declassify` asks for was done: only then the result has lower labels."""

    def __post_init__(self) -> None:
        read_cost(self.cost)
        read_labels(self.labels)
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise BadInput.of("ACC721", f"the confidence is {self.confidence}", hint="give a number from 0 to 1")

    def output(self, data: bytes) -> Output:
        """The output that has these bytes, and all that is said of it."""
        return Output(
            data, self.confidence, self.cost, labels=told(read_labels(self.labels)), declassified=self.declassified
        )


class Failure(Exception):
    """Raised by an agent's function that knows why it has no result.

    `code` is for programs, `message` for people, `details` any JSON value; `retryable` tells whether the same
    input may succeed on another try, and `cost` what was spent all the same.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        details: object = None,
        cost: Cost | None = None,
    ) -> None:
        if re.fullmatch(CODE_PATTERN, code) is None:
            hint = "letters, digits, `.`, `_` and `-`, at most 128"
            raise BadInput.of("ACC729", f"`{code:.80}` is no code of a failure", hint=hint)
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.details = details
        self.cost = read_cost(cost)

    @property
    def payload(self) -> FailurePayload:
        """The failure as it is sent."""
        return FailurePayload(
            code=self.code,
            message=bounded(self.message),
            retryable=self.retryable,
            details=_json_of(self.details),
        )


def _json_of(details: object) -> object:
    """The details as JSON types, in words what is none; nothing where they are too many to be sent."""
    try:
        data = orjson.dumps(details, default=repr, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        return repr(details)[:DETAILS_MAX_BYTES]
    return orjson.loads(data) if len(data) <= DETAILS_MAX_BYTES else None


class Output(msgspec.Struct, frozen=True, gc=False):
    """An output document's exact bytes, the confidence in it, and what it has cost."""

    data: bytes
    confidence: float | None = None
    cost: Cost | None = None
    blob: Blob | None = None
    """The document, where it is large and was uploaded; then `data` is empty."""
    labels: tuple[str, ...] = ()
    """Beside those of what the agent was given."""
    declassified: bool = False
    """Whether the agent says that it has done what the task asks for."""
    declassifies: tuple[str, ...] = ()
    """What the task asks for, where the agent has done it."""

    def claiming(self, asked: Declassification | None) -> Output | Failure:
        """The output with what it claims; a failure where it claims what nobody has asked for."""
        if not self.declassified:
            return self
        if asked is None:
            return Failure("nothing-to-declassify", "the task asks for no declassification", cost=self.cost)
        return msgspec.structs.replace(self, declassifies=asked.claim)
