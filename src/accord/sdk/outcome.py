"""What an agent's function gives back: a value, a `Result`, or a `Failure` that it raises."""

from __future__ import annotations

import re
from typing import Generic, TypeVar

import msgspec
import orjson

from accord.domain.payloads import CODE_PATTERN, FailurePayload, bounded
from accord.errors import BadInput

T = TypeVar("T")

DETAILS_MAX_BYTES = 256 * 1024
"""What the details of a failure may hold."""


class Result(msgspec.Struct, Generic[T], frozen=True):
    """A value with the agent's own estimate, 0 to 1, of how far it can be relied on.

    Raises BadInput ACC721 where the confidence is outside of that.
    """

    value: T
    confidence: float | None = None

    def __post_init__(self) -> None:
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise BadInput.of("ACC721", f"the confidence is {self.confidence}", hint="give a number from 0 to 1")


class Failure(Exception):
    """Raised by an agent's function that knows why it has no result.

    `code` is for programs, `message` for people, `details` any JSON value; `retryable` tells whether the same
    input may succeed on another try.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False, details: object = None) -> None:
        if re.fullmatch(CODE_PATTERN, code) is None:
            hint = "letters, digits, `.`, `_` and `-`, at most 128"
            raise BadInput.of("ACC729", f"`{code:.80}` is no code of a failure", hint=hint)
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.details = details

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
    """An output document's exact bytes, and the confidence in it."""

    data: bytes
    confidence: float | None = None
