"""Access: who is let in, and what is told to others by webhook."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from accord.domain.access import ApiKey, IssuedApiKey, Role
from accord.domain.enrolment import VALID_FOR, EnrolmentToken, IssuedEnrolmentToken
from accord.domain.webhook import IssuedWebhook, Subscription, Webhook


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """Who may join, offering what."""

    name: str
    organisation: str | None = None
    """None: the orchestrator's own."""
    offers: tuple[str, ...] = ()
    """Capabilities, `name` or `name@range`; anything where empty."""
    valid_s: float = VALID_FOR.total_seconds()
    key_valid_s: float | None = None
    """How long the key that is enrolled may sign; None: it does not end by itself."""


class Access(Protocol):
    """What may be asked of those who are let in, and of webhooks."""

    async def api_keys(self) -> list[ApiKey]:
        """All API keys that were ever issued, the oldest first."""
        ...

    async def issue_api_key(
        self, name: str, role: Role, *, by: str, expires_at: datetime | None = None
    ) -> IssuedApiKey:
        """A new API key, with its text, which nobody can be told again.

        Raises:
            BadInput: nothing can be called that, or it would have expired already.
            Refused: there is a usable key of this name.
        """
        ...

    async def revoke_api_key(self, name: str, *, by: str) -> ApiKey:
        """Revoke the key of this id, or the newest one of this name; again is no error. Raises NotFound."""
        ...

    async def enrolment_tokens(self) -> list[EnrolmentToken]:
        """All tokens that were ever issued, the oldest first."""
        ...

    async def issue_enrolment_token(self, wanted: Invitation, *, by: str) -> IssuedEnrolmentToken:
        """A new token with which an agent joins, with its text, which nobody can be told again. Raises BadInput."""
        ...

    async def withdraw_enrolment_token(self, token: str, *, by: str) -> EnrolmentToken:
        """Let a token allow nothing any more; again is no error. Raises NotFound."""
        ...

    async def webhooks(self) -> list[Webhook]:
        """All webhooks that there are, the oldest first."""
        ...

    async def webhook(self, webhook: str) -> Webhook:
        """The webhook of this id, with how much of what it was to be told was given up. Raises NotFound."""
        ...

    async def add_webhook(self, wanted: Subscription, *, by: str) -> IssuedWebhook:
        """Tell an endpoint of what happens from now on, by whichever server of the store owns a run; with the secret
        that signs it, which nobody can be told again. Raises BadInput, with all that is wrong.
        """
        ...

    async def remove_webhook(self, webhook: str, *, by: str) -> Webhook:
        """Tell an endpoint nothing any more. Raises NotFound."""
        ...
