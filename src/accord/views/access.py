"""What lets somebody in: API keys, tokens with which agents join, sessions of the console."""

from __future__ import annotations

from datetime import datetime

import msgspec

from accord.domain.access import ApiKey, Principal, Right, Session, SignInLink
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


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what they may do."""

    principal: Principal
    rights: tuple[Right, ...]
    """To the run that was named, or where none was, to the orchestrator as a whole."""
    expires_at: datetime | None
    """When they have to sign in again; None for who shows a credential with each request."""


def bearer(session: Session, rights: tuple[Right, ...]) -> Bearer:
    """Who is signed in."""
    return Bearer(principal=session.principal, rights=rights, expires_at=session.expires_at)


def link_at(url: str, link: SignInLink) -> str:
    """The address that signs in. The secret is behind the `#`: browsers send that to nobody."""
    return f"{url}/#sign-in={link.secret}"
