"""What a program or an endpoint says beside its output: how sure it is, what it has cost, or why there is none.

A plain output stays plain. A program says more in an envelope, `{"output": ..., "confidence": 0.9, "cost": "0.25"}` or
`{"failure": {...}}`: declared for a command that is started for each task, always for lines. An endpoint says it in
headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from accord.domain.labels import MOST, LabelName, told
from accord.domain.message import strict_json
from accord.domain.payloads import SHARE, FailurePayload
from accord.errors import BadInput, MessageRefused
from accord.sdk.outcome import Failure, Output, read_cost

CONFIDENCE_HEADER: Final = "Accord-Confidence"
COST_HEADER: Final = "Accord-Cost"


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An `output` or a `failure`, and what is known about it."""

    output: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    failure: FailurePayload | None = None
    confidence: Annotated[float, SHARE] | None = None
    cost: str | None = None
    labels: Annotated[tuple[LabelName, ...], msgspec.Meta(max_length=MOST)] = ()
    """Of the output, beside those of what the program was given."""
    declassified: bool = False

    def outcome(self) -> Output | Failure:
        """What the task comes to. Raises MessageRefused where it is not exactly one thing, BadInput for a bad cost."""
        read_cost(self.cost)
        if isinstance(self.output, msgspec.Raw) == (self.failure is not None):
            raise MessageRefused.of("ACC330", "an answer has either `output` or `failure`")
        if isinstance(self.output, msgspec.Raw):
            said = told(self.labels)
            return Output(bytes(self.output), self.confidence, self.cost, labels=said, declassified=self.declassified)
        assert self.failure is not None  # noqa: S101 - one of both is there
        why = self.failure
        return Failure(why.code, why.message, retryable=why.retryable, details=why.details, cost=self.cost)


def opened(data: bytes) -> Output:
    """The output in an envelope. Raises the Failure that is in it, or `answer-malformed` where it is no envelope."""
    try:
        strict_json(data)
        outcome = msgspec.json.decode(data, type=Envelope).outcome()
    except (MessageRefused, BadInput, msgspec.ValidationError) as error:
        raise malformed(f"the program's answer is no envelope: {error}") from None
    if isinstance(outcome, Failure):
        raise outcome
    return outcome


def confidence_in(headers: Mapping[str, str]) -> float | None:
    """The confidence that a response's headers tell. Raises Failure `answer-malformed` where it is none."""
    text = headers.get(CONFIDENCE_HEADER)
    if text is None:
        return None
    try:
        confidence: float = msgspec.convert(text, Annotated[float, SHARE], strict=False)
    except msgspec.ValidationError:
        raise malformed(f"the header {CONFIDENCE_HEADER} is {text!r:.100}, no number from 0 to 1") from None
    return confidence


def cost_in(headers: Mapping[str, str]) -> str | None:
    """The cost that a response's headers tell. Raises Failure `answer-malformed` where it is none."""
    try:
        return read_cost(headers.get(COST_HEADER))
    except BadInput as error:
        raise malformed(f"the header {COST_HEADER}: {error.problems[0].message}") from None


def malformed(message: str) -> Failure:
    """The failure of an attempt whose answer cannot be understood."""
    return Failure("answer-malformed", message, retryable=True)
