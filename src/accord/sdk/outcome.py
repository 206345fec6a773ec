"""What an agent's function gives back: a value, a `Result`, or a `Failure` that it raises."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from accord.domain.payloads import FailurePayload, bounded
from accord.errors import BadInput

T = TypeVar("T")


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
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.details = details

    @property
    def payload(self) -> FailurePayload:
        """The failure as it is sent."""
        return FailurePayload(
            code=self.code, message=bounded(self.message), retryable=self.retryable, details=self.details
        )


class Output(msgspec.Struct, frozen=True, gc=False):
    """An output document's exact bytes, and the confidence in it."""

    data: bytes
    confidence: float | None = None
