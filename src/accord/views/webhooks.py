"""Webhooks as programs get them."""

from __future__ import annotations

import msgspec

from accord.domain.webhook import Webhook


class WebhookPage(msgspec.Struct, frozen=True):
    """A page of webhooks, the oldest first."""

    webhooks: tuple[Webhook, ...]
    next: str | None
    """The id of the page's last webhook, behind which the next one begins; None where there is none."""
