"""Webhooks: who is told of which events, as CloudEvents 1.0, signed as Standard Webhooks says."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import msgspec

from accord.domain.ids import Digest, RunId

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what secrets begin with, and none

MEDIA_TYPE: Final = "application/cloudevents+json"


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """Who is to be told of what."""

    url: str
    types: tuple[str, ...] = ()
    """Kinds of events, `run.completed`, or their beginning, `run.*`; all where empty."""
    templates: tuple[str, ...] = ()
    """Names of templates, or `name@version`; all where empty."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint, and what it is told of; of its secret, nothing."""

    id: str
    url: str
    added_at: datetime
    added_by: str
    types: tuple[str, ...] = ()
    """Kinds of events, `run.completed`, or their beginning, `run.*`; all where empty."""
    templates: tuple[str, ...] = ()
    """Names of templates, or `name@version`; all where empty."""
    given_up: int = 0
    """How many events it was not told of because it did not take them in time."""
    problem: str = ""
    """Why the last of them was given up."""

    def admits(self, kind: str, template: str) -> bool:
        """Whether it is told of such an event of a run of this template."""
        return self._wants(kind) and (
            not self.templates or template in self.templates or template.partition("@")[0] in self.templates
        )

    def admits_alert(self, kind: str) -> bool:
        """Whether it is told of such an alert, which is about no template."""
        return self._wants(kind) and not self.templates

    def _wants(self, kind: str) -> bool:
        return not self.types or any(matches(one, kind) for one in self.types)


class IssuedWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that was added just now, with its secret, which is shown this once."""

    webhook: Webhook
    secret: str


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a run an endpoint was told."""

    sequence: int
    at: datetime
    done: bool = False
    """Whether that is the run's end."""


def cloud_event(organisation: str, run: RunId, template: str, sequence: int, stored: tuple[Digest, bytes]) -> bytes:
    """The event as a CloudEvent in structured mode; `stored` is the journal's digest and bytes."""
    digest, data = stored
    event: Mapping[str, Any] = msgspec.json.decode(data)
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": event_id(run, sequence),
            "source": f"urn:accord:{organisation}",
            "type": f"accord.{event['event']}",
            "subject": run,
            "time": event["at"],
            "datacontenttype": "application/json",
            "data": {
                "run": run,
                "template": template,
                "sequence": sequence,
                "digest": digest,
                "event": msgspec.Raw(data),
            },
        }
    )


def event_id(run: RunId, sequence: int) -> str:
    """Names an event for ever: whoever is told twice knows it by that."""
    return f"{run}.{sequence}"


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: HMAC-SHA256 over id, time and body (Standard Webhooks 1.0)."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, sha256)
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def matches(wanted: str, kind: str) -> bool:
    """Whether a kind of events, or the beginning of some, means this one."""
    name = kind.partition("@")[0]
    return name.startswith(wanted[:-1]) if wanted.endswith("*") else name == wanted
