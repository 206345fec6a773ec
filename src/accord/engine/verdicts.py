"""What the gate says of messages, and by which codes it refuses them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from accord.domain import command as c
from accord.domain.contract import Contract
from accord.domain.ids import AgentId, Digest, RunId, TaskId
from accord.domain.message import Claims, Message
from accord.domain.payloads import AskPayload
from accord.errors import MessageRefused, Problem
from accord.ports import Delivery

REFUSALS: Final[Mapping[str, str]] = {
    "ACC340": "the key is unknown, revoked, or replaced by another one",
    "ACC341": "the statement is not by the agent that the key belongs to",
    "ACC342": "the message is for somebody else",
    "ACC343": "the message has expired",
    "ACC344": "the message is from the future",
    "ACC345": "an orchestrator does not take messages of this kind",
    "ACC346": "a claim that this kind needs is missing",
    "ACC347": "there is no such run, task or attempt",
    "ACC348": "the attempt was assigned to another agent",
    "ACC349": "the lease is another one",
    "ACC350": "capability or contract are not those of the attempt",
    "ACC881": "the answer does not name its assignment",
    "ACC351": "another answer to this attempt was accepted already",
    "ACC352": "the transport is at fault: the payload is not the one that was signed",
    "ACC353": "the agent may not do this",
    "ACC482": "the lines of a log are too many for one message",
    "ACC483": "a line of a log is too long",
    "ACC354": "it met a fault of Accord's",
    "ACC664": "the key has expired: its agent needs a new one",
    "ACC675": "the policy does not let the agent do this",
    "ACC692": "the result claims a declassification that the task does not allow",
    "ACC355": "a claim is there that this kind has not",
}
"""What makes a message an incident, by code; ACC30x to ACC32x are those of the statement itself."""

CODES: Final = {"audience": "ACC342", "expired": "ACC343", "future": "ACC344", "payload": "ACC352"}
"""The codes of what is wrong with a message, by the names of its flaws."""


class Authentic(msgspec.Struct, frozen=True, gc=False):
    """A message whose statement is by whom it says, for us, and in time."""

    delivery: Delivery
    claims: Claims

    @property
    def message(self) -> Message:
        """The message itself."""
        return self.delivery.message


class Suspect(msgspec.Struct, frozen=True):
    """A message that was refused, as evidence for an incident."""

    delivery: Delivery
    problem: Problem
    claims: Claims | None = None
    """Only of a statement whose signature holds."""
    signer: AgentId | None = None
    """Whose key has signed it, where the signature holds."""


class Late(msgspec.Struct, frozen=True):
    """An honest answer that comes after the attempt has ended: a redelivery, or too late. It is acknowledged, no
    more.
    """

    claims: Claims


class Damaged(msgspec.Struct, frozen=True):
    """An authentic answer whose payload is not the one that was signed: an incident, and no fault of the agent's."""

    suspect: Suspect
    command: c.Damage


class Barred(msgspec.Struct, frozen=True):
    """An authentic message of an agent that may not do this any more: an incident, and somebody else gets the task."""

    suspect: Suspect
    command: c.Bar


class Unchecked(msgspec.Struct, frozen=True):
    """A result whose payload was uploaded, and of which nobody has found out yet whether it keeps the contract."""

    run: RunId
    digest: Digest
    contract: Contract


class Asked(msgspec.Struct, frozen=True):
    """An agent asks for something while it works."""

    authentic: Authentic
    wanted: AskPayload

    @property
    def task(self) -> TaskId:
        """The task that it works at."""
        return self.authentic.claims.task or TaskId("")

    @property
    def attempt(self) -> int:
        """The number of the attempt."""
        return self.authentic.claims.attempt or 0

    @property
    def call(self) -> Digest:
        """Names what is asked for."""
        payload = self.authentic.claims.payload
        return payload.sha256 if payload is not None else Digest("")


class News(msgspec.Struct, frozen=True):
    """Progress: for those who watch, not for the journal."""

    claims: Claims
    payload: bytes


def problem_at(code: str, pointer: str, seen: str) -> Problem:
    """Why a message is refused: what was seen at this place of its claims."""
    return Problem.ruled(REFUSALS, code, pointer, seen)


def refused(code: str, pointer: str, seen: str) -> MessageRefused:
    """The same as an error."""
    return MessageRefused(problem_at(code, pointer, seen))
