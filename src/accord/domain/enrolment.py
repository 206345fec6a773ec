"""Enrolment tokens: what an agent joins with, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from accord.domain.agent import Capacity, agent_problems
from accord.domain.capability import CapabilityRange
from accord.domain.ids import AgentId
from accord.errors import AccordError, BadInput, Problem

VALID_FOR: Final = timedelta(hours=24)
"""How long a token may wait to be used, where nothing else is said."""

_ANY: Final = Capacity(1, 0)


def lifetime_problems(length: timedelta | None) -> Iterator[Problem]:
    """What is wrong with a key's length of life (ACC666); None is for good."""
    if length is not None and length <= timedelta(0):
        yield Problem("ACC666", f"a key cannot be valid for {length}", hint="for example 90d")


class EnrolmentToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a token; of its secret, nothing."""

    id: str
    agent: AgentId
    offers: tuple[str, ...] = ()
    """Capabilities, `name` or `name@range`; anything where empty."""
    issued_at: datetime
    issued_by: str
    expires_at: datetime
    key_valid_s: float | None = None
    """How long the key that is enrolled with it may sign; None: it does not end by itself."""
    used_at: datetime | None = None
    revoked_at: datetime | None = None

    def usable(self, now: datetime) -> bool:
        """Whether an agent can be enrolled with it at this time."""
        return self.used_at is None and self.revoked_at is None and now < self.expires_at


class IssuedEnrolmentToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that was issued just now, with its text, which is shown this once."""

    token: EnrolmentToken
    text: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a token is to be."""

    name: str
    organisation: str
    offers: tuple[str, ...] = ()
    valid_for: timedelta = VALID_FOR
    key_valid_for: timedelta | None = None
    """How long the key that is enrolled may sign; None: it does not end by itself."""

    def check(self) -> None:
        """Raise BadInput with all that is wrong."""
        problems = list(agent_problems(self.name, self.organisation, _ANY))
        for offer in self.offers:
            try:
                CapabilityRange.parse(offer)
            except AccordError as error:
                problems.extend(error.problems)
        if self.valid_for <= timedelta(0):
            problems.append(Problem("ACC780", f"a token cannot be valid for {self.valid_for}"))
        problems.extend(lifetime_problems(self.key_valid_for))
        BadInput.raise_if(problems)
