"""Pages of what lets somebody in: API keys, and tokens with which agents join."""

from __future__ import annotations

import msgspec

from accord.domain.access import ApiKey
from accord.domain.enrolment import EnrolmentToken


class ApiKeyPage(msgspec.Struct, frozen=True):
    """A page of API keys, the oldest first."""

    keys: tuple[ApiKey, ...]
    next: str | None
    """The id of the page's last key, behind which the next one begins; None where there is none."""


class EnrolmentTokenPage(msgspec.Struct, frozen=True):
    """A page of enrolment tokens, the oldest first."""

    tokens: tuple[EnrolmentToken, ...]
    next: str | None
    """The id of the page's last token, behind which the next one begins; None where there is none."""
